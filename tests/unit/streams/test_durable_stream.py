"""What a stream says is on the disk is on the disk, whatever happens after.

A walk does to a stream what a writer does, and what a disk, a kernel and a power cut do
to it, in any order. After each step the journal and the raw chunks are read as a
recovery reads them, and compared with what a source had sent. A walk depends on its
seed alone.
"""

import errno
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import h5py
import pytest

from rigd.streams.durable_stream import (
    DurableStream,
    PartFailedError,
    journal_path,
)
from rigd.streams.journal_file import JournalError
from rigd.streams.journal_state import read_state
from rigd.streams.journaled_rows import JournaledRows
from rigd.streams.ledger import ENDED_REGULARLY
from rigd.streams.recovery import recover
from rigd.streams.stream_file import GrowingDataset
from tests.support.durable_model import KEY, KINDS, Item, Kind, Source

FAULTS = ("before a chunk", "after a chunk", "data sync", "journal sync", "journal")

PAGE = 512


def rows_on_disk(path: Path, kind: Kind) -> tuple[int, list[bytes]]:
    """Where the last checkpoint stands, and all rows that a recovery would find."""
    state = read_state(journal_path(path))
    rows = [b""] * len(kind.layout.datasets)
    with JournaledRows(path, kind.layout, state) as source:
        for dataset, content in source.rows(state.rows):
            rows[dataset] += content
    return (state.checkpoint.standing.sequence if state.checkpoint else 0), rows


def rows_in_file(path: Path, kind: Kind) -> list[bytes]:
    """All rows of a closed stream file, as HDF5 gives them."""
    with h5py.File(path) as file:
        return [file[dataset.path][()].tobytes() for dataset in kind.layout.datasets]


class Disk:
    """What has been brought to the disk of a few files, and what may be lost of it."""

    def __init__(self) -> None:
        self._synced: dict[int, bytes] = {}
        self.fails: set[str] = set()

    def sync(self, descriptor: int) -> None:
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        fault = "data sync" if name.endswith(".nwb") else "journal sync"
        if fault in self.fails and os.path.isfile(name):
            self.fails.discard(fault)
            raise OSError(errno.EIO, "Input/output error")
        if os.path.isfile(name):
            self.keep(Path(name))

    def keep(self, path: Path) -> None:
        """Bring a file to the disk as it is now."""
        self._synced[path.stat().st_ino] = path.read_bytes()

    def cut_power(self, folder: Path, random: Random) -> None:
        """Let any page that was not brought to the disk be old or new.

        The end of a file may be anywhere between.
        """
        share = random.choice([0.1, 0.5, 0.9])
        for path in folder.iterdir():
            new = path.read_bytes()
            old = self._synced.get(path.stat().st_ino, b"")
            size = random.choice([len(new), random.randint(len(old), len(new))])
            padded = old + bytes(max(0, size - len(old)))
            content = bytearray(size)
            for start in range(0, size, PAGE):
                page = slice(start, min(start + PAGE, size))
                content[page] = (new if random.random() < share else padded)[page]
            path.write_bytes(content)
            self.keep(path)


