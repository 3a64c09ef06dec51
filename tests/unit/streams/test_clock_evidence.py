"""What is kept of clock readings."""

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from rigd.streams.block import NO_TIME
from rigd.streams.clock_evidence import (
    NO_ANCHORS,
    Anchors,
    counter_ns,
    device_anchors,
    joined,
    least_delayed,
)
from rigd.streams.wire import RECORD_DTYPE


def records(
    rows: Any, first: Any, host_ns: Any, *, device_ns: Any = NO_TIME, epoch: Any = 0
) -> npt.NDArray[Any]:
    rows = np.atleast_1d(rows)
    blocks = np.zeros(len(rows), RECORD_DTYPE)
    blocks["rows"], blocks["first_sample"], blocks["host_ns"] = rows, first, host_ns
    blocks["device_ns"], blocks["epoch"] = device_ns, epoch
    return blocks


def test_device_anchors_fall_back_to_the_first_row_and_leave_out_the_timeless() -> None:
    blocks = records([3, 3, 3], 0, [100, 200, 300], device_ns=[1, 2, NO_TIME])
    anchors = device_anchors(blocks, np.array([11, NO_TIME, NO_TIME]))
    assert anchors.x.tolist() == [11, 2]
    assert anchors.host_ns.tolist() == [100, 200]


def test_the_least_delayed_anchor_of_each_window_is_kept() -> None:
    anchors = Anchors(
        np.zeros(4, np.int64),
        np.array([0, 1, 2, 3]),
        np.array([10, 11, 12, 10**9 + 5]),
    )
    kept = least_delayed(anchors, 10**9, per_second=1e9 / 3)
    assert kept.x.tolist() == [2, 3]
    assert len(least_delayed(NO_ANCHORS, 1, 1)) == 0


@given(sample=st.integers(0, 2 * 10**11), rate=st.sampled_from([30.0, 1000.0, 30000.0]))
def test_counts_are_laid_onto_nanoseconds_without_drift(
    sample: int, rate: float
) -> None:
    found = int(counter_ns(np.array([sample], np.int64), rate)[0])
    assert abs(found * int(rate) - sample * 10**9) <= int(rate)


def test_pieces_are_joined_in_order() -> None:
    one = Anchors(np.array([0]), np.array([1]), np.array([2]))
    two = joined(one, NO_ANCHORS, one)
    assert len(two) == 2
    assert two.x.tolist() == [1, 1]
