"""What is sent: blocks of int16 channels that no compression could shrink."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rigd.config.base import Model
from rigd.streams.block import StreamFormat

POOL_BYTES = 16 * 2**20
"""Different samples that are sent again and again: more than fits into a cache."""

KEY = 7
STREAM = "s"


class Workload(Model):
    """Channels at a rate, so many rows to a block, so many blocks.

    `paced`: the blocks come at the rate, not as fast as they are taken.
    """

    channels: int
    rate: float
    rows: int
    blocks: int
    paced: bool = False

    @property
    def stream_format(self) -> StreamFormat:
        """The format of its stream."""
        return StreamFormat(np.dtype("<i2"), (self.channels,), self.rate)

    @property
    def block_bytes(self) -> int:
        """Bytes of a block."""
        return self.rows * self.stream_format.row_bytes

    @property
    def size(self) -> int:
        """Bytes of all blocks."""
        return self.blocks * self.block_bytes

    @property
    def period(self) -> float:
        """Seconds between two blocks at the rate."""
        return self.rows / self.rate

    def arrays(self) -> Iterator[npt.NDArray[np.int16]]:
        """The samples of each block, shape (rows, channels)."""
        count = max(1, POOL_BYTES // self.block_bytes)
        shape = (count, self.rows, self.channels)
        pool = np.random.default_rng(1).integers(-(2**15), 2**15, shape, np.int16)
        for number in range(self.blocks):
            yield pool[number % count]


def filling(channels: int, rate: float, rows: int, size: int) -> Workload:
    """As many blocks as make up about `size` bytes, as fast as they are taken."""
    blocks = max(1, size // (channels * 2 * rows))
    return Workload(channels=channels, rate=rate, rows=rows, blocks=blocks)


def lasting(channels: int, rate: float, rows: int, seconds: float) -> Workload:
    """Blocks for so many seconds, at the rate."""
    blocks = max(1, round(seconds * rate / rows))
    return Workload(channels=channels, rate=rate, rows=rows, blocks=blocks, paced=True)
