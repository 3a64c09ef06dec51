"""Times of rows by a line through the least delayed clock readings."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rigd.streams.block import NO_TIME
from rigd.streams.clock_evidence import (
    NO_ANCHORS,
    Anchors,
    device_anchors,
    least_delayed,
    sample_anchors,
    window_ns,
)
from rigd.streams.clock_map import Axis, ClockMap, Fit, Mode, Segment, arrival_map
from rigd.streams.host_line import ASSUMED_DRIFT, bow, fit_host_clock
from rigd.streams.row_times import row_times
from rigd.streams.wire import RECORD_DTYPE

START_NS = 7_123_456_789_012
MEASURED = Fit(Mode.LINE, 9, 0.0, 0.0, 0.0, 0.0)


def records(
    rows: Any, first: Any, host_ns: Any, *, device_ns: Any = NO_TIME, epoch: Any = 0
) -> npt.NDArray[Any]:
    rows = np.atleast_1d(rows)
    blocks = np.zeros(len(rows), RECORD_DTYPE)
    blocks["rows"], blocks["first_sample"], blocks["host_ns"] = rows, first, host_ns
    blocks["device_ns"], blocks["epoch"] = device_ns, epoch
    return blocks


def recorded(
    *,
    rate: float,
    drift: float,
    seconds: float,
    first: int = 0,
    offset: float = 1.5,
    delay: float = 0.002,
    seed: int = 0,
    epoch: int = 0,
) -> npt.NDArray[Any]:
    """Blocks of 10 ms of a device that is too fast by `drift`; exponential delays."""
    count = int(seconds * 100)
    rows = np.full(count, round(rate / 100))
    start = first + np.r_[0, np.cumsum(rows)[:-1]]
    true_s = offset + (start - first + rows - 1) / (rate * (1 + drift))
    late_s = np.random.default_rng(seed).exponential(delay, count)
    host_ns = START_NS + np.round((true_s + late_s) * 1e9).astype(np.int64)
    return records(rows, start, np.maximum.accumulate(host_ns), epoch=epoch)


def fit(blocks: npt.NDArray[Any], rate: float, pieces: int = 1) -> ClockMap:
    width = window_ns(int(blocks["host_ns"][0]), int(blocks["host_ns"][-1]))
    return fit_host_clock(
        (sample_anchors(piece) for piece in np.array_split(blocks, pieces)),
        axis=Axis.SAMPLE,
        per_second=rate,
        start_ns=START_NS,
        width_ns=width,
    )


def all_times(pieces: list[npt.NDArray[Any]], clock: ClockMap, **more: Any) -> Any:
    found = list(row_times(pieces, clock, start_ns=START_NS, **more))
    return np.concatenate(found) if found else np.empty(0)


def split(blocks: npt.NDArray[Any], cut: int) -> npt.NDArray[Any]:
    """The same rows in twice as many blocks, both with the host time of the read."""
    early, late = blocks.copy(), blocks.copy()
    early["rows"] = cut
    late["first_sample"] += cut
    late["rows"] -= cut
    return np.stack([early, late], axis=1).reshape(-1)


# --- the map --------------------------------------------------------------------------


def test_between_and_beyond_its_knots_a_segment_is_straight() -> None:
    segment = Segment(
        0, 1000, np.array([0.0, 10.0, 30.0]), np.array([1.0, 2.0, 6.0]), MEASURED
    )
    times = segment.times(np.array([990, 1000, 1005, 1020, 1030, 1040]))
    np.testing.assert_allclose(times, [0.0, 1.0, 1.5, 4.0, 6.0, 8.0])


@pytest.mark.parametrize(
    ("x", "t"),
    [([0.0], [0.0]), ([0.0, 0.0], [0.0, 1.0]), ([0.0, 1.0], [1.0, 1.0])],
)
def test_a_segment_that_does_not_increase_is_refused(
    x: list[float], t: list[float]
) -> None:
    with pytest.raises(ValueError, match="knots"):
        Segment(0, 0, np.array(x), np.array(t), MEASURED)


def test_an_epoch_without_segment_has_no_times() -> None:
    clock = fit(recorded(rate=1000, drift=0, seconds=5), 1000)
    assert np.isnan(clock.times(np.arange(3), 1)).all()
    assert np.isfinite(clock.times(np.arange(3), 0)).all()


def test_large_counts_keep_every_nanosecond_apart() -> None:
    origin = 2**62
    segment = Segment(0, origin, np.array([0.0, 1e9]), np.array([0.0, 1.0]), MEASURED)
    x = origin + np.arange(0, 86400 * 10**9, 10**13, dtype=np.int64)
    pairs = segment.times(np.stack([x, x + 1], axis=1).reshape(-1)).reshape(-1, 2)
    np.testing.assert_allclose(pairs[:, 1] - pairs[:, 0], 1e-9, atol=3e-11)


# --- anchors --------------------------------------------------------------------------


def test_the_last_row_of_a_block_is_tied_to_its_host_time() -> None:
    blocks = records([10, 0, 5], [0, 10, 10], [100, 150, 200], epoch=[0, 0, 1])
    anchors = sample_anchors(blocks)
    assert anchors.x.tolist() == [9, 14]
    assert anchors.host_ns.tolist() == [100, 200]
    assert anchors.epoch.tolist() == [0, 1]


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


# --- the fit --------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(
    drift=st.floats(-1e-3, 1e-3),
    offset=st.floats(0, 1e5),
    rate=st.sampled_from([100.0, 1000.0, 30000.0]),
    first=st.sampled_from([0, 10**9]),
    seed=st.integers(0, 2**32 - 1),
)
def test_offset_and_drift_are_found_under_one_sided_delays(
    drift: float, offset: float, rate: float, first: int, seed: int
) -> None:
    blocks = recorded(
        rate=rate, drift=drift, seconds=60, first=first, offset=offset, seed=seed
    )
    clock = fit(blocks, rate)
    x = first + np.arange(0, int(rate * 60), 97)
    truth = offset + (x - first) / (rate * (1 + drift))
    error = clock.times(x, 0) - truth
    assert np.max(np.abs(error)) < 2e-4
    found = clock.fits[0]
    assert found.mode is Mode.LINE
    assert found.drift_ppm == pytest.approx(drift * 1e6, abs=5)
    assert found.residual_median is not None
    assert found.residual_max is not None
    assert found.residual_median <= found.residual_max
    assert clock.error is not None
    assert clock.error < 3e-4


@settings(deadline=None, max_examples=40)
@given(
    x0=st.integers(0, 2**62),
    drift=st.floats(-1e-2, 1e-2),
    seed=st.integers(0, 2**32 - 1),
    steps=st.lists(st.integers(1, 10**6), min_size=2, max_size=50),
)
def test_times_increase_strictly(
    x0: int, drift: float, seed: int, steps: list[int]
) -> None:
    blocks = recorded(rate=1000, drift=drift, seconds=5, first=x0, seed=seed)
    x = x0 + np.cumsum(np.array(steps, np.int64))
    assert np.all(np.diff(fit(blocks, 1000).times(x, 0)) > 0)


@settings(deadline=None, max_examples=30)
@given(
    pieces=st.integers(1, 40),
    cut=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
)
def test_how_the_rows_were_cut_does_not_matter(
    pieces: int, cut: int, seed: int
) -> None:
    blocks = recorded(rate=1000, drift=2e-5, seconds=8, seed=seed)
    whole = fit(blocks, 1000)
    other = fit(split(blocks, cut), 1000, pieces)
    x = np.arange(0, 8000, 7)
    np.testing.assert_allclose(other.times(x, 0), whole.times(x, 0), atol=1e-9)


def test_stalls_and_early_stamps_of_the_host_do_not_bend_the_line() -> None:
    blocks = recorded(rate=1000, drift=3e-5, seconds=120)
    blocks["host_ns"][5000:5500] += 400_000_000
    blocks["host_ns"][[300, 8000]] -= 50_000_000
    x = np.arange(0, 120_000, 1000)
    truth = 1.5 + x / (1000 * (1 + 3e-5))
    assert np.max(np.abs(fit(blocks, 1000).times(x, 0) - truth)) < 2e-4


def test_the_error_estimate_tells_of_a_clock_that_a_line_does_not_follow() -> None:
    blocks = recorded(rate=1000, drift=0, seconds=600, delay=1e-4)
    minutes = np.linspace(-1, 1, len(blocks))
    blocks["host_ns"] += np.round(5e6 * minutes**2).astype(np.int64)
    clock = fit(blocks, 1000)
    x = np.arange(0, 600_000, 1000)
    truth = 1.5 + x / 1000 + 5e-3 * np.linspace(-1, 1, len(x)) ** 2
    error = np.max(np.abs(clock.times(x, 0) - truth))
    assert clock.error is not None
    assert 0.3 * error < clock.error < 1.5 * error


def test_one_block_gets_the_nominal_rate() -> None:
    blocks = records(10, 0, START_NS + 2 * 10**9)
    clock = fit(blocks, 10)
    only = clock.fits[0]
    assert only.mode is Mode.NOMINAL
    assert only.anchors == 1
    assert only.drift_ppm is None
    assert only.error == 0
    np.testing.assert_allclose(
        clock.times(np.array([0, 9, 19]), 0), [1.1, 2.0, 3.0], atol=1e-12
    )


def test_no_anchors_make_a_map_without_times() -> None:
    clock = fit_host_clock(
        [], axis=Axis.DEVICE, per_second=1e9, start_ns=START_NS, width_ns=1
    )
    assert clock.segments == ()
    assert clock.error is None
    assert np.isnan(clock.times(np.array([5]), 0)).all()


def test_an_implausible_rate_is_not_believed_and_its_error_is_told() -> None:
    blocks = recorded(rate=1000, drift=0.5, seconds=10)
    clock = fit(blocks, 1000)
    assert clock.fits[0].mode is Mode.NOMINAL
    assert clock.error is not None
    assert clock.error > 1


def test_blocks_that_came_at_once_get_the_nominal_rate() -> None:
    blocks = records(np.full(50, 10), np.arange(0, 500, 10), START_NS)
    clock = fit(blocks, 1000)
    assert clock.fits[0].mode is Mode.NOMINAL
    assert np.diff(clock.times(np.array([0, 499]), 0)) == pytest.approx(0.499)


def test_few_scattered_anchors_give_way_to_the_nominal_rate() -> None:
    late_ms = np.array([4, 1, 3, 0, 2, 5, 1, 4, 2, 3])
    host_ns = START_NS + np.arange(1, 11) * 500_000_000 + late_ms * 1_000_000
    clock = fit(records(np.ones(10), np.arange(10), host_ns), 2.0)
    assert clock.fits[0].mode is Mode.NOMINAL
    assert clock.error == pytest.approx(ASSUMED_DRIFT * 4.5, rel=0.01)
    times = clock.times(np.arange(10), 0)
    np.testing.assert_allclose(times, np.arange(1, 11) * 0.5)


def test_scattered_anchors_can_still_tell_of_a_wrong_nominal_rate() -> None:
    blocks = recorded(rate=1000, drift=0.03, seconds=4, delay=0.02)
    found = fit(blocks, 1000).fits[0]
    assert found.mode is Mode.LINE
    assert found.drift_ppm == pytest.approx(30_000, rel=0.2)


def test_two_anchors_are_too_few_for_a_line() -> None:
    blocks = records([1, 1], [0, 10], [START_NS, START_NS + 10**10])
    clock = fit(blocks, 1.0)
    assert clock.fits[0].mode is Mode.NOMINAL
    assert clock.error == pytest.approx(ASSUMED_DRIFT * 10)


def test_each_epoch_has_a_line_of_its_own() -> None:
    first = recorded(rate=1000, drift=1e-4, seconds=30)
    second = recorded(rate=1000, drift=-1e-4, seconds=30, offset=40, epoch=1, seed=1)
    clock = fit(np.concatenate([first, second]), 1000, pieces=7)
    assert clock.fits[0].drift_ppm == pytest.approx(100, abs=5)
    assert clock.fits[1].drift_ppm == pytest.approx(-100, abs=5)
    starts = clock.times(np.array([0, 0]), np.array([0, 1]))
    np.testing.assert_allclose(starts, [1.5, 40], atol=2e-4)


def test_the_bow_ignores_scatter() -> None:
    scatter = np.random.default_rng(1).normal(0, 1e-3, 4000)
    assert bow(scatter) < 2e-4
    assert bow(scatter + np.linspace(-1, 1, 4000) * 1e-2) > 8e-3
    assert bow(np.array([0.5])) == 0.5


# --- times of rows --------------------------------------------------------------------


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
