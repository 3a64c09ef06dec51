"""Makes a whole stream file again out of a journal and the parts that it names.

What the journal's last checkpoint says is on the disk comes out bit for bit, whatever
became of HDF5's own index: rows are taken from the raw chunks, each compared with its
checksum, and from the journal itself. The new file and its journal are built beside
what was found and put in its place at the end; both can be cut off and done again.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from types import TracebackType

import numpy as np
from xxhash import xxh3_64_intdigest

from rigd.streams.block import StreamFormat
from rigd.streams.durable_stream import DurableStream, journal_path, part_path
from rigd.streams.journal import Extent, Inline, Part
from rigd.streams.journal_file import Found, scan, sync_folder
from rigd.streams.journal_state import JournalState, read_state
from rigd.streams.ledger import ENDED_WITH_REASON, LostInterval
from rigd.streams.rebuilding import Rebuilder
from rigd.streams.standing import Standing
from rigd.streams.stream_layout import DatasetLayout, StreamLayout
from rigd.streams.wire import RECORD_DTYPE

CUT_OFF = "the writer did not come to its end; recovered from the journal"
"""Reason that a recovered stream gives for its end."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What recovering one stream came to.

    Attributes:
        rows: Rows of the stream now.
        missing: Rows that were on the disk by the last checkpoint and can't be had.
        bad_chunks: Stored chunks that were not what the journal says.
        damage: Bytes of the journal that are no record.
        parts: HDF5 files that the rows were in.

    """

    rows: int
    missing: int
    bad_chunks: int
    damage: int
    parts: int


def recovered_path(stream_file: Path) -> Path:
    """Return where the new stream file is built."""
    return stream_file.with_suffix(".recovered.nwb")


def is_whole(stream_file: Path) -> bool:
    """Say whether the stream came to its end and stands in one file.

    Raises:
        JournalError: The journal can't be read.
        OSError: There is none.

    """
    if journal_path(recovered_path(stream_file)).exists():
        return False
    end = read_state(journal_path(stream_file)).end
    return end is not None and end.whole and stream_file.exists()


def recover(
    stream_file: Path, layout: StreamLayout, stream_format: StreamFormat
) -> Recovery:
    """Make one whole stream file of what stands beside the journal.

    Raises:
        JournalError: The journal has no whole head, or is of a later version.
        OSError: The disk refuses.

    """
    ready = recovered_path(stream_file)
    if not _is_built(ready):
        _remove(ready, journal_path(ready))
        recovery = _build(stream_file, layout, stream_format, ready)
    else:
        recovery = _already(ready)
    _put_in_place(stream_file, ready)
    return recovery


def _is_built(ready: Path) -> bool:
    """Whether an earlier recovery was cut off only after the new journal's end."""
    if not journal_path(ready).exists():
        return False
    with suppress(Exception):
        return read_state(journal_path(ready)).end is not None
    return False


def _already(ready: Path) -> Recovery:
    state = read_state(journal_path(ready))
    return Recovery(state.rows[0], 0, 0, 0, 1)


def _put_in_place(stream_file: Path, ready: Path) -> None:
    """Let the new pair take the names of the old one; the journal last."""
    if ready.exists():
        ready.replace(stream_file)
    journal_path(ready).replace(journal_path(stream_file))
    sync_folder(stream_file.parent)
    for part in stream_file.parent.glob(f"{stream_file.stem}.part*.nwb"):
        part.unlink()


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


# --- building -------------------------------------------------------------------------


def _build(
    stream_file: Path, layout: StreamLayout, stream_format: StreamFormat, ready: Path
) -> Recovery:
    state = read_state(journal_path(stream_file))
    source = JournaledRows(stream_file, layout)
    with source:
        found = source.count(state.rows)
        limits, standing, lost = _agree(source, layout, state, found)
        ready.write_bytes(state.skeleton)
        new = DurableStream(ready, layout, stream_format, state.head.key)
        for dataset, rows in source.rows(limits):
            new.append_raw(dataset, rows)
        if lost is not None:
            new.append_lost(lost)
        ended = state.end.ended if state.end else ENDED_WITH_REASON
        new.close(standing, ended, state.end.reason if state.end else CUT_OFF)
    sync_folder(ready.parent)
    return Recovery(
        rows=limits[0],
        missing=state.rows[0] - limits[0],
        bad_chunks=source.bad_chunks,
        damage=sum(damage.stop - damage.start for damage in state.damage),
        parts=max(1, len(state.parts)),
    )


def _agree(
    source: "JournaledRows",
    layout: StreamLayout,
    state: JournalState,
    found: tuple[int, ...],
) -> tuple[tuple[int, ...], Standing, LostInterval | None]:
    """Cut all datasets to what they have in common; account for what is cut off."""
    standing = state.checkpoint.standing if state.checkpoint else Standing()
    if found == state.rows:
        return found, standing, None
    numbers = {dataset.path: n for n, dataset in enumerate(layout.datasets)}
    clock, lost, blocks = (
        numbers[part.path] for part in (layout.clock, layout.lost, layout.blocks)
    )
    by_row = [n for n in numbers.values() if n not in (clock, lost, blocks)]
    kept, rows, following, epoch = source.whole_blocks(
        blocks, found[blocks], min(found[n] for n in by_row)
    )
    limits = list(found)
    for number in by_row:
        limits[number] = rows
    limits[blocks] = kept
    missing = standing.next - following if epoch == standing.epoch else 0
    missing = max(missing, state.rows[0] - rows)
    interval = LostInterval(following, missing, rows, epoch, "disk")
    return tuple(limits), replace(standing, lost=standing.lost + missing), interval


