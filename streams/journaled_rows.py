"""Reads the rows that a journal speaks of: from raw chunks, and from the journal.

libhdf5 has no part in it: a chunk counts if its bytes are those that the journal has
the checksum of.
"""

import os
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from rigd.streams.durable_stream import journal_path, part_path
from rigd.streams.journal import Extent, Inline, Part
from rigd.streams.journal_file import Found, scan
from rigd.streams.journal_state import JournalState
from rigd.streams.ledger import LOST_DTYPE
from rigd.streams.rebuilding import Rebuilder
from rigd.streams.stream_layout import DatasetLayout, StreamLayout
from rigd.streams.wire import RECORD_DTYPE

Rows = tuple[int, ...]
"""Rows of each dataset."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a stream can be cut between two blocks.

    Attributes:
        blocks, rows: Blocks before it, and their rows.
        following, epoch: Sample index and epoch after the last of them.

    """

    blocks: int
    rows: int
    following: int
    epoch: int

    def after(self, block: Any) -> "Cut":
        """Return the cut after one more block (`RECORD_DTYPE`)."""
        count = int(block["rows"])
        following = int(block["first_sample"]) + count
        epoch = int(block["epoch"])
        return Cut(self.blocks + 1, self.rows + count, following, epoch)


class JournaledRows:
    """The rows of a stream by its journal, once and in order. Use it with `with`.

    Attributes:
        bad_chunks: Chunks that were not what the journal says, as last counted.

    """

    def __init__(
        self, stream_file: Path, layout: StreamLayout, state: JournalState
    ) -> None:
        self._stream_file = stream_file
        self._layouts = layout.datasets
        self._data = len(layout.data)
        self._compression = layout.compression
        self._parts = state.parts
        self._descriptors: dict[int, int | None] = {}
        self._tiles = Tiles()
        self.bad_chunks = 0

    def __enter__(self) -> "JournaledRows":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for descriptor in self._descriptors.values():
            if descriptor is not None:
                os.close(descriptor)
        self._descriptors.clear()

    def missing_files(self) -> list[Path]:
        """Return the files of parts that are not there."""
        paths = [part_path(self._stream_file, part.number) for part in self._parts]
        return [path for path in paths if not path.exists()]

    # --- counting -----------------------------------------------------------------

    def count(self, limits: Rows) -> Rows:
        """Count the rows of each dataset that can be had, up to the limits."""
        totals = [0] * len(self._layouts)
        rebuilders = self._rebuilders(limits)
        for dataset, rows in self._run(rebuilders):
            totals[dataset] += len(rows) // row_bytes(self._layouts[dataset])
        self.bad_chunks = sum(rebuilder.bad_chunks for rebuilder in rebuilders)
        return tuple(totals)

    def known_lost(self, lost: int, limit: int) -> npt.NDArray[Any]:
        """Return the lost intervals (`LOST_DTYPE`) that can be read.

        `lost` is the number of their dataset, which has `limit` rows.
        """
        return np.frombuffer(b"".join(self._only(lost, limit)), LOST_DTYPE)

    def last_cut(
        self, blocks: int, limit: int, rows: int, lost: npt.NDArray[Any]
    ) -> Cut:
        """Find the end of the last block that ends within `rows` rows.

        A block before which more samples are missing than the lost intervals `lost`
        tell is not reached: their account is gone, so what follows is not told of.

        `blocks` is the number of the dataset of blocks, which has `limit` rows.
        """
        told: Counter[int] = Counter()
        for interval in lost:
            told[int(interval["row"])] += int(interval["count"])
        cut = Cut(0, 0, 0, 0)
        for content in self._only(blocks, limit):
            for entry in np.frombuffer(content, RECORD_DTYPE):
                after = cut.after(entry)
                gap = int(entry["first_sample"])
                gap -= cut.following if after.epoch == cut.epoch else 0
                if after.rows > rows or gap > told[cut.rows]:
                    return cut
                cut = after
        return cut

    def _only(self, dataset: int, limit: int) -> Iterator[bytes]:
        numbers = range(len(self._layouts))
        limits = tuple(limit if number == dataset else 0 for number in numbers)
        return (rows for _, rows in self.rows(limits))

    # --- rows ---------------------------------------------------------------------

    def rows(self, limits: Rows) -> Iterator[tuple[int, bytes]]:
        """Yield (dataset, rows as bytes), each dataset's in order, up to its limit."""
        return self._run(self._rebuilders(limits))

    def _rebuilders(self, limits: Rows) -> list[Rebuilder]:
        return [
            Rebuilder(row_bytes(layout), limit)
            for layout, limit in zip(self._layouts, limits, strict=True)
        ]

    def _run(self, rebuilders: list[Rebuilder]) -> Iterator[tuple[int, bytes]]:
        part = -1
        known = {one.number for one in self._parts}
        for found in scan(journal_path(self._stream_file)):
            record = found.record if isinstance(found, Found) else None
            if not isinstance(record, Part | Inline | Extent):
                continue
            if part_number(record) not in known:
                continue
            if part_number(record) > part:
                part = part_number(record)
                yield from self._begin_part(part, rebuilders)
            if isinstance(record, Part) or not self._counts(record, part):
                continue
            rebuilder = rebuilders[record.dataset]
            if isinstance(record, Inline):
                rebuilder.take_inline(record)
            else:
                for rows in self._take_extent(record, rebuilder):
                    yield record.dataset, rows
        for number, rebuilder in enumerate(rebuilders):
            for rows in rebuilder.finish():
                yield number, rows

    def _counts(self, record: Inline | Extent, part: int) -> bool:
        return record.dataset < len(self._layouts) and record.part == part

    def _begin_part(
        self, part: int, rebuilders: list[Rebuilder]
    ) -> Iterator[tuple[int, bytes]]:
        """Let a part begin where the journal's state says, up to the next one."""
        for number, rebuilder in enumerate(rebuilders):
            firsts = [one.rows[number] for one in self._parts if one.number >= part]
            last = min(firsts[1:], default=None)
            for rows in rebuilder.take_part(firsts[0], last):
                yield number, rows

    def _take_extent(self, extent: Extent, rebuilder: Rebuilder) -> Iterator[bytes]:
        if not rebuilder.wants(extent.row):
            return
        layout = self._layouts[extent.dataset]
        if self._tiles.take(extent, tile_count(layout)):
            content = self._decode(extent, layout)
            yield from rebuilder.take_chunk(extent.row, extent.rows, content)

    def _decode(self, extent: Extent, layout: DatasetLayout) -> bytes | None:
        """Put the rows of a chunk together from its stored tiles; None: it is bad."""
        plain = []
        for tile in self._tiles.extents:
            stored = self._stored(tile)
            if stored is None:
                return None
            plain.append(self._plain(stored, extent.dataset))
        if any(len(content) != chunk_bytes(layout) for content in plain):
            return None  # no chunk of this dataset, though its checksum is right
        wanted = extent.rows * row_bytes(layout)
        rows = join_tiles(layout, plain)
        return rows[:wanted] if len(rows) >= wanted else None

    def _plain(self, stored: bytes, dataset: int) -> bytes:
        if self._compression != "gzip" or dataset >= self._data:
            return stored
        layout = self._layouts[dataset]
        return unshuffle(inflate(stored, chunk_bytes(layout)), layout.dtype.itemsize)

    def _stored(self, extent: Extent) -> bytes | None:
        """Read a chunk as it is stored; None if it is not what the journal says."""
        descriptor = self._descriptor(extent.part)
        if descriptor is None:
            return None
        return read_chunk(descriptor, extent)

    def _descriptor(self, part: int) -> int | None:
        if part not in self._descriptors:
            try:
                path = part_path(self._stream_file, part)
                self._descriptors[part] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                self._descriptors[part] = None
        return self._descriptors[part]


