"""Sample indices on the device's time."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rigd.streams.block import NO_TIME
from rigd.streams.clock_map import Axis, ClockMap, Fit, Mode, Segment
from rigd.streams.sample_counter import follow_counter, through_counter
from rigd.streams.wire import RECORD_DTYPE

RATE = 1000.0
MEASURED = Fit(Mode.HOST_CLOCK, 9, 0.0, 0.0, 0.0, 0.0)


def records(
    first: Any, device_ns: Any, *, rows: int = 10, epoch: Any = 0
) -> npt.NDArray[Any]:
    blocks = np.zeros(len(first), RECORD_DTYPE)
    blocks["rows"], blocks["first_sample"], blocks["epoch"] = rows, first, epoch
    blocks["device_ns"] = device_ns
    blocks["host_ns"] = np.arange(len(first)) + 7
    return blocks


def steady(blocks: int = 300, offset_ns: int = 10**15) -> npt.NDArray[Any]:
    first = np.arange(blocks) * 10
    return records(first, offset_ns + first * 1_000_000)


def test_a_device_without_times_counts_at_its_nominal_rate() -> None:
    counter = follow_counter([records(np.arange(5) * 10, NO_TIME)], RATE)
    assert len(counter.runs) == 1
    assert counter.device_ns(np.array([0, 25]), 0).tolist() == [0, 25_000_000]
    assert counter.device_ns(np.array([0]), 3).tolist() == [NO_TIME]


def test_device_times_that_follow_the_count_make_one_run() -> None:
    counter = follow_counter(np.array_split(steady(), 7), RATE)
    assert len(counter.runs) == 1
    assert counter.scatter == 0
    assert counter.device_ns(np.array([123]), 0).tolist() == [10**15 + 123_000_000]


def test_the_last_sample_of_a_block_is_tied_to_its_host_time() -> None:
    blocks = steady(3)
    blocks["rows"][1] = 0
    anchors = follow_counter([blocks], RATE).anchors(blocks)
    assert anchors.x.tolist() == [10**15 + 9_000_000, 10**15 + 29_000_000]
    assert anchors.host_ns.tolist() == [7, 9]


def test_samples_that_nobody_counted_make_a_new_run() -> None:
    blocks = steady()
    blocks["device_ns"][100:] += 50_000_000
    counter = follow_counter(np.array_split(blocks, 5), RATE)
    assert [run.first for run in counter.runs] == [0, 1000]
    at = counter.device_ns(np.array([999, 1000]), 0)
    assert np.diff(at).tolist() == [51_000_000]


def test_each_epoch_has_runs_of_its_own() -> None:
    both = np.concatenate([steady(20), steady(20, offset_ns=5)])
    both["epoch"][20:] = 1
    counter = follow_counter([both], RATE)
    assert [run.epoch for run in counter.runs] == [0, 1]
    assert counter.device_ns(np.array([7]), 1).tolist() == [5 + 7_000_000]


@pytest.mark.parametrize("rate", [1000.0, 1001.5])
def test_scattered_times_or_another_rate_are_replaced_by_a_line(rate: float) -> None:
    first = np.arange(2000) * 10
    jitter = np.random.default_rng(1).normal(0, 2e6, len(first))
    device = 10**15 + np.rint(first * 1e9 / rate + jitter).astype(np.int64)
    counter = follow_counter(np.array_split(records(first, device), 9), RATE)
    assert len(counter.runs) == 1
    assert counter.rate == pytest.approx(rate, rel=1e-4)
    assert counter.scatter == pytest.approx(6e-3, rel=0.1)
    found = counter.device_ns(first, 0) - 10**15
    assert np.max(np.abs(found - first * 1e9 / rate)) < 0.5e6


def test_times_that_go_back_give_way_to_the_count() -> None:
    blocks = steady()
    blocks["device_ns"][200:] -= 60 * 10**9
    counter = follow_counter([blocks], RATE)
    assert len(counter.runs) == 1
    assert counter.scatter == np.inf
    at = counter.device_ns(np.array([1999, 2000]), 0)
    assert np.diff(at).tolist() == [1_000_000]


# --- two maps in one ------------------------------------------------------------------


def clock() -> ClockMap:
    """Device ns to seconds: 1 s late, 100 ppm fast, and 3 s later from 2 s on."""
    x = np.array([0.0, 1e10])
    t = 1 + x * 1e-9 / 1.0001
    return ClockMap(
        Axis.DEVICE,
        (
            Segment(0, 10**15, x, t, MEASURED),
            Segment(0, 10**15, x, t + 3, MEASURED, begin=10**15 + 2 * 10**9),
        ),
    )


@settings(deadline=None)
@given(samples=st.lists(st.integers(0, 5000), min_size=1, max_size=20))
def test_both_maps_together_are_the_one_after_the_other(samples: list[int]) -> None:
    blocks = steady()
    blocks["device_ns"][100:] += 50_000_000
    counter = follow_counter([blocks], RATE)
    index = np.array(samples, np.int64)
    np.testing.assert_allclose(
        through_counter(clock(), counter).times(index, 0),
        clock().times(counter.device_ns(index, 0), 0),
        rtol=0,
        atol=1e-9,
    )
    assert through_counter(clock(), counter).axis is Axis.SAMPLE
