"""The model that every part of a rig or session file inherits."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Frozen, refuses unknown keys; a string below a field is its description."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )
