"""Finds the sync pulses in a stream file, piece by piece."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rigd.config.clocks import SyncLine
from rigd.daemon.sync_lines import SyncKind, sync_kind
from rigd.streams.block import NO_TIME, StreamFormat
from rigd.streams.clock_evidence import Edges, Records
from rigd.streams.clock_map import Floats
from rigd.streams.sample_counter import SampleCounter
from rigd.streams.stream_reader import StreamReader

ROWS_AT_ONCE = 1 << 20
"""Rows that are read together."""

EVENT_RESOLUTION = 1e-6
"""Time in which an event can have been, s: devices stamp them to microseconds."""


def read_edges(
    reader: StreamReader,
    sync: SyncLine,
    form: StreamFormat,
    counter: SampleCounter | None,
) -> Edges:
    """Find all edges of the sync line of one stream, on its device's time.

    Raises:
        ValueError: `sync` does not fit the stream.

    """
    if sync_kind(sync, form) is SyncKind.EVENTS:
        return _event_edges(reader, sync, form)
    if counter is None or form.rate is None:
        raise ValueError(f"stream `{sync.stream}` has no sample counter")
    return _sampled_edges(reader, sync, form, counter)


# --- events ---------------------------------------------------------------------------


def _event_edges(reader: StreamReader, sync: SyncLine, form: StreamFormat) -> Edges:
    epochs, times = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    row = 0
    for blocks in reader.blocks():
        rows = int(blocks["rows"].sum(dtype=np.int64))
        epoch = np.repeat(blocks["epoch"].astype(np.int64), blocks["rows"])
        row_ns = reader.row_ns(row, row + rows)
        mine = _is_pulse(reader, sync, form, row, row + rows) & (row_ns != NO_TIME)
        epochs.append(epoch[mine])
        times.append(row_ns[mine])
        row += rows
    resolution = sync.resolution or EVENT_RESOLUTION
    return Edges(np.concatenate(epochs), np.concatenate(times), resolution, sync.delay)


def _is_pulse(
    reader: StreamReader, sync: SyncLine, form: StreamFormat, start: int, stop: int
) -> npt.NDArray[np.bool_]:
    """Which events are the edge that counts; all of them where no line is named."""
    names = form.dtype.names or ()
    mine = np.ones(stop - start, np.bool_)
    if sync.line is not None:
        mine &= reader.rows_of("line", start, stop) == sync.line
    if "value" in names:
        is_high = reader.rows_of("value", start, stop).astype(np.bool_)
        mine &= is_high if sync.edge == "rising" else ~is_high
    return mine


# --- samples --------------------------------------------------------------------------


def _sampled_edges(
    reader: StreamReader, sync: SyncLine, form: StreamFormat, counter: SampleCounter
) -> Edges:
    epochs, places = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    rate = counter.rate
    seen: LineEdges | AnalogEdges = (
        LineEdges(sync.line or 0, sync.edge)
        if sync.threshold is None
        else _analog_edges(sync, form)
    )
    for first, epoch, start, stop in _runs(reader):
        rows = reader.rows_of(None, start, stop, sync.column)
        found = seen.feed(rows.reshape(stop - start), first, epoch)
        whole = np.floor(found).astype(np.int64)
        part = np.rint((found - whole) * (1e9 / rate)).astype(np.int64)
        epochs.append(np.full(len(found), epoch, np.int64))
        places.append(counter.device_ns(whole, epoch) + part)
    resolution = sync.resolution or 1 / rate
    return Edges(np.concatenate(epochs), np.concatenate(places), resolution, sync.delay)


def _analog_edges(sync: SyncLine, form: StreamFormat) -> "AnalogEdges":
    """Threshold and hysteresis in stored numbers."""
    level = ((sync.threshold or 0.0) - form.offset) / form.conversion
    return AnalogEdges(level, sync.hysteresis / abs(form.conversion), sync.edge)


def _runs(reader: StreamReader) -> Iterator[tuple[int, int, int, int]]:
    """Stretches of rows whose samples follow each other, of bounded length.

    Yields first sample, epoch, first row, end of the rows.
    """
    row = 0
    for blocks in reader.blocks():
        for run in _split(blocks[blocks["rows"] > 0]):
            rows = int(run["rows"].sum(dtype=np.int64))
            first, epoch = int(run["first_sample"][0]), int(run["epoch"][0])
            for begin in range(0, rows, ROWS_AT_ONCE):
                end = min(begin + ROWS_AT_ONCE, rows)
                yield first + begin, epoch, row + begin, row + end
            row += rows


def _split(blocks: Records) -> list[Records]:
    """Cut where a sample is missing or the counter starts anew."""
    if len(blocks) == 0:
        return []
    first = blocks["first_sample"].astype(np.int64)
    follows = first[1:] == first[:-1] + blocks["rows"][:-1]
    follows &= blocks["epoch"][1:] == blocks["epoch"][:-1]
    return np.split(blocks, np.flatnonzero(~follows) + 1)


class LineEdges:
    """Edges of one digital line, which is a bit of integers."""

    def __init__(self, line: int, edge: str) -> None:
        self._mask = 1 << line
        self._rising = edge == "rising"
        self._next: tuple[int, int] | None = None
        self._was = False

    def feed(self, rows: npt.NDArray[Any], first: int, epoch: int) -> Floats:
        """Edges among samples, at half a sample before the first one after the edge."""
        level = (rows & self._mask) != 0
        if not self._rising:
            level = ~level
        known = self._next == (epoch, first)
        before = np.r_[self._was if known else level[0], level[:-1]]
        self._next, self._was = (epoch, first + len(rows)), bool(level[-1])
        places = first + np.flatnonzero(level & ~before)
        return places.astype(np.float64) - 0.5


class AnalogEdges:
    """Edges of an analog channel, by threshold and hysteresis, between samples."""

    def __init__(self, level: float, hysteresis: float, edge: str) -> None:
        self._level, self._hysteresis = level, hysteresis
        self._sign = 1.0 if edge == "rising" else -1.0
        self._next: tuple[int, int] | None = None
        self._before = 0.0
        self._armed = False

    def feed(self, rows: npt.NDArray[Any], first: int, epoch: int) -> Floats:
        """Where the signal crosses the level, linear between two samples."""
        value = self._sign * (rows.astype(np.float64) - self._level)
        if self._next != (epoch, first):
            self._armed, self._before = False, float(value[0])
        armed = self._armed_at(value)
        before = np.r_[self._before, value[:-1]]
        crossed = np.flatnonzero((before < 0) & (value >= 0) & armed)
        self._next = (epoch, first + len(rows))
        self._before = float(value[-1])
        part = before[crossed] / (before[crossed] - value[crossed])
        found: Floats = np.asarray(first + crossed - 1 + part, np.float64)
        return found

    def _armed_at(self, value: Floats) -> npt.NDArray[np.bool_]:
        """Whether the signal was below the hysteresis since the last crossing."""
        low, high = value < -self._hysteresis, value >= 0
        change = np.where(low, 1, np.where(high, -1, 0))
        last = np.maximum.accumulate(np.where(change != 0, np.arange(len(value)), -1))
        after = np.where(last >= 0, change[last] == 1, self._armed)
        was = self._armed
        self._armed = bool(after[-1])
        return np.concatenate([[was], after[:-1]]).astype(np.bool_)
