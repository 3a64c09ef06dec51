"""The start of a session as it stands on disk: `record.json`.

Together with `session.yaml` and the stream files it is all that finalizing needs.
"""

import hashlib
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from rigd.config.base import Model
from rigd.daemon.stream_record import StreamRecord

CHECKSUM = "sha256"
"""Key of the file for the checksum of all else in it."""


class Follows(Model):
    """The session that was cut off, and that this one goes on with."""

    session: str
    """Its id; its folder lies beside this one's."""
    last_utc: datetime
    """Wall clock when its files last changed: the outage begins there, and ends with
    the start of this session."""

    def in_words(self, start_utc: datetime) -> str:
        """Say it for a session that starts, or has started, at `start_utc`."""
        outage = (start_utc - self.last_utc).total_seconds()
        return (
            f"goes on with session {self.session}, which was cut off at "
            f"{self.last_utc.isoformat(timespec='milliseconds')}, {outage:.3f} s before"
        )


class SessionRecord(Model):
    """What was true when the session started."""

    version: int = 1
    """Version of this file's layout."""
    identifier: str
    """UUID of the session, the NWB identifier of the session file."""
    session: str
    """Session id."""
    subject: str
    """Subject id."""
    start_utc: datetime
    """Wall clock at the start, the NWB `session_start_time`."""
    start_monotonic_ns: int
    """CLOCK_MONOTONIC at the same moment: time 0 of the session."""
    software: dict[str, str]
    """Versions of rigd and its libraries."""
    streams: dict[str, StreamRecord] = Field(default_factory=dict)
    """All declared streams that could be opened, by name."""
    follows: Follows | None = None
    """The session that this one goes on with; None: it is the first run."""
    overridden: list[str] = Field(default_factory=list)
    """What spoke against the start, of which it was said that it shall not count."""
    settings_sha256: str | None = None
    """SHA-256 of `session.yaml` as the session began, in hex: units, names and factors
    of the session file come from there. None: not noted."""

    def save(self, path: Path) -> None:
        """Write to `path` so that it is there whole or not at all, with a checksum."""
        values = self.model_dump(mode="json")
        values[CHECKSUM] = checksum(values)
        write_whole(path, json.dumps(values, indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> "SessionRecord":
        """Read `path`.

        Raises:
            OSError: It can't be read.
            ValueError: It is no record, or not as it was saved: all times and rows of
                the session depend on it.

        """
        values = json.loads(path.read_bytes())
        told = values.pop(CHECKSUM, None) if isinstance(values, dict) else None
        if told != checksum(values):
            raise ValueError(
                "it was changed since the session began (its checksum is wrong); "
                "put the file back as it was"
            )
        return cls.model_validate(values)


def checksum(values: Any) -> str:
    """Return the SHA-256 of JSON values, in hex, however they are written."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a small file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_whole(path: Path, text: str) -> None:
    """Write a text file durably, whole or not at all: temporary name, fsync, rename."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_to_disk(path.parent)


def sync_to_disk(path: Path) -> None:
    """Bring a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
