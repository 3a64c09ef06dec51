"""A source that can send again, and what a stream file must hold after each item."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from rigd.streams.block import NO_TIME, StreamFormat
from rigd.streams.durable_stream import DurableStream
from rigd.streams.ledger import LOST_DTYPE, LostInterval
from rigd.streams.standing import Standing
from rigd.streams.stream_file import device_seconds
from rigd.streams.stream_layout import StreamLayout, stream_layout
from rigd.streams.wire import CLOCK_DTYPE, RECORD
from tests.support.stream_files import make_stream_file

KEY = 0xC0FFEE

EVENT = np.dtype([("line", "|u1"), ("xy", "<f4", (2,)), ("text", "S3")])


@dataclass(frozen=True)
class Kind:
    """A kind of stream, with chunks so small that a few blocks fill them."""

    name: str
    format: StreamFormat
    layout: StreamLayout

    @property
    def skeleton(self) -> bytes:
        """An empty stream file."""
        return _skeleton(self.name)


def kind(
    name: str,
    stream: StreamFormat,
    chunk: tuple[int, ...],
    compression: str = "none",
    nwb_type: str = "TimeSeries",
) -> Kind:
    """Lay out a kind of stream; its tables beside the data have small chunks too."""
    layout = stream_layout(
        "s", stream, nwb_type=nwb_type, chunk=chunk, compression=compression
    )
    small = {
        part: replace(dataset, chunk=(rows,))
        for part, rows in {
            "blocks": 4, "clock": 3, "lost": 2, "timestamps": 5, "row_times": 6,
            "ids": 7,
        }.items()
        if (dataset := getattr(layout, part)) is not None
    }  # fmt: skip
    return Kind(name, stream, replace(layout, **small))


CHANNELS = StreamFormat(np.dtype("<i2"), (5,), 30_000.0)
KINDS = {
    one.name: one
    for one in (
        kind("channels", CHANNELS, (8,)),
        kind("gzip", CHANNELS, (8,), "gzip"),
        kind("tiles", CHANNELS, (4, 2)),
        kind("gzip tiles", CHANNELS, (4, 2), "gzip"),
        kind("frames", StreamFormat(np.dtype("|u1"), (3, 4), 30.0), (1,)),
        kind("events", StreamFormat(np.dtype("<f8"), (), None, row_times=True), (4,)),
        kind(
            "table",
            StreamFormat(EVENT, (), None, row_times=True),
            (4,),
            nwb_type="EventsTable",
        ),
        kind(
            "gzip table",
            StreamFormat(EVENT, (), None, row_times=True),
            (4,),
            "gzip",
            "EventsTable",
        ),
    )
}


@cache
def _skeleton(name: str) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.nwb"
        make_stream_file(path, KINDS[name].layout)
        return path.read_bytes()


@dataclass(frozen=True)
class Item:
    """One numbered message: rows of a block, or clock readings, or lost samples.

    `seed` makes its content; 0 makes all zeros, so that chunks are alike.
    """

    what: str
    count: int
    seed: int


class Source:
    """Numbers items from 0, and can give them again."""

    def __init__(self, of: Kind) -> None:
        self.kind = of
        self.items: list[Item] = []

    def apply(self, stream: DurableStream, sequence: int) -> None:
        """Send one item to a stream, which must have all before it."""
        item, first = self.items[sequence], self.standing(sequence).next
        if item.what == "block":
            body, record = self._body(sequence), self._record(sequence)
            stream.append([record], [body], [item.count])
        elif item.what == "clock":
            stream.append_clock(self._clock(item))
        else:
            rows = self._rows_before(sequence)
            lost = LostInterval(first, item.count, rows, 0, "device")
            stream.append_lost(lost)

    def standing(self, sequence: int) -> Standing:
        """Where wire and account stand when all before `sequence` are taken."""
        before = self.items[:sequence]
        lost = sum(item.count for item in before if item.what == "lost")
        rows = self._rows_before(sequence)
        return Standing(sequence=sequence, sender=9, next=rows + lost, lost=lost)

    def _rows_before(self, sequence: int) -> int:
        return sum(i.count for i in self.items[:sequence] if i.what == "block")

    def expected(self, sequence: int) -> list[bytes]:
        """All rows of each dataset when all before `sequence` are taken."""
        pieces: dict[str, list[bytes]] = {d.path: [] for d in self.kind.layout.datasets}
        for number in range(sequence):
            for path, content in self._pieces(number):
                pieces[path].append(content)
        return [b"".join(content) for content in pieces.values()]

    def _pieces(self, sequence: int) -> Iterator[tuple[str, bytes]]:
        layout, item = self.kind.layout, self.items[sequence]
        if item.what == "clock":
            yield layout.clock.path, self._clock(item)
        elif item.what == "lost":
            row, first = self._rows_before(sequence), self.standing(sequence).next
            entry = np.array([(first, item.count, row, 0, b"device")], LOST_DTYPE)
            yield layout.lost.path, entry.tobytes()
        else:
            yield from self._block_pieces(sequence)

    def _block_pieces(self, sequence: int) -> Iterator[tuple[str, bytes]]:
        layout, item = self.kind.layout, self.items[sequence]
        yield layout.blocks.path, self._record(sequence)
        rows = self._rows(item)
        for column in layout.data:
            values = rows if column.field is None else rows[column.field]
            yield column.path, np.ascontiguousarray(values).tobytes()
        if layout.ids is not None:
            first = self._rows_before(sequence)
            numbers = np.arange(first, first + item.count, dtype="<i8")
            yield layout.ids.path, numbers.tobytes()
        if layout.row_times is not None:
            yield layout.row_times.path, self._times(item).tobytes()
        if layout.timestamps is not None:
            seconds = device_seconds(self._times(item))
            yield layout.timestamps.path, seconds.tobytes()

    def _body(self, sequence: int) -> bytes:
        item = self.items[sequence]
        times = self._times(item).tobytes() if self.kind.format.row_times else b""
        return self._rows(item).tobytes() + times

    def _record(self, sequence: int) -> bytes:
        item, first = self.items[sequence], self.standing(sequence).next
        return RECORD.pack(sequence, first, NO_TIME, item.seed, item.count, 0, 0, 0)

    def _rows(self, item: Item) -> "np.ndarray[tuple[int, ...], np.dtype[np.void]]":
        stream = self.kind.format
        raw = _bytes(item.seed, item.count * stream.row_bytes)
        return np.frombuffer(raw, stream.dtype).reshape(item.count, *stream.shape)

    def _times(self, item: Item) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        return np.frombuffer(_bytes(item.seed, 8 * item.count), "<i8").copy()

    def _clock(self, item: Item) -> bytes:
        return _bytes(item.seed, CLOCK_DTYPE.itemsize * item.count)


def _bytes(seed: int, size: int) -> bytes:
    """Bytes of one seed: as many as are wanted, always the same ones."""
    return bytes(size) if seed == 0 else _noise(seed)[:size]


@cache
def _noise(seed: int) -> bytes:
    return np.random.default_rng(seed).integers(1, 100, 4096, np.uint8).tobytes()
