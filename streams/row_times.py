"""Session times of the rows of a stream, array by array: a clock map applied."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from rigd.streams.clock_evidence import Records
from rigd.streams.clock_map import Axis, ClockMap, Floats, Integers

RowNs = Callable[[int, int], Integers]
"""Device times of the rows [start, stop), int64 ns, NO_TIME where there is none."""

ROWS_AT_ONCE = 1 << 18
"""Rows of one array of times: bounds the memory."""


def row_times(
    pieces: Iterable[Records],
    clock: ClockMap,
    *,
    start_ns: int,
    row_ns: RowNs | None = None,
    step: int = ROWS_AT_ONCE,
) -> Iterator[Floats]:
    """Give the session seconds of all rows of a stream, array by array, in order.

    Rows follow each other in the file whether or not samples are missing between
    them, so gaps show in the times.

    Args:
        pieces: All entries of `sync/blocks`, in any number of pieces.
        clock: The map of the stream.
        start_ns: CLOCK_MONOTONIC at time 0 of the session.
        row_ns: Device times of the rows, where the axis is DEVICE.
        step: Most rows of one array.

    """
    if clock.axis is Axis.SAMPLE:
        yield from _sample_times(pieces, clock, step)
        return
    row = 0
    for blocks in pieces:
        ends = row + np.cumsum(blocks["rows"], dtype=np.int64)
        stop = int(ends[-1]) if len(ends) else row
        for start in range(row, stop, step):
            rows = np.arange(start, min(start + step, stop))
            device_ns = None if row_ns is None else row_ns(start, start + len(rows))
            yield _times_in(blocks, ends, rows, clock, start_ns, device_ns)
        row = stop


def _sample_times(
    pieces: Iterable[Records], clock: ClockMap, step: int
) -> Iterator[Floats]:
    """Times by sample index: runs of samples that follow each other, one by one."""
    for blocks in pieces:
        for run in _runs(blocks[blocks["rows"] > 0]):
            first, epoch = int(run["first_sample"][0]), int(run["epoch"][0])
            stop = first + int(run["rows"].sum(dtype=np.int64))
            for start in range(first, stop, step):
                yield clock.times(np.arange(start, min(start + step, stop)), epoch)


def _runs(blocks: Records) -> list[Records]:
    """Cut where a sample is missing or the counter starts anew."""
    if len(blocks) == 0:
        return []
    first = blocks["first_sample"].astype(np.int64)
    follows = first[1:] == first[:-1] + blocks["rows"][:-1]
    follows &= blocks["epoch"][1:] == blocks["epoch"][:-1]
    return np.split(blocks, np.flatnonzero(~follows) + 1)


def times_at(
    rows: Integers,
    pieces: Iterable[Records],
    clock: ClockMap,
    *,
    start_ns: int,
    row_ns: RowNs | None = None,
) -> Floats:
    """Give the session seconds of single rows, in ascending order, as `row_times` does.

    Rows that the stream does not have get no time: the result is shorter.
    """
    found = [np.empty(0)]
    row = 0
    for blocks in pieces:
        ends = row + np.cumsum(blocks["rows"], dtype=np.int64)
        stop = int(ends[-1]) if len(ends) else row
        mine = rows[(rows >= row) & (rows < stop)]
        if len(mine):
            device_ns = None
            if row_ns is not None:
                device_ns = np.concatenate([row_ns(r, r + 1) for r in mine.tolist()])
            found.append(_times_in(blocks, ends, mine, clock, start_ns, device_ns))
        row = stop
    return np.concatenate(found)


def _times_in(
    blocks: Records,
    ends: Integers,
    rows: Integers,
    clock: ClockMap,
    start_ns: int,
    device_ns: Integers | None,
) -> Floats:
    """Times of rows that lie in `blocks`, which end before the rows `ends`."""
    block = np.searchsorted(ends, rows, side="right")
    if clock.axis is Axis.ARRIVAL:
        seconds: Floats = (blocks["host_ns"][block] - start_ns) / 1e9
        return seconds
    epoch = blocks["epoch"][block].astype(np.int64)
    if clock.axis is Axis.SAMPLE:
        before = blocks["first_sample"].astype(np.int64) - (ends - blocks["rows"])
        return clock.times(before[block] + rows, epoch)
    if device_ns is None:
        raise ValueError("a map from device time needs the device times of the rows")
    return clock.times(device_ns, epoch)
