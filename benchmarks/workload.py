"""What is sent: blocks of 16 random bits a value."""

from collections.abc import Iterator
from typing import Any

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
    dtype: str = "<i2"

    @property
    def stream_format(self) -> StreamFormat:
        """The format of its stream."""
        return StreamFormat(np.dtype(self.dtype), (self.channels,), self.rate)

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

    def arrays(self) -> Iterator[npt.NDArray[Any]]:
        """The samples of each block, shape (rows, channels)."""
        count = max(1, POOL_BYTES // self.block_bytes)
        shape = (count, self.rows, self.channels)
        values = np.random.default_rng(1).integers(-(2**15), 2**15, shape, np.int16)
        pool = values.astype(self.dtype)
        for number in range(self.blocks):
            yield pool[number % count]


def filling(
    channels: int, rate: float, rows: int, size: int, dtype: str = "<i2"
) -> Workload:
    """As many blocks as make up about `size` bytes, as fast as they are taken."""
    blocks = max(1, size // (channels * np.dtype(dtype).itemsize * rows))
    return Workload(channels=channels, rate=rate, rows=rows, blocks=blocks, dtype=dtype)


def lasting(channels: int, rate: float, rows: int, seconds: float) -> Workload:
    """Blocks for so many seconds, at the rate."""
    blocks = max(1, round(seconds * rate / rows))
    return Workload(channels=channels, rate=rate, rows=rows, blocks=blocks, paced=True)
