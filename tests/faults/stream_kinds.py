"""The kinds of streams that the bench records, with rows that are known by their index.

Every value follows from the sample index and epoch, so that one wrong byte is seen.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rigd.streams.block import Block, StreamFormat
from rigd.streams.stream_layout import StreamLayout, stream_layout

STREAM = "s"
EVENT = np.dtype([("line", "u1"), ("text", "S8"), ("position", "<f4", (2,))])


@dataclass(frozen=True)
class StreamKind:
    """A stream and how it is stored; `block_rows` is the most rows of a block."""

    name: str
    format: StreamFormat
    chunk: tuple[int, ...] | None
    block_rows: int
    nwb_type: str = "TimeSeries"
    compression: str = "none"

    @property
    def layout(self) -> StreamLayout:
        """Where everything lies in its file."""
        return stream_layout(
            STREAM,
            self.format,
            nwb_type=self.nwb_type,
            chunk=self.chunk,
            compression=self.compression,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What a writer's specification says of it."""
        return {
            "nwb_type": self.nwb_type,
            "chunk": self.chunk,
            "compression": self.compression,
        }


def _kinds() -> dict[str, StreamKind]:
    int16, byte = np.dtype("<i2"), np.dtype("u1")
    scalar = StreamFormat(np.dtype("<f8"), (), 1000.0)
    channels = StreamFormat(int16, (16,), 1000.0)
    split = StreamFormat(int16, (10,), 1000.0)
    frames = StreamFormat(byte, (160, 420), 30.0)
    colour = StreamFormat(byte, (12, 20, 3), 30.0)
    wheel = StreamFormat(np.dtype("<f4"), (), None, row_times=True)
    events = StreamFormat(EVENT, (), None, row_times=True)
    kinds = [
        StreamKind("scalar", scalar, (64,), 12),
        StreamKind("channels", channels, (32,), 12),
        StreamKind("channels gzip", channels, (32,), 12, compression="gzip"),
        StreamKind("split chunks", split, (16, 4), 10),
        StreamKind("split gzip", split, (16, 4), 10, compression="gzip"),
        StreamKind("frames", frames, (1,), 2, "ImageSeries"),
        StreamKind("colour", colour, (4,), 2, "ImageSeries"),
        StreamKind("colour gzip", colour, (4,), 2, "ImageSeries", "gzip"),
        StreamKind("wheel", wheel, (32,), 4),
        StreamKind("events", events, (32,), 4, "EventsTable"),
        StreamKind("events gzip", events, (32,), 4, "EventsTable", "gzip"),
        StreamKind("usual chunks", channels, None, 12),
    ]
    return {kind.name: kind for kind in kinds}


KINDS = _kinds()


def scramble(first: int, count: int, salt: int) -> npt.NDArray[np.uint64]:
    """Return 64-bit numbers that follow from their index and from `salt`."""
    numbers = np.arange(first, first + count, dtype=np.uint64)
    numbers += np.uint64(salt) << np.uint64(40)
    numbers *= np.uint64(0x9E3779B97F4A7C15)
    return numbers >> np.uint64(29)


def elements(
    dtype: np.dtype[Any], shape: tuple[int, ...], first: int, rows: int, salt: int
) -> npt.NDArray[Any]:
    """Return the elements of rows [first, first + rows)."""
    size = int(np.prod(shape, dtype=int))
    numbers = scramble(first * size, rows * size, salt).reshape(rows, *shape)
    if dtype.kind == "S":
        return numbers.astype("S").astype(dtype)
    return (numbers & np.uint64(0xFFF)).astype(dtype)


def rows_of(
    stream: StreamFormat, first: int, rows: int, epoch: int
) -> npt.NDArray[Any]:
    """Return the rows of samples [first, first + rows) of an epoch."""
    if stream.dtype.names is None:
        return elements(stream.dtype, stream.shape, first, rows, epoch)
    table = np.zeros(rows, stream.dtype)
    for number, name in enumerate(stream.dtype.names):
        field = stream.dtype[name]
        salt = 1 + number + 100 * epoch
        table[name] = elements(field.base, field.shape, first, rows, salt)
    return table


def times_of(first: int, rows: int, epoch: int) -> npt.NDArray[np.int64]:
    """Return the device times of samples, ns."""
    samples = np.arange(first, first + rows, dtype=np.int64)
    return 10**15 + samples * 1_000_003 + epoch * 10**14


def block_of(kind: StreamKind, first: int, rows: int, epoch: int) -> Block:
    """Make the block of samples [first, first + rows) of an epoch."""
    times = times_of(first, rows, epoch)
    return Block(
        STREAM,
        first,
        rows_of(kind.format, first, rows, epoch),
        host_ns=int(times[0]) + 7,
        device_ns=int(times[0]),
        epoch=epoch,
        batch=first % 1000,
        row_ns=times if kind.format.row_times else None,
    )
