"""Appends to one stream file under SWMR: the only writer of HDF5 while recording.

The file exists already, made with all its datasets (`rigd.daemon.prepare`). Rows gather
in a buffer of one chunk; a full chunk is written once with `write_direct_chunk`,
encoded here where a filter is set. A chunk that is not full yet is written too when a
live reader is to see its rows (`show`), and again when it has more.
"""

import os
import zlib
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
import numpy.typing as npt

from rigd.streams.block import NO_TIME, StreamFormat
from rigd.streams.ledger import LOST_DTYPE, STATE_DTYPE, LostInterval
from rigd.streams.stream_layout import DatasetLayout, StreamLayout

GZIP_LEVEL = 1
JOIN_BELOW = 64 * 1024
"""Bodies below this many bytes are joined first: one call for many blocks."""


class Encoder(Protocol):
    """Makes the stored bytes of a chunk, as HDF5's filters would."""

    def __call__(self, chunk: memoryview, item_bytes: int) -> Any:
        """Encode a whole chunk of elements of `item_bytes` bytes."""
        ...


def plain(chunk: memoryview, item_bytes: int) -> memoryview:
    """Store as it is."""
    return chunk


def shuffle_gzip(chunk: memoryview, item_bytes: int) -> bytes:
    """Apply HDF5's shuffle, then its deflate filter (zlib)."""
    values = np.frombuffer(chunk, np.uint8).reshape(-1, item_bytes)
    return zlib.compress(np.ascontiguousarray(values.T).data, GZIP_LEVEL)


ENCODERS: dict[str, Encoder] = {"none": plain, "gzip": shuffle_gzip}


