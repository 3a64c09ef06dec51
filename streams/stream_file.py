"""Appends to one stream file under SWMR: the only writer of HDF5 while recording.

The file exists already, made with all its datasets (`rigd.daemon.prepare`). Rows gather
in a buffer of one chunk, unless a whole chunk comes in one piece; a full chunk is
written once with `write_direct_chunk`, encoded here where a filter is set. A chunk that
is not full yet is written too when a live reader is to see its rows (`show`), and again
when it has more.
"""

import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from rigd.streams.block import NO_TIME, StreamFormat
from rigd.streams.ledger import LOST_DTYPE, STATE_DTYPE, LostInterval
from rigd.streams.stream_layout import (
    ALIGNED_FROM,
    ALIGNMENT,
    DatasetLayout,
    StreamLayout,
)

GZIP_LEVEL = 1
PROBE_BYTES = 64
"""Bytes that are read back at both ends of a chunk."""

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


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk that is written for good: `size` bytes at `offset` of the file.

    It holds `rows` rows from `row` on; `tile` is its number among the chunks that hold
    these rows, `digest` the XXH3-64 of its bytes as they are stored.
    """

    row: int
    rows: int
    tile: int
    offset: int
    size: int
    digest: int


Stored = Callable[[int, StoredChunk], None]
"""Hears of each chunk written for good, with the number of its dataset."""


def usual_place(size: int, end: int) -> int:
    """Return where HDF5 puts a new chunk, as a rule: where the file ends, aligned."""
    return -(-end // ALIGNMENT) * ALIGNMENT if size >= ALIGNED_FROM else end


class GrowingDataset:
    """One extendable dataset of the file, appended chunk by chunk.

    `row_bytes` are the bytes of one row.
    """

    def __init__(
        self,
        dataset: Any,
        layout: DatasetLayout,
        encode: Encoder = plain,
        stored: Callable[[StoredChunk], None] | None = None,
    ) -> None:
        """Append to `dataset` (an open, empty `h5py.Dataset`).

        `stored` hears of each chunk that is written for good, with its place.
        """
        if dataset.chunks != layout.chunk or dataset.shape[1:] != layout.shape:
            raise ValueError(
                f"{layout.path}: chunk {dataset.chunks} of rows {dataset.shape[1:]} in "
                f"the file, {layout.chunk} of {layout.shape} expected"
            )
        self._id = dataset.id
        self._layout = layout
        self._encode = encode
        self._stored = stored
        self._descriptor = dataset.file.id.get_vfd_handle()
        self._places: dict[int, int] = {}
        self._written = 0
        self._adds_in_place = encode is plain and layout.chunk[1:] == layout.shape
        self._item_bytes = layout.dtype.itemsize
        self.row_bytes = self._item_bytes * int(np.prod(layout.shape, dtype=int))
        self._chunk_rows = layout.chunk[0]
        self._chunk_bytes = self._chunk_rows * self.row_bytes
        self._buffer = memoryview(bytearray(self._chunk_bytes))
        self._fill = 0
        self._start = 0
        self._shown = 0
        self._flushed = 0

    @property
    def rows(self) -> int:
        """Rows appended so far."""
        return self._start + self._fill // self.row_bytes

    @property
    def full_rows(self) -> int:
        """Rows in chunks that are full, and so written for good."""
        return self._start

    def tail(self, first: int, last: int) -> bytes:
        """Return rows [first, last) of the chunk that is not full yet."""
        start = (first - self._start) * self.row_bytes
        return bytes(self._buffer[start : (last - self._start) * self.row_bytes])

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
            if len(part) == self._chunk_bytes:  # it is written from where it lies
                self._finish_chunk(part)
            else:
                self._buffer[self._fill : self._fill + len(part)] = part
                self._fill += len(part)
                if self._fill == self._chunk_bytes:
                    self._finish_chunk(self._buffer)
            view = view[len(part) :]

    def _finish_chunk(self, content: memoryview) -> None:
        """Write a full chunk for good and begin the next one."""
        self._write_chunk(content, self._chunk_rows, for_good=True)
        self._start += self._chunk_rows
        self._fill = self._written = 0
        self._places.clear()

    def show(self) -> None:
        """Let a live reader see all rows: write the part-filled chunk, flush."""
        if self._shown < self.rows:
            rows = self._fill // self.row_bytes
            self._write_chunk(self._buffer, rows, for_good=False)
        self.flush()

    def finish(self) -> None:
        """Write the last chunk; what it holds beyond the last row is zero."""
        self._buffer[self._fill :] = bytes(self._chunk_bytes - self._fill)
        if self._fill:
            rows = self._fill // self.row_bytes
            self._write_chunk(self._buffer, rows, for_good=True)
        self.flush()

    def flush(self) -> None:
        """Hand over to the kernel what is written so far."""
        if self._flushed < self._shown:
            self._id.flush()
            self._flushed = self._shown

    def _write_chunk(self, content: memoryview, rows: int, *, for_good: bool) -> None:
        """Write the chunk at `_start`; `rows` of it are valid."""
        self._id.set_extent((self._start + rows, *self._layout.shape))
        if self._adds_in_place and self._places:
            self._add_in_place(rows if for_good else None)
        else:
            self._write_tiles(content, rows, for_good=for_good)
        self._written = self._fill
        self._shown = self._start + rows

    def _add_in_place(self, rows: int | None) -> None:
        """Write what is new of a chunk that has its place in the file already.

        As HDF5 would, but without what stands there: a slow stream is shown often.
        """
        (place,) = self._places.values()
        end = self._fill if rows is None else self._chunk_bytes
        new = self._buffer[self._written : end]
        while len(new):
            new = new[os.pwrite(self._descriptor, new, place + end - len(new)) :]
        if rows is not None and self._stored is not None:
            size = self._chunk_bytes
            if not self._has_ends_of(self._buffer, place):
                raise OSError(f"{self._layout.path}: the chunk at {place} has changed")
            digest = xxh3_64_intdigest(self._buffer)
            self._stored(StoredChunk(self._start, rows, 0, place, size, digest))

    def _write_tiles(self, content: memoryview, rows: int, *, for_good: bool) -> None:
        for tile, (offset, part) in enumerate(self._tiles(content)):
            stored = self._encode(part, self._item_bytes)
            place = (self._start, *offset)
            before = self._end_of_file()
            self._id.write_direct_chunk(place, stored)
            if self._stored is not None and (for_good or tile not in self._places):
                self._note(tile, place, stored, before, rows if for_good else None)

    def _note(
        self,
        tile: int,
        place: tuple[int, ...],
        stored: Any,
        before: int,
        rows: int | None,
    ) -> None:
        """Find out where a chunk lies; say so if it is written for good.

        `before` is where the file ended before the chunk was written.
        """
        digest = xxh3_64_intdigest(stored)
        size = len(stored)
        offset = self._places.get(tile)
        if offset is None or self._digest(offset, size) != digest:
            offset = usual_place(size, before)
            if not self._is_new_at(offset, stored):
                offset = self._find(place, size, digest, before)
            self._places[tile] = offset
        if rows is not None and self._stored is not None:
            self._stored(StoredChunk(self._start, rows, tile, offset, size, digest))

    def _is_new_at(self, offset: int, stored: Any) -> bool:
        """Whether the file ends with a chunk there: it has grown by nothing else."""
        is_last = self._end_of_file() == offset + len(stored)
        return is_last and self._has_ends_of(stored, offset)

    def _has_ends_of(self, stored: Any, offset: int) -> bool:
        """Whether a chunk's first and last bytes stand there: costs next to nothing."""
        probe = min(PROBE_BYTES, len(stored))
        last, read = offset + len(stored) - probe, os.pread
        return bool(
            read(self._descriptor, probe, offset) == stored[:probe]
            and read(self._descriptor, probe, last) == stored[-probe:]
        )

    def _find(self, place: tuple[int, ...], size: int, digest: int, before: int) -> int:
        """Return where a chunk lies: in what the file has grown by, as a rule.

        (At its end there may lie the same bytes of another dataset's open chunk.)
        HDF5's index knows, but to ask it costs more with each chunk.
        """
        end = self._end_of_file()
        if end - size >= before and self._digest(end - size, size) == digest:
            return end - size
        offset: int = self._id.get_chunk_info_by_coord(place).byte_offset or 0
        if self._digest(offset, size) != digest:
            raise OSError(f"{self._layout.path}: the chunk at {place} is not there")
        return offset

    def _end_of_file(self) -> int:
        return os.fstat(self._descriptor).st_size

    def _digest(self, offset: int, size: int) -> int:
        return xxh3_64_intdigest(os.pread(self._descriptor, size, offset))

    def _tiles(
        self, content: memoryview
    ) -> Iterator[tuple[tuple[int, ...], memoryview]]:
        """Cut whole rows into HDF5 chunks where these split the rows."""
        shape, chunk = self._layout.shape, self._layout.chunk[1:]
        if shape == chunk:
            yield (0,) * len(shape), content
            return
        whole = np.frombuffer(content, self._layout.dtype)
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
    """The open stream file: rows, their times, their clocks, the ledger.

    `name` is the name of the file.
    """

    def __init__(
        self,
        path: Path,
        layout: StreamLayout,
        stream_format: StreamFormat,
        *,
        first_row: int = 0,
        stored: Stored | None = None,
    ) -> None:
        """Open an existing, empty stream file for appending under SWMR.

        Args:
            path: The file.
            layout: Where everything lies in it.
            stream_format: What the rows look like.
            first_row: Number of the first row, if rows of the stream stand elsewhere.
            stored: Hears of each chunk that is written for good: the number of the
                dataset (`StreamLayout.datasets`), the chunk.

        """
        self.name = path.name
        self._format = stream_format
        self._layout = layout
        self._first_row = first_row
        self._file = h5py.File(
            path,
            "r+",
            libver="v110",
            alignment_threshold=ALIGNED_FROM,
            alignment_interval=ALIGNMENT,
        )
        self.datasets = tuple(
            self._growing(number, dataset, stored)
            for number, dataset in enumerate(layout.datasets)
        )
        growing = {
            dataset.path: self.datasets[number]
            for number, dataset in enumerate(layout.datasets)
        }
        self._data = [growing[column.path] for column in layout.data]
        self._timestamps = _optional(growing, layout.timestamps)
        self._row_times = _optional(growing, layout.row_times)
        self._ids = _optional(growing, layout.ids)
        self._blocks = growing[layout.blocks.path]
        self._clock = growing[layout.clock.path]
        self._lost = growing[layout.lost.path]
        self._state_place: int = self._file[layout.state].id.get_offset()
        self._file.flush()
        self._file.swmr_mode = True

    def _growing(
        self, number: int, layout: DatasetLayout, stored: Stored | None
    ) -> GrowingDataset:
        encode = ENCODERS[
            self._layout.compression if layout in self._layout.data else "none"
        ]
        hear = None if stored is None else partial(stored, number)
        return GrowingDataset(self._file[layout.path], layout, encode, hear)

    @property
    def rows(self) -> int:
        """Rows of the stream so far."""
        return self._first_row + self._data[0].rows

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
        """Write the one entry of `sync/state`; in place, which HDF5 does slower."""
        entry = (self.rows, lost, repeated, rejected, ended, reason.encode())
        content = np.array(entry, STATE_DTYPE).tobytes()
        if os.pwrite(self.descriptor, content, self._state_place) < len(content):
            raise OSError(f"{self.name}: sync/state was cut off")

    def show(self) -> None:
        """Let a live reader see all rows, data before what speaks of it."""
        for dataset in self.datasets:
            dataset.show()

    def flush(self) -> None:
        """Hand over whole chunks to the kernel."""
        for dataset in self.datasets:
            dataset.flush()

    def sync(self) -> None:
        """Bring to the disk what was flushed. Safe to call from another thread."""
        os.fdatasync(self.descriptor)

    def close(self, *, durable: bool = True) -> None:
        """Write what is left and close; if `durable`, bring all to the disk."""
        for dataset in self.datasets:
            dataset.finish()
        path = self._file.filename
        self._file.close()
        if not durable:
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _optional(
    growing: dict[str, GrowingDataset], layout: DatasetLayout | None
) -> GrowingDataset | None:
    return None if layout is None else growing[layout.path]


def device_seconds(device_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Device times in seconds; NaN where the device gave none."""
    seconds = device_ns / 1e9
    seconds[device_ns == NO_TIME] = np.nan
    return seconds
