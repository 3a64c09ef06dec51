"""Faults of configuration files: where they are and what is wrong, in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_core import ErrorDetails


@dataclass(frozen=True, order=True, slots=True)
class Fault:
    """One fault and its place.

    Attributes:
        file: The file as it was named.
        line, column: Place from 1; line 0 is the file as a whole.
        where: Keys that lead to the value, joined by dots; empty for the top.
        what: What is wrong and what is allowed.

    """

    file: str
    line: int
    column: int
    where: str
    what: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (place, self.where, self.what) if part)


class ConfigurationError(Exception):
    """A rig or session file can't be used. Holds all faults; one a line as text."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


_KINDS = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping of keys to values",
    "mapping": "a mapping of keys to values",
    "model": "a mapping of keys to values",
    "path": "a path",
    "datetime": "a date with time, e.g. 2026-11-25T14:25:01+01:00",
}
"""What a value should be, by the first word of pydantic's error type."""

_LIMITS = {
    "greater_than": "greater than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "multiple_of": "a multiple of {multiple_of}",
    "finite_number": "a finite number",
    "literal_error": "one of {expected}",
    "enum": "one of {expected}",
    "union_tag_invalid": "one of {expected_tags}",
    "invalid-json-value": "text, a number, true, false, a list or a mapping",
    "invalid_key": "a key that is text (put quotes around it)",
}
"""What a value should be, by pydantic's error type and its context."""


def in_words(error: ErrorDetails) -> str:
    """What is wrong with a value, what is allowed, and what was found."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return "is missing"
    if kind in ("too_short", "too_long"):
        return _wrong_length(kind, context)
    value = context.get("tag", error["input"])
    wanted = _wanted(kind, context)
    if wanted is None:
        message = error["msg"]
        return f"{message[:1].lower()}{message[1:]}, found {found(value)}"
    return f"must be {wanted}, found {found(value)}{_hint(kind, value)}"


def _wanted(kind: str, context: dict[str, object]) -> str | None:
    if kind in _LIMITS:
        return _LIMITS[kind].format(**context)
    word, _, rest = kind.partition("_")
    if rest.startswith(("type", "parsing", "from", "attributes", "object")):
        return _KINDS.get(word)
    return None


def _hint(kind: str, value: object) -> str:
    number = isinstance(value, int | float)
    return "; put quotes around it" if kind == "string_type" and number else ""


def _wrong_length(kind: str, context: dict[str, object]) -> str:
    if kind == "too_short":
        least = context["min_length"]
        return f"needs {least} or more entries, found {context['actual_length']}"
    return (
        f"may have at most {context['max_length']} entries, "
        f"found {context['actual_length']}"
    )


def found(value: object) -> str:
    """A value as the writer of the file would call it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value)
    return f"`{text}`" if len(text) <= 60 else f"`{text[:57]}...`"