class JournaledRows:
    """Reads the rows that a journal speaks of, once and in order."""

    def __init__(self, stream_file: Path, layout: StreamLayout) -> None:
        self._journal = journal_path(stream_file)
        self._stream_file = stream_file
        self._layouts = layout.datasets
        self._data = len(layout.data)
        self._compression = layout.compression
        self._parts: dict[int, int | None] = {}
        self.bad_chunks = 0

    def __enter__(self) -> "JournaledRows":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for descriptor in self._parts.values():
            if descriptor is not None:
                os.close(descriptor)
        self._parts.clear()

    def count(self, limits: tuple[int, ...]) -> tuple[int, ...]:
        """Count the rows of each dataset that can be had, up to the limits."""
        totals = [0] * len(self._layouts)
        for dataset, rows in self.rows(limits):
            totals[dataset] += len(rows) // row_bytes(self._layouts[dataset])
        return tuple(totals)

    def whole_blocks(
        self, blocks: int, limit: int, rows: int
    ) -> tuple[int, int, int, int]:
        """Find the last block that ends within `rows` rows.

        Returns:
            Number of blocks, their rows, and the sample index and epoch after them.

        """
        limits = tuple(limit if n == blocks else 0 for n in range(len(self._layouts)))
        count = total = following = epoch = 0
        for _, content in self.rows(limits):
            for entry in np.frombuffer(content, RECORD_DTYPE):
                if total + int(entry["rows"]) > rows:
                    return count, total, following, epoch
                count, total = count + 1, total + int(entry["rows"])
                following = int(entry["first_sample"]) + int(entry["rows"])
                epoch = int(entry["epoch"])
        return count, total, following, epoch

    def rows(self, limits: tuple[int, ...]) -> Iterator[tuple[int, bytes]]:
        """Yield (dataset, rows as bytes), each dataset's in order, up to its limit."""
        rebuilders = [
            Rebuilder(row_bytes(layout), limit)
            for layout, limit in zip(self._layouts, limits, strict=True)
        ]
        tiles: list[bytes | None] = []
        for found in scan(self._journal):
            record = found.record if isinstance(found, Found) else None
            if isinstance(record, Part):
                for number, rebuilder in enumerate(rebuilders):
                    for rows in rebuilder.take_part(record.rows[number]):
                        yield number, rows
            elif isinstance(record, Inline):
                rebuilders[record.dataset].take_inline(record)
            elif isinstance(record, Extent):
                tiles = (
                    [*tiles, self._stored(record)]
                    if record.tile
                    else [self._stored(record)]
                )
                layout = self._layouts[record.dataset]
                if len(tiles) == tile_count(layout):
                    content = self._decode(record, tiles)
                    rebuilder = rebuilders[record.dataset]
                    for rows in rebuilder.take_chunk(record.row, record.rows, content):
                        yield record.dataset, rows
        for number, rebuilder in enumerate(rebuilders):
            for rows in rebuilder.finish():
                yield number, rows
        self.bad_chunks = sum(rebuilder.bad_chunks for rebuilder in rebuilders)

    def _stored(self, extent: Extent) -> bytes | None:
        """Read a chunk as it is stored; None if it is not what the journal says."""
        if extent.part not in self._parts:
            path = part_path(self._stream_file, extent.part)
            try:
                self._parts[extent.part] = os.open(path, os.O_RDONLY)
            except OSError:
                self._parts[extent.part] = None
        descriptor = self._parts[extent.part]
        if descriptor is None:
            return None
        try:
            stored = os.pread(descriptor, extent.size, extent.offset)
        except OSError:
            return None
        return stored if xxh3_64_intdigest(stored) == extent.digest else None

    def _decode(self, extent: Extent, tiles: list[bytes | None]) -> bytes | None:
        """Put the rows of a chunk together from its stored tiles."""
        if any(tile is None for tile in tiles):
            return None
        layout = self._layouts[extent.dataset]
        gzip = self._compression == "gzip" and extent.dataset < self._data
        plain = [
            unshuffle(zlib.decompress(tile), layout.dtype.itemsize) if gzip else tile
            for tile in tiles
            if tile is not None
        ]
        return join_tiles(layout, plain)[: extent.rows * row_bytes(layout)]


def row_bytes(layout: DatasetLayout) -> int:
    """Bytes of one row of a dataset."""
    return layout.dtype.itemsize * int(np.prod(layout.shape, dtype=int))


def tile_count(layout: DatasetLayout) -> int:
    """Number of HDF5 chunks that hold the same rows."""
    return int(
        np.prod(
            [-(-n // c) for n, c in zip(layout.shape, layout.chunk[1:], strict=True)],
            dtype=int,
        )
    )


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
