"""A stream on the disk: its file for readers, its journal for the promise.

Order, always: chunks and extent records, flush, fdatasync of the HDF5 file, checkpoint
record, fdatasync of the journal; only then may the sender forget. A checkpoint names
the rows of every dataset and where the wire stood. What came after the last checkpoint
is never relied on: the source still has it.

So there is one answer to a failed HDF5 write, a failed sync and a killed writer alike:
go on in a new part (an HDF5 file begun from the skeleton) at the last checkpoint, and
ask the source for the rest. libhdf5 is not trusted again in a file that has failed.
"""

import errno
import json
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import copymode
from typing import Any

from rigd.streams.block import StreamFormat
from rigd.streams.journal import Checkpoint, End, Extent, Head, Inline, Part, Recovered
from rigd.streams.journal_file import Journal, JournalError, write_new
from rigd.streams.journal_state import JournalState, read_state
from rigd.streams.ledger import ENDED_WITH_REASON, RUNNING, LostInterval
from rigd.streams.standing import Standing
from rigd.streams.stream_file import StoredChunk, StreamFile
from rigd.streams.stream_layout import StreamLayout
from rigd.streams.stream_reserve import StreamReserve

HDF5_ERRORS = (OSError, RuntimeError, ValueError, KeyError)
"""What h5py raises when libhdf5 fails."""

PARTS_IN_VAIN = 3
"""Parts that may fail in a row before anything more is kept."""

INLINE_BYTES = 16 * 2**20
"""Bytes of rows in one INLINE record: more rows go into several."""


class PartFailedError(Exception):
    """The HDF5 file can't be relied on any more; `begin_part` goes on in a new one."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Tells any failure of libhdf5 as that of the part, `name` its file."""

    name: str

    def __enter__(self) -> None:
        """Nothing to do before."""

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        """Raise `PartFailedError` for what h5py raised."""
        if isinstance(error, HDF5_ERRORS):
            raise PartFailedError(f"{self.name}: {error}") from error


def journal_path(stream_file: Path) -> Path:
    """Return where the journal of a stream file lies: beside it."""
    return stream_file.with_suffix(".journal")


def part_path(stream_file: Path, number: int) -> Path:
    """Return the HDF5 file of a part; part 0 is the stream file itself."""
    if number == 0:
        return stream_file
    return stream_file.with_suffix(f".part{number}.nwb")


def described(layout: StreamLayout) -> list[dict[str, Any]]:
    """Describe the datasets of a stream, as the head of its journal does."""
    return [
        {
            "path": dataset.path,
            "dtype": dataset.dtype.descr if dataset.dtype.names else dataset.dtype.str,
            "shape": list(dataset.shape),
            "chunk": list(dataset.chunk),
        }
        for dataset in layout.datasets
    ]


