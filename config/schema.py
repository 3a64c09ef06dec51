"""JSON Schema of session and rig files: editors complete and check by it."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from rigd.config.rig import Rig
from rigd.config.session import Session

Schema = dict[str, Any]


def session_schema() -> Schema:
    """Schema of a session file; its `rig:` is a mapping or the path of a rig file."""
    schema = _schema(Session, "rigd session")
    rig = schema["properties"]["rig"]
    schema["properties"]["rig"] = {
        "anyOf": [{"$ref": rig.pop("$ref")}, {"type": "string"}],
        **rig,
    }
    return schema


def rig_schema() -> Schema:
    """Schema of a rig file."""
    return _schema(Rig, "rigd rig")


def _schema(model: type[Session] | type[Rig], title: str) -> Schema:
    schema = model.model_json_schema(mode="validation")
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": title}
