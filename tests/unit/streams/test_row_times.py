"""Times of rows, array by array."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rigd.streams.block import NO_TIME
from rigd.streams.clock_map import Axis, ClockMap, Fit, Mode, Segment, arrival_map
from rigd.streams.row_times import row_times
from rigd.streams.wire import RECORD_DTYPE

START_NS = 7_123_456_789_012
MEASURED = Fit(Mode.HOST_CLOCK, 9, 0.0, 0.0, 0.0, 0.0)


def records(
    rows: Any, first: Any, host_ns: Any, *, device_ns: Any = NO_TIME, epoch: Any = 0
) -> npt.NDArray[Any]:
    rows = np.atleast_1d(rows)
    blocks = np.zeros(len(rows), RECORD_DTYPE)
    blocks["rows"], blocks["first_sample"], blocks["host_ns"] = rows, first, host_ns
    blocks["device_ns"], blocks["epoch"] = device_ns, epoch
    return blocks


def all_times(pieces: list[npt.NDArray[Any]], clock: ClockMap, **more: Any) -> Any:
    found = list(row_times(pieces, clock, start_ns=START_NS, **more))
    return np.concatenate(found) if found else np.empty(0)


def steady(rate: float = 1000.0) -> ClockMap:
    segments = tuple(
        Segment(
            epoch,
            0,
            np.array([0.0, rate]),
            100.0 * epoch + np.array([0, 1.0]),
            MEASURED,
        )
        for epoch in (0, 1)
    )
    return ClockMap(Axis.SAMPLE, segments)


def test_gaps_and_restarts_show_in_the_times() -> None:
    blocks = records([2, 2, 2], [0, 10, 0], 0, epoch=[0, 0, 1])
    times = all_times([blocks], steady())
    np.testing.assert_allclose(times, [0, 0.001, 0.010, 0.011, 100, 100.001])


@settings(deadline=None)
@given(
    rows=st.lists(st.integers(0, 30), max_size=30),
    step=st.integers(1, 40),
    pieces=st.integers(1, 10),
)
def test_arrays_are_bounded_and_add_up(rows: list[int], step: int, pieces: int) -> None:
    counts = np.array(rows, np.int64)
    blocks = records(counts, np.r_[0, np.cumsum(counts)][:-1][: len(rows)], 0)
    parts = np.array_split(blocks, pieces)
    arrays = list(row_times(parts, steady(), start_ns=0, step=step))
    assert all(0 < len(array) <= step for array in arrays)
    joined = np.concatenate([np.empty(0), *arrays])
    np.testing.assert_allclose(joined, np.arange(counts.sum()) / 1000)


def test_rows_with_times_of_their_own_use_these() -> None:
    device = np.array([5 * 10**9, NO_TIME, 6 * 10**9, 8 * 10**9])
    clock = ClockMap(
        Axis.DEVICE,
        (Segment(0, 10**9, np.array([0.0, 1e9]), np.array([0.5, 1.5]), MEASURED),),
    )
    blocks = records([1, 3], [0, 1], 0)
    times = all_times(
        [blocks[:1], blocks[1:]], clock, row_ns=lambda a, b: device[a:b], step=2
    )
    np.testing.assert_allclose(times, [4.5, np.nan, 5.5, 7.5])
    with pytest.raises(ValueError, match="device times"):
        all_times([blocks], clock)


def test_without_a_device_clock_rows_have_the_time_of_their_arrival() -> None:
    blocks = records([2, 1], [0, 2], [START_NS + 10**9, START_NS + 3 * 10**9])
    clock = arrival_map(2)
    assert all_times([blocks], clock).tolist() == [1.0, 1.0, 3.0]
    assert clock.fits[0].mode is Mode.ARRIVAL
    assert clock.error is None


def test_an_hour_is_not_held_in_memory() -> None:
    def pieces() -> Iterator[npt.NDArray[Any]]:
        for second in range(3600):
            yield records(30_000, second * 30_000, 0)

    longest = max(map(len, row_times(pieces(), steady(), start_ns=0)))
    assert longest <= 30_000
