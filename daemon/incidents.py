"""What happened to the processes of a session, read back from its log."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from pydantic import ConfigDict, ValidationError

from rigd.config.base import Model
from rigd.daemon.session_events import What


class IncidentEntry(Model):
    """One incident, and when it was."""

    model_config = ConfigDict(extra="ignore")  # the log's entries have more

    time: datetime
    """Wall clock (UTC)."""
    monotonic_ns: int
    """CLOCK_MONOTONIC, ns."""
    process: str
    """`source:<device>` or `writer:<stream>`."""
    what: What
    cause: str
    streams: list[str]
    """The streams that the process carries."""


def read_incidents(log: Path) -> list[IncidentEntry]:
    """Read the incidents of a session, in order; lines that are damaged have none."""
    try:
        lines = log.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [entry for line in lines for entry in _incident(line)]


def _incident(line: bytes) -> Sequence[IncidentEntry]:
    if b'"incident"' not in line:
        return ()
    try:
        return (IncidentEntry.model_validate_json(line),)
    except ValidationError:
        return ()


def given_up(incidents: Iterable[IncidentEntry]) -> dict[str, str]:
    """Say of each stream why a process that carried it was not started again."""
    return {
        stream: f"its {entry.process.partition(':')[0]} was given up: {entry.cause}"
        for entry in incidents
        if entry.what == "given up"
        for stream in entry.streams
    }
