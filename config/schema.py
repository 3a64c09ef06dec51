"""JSON Schema of session and rig files: editors complete and check by it."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from rigd.config.rig import Rig
from rigd.config.session import Session

Schema = dict[str, Any]


class _Generator(GenerateJsonSchema):
    """Refuses keys that are not names, where a mapping goes by name."""

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Describe a mapping."""
        described = super().dict_schema(schema)
        if "patternProperties" in described:
            described["additionalProperties"] = False
        return described


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
    schema = model.model_json_schema(schema_generator=_Generator, mode="validation")
    return {"$schema": _Generator.schema_dialect, **schema, "title": title}
