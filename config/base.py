"""The model that every part of a rig or session file inherits, and its own errors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Frozen, refuses unknown keys; a string below a field is its description.

    NaN and infinity are refused: JSON, which carries settings to other processes,
    has no word for them.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )


@dataclass(frozen=True, slots=True)
class Misfit:
    """Two values that do not fit together; `at` leads to the one to point at."""

    at: tuple[str | int, ...]
    what: str
    at_key: bool = False
    """The key itself is at fault, not its value."""


class MisfitError(ValueError):
    """Raised by a validator that knows several faults, or where in its model one is."""

    def __init__(self, misfits: Iterable[Misfit]) -> None:
        self.misfits = tuple(misfits)
        super().__init__("; ".join(misfit.what for misfit in self.misfits))


def entries(value: object) -> Mapping[str, object]:
    """The entries of a mapping; none where the value is no mapping."""
    return value if isinstance(value, dict) else {}
