"""`log.jsonl`: what happened in a session, in order, one JSON object a line."""

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import structlog

from rigd.daemon.event_log import EventLog
from rigd.daemon.seal import SEALED_MODE


def stamp(
    logger: object, method: str, entry: Mapping[str, object]
) -> Mapping[str, object]:
    """Put time (UTC), CLOCK_MONOTONIC (ns), level and event in front of an entry."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    what = {"level": method, "event": entry["event"]}
    return {
        "time": now, "monotonic_ns": time.monotonic_ns(), **what, **entry
    }  # fmt: skip


class SessionLog(EventLog):
    """Writes every event of a session; progress once a minute."""

    def __init__(self, path: Path) -> None:
        """Begin, or go on with, the log at `path`."""
        self._file = path.open("a", buffering=1)
        super().__init__(
            structlog.wrap_logger(
                structlog.WriteLogger(self._file),
                processors=[stamp, structlog.processors.JSONRenderer()],
                wrapper_class=structlog.make_filtering_bound_logger(0),
            )
        )

    def close(self) -> None:
        """Say how much was left out; close, read-only. A full disk is no error here."""
        try:
            self.say_what_was_left_out()
            self._file.close()
            os.chmod(self._file.name, SEALED_MODE)
        except OSError:
            return