class DurableStream:
    """Appends to a stream so that what it says is on the disk survives everything.

    `ended_before` is the end that was found in its journal, if there was one already.
    """

    def __init__(
        self,
        path: Path,
        layout: StreamLayout,
        stream_format: StreamFormat,
        key: int,
        *,
        durable: bool = True,
        when_synced: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin a prepared stream file, or go on after the last checkpoint.

        Args:
            path: The stream file.
            layout: Where everything lies in it.
            stream_format: What the rows look like.
            key: That of the stream.
            durable: Without it the kernel is trusted: nothing is brought to the disk,
                so all outlives this process but not the machine.
            when_synced: Called in another thread when there is a sync to take.

        Raises:
            JournalError: The journal can't be made, read or written.
            OSError: The stream file can't be read, or a new part can't be made.
            ValueError: The stream file or journal is not of this stream.

        """
        self.path = path
        self.layout = layout
        self._format = stream_format
        self._durable = durable
        self._when_synced = when_synced
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="sync")
        self._syncing: tuple[Future[None], Checkpoint] | None = None
        self._moments: deque[Checkpoint] = deque()
        self._bases = (0,) * len(layout.datasets)
        self._inlined = list(self._bases)
        self._part = -1
        self._abandoned: list[StreamFile] = []
        self._vain = 0
        self._reserve: StreamReserve | None = None
        self.ended_before: End | None = None
        self.synced = self._kept_before = Checkpoint(Standing(), self._bases)
        if journal_path(path).exists():
            self._resume(key)
        else:
            self._begin(key)

    def _begin(self, key: int) -> None:
        self._skeleton = self.path.read_bytes()
        head = Head(
            key=key,
            stream=self.path.stem,
            datasets=described(self.layout),
            compression=self.layout.compression,
        )
        self._journal = Journal.create(journal_path(self.path), head, self._skeleton)
        copymode(self.path, journal_path(self.path))
        self._open_part(0)

    def _resume(self, key: int) -> None:
        """Go on; nothing is read before the journal is held: its writer may live."""
        path = journal_path(self.path)
        self._journal = Journal(path, key)
        with ExitStack() as failed:
            failed.callback(self._journal.close)
            state = self._found_state(path, key)
            failed.pop_all()
        self.ended_before = state.end
        self._skeleton = state.skeleton
        if state.sound is not None:
            self.synced = state.sound
        self._open_part(
            self._free_part(max((part.number for part in state.parts), default=0) + 1)
        )

    def _found_state(self, path: Path, key: int) -> JournalState:
        if self._durable:
            self._journal.settle()
        state = read_state(path, self._journal.records())
        wanted = json.loads(json.dumps(described(self.layout)))
        if state.head.key != key or state.head.datasets != wanted:
            raise ValueError(f"{path} is of another stream")
        return state

    @property
    def parts(self) -> int:
        """One more than the number of the last HDF5 file."""
        return self._part + 1

    @property
    def has_abandoned_files(self) -> bool:
        """Whether libhdf5 holds files that failed: it may crash at a regular exit."""
        return bool(self._abandoned)

    def begin_part(self) -> Standing:
        """Go on in a new HDF5 file; return where: all after it has to come again.

        Raises:
            JournalError: The journal has failed.
            OSError: The new file can't be made, or several in a row have failed.

        """
        with suppress(PartFailedError):
            self._wait_for_sync()
        self._abandoned.append(self._file)
        self._refuse_to_go_on_in_vain()
        self._open_part(self._free_part(self._part + 1))
        return self.synced.standing

    def _free_part(self, number: int) -> int:
        """Return the first number from `number` on that no file has.

        A file that the journal does not name may be one that a writer had no time to
        name, or one whose name is in a damaged part of the journal: it stays.
        """
        while part_path(self.path, number).exists():
            number += 1
        return number

    def _refuse_to_go_on_in_vain(self) -> None:
        if self.synced is not self._kept_before:
            self._kept_before, self._vain = self.synced, 0
        self._vain += 1
        if self._vain > PARTS_IN_VAIN:
            raise OSError(
                errno.EIO, f"{PARTS_IN_VAIN} parts in a row failed with nothing kept"
            )

    def _open_part(self, number: int) -> None:
        path = part_path(self.path, number)
        if number > 0:
            if self._reserve is not None:
                with suppress(OSError):  # a file that has failed may keep its space
                    self._reserve.leave_part()
            write_new(path, self._skeleton)
            if self._reserve is not None:
                self._reserve.move_to(path)
            copymode(self.path, path)
        self._bases = self.synced.rows
        self._inlined = list(self._bases)
        self._moments.clear()
        self._journal.drop()
        self._journal.add(Part(number, self._bases))
        self._journal.write()
        self._part = number
        self._file = StreamFile(
            path,
            self.layout,
            self._format,
            first_row=self._bases[0],
            stored=self._note_chunk,
        )

    def _note_chunk(self, dataset: int, chunk: StoredChunk) -> None:
        self._journal.add(
            Extent(
                dataset=dataset,
                row=self._bases[dataset] + chunk.row,
                rows=chunk.rows,
                tile=chunk.tile,
                offset=chunk.offset,
                size=chunk.size,
                part=self._part,
                digest=chunk.digest,
            )
        )

    # --- room on the disk ---------------------------------------------------------

    def make_room(self, rows: int, blocks: int) -> None:
        """Set space aside for rows that are to come, and for closing after them.

        Raises:
            DiskFullError: There is no room; with what is set aside the stream can
                still be closed as it is.
            OSError: The disk fails.

        """
        if self._reserve is None:
            self._reserve = StreamReserve(self.path, self.layout, self._format)
            self._reserve.move_to(part_path(self.path, self._part))
        self._reserve.hold(
            self.rows + rows,
            self._bases[-1] + self._file.datasets[-1].rows + blocks,
            more=rows,
            waiting=self._journal.waiting,
        )

    @property
    def has_reserve(self) -> bool:
        """Whether space is set aside: not every file system can do it."""
        return self._reserve is not None and self._reserve.is_supported

    def give_up(self, reason: str) -> None:
        """Leave the cause in the journal: nothing more can be kept.

        What is on the disk stays there for `rigd recover`, which says the reason.
        """
        with suppress(JournalError, OSError):
            self._journal.write_now(End(False, ENDED_WITH_REASON, reason))
            self._sync_journal()

    # --- appending ----------------------------------------------------------------

    @property
    def rows(self) -> int:
        """Rows of the stream so far, kept or not."""
        return self._file.rows

    def append(self, records: list[Any], bodies: list[Any], rows: list[int]) -> None:
        """Append blocks, see `StreamFile.append`."""
        with self._guarded():
            self._file.append(records, bodies, rows)

    def append_clock(self, readings: bytes) -> None:
        """Append clock readings."""
        with self._guarded():
            self._file.append_clock(readings)

    def append_lost(self, lost: LostInterval) -> None:
        """Append a lost interval."""
        with self._guarded():
            self._file.append_lost(lost)

    def append_raw(self, dataset: int, rows: bytes) -> None:
        """Append rows of one dataset (`StreamLayout.datasets`), as they are stored."""
        with self._guarded():
            self._file.datasets[dataset].append(rows)
        self._journal.write()

    def note_recovery(self, recovered: Recovered) -> None:
        """Keep in the journal how the stream was recovered."""
        self._journal.add(recovered)

    def note(self, standing: Standing) -> None:
        """Say where the wire stands now: a moment that a checkpoint may fix."""
        moment = Checkpoint(standing, self._rows(), self._part)
        if self._moments and self._chunks(self._moments[-1]) == self._chunks(moment):
            self._moments.pop()
        self._moments.append(moment)

    def _chunks(self, moment: Checkpoint) -> list[int]:
        """Count the chunks that have to be full before a moment can be held.

        Of the moments that wait for the same chunks only the last one is of use.
        """
        return [
            -(-(moment.rows[number] - self._bases[number]) // dataset.chunk[0])
            for number, dataset in enumerate(self.layout.data)
        ]

    def _rows(self) -> tuple[int, ...]:
        datasets = self._file.datasets
        return tuple(
            base + dataset.rows
            for base, dataset in zip(self._bases, datasets, strict=True)
        )

    def show(self) -> None:
        """Let a live reader see all rows; of a compressed stream, all full chunks.

        (Under SWMR a compressed chunk that is written again leaves its space behind.)
        """
        with self._guarded():
            if self.layout.compression == "none":
                self._file.show()
            else:
                self._file.flush()

    def _guarded(self) -> "Guard":
        return Guard(self._file.name)

    # --- syncing ------------------------------------------------------------------

    @property
    def is_syncing(self) -> bool:
        """Whether a sync is under way."""
        return self._syncing is not None

    def begin_sync(self) -> bool:
        """Begin to bring a moment to the disk; False: there is nothing new.

        A stream that fills chunks within a sync interval is kept up to the last full
        chunk: the rest is on its way, and the source has it. A slower one is kept up
        to its last row, with the rows of open chunks inline in the journal.

        Raises:
            JournalError: The journal has failed.
            PartFailedError: HDF5 has failed.

        """
        moment = self._next_moment()
        if moment is None:
            return False
        for number in range(len(moment.rows)):
            self._add_inline(number, moment.rows[number])
        self._write_state(moment.standing, RUNNING, "")
        with self._guarded():  # rows of open chunks are in the journal, or not meant
            self._file.flush()
        self._journal.write()
        future = self._threads.submit(self._sync, moment)
        self._syncing = (future, moment)
        future.add_done_callback(lambda _: self._when_synced())
        if self._reserve is not None:
            self._reserve.look_again()
        return True

    def _add_inline(self, number: int, last: int) -> None:
        """Keep rows before row `last` of an open chunk in the journal, each once."""
        dataset, base = self._file.datasets[number], self._bases[number]
        first = max(self._inlined[number], base + dataset.full_rows)
        at_once = max(1, INLINE_BYTES // dataset.row_bytes)
        for start in range(first, last, at_once):
            stop = min(start + at_once, last)
            content = dataset.tail(start - base, stop - base)
            self._journal.add(Inline(number, start, stop - start, self._part, content))
        self._inlined[number] = max(first, last)

    def _next_moment(self) -> Checkpoint | None:
        """Return the moment to keep, and forget those before it."""
        if not self._moments or self._moments[-1] == self.synced:
            return None
        columns = range(len(self.layout.data))
        full = [
            self._bases[number] + self._file.datasets[number].full_rows
            for number in columns
        ]
        held = [
            moment
            for moment in self._moments
            if all(moment.rows[number] <= full[number] for number in columns)
        ]
        if held and held[-1].rows[0] > self.synced.rows[0]:
            while self._moments[0] is not held[-1]:
                self._moments.popleft()
            return self._moments.popleft()
        moment = self._moments[-1]
        self._moments.clear()
        return moment

    def _write_state(self, standing: Standing, ended: int, reason: str) -> None:
        with self._guarded():
            self._file.write_state(
                lost=standing.lost,
                repeated=standing.repeated,
                rejected=standing.rejected,
                ended=ended,
                reason=reason,
            )

    def _sync(self, moment: Checkpoint) -> None:
        """In the other thread: data, then the checkpoint that speaks of them."""
        if self._durable:
            self._file.sync()
        self._journal.write_now(moment)
        self._sync_journal()

    def _sync_journal(self) -> None:
        if self._durable:
            self._journal.sync()

    def take_sync(self) -> bool:
        """Say whether a sync has come to its end; `synced` is what it kept.

        Raises:
            JournalError: The journal has failed: nothing may be acknowledged any more.
            PartFailedError: The data could not be brought to the disk.

        """
        if self._syncing is None or not self._syncing[0].done():
            return False
        future, moment = self._syncing
        self._syncing = None
        try:
            future.result()
        except HDF5_ERRORS as error:
            raise PartFailedError(f"{self._file.name}: {error}") from error
        self.synced = moment
        return True

    def _wait_for_sync(self) -> None:
        """Let a sync that is under way come to its end."""
        if self._syncing is not None:
            self._syncing[0].exception()
            self.take_sync()

    # --- the end ------------------------------------------------------------------

    def close(self, standing: Standing, ended: int, reason: str) -> None:
        """Keep everything and close the file; `synced` is then all there is.

        Raises:
            JournalError: The journal has failed.
            PartFailedError: HDF5 has failed; the part can't be relied on.

        """
        self._wait_for_sync()
        moment = Checkpoint(standing, self._rows(), self._part)
        self._write_state(standing, ended, reason)
        with self._guarded():
            self._file.close(durable=self._durable)
        self._journal.write()
        self._journal.write_now(moment)
        self._journal.write_now(End(self._part == 0, ended, reason))
        self._sync_journal()
        self._journal.close()
        self._threads.shutdown()
        if self._reserve is not None:
            self._reserve.give_back()
        self.synced = moment
