"""Names that become parts of paths and NWB objects, checked once at the edge."""

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

_STREAM_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"
_ENTITY_NAME = r"^[A-Za-z0-9][A-Za-z0-9+-]{0,63}$"
_SESSION_ID = r"^([A-Za-z0-9]|\{date\}|\{time\})([A-Za-z0-9+-]|\{date\}|\{time\})*$"
_PLACEHOLDERS = {"date": "%Y%m%d", "time": "%H%M%S"}


def _stream_name(name: str) -> str:
    if re.fullmatch(_STREAM_NAME[1:-1], name) is None:
        raise ValueError(
            f"`{name}` is not a name: a letter, then letters, digits and `_`, "
            "at most 64 in all"
        )
    return name


def _entity_name(name: str) -> str:
    if re.fullmatch(_ENTITY_NAME[1:-1], name) is None:
        raise ValueError(
            f"`{name}` can't be part of a file name: letters, digits, `+` and `-`, "
            "the first a letter or digit, at most 64 in all"
        )
    return name


def fill_placeholders(session_id: str, now: datetime) -> str:
    """The id with `{date}` and `{time}` replaced, checked to be an `EntityName`.

    Raises:
        ValueError: Another placeholder, or the result is no `EntityName`.

    """

    def fill(match: re.Match[str]) -> str:
        if match[1] not in _PLACEHOLDERS:
            allowed = ", ".join(f"`{{{name}}}`" for name in _PLACEHOLDERS)
            raise ValueError(f"unknown placeholder `{match[0]}`; allowed are {allowed}")
        return now.strftime(_PLACEHOLDERS[match[1]])

    return _entity_name(re.sub(r"\{([^{}]*)\}", fill, session_id))


def _session_id(session_id: str) -> str:
    fill_placeholders(session_id, datetime(2000, 1, 1))
    return session_id


StreamName = Annotated[
    str,
    AfterValidator(_stream_name),
    WithJsonSchema({"type": "string", "pattern": _STREAM_NAME}),
]
"""A stream, device or probe: a letter, then letters, digits and `_`; at most 64."""

EntityName = Annotated[
    str,
    AfterValidator(_entity_name),
    WithJsonSchema({"type": "string", "pattern": _ENTITY_NAME}),
]
"""A subject or session id: letters, digits, `+`, `-`; `_` separates the parts of
the file names (`sub-<subject>_ses-<session>.nwb`), so it is not allowed here."""

SessionId = Annotated[
    str,
    AfterValidator(_session_id),
    WithJsonSchema({"type": "string", "pattern": _SESSION_ID}),
]
"""An `EntityName` in which `{date}` and `{time}` stand for the start."""
