"""How much space the rows of a stream take, and what it takes to end a stream well.

Arithmetic only. All numbers are upper bounds in bytes: compression counts for nothing.
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod

from rigd.streams.block import StreamFormat
from rigd.streams.stream_layout import ALIGNMENT, DatasetLayout, StreamLayout

METADATA_BYTES = 256 * 1024
"""What HDF5 may add for itself (indices of chunks, headers) before a file is closed."""

JOURNAL_BYTES = 64 * 1024
"""Checkpoints, the end, and what the head of each record takes."""

EXTENT_BYTES = 64
"""One record of a stored chunk in the journal."""

TIME_BYTES = 8
"""One time of a row in the session file."""

CLOCK_BYTES = 80
"""The clock readings of a block in the session file."""

LEAST_STEP, MOST_STEP = 64 * 1024, 8 * 2**20
"""Bytes that are set aside together: those of a second, within these bounds."""


def step_of(stream_format: StreamFormat) -> int:
    """Bytes by which a reserve goes ahead of what is needed at the moment."""
    rate = stream_format.rate or 0.0
    return min(MOST_STEP, max(LEAST_STEP, int(rate * stream_format.row_bytes)))


def tiles(layout: DatasetLayout) -> int:
    """Number of HDF5 chunks that hold the same rows."""
    pairs = zip(layout.shape, layout.chunk[1:], strict=True)
    return prod(ceil(size / chunk) for size, chunk in pairs)


def stored_row_bytes(layout: DatasetLayout) -> int:
    """Bytes of a row as it is stored: chunks at the rim are stored whole."""
    return layout.dtype.itemsize * prod(layout.chunk[1:]) * tiles(layout)


def chunk_bytes(layout: DatasetLayout) -> int:
    """Bytes of all chunks that hold the same rows."""
    return layout.chunk[0] * stored_row_bytes(layout)


@dataclass(frozen=True)
class StreamRoom:
    """What the parts of one stream take."""

    layout: StreamLayout

    @cached_property
    def by_row(self) -> tuple[DatasetLayout, ...]:
        """Datasets with one entry for each row of the stream."""
        layout = self.layout
        apart = (layout.clock, layout.lost, layout.blocks)
        return tuple(dataset for dataset in layout.datasets if dataset not in apart)

    @cached_property
    def chunks(self) -> int:
        """One chunk of each dataset: what is open at any moment."""
        return sum(chunk_bytes(dataset) for dataset in self.layout.datasets)

    def data(self, rows: int, blocks: int) -> int:
        """Space in the stream file that rows, which came in blocks, take."""
        return blocks * self._block_bytes + rows * self._row_bytes

    @cached_property
    def _block_bytes(self) -> int:
        return stored_row_bytes(self.layout.blocks)

    @cached_property
    def _row_bytes(self) -> int:
        return sum(map(stored_row_bytes, self.by_row))

    def extents(self, rows: int) -> int:
        """Space in the journal for what it says of the chunks of so many rows."""
        return EXTENT_BYTES * sum(
            tiles(dataset) * ceil(rows / dataset.chunk[0]) for dataset in self.by_row
        )

    @property
    def data_end(self) -> int:
        """Space in which the stream file can be brought to its end at any moment."""
        open_chunks = sum(map(tiles, self.layout.datasets))
        return self.chunks + open_chunks * ALIGNMENT + METADATA_BYTES

    @property
    def journal_end(self) -> int:
        """The same of the journal: rows that wait for their chunk, checkpoint, end."""
        return self.chunks + JOURNAL_BYTES

    @staticmethod
    def in_session(rows: int, blocks: int) -> int:
        """Space in the session file: the times of the rows, the clocks of the blocks.

        They are compressed there; how much that saves is not known before.
        """
        return rows * TIME_BYTES + blocks * CLOCK_BYTES
