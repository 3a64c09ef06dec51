"""Finds the sync pulses in a stream file, piece by piece."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rigd.config.clocks import SyncLine
from rigd.streams.block import NO_TIME, StreamFormat
from rigd.streams.clock_evidence import Edges, Records
from rigd.streams.clock_map import Integers
from rigd.streams.sample_counter import SampleCounter
from rigd.streams.stream_reader import StreamReader
from rigd.streams.sync_lines import SyncKind, edge_finder, sync_kind

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
    counts = [np.empty(0, np.bool_)]
    row = 0
    for blocks in reader.blocks():
        rows = int(blocks["rows"].sum(dtype=np.int64))
        row_ns = reader.row_ns(row, row + rows)
        mine, is_edge = _events_of_line(reader, sync, form, row, row + rows)
        mine &= row_ns != NO_TIME
        epoch = np.repeat(blocks["epoch"].astype(np.int64), blocks["rows"])
        epochs.append(epoch[mine])
        times.append(row_ns[mine])
        counts.append(is_edge[mine])
        row += rows
    at = np.concatenate(times)
    kept = np.concatenate(counts) & _wide_enough(at, sync.least_width)
    resolution = sync.resolution or EVENT_RESOLUTION
    return Edges(np.concatenate(epochs)[kept], at[kept], resolution, sync.delay)


def _events_of_line(
    reader: StreamReader, sync: SyncLine, form: StreamFormat, start: int, stop: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which events are on the sync line, and which are the edge that counts."""
    names = form.dtype.names or ()
    mine = np.ones(stop - start, np.bool_)
    if sync.line is not None:
        mine = reader.rows_of("line", start, stop) == sync.line
    is_edge = np.ones(stop - start, np.bool_)
    if "value" in names:
        is_high = reader.rows_of("value", start, stop).astype(np.bool_)
        is_edge = is_high if sync.edge == "rising" else ~is_high
    return mine, is_edge


def _wide_enough(at: Integers, least: float) -> npt.NDArray[np.bool_]:
    """Which events last until the next one of the line; the last one does."""
    width = np.append(np.diff(at), np.iinfo(np.int64).max)
    return np.asarray((width < 0) | (width >= least * 1e9), np.bool_)


# --- samples --------------------------------------------------------------------------


def _sampled_edges(
    reader: StreamReader, sync: SyncLine, form: StreamFormat, counter: SampleCounter
) -> Edges:
    epochs, places = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    rate = counter.rate
    finder = edge_finder(sync, form)
    for first, epoch, start, stop in _runs(reader):
        rows = reader.rows_of(None, start, stop, sync.column)
        found = finder.feed(rows.reshape(stop - start), first, epoch)
        whole = np.floor(found).astype(np.int64)
        part = np.rint((found - whole) * (1e9 / rate)).astype(np.int64)
        epochs.append(np.full(len(found), epoch, np.int64))
        places.append(counter.device_ns(whole, epoch) + part)
    resolution = sync.resolution or 1 / rate
    return Edges(np.concatenate(epochs), np.concatenate(places), resolution, sync.delay)


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
