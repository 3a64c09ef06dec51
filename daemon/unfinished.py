"""Finds the sessions that were cut off, and says which of them are to go on."""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rigd.config.faults import ConfigurationError
from rigd.config.load import load_session
from rigd.config.session import Session
from rigd.daemon.session_lock import LOCK_NAME
from rigd.daemon.session_record import Follows, SessionRecord
from rigd.daemon.session_state import State
from rigd.streams.file_lock import holder

RUN = re.compile(r"-run(\d+)$")
"""End of the id of a session that goes on with another."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A session folder without a verdict.

    Attributes:
        folder: The session folder.
        session: Its settings; None: they can't be read.
        record: Its start; None: it had not begun, or this can't be read.
        was_recording: It was cut off in the middle of its recording.
        last_utc: When its files last changed; None: it has none.

    """

    folder: Path
    session: Session | None
    record: SessionRecord | None
    was_recording: bool
    last_utc: datetime | None

    def next_run(self, now: datetime) -> tuple[Session, Follows] | None:
        """Say how it goes on at `now` (UTC); None: it does not.

        The planned end stays what it was.
        """
        session, record = self.session, self.record
        if session is None or record is None or self.last_utc is None:
            return None
        if not session.resume or not self.was_recording:
            return None
        changes: dict[str, object] = {"id": next_run_id(session.id)}
        if session.duration is not None:
            left = session.duration - (now - record.start_utc).total_seconds()
            if left <= 0:
                return None
            changes["duration"] = left
        follows = Follows(session=session.id, last_utc=self.last_utc)
        return session.model_copy(update=changes), follows

    @property
    def is_written(self) -> bool:
        """Whether a process of its own is still at work on its files."""
        return any(holder(path) for path in self.folder.glob("streams/*.journal"))


def next_run_id(session: str) -> str:
    """`s1-run2` after `s1`, `s1-run3` after that."""
    found = RUN.search(session)
    number = int(found[1]) + 1 if found else 2
    return f"{RUN.sub('', session)}-run{number}"


def find_unfinished(data_root: Path, own: Collection[Path] = ()) -> list[Unfinished]:
    """Look into all session folders for those that nobody works on or has finished.

    What is finished has a manifest. `own` are folders that this process works on.
    """
    folders = sorted(path.parent for path in data_root.glob("*/session.yaml"))
    return [
        look_into(folder)
        for folder in folders
        if folder not in own
        and not (folder / "manifest.json").exists()
        and not _is_in_use(folder / LOCK_NAME)
    ]


def _is_in_use(lock: Path) -> bool:
    """Whether another process, e.g. `rigd record`, works on the folder."""
    try:
        return holder(lock) is not None
    except OSError:
        return False


def look_into(folder: Path) -> Unfinished:
    """Read what the folder of a session that was cut off tells."""
    return Unfinished(
        folder,
        _settings(folder / "session.yaml"),
        _record(folder / "record.json"),
        _last_state(folder / "log.jsonl") == State.RECORDING,
        _last_change(folder / "streams"),
    )


def _settings(path: Path) -> Session | None:
    try:
        return load_session(path)
    except (ConfigurationError, OSError):
        return None


def _record(path: Path) -> SessionRecord | None:
    try:
        return SessionRecord.load(path)
    except (OSError, ValueError):
        return None


def _last_state(log: Path) -> str | None:
    states = [entry.get("state") for entry in _entries(log) if "state" in entry]
    return states[-1] if states else None


def _entries(log: Path) -> Iterator[dict[str, str]]:
    """Yield the entries of a log whose end may be missing."""
    try:
        lines = log.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def _last_change(streams: Path) -> datetime | None:
    times = [path.stat().st_mtime for path in streams.glob("*") if path.is_file()]
    return datetime.fromtimestamp(max(times), UTC) if times else None
