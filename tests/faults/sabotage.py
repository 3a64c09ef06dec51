"""Ways in which a writer or a recovery is broken on purpose: the bench must see each.

`apply` changes the classes of this process; nothing but the bench's own writer and
judge call it.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import rigd.streams.durable_stream as durable_stream
import rigd.streams.journal_file as journal_file
import rigd.streams.journaled_rows as journaled_rows
from rigd.streams.continuity import Continuity
from rigd.streams.durable_stream import DurableStream
from rigd.streams.journal import Checkpoint, Extent, Inline, Payload
from rigd.streams.journal_file import Journal, JournalError
from rigd.streams.rebuilding import Rebuilder
from rigd.streams.receiver import Receiver
from rigd.streams.standing import Standing
from rigd.streams.stream_file import GrowingDataset, StreamFile
from rigd.streams.writer import Writer


class AnyNumber(int):
    """A number that is equal to every other."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = int.__hash__


def no_data_sync() -> None:
    """The HDF5 file is never brought to the disk."""
    _set(StreamFile, "sync", lambda stream_file: None)


def no_journal_sync() -> None:
    """The journal is not brought to the disk after its beginning."""
    _set(DurableStream, "_sync_journal", lambda stream: None)


def acknowledges_too_early() -> None:
    """A sync counts when it has begun."""
    begin = DurableStream.begin_sync

    def begin_and_count(stream: DurableStream) -> bool:
        begun = begin(stream)
        if stream._syncing is not None:
            stream._early = stream._syncing[1]  # type: ignore[attr-defined]
        return begun

    def acknowledge(writer: Writer) -> None:
        writer._file.take_sync()
        early = getattr(writer._file, "_early", None)
        if early is not None:
            writer._receiver.acknowledge(early.standing.sequence)
            writer._file._early = None  # type: ignore[attr-defined]

    _set(DurableStream, "begin_sync", begin_and_count)
    _set(Writer, "_acknowledge", acknowledge)


def acknowledges_what_it_received() -> None:
    """Messages count as kept when they have come."""
    acknowledge = Receiver.acknowledge

    def acknowledge_all(receiver: Receiver, sequence: int) -> None:
        acknowledge(receiver, receiver.wanted)

    _set(Receiver, "acknowledge", acknowledge_all)


def no_tails() -> None:
    """Rows of open chunks are not put into the journal."""
    _set(GrowingDataset, "tail", lambda dataset, first, last: b"")

    def empty(*values: Any) -> Inline:
        return replace(Inline(*values), rows=0, content=b"")

    _set(durable_stream, "Inline", empty)


def checkpoint_before_data_sync() -> None:
    """The journal says that the data are on the disk before they are."""

    def sync(stream: DurableStream, moment: Checkpoint) -> None:
        stream._journal.write_now(moment)
        stream._sync_journal()
        stream._early = moment  # type: ignore[attr-defined]
        stream._file.sync()

    def acknowledge(writer: Writer) -> None:
        early = getattr(writer._file, "_early", None)
        if early is not None:
            writer._file._early = None  # type: ignore[attr-defined]
            writer._receiver.acknowledge(early.standing.sequence)
        writer._file.take_sync()

    _set(DurableStream, "_sync", sync)
    _set(Writer, "_acknowledge", acknowledge)


def extents_at_wrong_offset() -> None:
    """The journal names a place 8 bytes beside each chunk."""

    def extent(**values: Any) -> Extent:
        return Extent(**{**values, "offset": values["offset"] + 8})

    _set(durable_stream, "Extent", extent)


def no_skeleton_sync() -> None:
    """The journal's beginning is not brought to the disk, later syncs do nothing."""
    _set(Journal, "sync", lambda journal: None)


def no_folder_sync() -> None:
    """The names of new files are not brought to the disk."""

    def nothing(folder: Path) -> None:
        return

    _set(journal_file, "sync_folder", nothing)


def no_extents() -> None:
    """Full chunks are not named in the journal."""
    _set(DurableStream, "_note_chunk", lambda stream, dataset, chunk: None)