def part_number(record: Part | Inline | Extent) -> int:
    """Return the part that a record begins or belongs to."""
    return record.number if isinstance(record, Part) else record.part


def read_chunk(descriptor: int, extent: Extent) -> bytes | None:
    """Read a chunk as it is stored; None if it is not what the journal says."""
    try:
        if extent.offset + extent.size > os.fstat(descriptor).st_size:
            return None
        stored = os.pread(descriptor, extent.size, extent.offset)
    except OSError:
        return None
    return stored if xxh3_64_intdigest(stored) == extent.digest else None


class Tiles:
    """Gathers the chunks that hold the same rows; they come one after the other."""

    def __init__(self) -> None:
        self.extents: list[Extent] = []

    def take(self, extent: Extent, count: int) -> bool:
        """Take one more; say whether it is the last of `count`, and all are there."""
        if extent.tile == 0:
            self.extents = [extent]
        elif self.extents and follows(self.extents[-1], extent):
            self.extents.append(extent)
        else:
            self.extents = []
        return len(self.extents) == count


def follows(one: Extent, other: Extent) -> bool:
    """Whether `other` is the next tile of the same rows."""
    return (one.dataset, one.row, one.rows, one.part, one.tile + 1) == (
        other.dataset, other.row, other.rows, other.part, other.tile
    )  # fmt: skip


def row_bytes(layout: DatasetLayout) -> int:
    """Bytes of one row of a dataset."""
    return layout.dtype.itemsize * int(np.prod(layout.shape, dtype=int))


def chunk_bytes(layout: DatasetLayout) -> int:
    """Bytes of one HDF5 chunk of a dataset before any filter."""
    return layout.dtype.itemsize * int(np.prod(layout.chunk, dtype=int))


def tile_count(layout: DatasetLayout) -> int:
    """Number of HDF5 chunks that hold the same rows."""
    return int(
        np.prod(
            [-(-n // c) for n, c in zip(layout.shape, layout.chunk[1:], strict=True)],
            dtype=int,
        )
    )


def inflate(stored: bytes, size: int) -> bytes:
    """Undo HDF5's deflate filter; empty where these are not `size` bytes deflated."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(stored, size + 1)
    except zlib.error:
        return b""
    return content if len(content) == size and stream.eof else b""


def unshuffle(content: bytes, item_bytes: int) -> bytes:
    """Undo HDF5's shuffle filter."""
    values = np.frombuffer(content, np.uint8).reshape(item_bytes, -1)
    return np.ascontiguousarray(values.T).tobytes()


def join_tiles(layout: DatasetLayout, tiles: list[bytes]) -> bytes:
    """Put chunks that hold the same rows side by side (see `GrowingDataset`)."""
    if len(tiles) == 1 and layout.chunk[1:] == layout.shape:
        return tiles[0]
    whole = np.empty((layout.chunk[0], *layout.shape), layout.dtype)
    starts = [
        range(0, n, c) for n, c in zip(layout.shape, layout.chunk[1:], strict=True)
    ]
    for offset, tile in zip(product(*starts), tiles, strict=True):
        part = whole[
            :,
            *(slice(o, o + c) for o, c in zip(offset, layout.chunk[1:], strict=True)),
        ]
        values = np.frombuffer(tile, layout.dtype).reshape(layout.chunk)
        part[...] = values[tuple(slice(n) for n in part.shape)]
    return whole.tobytes()