class Walk:
    """A writer with its source, on a disk that fails."""

    def __init__(self, kind: Kind, path: Path, seed: int, after: ExitStack) -> None:
        path.write_bytes(kind.skeleton)
        self.kind, self.path, self.after = kind, path, after
        self.random = Random(seed)
        self.source = Source(kind)
        self.disk = Disk()
        self.disk.keep(path)
        self.fails = self.disk.fails
        self.journal_fails_after = 0
        self.next = 0
        self.acknowledged = 0
        self.is_closed = False
        self.gone: list[DurableStream] = []
        self.after.callback(close_all, self.gone)
        self._sabotage()
        self.stream = self._open()

    def step(self) -> str:
        """Do one thing or another; return what."""
        actions = CLOSED if self.is_closed else OPEN
        name = self.random.choices(list(actions), list(actions.values()))[0]
        getattr(self, name)()
        return name

    def _sabotage(self) -> None:
        write_chunk, write = GrowingDataset._write_chunk, os.write

        def fragile(
            dataset: GrowingDataset, content: memoryview, rows: int, *, for_good: bool
        ) -> None:
            if "before a chunk" in self.fails:
                self.fails.discard("before a chunk")
                raise OSError(errno.ENOSPC, "No space left on device")
            write_chunk(dataset, content, rows, for_good=for_good)
            if "after a chunk" in self.fails:
                self.fails.discard("after a chunk")
                raise OSError(errno.EIO, "Input/output error")

        def fragile_write(descriptor: int, content: Any) -> int:
            name = os.readlink(f"/proc/self/fd/{descriptor}")
            if "journal" not in self.fails or not name.endswith(".journal"):
                return write(descriptor, content)
            left = self.journal_fails_after
            if left == 0:
                self.fails.discard("journal")
                raise OSError(errno.ENOSPC, "No space left on device")
            self.journal_fails_after = max(0, left - len(content))
            return write(descriptor, content[:left])

        self.sabotage = self.after.enter_context(ExitStack())
        for one in (
            patch.object(GrowingDataset, "_write_chunk", fragile),
            patch.object(os, "write", fragile_write),
            patch.object(os, "fdatasync", self.disk.sync),
            patch.object(os, "fsync", self.disk.sync),
        ):
            self.sabotage.enter_context(one)

    def _open(self) -> DurableStream:
        return DurableStream(self.path, self.kind.layout, self.kind.format, KEY)

    def _do(self, work: Callable[[], object]) -> None:
        """Work as a writer does: a part that fails is followed by another."""
        try:
            try:
                work()
            except PartFailedError:
                self.next = self.stream.begin_part().sequence
                self.acknowledged = max(
                    self.acknowledged, self.stream.synced.standing.sequence
                )
        except (JournalError, OSError):
            self._start_again()

    def _start_again(self) -> None:
        self.fails.clear()
        self._leave()
        self.stream = self._open()
        self.next = self.stream.synced.standing.sequence
        self.is_closed = False

    def _leave(self) -> None:
        """Leave everything as it stands, as a process that is killed does."""
        self.gone.append(self.stream)
        self.stream._threads.shutdown()

    # --- what a writer does -----------------------------------------------------------

    def take(self) -> None:
        count = self.random.randint(1, 5)
        while len(self.source.items) < self.next + count:
            self.source.items.append(self._item())
        self._do(lambda: self._take(count))

    def _item(self) -> Item:
        what = self.random.choice(["block"] * 5 + ["clock", "lost"])
        return Item(what, self.random.randint(1, 9), self.random.randint(0, 3))

    def _take(self, count: int) -> None:
        for _ in range(count):
            self.source.apply(self.stream, self.next)
            self.next += 1
        self.stream.note(self.source.standing(self.next))

    def begin_sync(self) -> None:
        if not self.stream.is_syncing:
            self._do(self.stream.begin_sync)

    def take_sync(self) -> None:
        if self.stream.is_syncing:
            self._do(self._take_sync)

    def _take_sync(self) -> None:
        self._finish_sync()
        assert self.stream.take_sync()
        assert self.stream.synced.standing.sequence >= self.acknowledged
        self.acknowledged = self.stream.synced.standing.sequence

    def _finish_sync(self) -> None:
        if self.stream._syncing is not None:
            self.stream._syncing[0].exception()

    def show(self) -> None:
        self._do(self.stream.show)

    def close(self) -> None:
        self._do(self._close)
        end = read_state(journal_path(self.path)).end
        if self.is_closed and end is not None and end.whole:
            expected = self.source.expected(self.next)
            assert rows_in_file(self.path, self.kind) == expected

    def _close(self) -> None:
        standing = self.source.standing(self.next)
        self.stream.close(standing, ENDED_REGULARLY, "regular")
        self.is_closed = True
        self.acknowledged = self.next
        assert read_state(journal_path(self.path)).end is not None

    # --- what happens to it -----------------------------------------------------------

    def fail_soon(self) -> None:
        self.fails.add(self.random.choice(FAULTS))
        self.journal_fails_after = self.random.randint(0, 200)

    def be_killed(self) -> None:
        self._start_again()

    def be_killed_with_the_source(self) -> None:
        self._start_again()
        del self.source.items[self.next :]

    def lose_power(self) -> None:
        self._leave()
        self.disk.cut_power(self.path.parent, self.random)
        self._start_again()
        del self.source.items[self.next :]

    # --- what must be true ------------------------------------------------------------

    def check(self) -> None:
        """All that was acknowledged is there, and nothing else is given out."""
        self._finish_sync()
        sequence, rows = rows_on_disk(self.path, self.kind)
        assert sequence >= self.acknowledged
        assert self.next >= self.acknowledged
        assert rows == self.source.expected(sequence)
        chunks = [d.full_rows // d._chunk_rows for d in self.stream._file._data]
        assert len(self.stream._moments) <= 2 + sum(chunks)

    def finish(self) -> None:
        """Recover the stream: all that was on the disk is in one file now."""
        self.sabotage.close()
        self._leave()
        sequence, _ = rows_on_disk(self.path, self.kind)
        recover(self.path, self.kind.layout, self.kind.format)
        assert rows_in_file(self.path, self.kind) == self.source.expected(sequence)


OPEN = {
    "take": 30, "begin_sync": 15, "take_sync": 15, "show": 5, "close": 1,
    "fail_soon": 4,
    "be_killed": 2, "be_killed_with_the_source": 2, "lose_power": 2,
}  # fmt: skip
"""What may happen while a stream is open, and how often."""

CLOSED = {"be_killed": 1, "be_killed_with_the_source": 1, "lose_power": 1}


def close_all(streams: list[DurableStream]) -> None:
    """Let HDF5 go of files that were left as a killed process leaves them."""
    for stream in streams:
        with suppress(OSError):
            stream._journal.close()
        for file in (*stream._abandoned, stream._file):
            with suppress(Exception):
                file._file.close()


def walk(kind: Kind, seed: int, steps: int) -> None:
    """Take a walk; say where it went if it went wrong."""
    done: list[str] = []
    with ExitStack() as after:
        folder = after.enter_context(TemporaryDirectory())
        one = Walk(kind, Path(folder) / "s.nwb", seed, after)
        try:
            for _ in range(steps):
                done.append(one.step())
                one.check()
            one.finish()
        except Exception as error:
            error.add_note(f"{kind.name}, seed {seed}: {', '.join(done)}")
            raise


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_what_is_said_to_be_on_the_disk_is_there(name: str, seed: int) -> None:
    walk(KINDS[name], seed, 60)


if __name__ == "__main__":
    for number in range(int(sys.argv[1]), int(sys.argv[2])):
        for any_kind in KINDS.values():
            walk(any_kind, number, 80)