def holes_passed_over() -> None:
    """Recovery gives out what comes after a hole as if nothing was missing."""

    def take(
        rebuilder: Rebuilder, row: int, rows: int, content: bytes | None
    ) -> Iterator[bytes]:
        if content is not None:
            yield content
        rebuilder.rows = row + rows

    _set(Rebuilder, "take_chunk", take)


def retries_in_the_same_part() -> None:
    """After a failed write it goes on in the same HDF5 file, as if it had worked."""

    def begin_part(stream: DurableStream) -> Standing:
        return stream.synced.standing

    def go_on(writer: Writer, error: Exception) -> None:
        writer._receiver.acknowledge(writer._receiver.wanted)

    _set(DurableStream, "begin_part", begin_part)
    _set(Writer, "_begin_part", go_on)


def resumes_without_checkpoint() -> None:
    """A writer that is started again takes up where the wire says, from row 0."""
    resume = DurableStream._resume

    def forget(stream: DurableStream, key: int) -> None:
        resume(stream, key)
        stream.synced = replace(
            stream.synced, rows=tuple(row // 2 for row in stream.synced.rows)
        )
        stream._bases = stream.synced.rows

    _set(DurableStream, "_resume", forget)


def drops_a_block() -> None:
    """Every 50th block is acknowledged and not kept."""
    append = DurableStream.append

    def lossy(
        stream: DurableStream, records: list[Any], bodies: list[Any], rows: list[int]
    ) -> None:
        stream._seen = getattr(stream, "_seen", 0) + 1  # type: ignore[attr-defined]
        if stream._seen % 50:  # type: ignore[attr-defined]
            append(stream, records, bodies, rows)

    _set(DurableStream, "append", lossy)


def checksum_ignored() -> None:
    """Recovery takes stored chunks as they are."""

    def read_chunk(descriptor: int, extent: Extent) -> bytes:
        return os.pread(descriptor, extent.size, extent.offset)

    _set(journaled_rows, "read_chunk", read_chunk)


def journal_checksum_ignored() -> None:
    """Whatever looks like a record of a journal counts as one."""

    def checksum(payload: Payload, *, key: int, position: int) -> int:
        return AnyNumber()

    _set(journal_file, "frame_checksum", checksum)


def retries_the_sync() -> None:
    """A sync that fails is tried once more."""
    sync, sync_journal = StreamFile.sync, Journal.sync

    def again(stream_file: StreamFile) -> None:
        try:
            sync(stream_file)
        except OSError:
            sync(stream_file)

    def journal_again(journal: Journal) -> None:
        try:
            sync_journal(journal)
        except JournalError:
            journal._is_dead = False
            sync_journal(journal)

    _set(StreamFile, "sync", again)
    _set(Journal, "sync", journal_again)


def rejects_without_counting() -> None:
    """A message that is refused is forgotten."""
    _set(Receiver, "_reject", lambda receiver, what: None)


def keeps_what_is_late() -> None:
    """Rows of an epoch that is over are put among the others."""
    _set(Continuity, "is_late", lambda continuity, epoch: False)


def _set(owner: Any, name: str, value: Any) -> None:
    """Put `value` in the place of something that is there."""
    getattr(owner, name)
    setattr(owner, name, value)


POWER_CUT = (
    no_data_sync,
    no_journal_sync,
    acknowledges_too_early,
    acknowledges_what_it_received,
    no_tails,
    checkpoint_before_data_sync,
    extents_at_wrong_offset,
    no_skeleton_sync,
    no_folder_sync,
    no_extents,
    holes_passed_over,
    drops_a_block,
)
"""Seen in images of a cut of the power."""

KILLED = (resumes_without_checkpoint,)
"""Seen when the writer is killed and started again."""

DISK_ERRORS = (retries_in_the_same_part, retries_the_sync)
"""Seen when calls fail."""

DAMAGED = (checksum_ignored, journal_checksum_ignored)
"""Seen in damaged folders."""

MESSAGES = (rejects_without_counting, keeps_what_is_late)
"""Seen in mutated messages."""

SABOTAGES = {
    broken.__name__: broken
    for broken in (*POWER_CUT, *KILLED, *DISK_ERRORS, *DAMAGED, *MESSAGES)
}


def apply(name: str) -> None:
    """Break this process in the way called `name`; empty: not at all."""
    if name:
        SABOTAGES[name]()
