"""A process that appends to one file, without a wire: `python -m benchmarks.append`.

swmr          whole chunks by h5py under SWMR, as simply as can be; nothing is synced
swmr, synced  the same with fdatasync at each sync
journaled     rigd's stream file with its journal; as many syncs, in its other thread
"""

import os
import signal
import sys
import time
from collections.abc import Iterable
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np
import numpy.typing as npt

from benchmarks.processes import LIFETIME
from benchmarks.workload import KEY, STREAM, Workload
from rigd.config.base import Model
from rigd.streams.durable_stream import DurableStream, journal_path
from rigd.streams.ledger import ENDED_REGULARLY
from rigd.streams.standing import Standing
from rigd.streams.stream_layout import StreamLayout, stream_layout
from rigd.streams.wire import RECORD, RECORD_DTYPE

Blocks = Iterable[npt.NDArray[np.int16]]

WAIT = 0.0005
"""Seconds between two looks at a sync that is under way."""


class AppendWay(StrEnum):
    """What the rows are appended to."""

    SWMR = "swmr"
    SYNCED = "swmr, synced"
    JOURNALED = "journaled"


class AppendSpec(Model):
    """What to append, and where; the file is there already, and empty."""

    way: AppendWay
    path: Path
    workload: Workload
    sync_blocks: int
    """Blocks between two syncs."""


class AppendReport(Model):
    """What the appending process saw."""

    wall: float
    """Seconds from the first block to the closed file."""
    longest_stall: float
    """Longest time that one block took, with the sync that it may have begun, s."""
    journal_bytes: int


class Appender(Protocol):
    """Takes block after block."""

    def append(self, number: int, rows: int, data: memoryview) -> None:
        """Append the rows of block `number`."""
        ...

    def sync(self) -> None:
        """Let readers see all whole chunks, and bring them to the disk."""
        ...

    def close(self) -> None:
        """Bring everything to the disk."""
        ...


class PlainSwmr:
    """What a few lines of h5py do; each chunk is written once, when it is full."""

    def __init__(self, path: Path, layout: StreamLayout, *, is_synced: bool) -> None:
        self._file = h5py.File(path, "r+", libver="v110")
        self._data = self._file[layout.data[0].path]
        self._blocks = self._file[layout.blocks.path]
        self._file.swmr_mode = True
        self._is_synced = is_synced
        self._shape = layout.data[0].chunk
        size = int(np.prod(self._shape)) * layout.data[0].dtype.itemsize
        self._buffer = memoryview(bytearray(size))
        self._fill = self._rows = 0
        self._records: list[bytes] = []

    def append(self, number: int, rows: int, data: memoryview) -> None:
        """Append the rows of block `number`."""
        self._records.append(record(number, rows))
        while len(data):
            part = data[: len(self._buffer) - self._fill]
            self._buffer[self._fill : self._fill + len(part)] = part
            self._fill += len(part)
            data = data[len(part) :]
            if self._fill == len(self._buffer):
                self._write_chunk(self._shape[0])

    def _write_chunk(self, rows: int) -> None:
        self._data.id.set_extent((self._rows + rows, *self._shape[1:]))
        self._data.id.write_direct_chunk((self._rows, 0), self._buffer)
        self._rows += rows
        self._fill = 0

    def sync(self) -> None:
        """Let readers see all whole chunks, and bring them to the disk."""
        new = np.frombuffer(b"".join(self._records), RECORD_DTYPE)
        self._records.clear()
        before = len(self._blocks)
        self._blocks.resize((before + len(new),))
        self._blocks[before:] = new
        self._data.id.flush()
        self._blocks.id.flush()
        if self._is_synced:
            os.fdatasync(self._file.id.get_vfd_handle())

    def close(self) -> None:
        """Bring everything to the disk."""
        rows = self._fill * self._shape[0] // len(self._buffer)
        if rows:
            self._buffer[self._fill :] = bytes(len(self._buffer) - self._fill)
            self._write_chunk(rows)
        self.sync()
        self._file.close()


class Journaled:
    """rigd's own."""

    def __init__(self, path: Path, layout: StreamLayout, workload: Workload) -> None:
        self._stream = DurableStream(path, layout, workload.stream_format, KEY)
        self._standing = Standing()

    def append(self, number: int, rows: int, data: memoryview) -> None:
        """Append the rows of block `number`."""
        self._stream.make_room(rows, 1)
        self._stream.append([record(number, rows)], [data], [rows])
        self._standing = Standing(number + 1, sender=1, next=(number + 1) * rows)
        self._stream.note(self._standing)

    def sync(self) -> None:
        """Begin a sync when the one before it is over."""
        while self._stream.is_syncing and not self._stream.take_sync():
            time.sleep(WAIT)
        self._stream.begin_sync()

    def close(self) -> None:
        """Bring everything to the disk."""
        self._stream.close(self._standing, ENDED_REGULARLY, "")


def record(number: int, rows: int) -> bytes:
    """Make the entry of a block in `sync/blocks`."""
    return RECORD.pack(number, number * rows, 0, time.monotonic_ns(), rows, 0, 0, 0)


def appender(spec: AppendSpec) -> Appender:
    """Open the file in the way asked for."""
    layout = stream_layout(STREAM, spec.workload.stream_format)
    if spec.way is AppendWay.JOURNALED:
        return Journaled(spec.path, layout, spec.workload)
    return PlainSwmr(spec.path, layout, is_synced=spec.way is AppendWay.SYNCED)


def append_all(spec: AppendSpec, target: Appender, blocks: Blocks) -> AppendReport:
    """Append the workload, at its rate or as fast as it goes."""
    workload, longest = spec.workload, 0.0
    started = time.monotonic()
    for number, data in enumerate(blocks):
        if workload.paced:
            due = started + number * workload.period
            time.sleep(max(0.0, due - time.monotonic()))
        before = time.monotonic()
        target.append(number, workload.rows, data.reshape(-1).view(np.uint8).data)
        if (number + 1) % spec.sync_blocks == 0:
            target.sync()
        longest = max(longest, time.monotonic() - before)
    target.close()
    wall = time.monotonic() - started
    journal = journal_path(spec.path)
    size = journal.stat().st_size if journal.exists() else 0
    return AppendReport(wall=wall, longest_stall=longest, journal_bytes=size)


def main() -> int:
    """Append by the specification on standard input; report on standard output."""
    signal.alarm(LIFETIME)
    spec = AppendSpec.model_validate_json(sys.stdin.readline())
    target = appender(spec)
    blocks = spec.workload.arrays()
    first = next(blocks)  # makes all of them; that is not to be measured
    print("ready", flush=True)
    sys.stdin.readline()
    print(
        append_all(spec, target, chain((first,), blocks)).model_dump_json(), flush=True
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
