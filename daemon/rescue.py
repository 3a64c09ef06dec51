"""Brings one stream to a whole file by its journal, before it is finalized."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rigd.daemon.stream_record import StreamRecord
from rigd.streams.durable_stream import journal_path
from rigd.streams.journal import Recovered
from rigd.streams.journal_file import JournalError
from rigd.streams.journal_state import read_state
from rigd.streams.recovery import (
    CRASHED,
    SPREAD,
    RecoveryError,
    is_begun,
    recover,
    tidy,
    why_recover,
)
from rigd.streams.unproven_file import why_unusable

NO_JOURNAL = "there is no journal beside its file, so nothing proves its rows"

Told = Callable[[str, str | None], None]
"""Hears of each step, and of the stream that it is about."""


@dataclass(frozen=True, slots=True)
class Rescue:
    """How a stream was found, and what was done.

    Attributes:
        recoveries: All recoveries that its journal tells of.
        fault: Why its journal can't be used; empty if it can, or there is none.
        notes: What a person should know of it.
        unusable: What its file does to who reads it; it must not be opened.

    """

    recoveries: tuple[Recovered, ...] = ()
    fault: str = ""
    notes: tuple[str, ...] = ()
    unusable: str = ""


def rescue(path: Path, name: str, stream: StreamRecord, told: Told) -> Rescue:
    """Recover the stream `name`, whose file is `path`, if that is needed.

    Where it can't be, everything stays as it is, and the fault says why.
    """
    if not journal_path(path).exists() and not is_begun(path):
        return Rescue(notes=(NO_JOURNAL,), unusable=why_unusable(path))
    try:
        recoveries = _recover_if_needed(path, name, stream, told)
    except (JournalError, RecoveryError, OSError) as error:
        return Rescue(fault=str(error), unusable=why_unusable(path))
    notes = tuple(note_of(one, number) for number, one in enumerate(recoveries, 1))
    return Rescue(recoveries, notes=notes)


def _recover_if_needed(
    path: Path, name: str, stream: StreamRecord, told: Told
) -> tuple[Recovered, ...]:
    if journal_path(path).exists():
        check_owner(path, stream)
    layout = stream.layout(name)
    reason = why_recover(path, layout)
    if reason:
        told("recovering", name)
        recover(path, layout, stream.stream_format, reason)
    else:
        tidy(path)
    return tuple(read_state(journal_path(path)).recoveries)


def check_owner(path: Path, stream: StreamRecord) -> None:
    """Refuse a journal that is not of this stream.

    Raises:
        JournalError: It is of another one, or can't be read.
        OSError: It can't be read.

    """
    head = read_state(journal_path(path)).head
    if head.key != stream.key or head.stream != path.stem:
        raise JournalError(
            f"{journal_path(path).name} is the journal of another stream: of "
            f"{head.stream} with key {head.key:#x}, while this one has "
            f"{stream.key:#x}; put the right one in its place"
        )


def note_of(recovered: Recovered, number: int) -> str:
    """Put recovery `number` (from 1) of a stream into words."""
    if recovered.reason == SPREAD:
        what = f"put together from {recovered.parts} files"
    else:
        what = f"recovered: {recovered.reason}"
    counts = {
        "rows lost": recovered.missing,
        "damaged chunks": recovered.bad_chunks,
        "damaged bytes in its journal": recovered.damage,
    }
    bad = [f"{count} {of}" for of, count in counts.items() if count]
    said = ", ".join([f"{what}; {recovered.rows} rows kept", *(bad or ["none lost"])])
    if recovered.reason == SPREAD and not bad:
        return said
    return f"{said}; what was found is in streams/{CRASHED}/{number}"