class GrowingDataset:
    """One extendable dataset of the file, appended chunk by chunk."""

    def __init__(
        self, dataset: Any, layout: DatasetLayout, encode: Encoder = plain
    ) -> None:
        """Append to `dataset` (an open, empty `h5py.Dataset`)."""
        if dataset.chunks != layout.chunk or dataset.shape[1:] != layout.shape:
            raise ValueError(
                f"{layout.path}: chunk {dataset.chunks} of rows {dataset.shape[1:]} in "
                f"the file, {layout.chunk} of {layout.shape} expected"
            )
        self._id = dataset.id
        self._layout = layout
        self._encode = encode
        self._item_bytes = layout.dtype.itemsize
        self._row_bytes = self._item_bytes * int(np.prod(layout.shape, dtype=int))
        self._chunk_rows = layout.chunk[0]
        self._chunk_bytes = self._chunk_rows * self._row_bytes
        self._buffer = memoryview(bytearray(self._chunk_bytes))
        self._fill = 0
        self._start = 0
        self._shown = 0
        self._flushed = 0

    @property
    def rows(self) -> int:
        """Rows appended so far."""
        return self._start + self._fill // self._row_bytes

    def extend(self, parts: list[Any]) -> None:
        """Append many pieces; small ones are joined first."""
        if len(parts) > 1 and len(parts[0]) < JOIN_BELOW:
            self.append(b"".join(parts))
        else:
            for part in parts:
                self.append(part)

    def append(self, rows: Any) -> None:
        """Append whole rows, given as bytes in C order."""
        fill, size = self._fill, len(rows)
        if fill + size < self._chunk_bytes:
            self._buffer[fill : fill + size] = rows
            self._fill = fill + size
            return
        view = memoryview(rows)
        while len(view):
            part = view[: self._chunk_bytes - self._fill]
            self._buffer[self._fill : self._fill + len(part)] = part
            self._fill += len(part)
            view = view[len(part) :]
            if self._fill == self._chunk_bytes:
                self._write_chunk(self._chunk_rows)
                self._start += self._chunk_rows
                self._fill = 0

    def show(self) -> None:
        """Let a live reader see all rows: write the part-filled chunk, flush."""
        if self._shown < self.rows:
            self._write_chunk(self._fill // self._row_bytes)
        self.flush()

    def finish(self) -> None:
        """Write the last chunk; what it holds beyond the last row is zero."""
        self._buffer[self._fill :] = bytes(self._chunk_bytes - self._fill)
        self.show()

    def flush(self) -> None:
        """Hand over to the kernel what is written so far."""
        if self._flushed < self._shown:
            self._id.flush()
            self._flushed = self._shown

    def _write_chunk(self, rows: int) -> None:
        """Write the buffer as the chunk at `_start`; `rows` of it are valid."""
        self._id.set_extent((self._start + rows, *self._layout.shape))
        for offset, tile in self._tiles():
            stored = self._encode(tile, self._item_bytes)
            self._id.write_direct_chunk((self._start, *offset), stored)
        self._shown = self._start + rows

    def _tiles(self) -> Iterator[tuple[tuple[int, ...], memoryview]]:
        """Cut the buffer into HDF5 chunks where these split the rows."""
        shape, chunk = self._layout.shape, self._layout.chunk[1:]
        if shape == chunk:
            yield (0,) * len(shape), self._buffer
            return
        whole = np.frombuffer(self._buffer, self._layout.dtype)
        whole = whole.reshape(self._chunk_rows, *shape)
        starts = [range(0, n, c) for n, c in zip(shape, chunk, strict=True)]
        for offset in product(*starts):
            tile = np.zeros((self._chunk_rows, *chunk), self._layout.dtype)
            part = whole[
                :, *(slice(o, o + c) for o, c in zip(offset, chunk, strict=True))
            ]
            tile[tuple(slice(n) for n in part.shape)] = part
            yield offset, tile.reshape(-1).view(np.uint8).data


class StreamFile:
    """The open stream file: rows, their times, their clocks, the ledger."""

    def __init__(
        self, path: Path, layout: StreamLayout, stream_format: StreamFormat
    ) -> None:
        """Open an existing, empty stream file for appending under SWMR."""
        self._format = stream_format
        self._layout = layout
        self._file = h5py.File(path, "r+", libver="v110")
        encode = ENCODERS[layout.compression]
        self._data = [
            GrowingDataset(self._file[column.path], column, encode)
            for column in layout.data
        ]
        self._timestamps = self._growing(layout.timestamps)
        self._row_times = self._growing(layout.row_times)
        self._ids = self._growing(layout.ids)
        self._blocks = GrowingDataset(self._file[layout.blocks.path], layout.blocks)
        self._clock = GrowingDataset(self._file[layout.clock.path], layout.clock)
        self._lost = GrowingDataset(self._file[layout.lost.path], layout.lost)
        self._state = self._file[layout.state]
        self._file.flush()
        self._file.swmr_mode = True

    def _growing(self, layout: DatasetLayout | None) -> GrowingDataset | None:
        return (
            None if layout is None else GrowingDataset(self._file[layout.path], layout)
        )

    @property
    def rows(self) -> int:
        """Rows appended so far."""
        return self._data[0].rows

    @property
    def descriptor(self) -> int:
        """File descriptor, for fdatasync."""
        descriptor: int = self._file.id.get_vfd_handle()
        return descriptor

    def append(self, records: list[Any], bodies: list[Any], rows: list[int]) -> None:
        """Append blocks: their `sync/blocks` entries and their bodies from the wire.

        `rows` are the rows of each body, needed where a body holds more than the rows
        of one plain dataset.
        """
        if self._row_times is not None:
            bodies = [
                self._keep_times(body, count)
                for body, count in zip(bodies, rows, strict=True)
            ]
        if self._format.dtype.names is None:
            self._data[0].extend(bodies)
        else:
            self._append_fields(np.frombuffer(b"".join(bodies), self._format.dtype))
        self._blocks.extend(records)

    def _keep_times(self, body: Any, rows: int) -> memoryview:
        """Append the device times at the end of a body; return the rows before."""
        view = memoryview(body)
        cut = rows * self._format.row_bytes
        if self._row_times is not None:
            self._row_times.append(view[cut:])
        if self._timestamps is not None:
            times = np.frombuffer(view[cut:], "<i8")
            self._timestamps.append(device_seconds(times).tobytes())
        return view[:cut]

    def _append_fields(self, rows: npt.NDArray[Any]) -> None:
        if self._ids is not None:
            numbers = np.arange(self.rows, self.rows + len(rows), dtype="<i8")
            self._ids.append(numbers.tobytes())
        for column, dataset in zip(self._layout.data, self._data, strict=True):
            dataset.append(np.ascontiguousarray(rows[column.field]).tobytes())

    def append_clock(self, readings: bytes) -> None:
        """Append clock readings, as they came (`wire.CLOCK_DTYPE`)."""
        self._clock.append(readings)

    def append_lost(self, lost: LostInterval) -> None:
        """Append a lost interval."""
        entry = np.array(
            [(lost.first, lost.count, lost.row, lost.epoch, lost.cause.encode())],
            LOST_DTYPE,
        )
        self._lost.append(entry.tobytes())

    def write_state(
        self, *, lost: int, repeated: int, rejected: int, ended: int, reason: str
    ) -> None:
        """Write the one entry of `sync/state`."""
        entry = (self.rows, lost, repeated, rejected, ended, reason.encode())
        self._state[...] = np.array(entry, STATE_DTYPE)

    def show(self) -> None:
        """Let a live reader see all rows, data before what speaks of it."""
        for dataset in self._all():
            dataset.show()

    def flush(self) -> None:
        """Hand over whole chunks to the kernel."""
        for dataset in self._all():
            dataset.flush()

    def _all(self) -> Iterable[GrowingDataset]:
        optional = (self._ids, self._row_times, self._timestamps)
        return (
            *self._data,
            *(dataset for dataset in optional if dataset is not None),
            self._clock,
            self._lost,
            self._blocks,
        )

    def sync(self) -> None:
        """Bring to the disk what was flushed. Safe to call from another thread."""
        os.fdatasync(self.descriptor)

    def close(self) -> None:
        """Write what is left, close the file and bring it to the disk."""
        for dataset in self._all():
            dataset.finish()
        path = self._file.filename
        self._file.close()
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def device_seconds(device_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Device times in seconds; NaN where the device gave none."""
    seconds = device_ns / 1e9
    seconds[device_ns == NO_TIME] = np.nan
    return seconds
