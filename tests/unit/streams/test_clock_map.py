"""Clock maps: straight pieces, forth and back."""

import numpy as np
import pytest

from rigd.streams.block import NO_TIME
from rigd.streams.clock_map import Axis, ClockMap, Fit, Grade, Mode, Segment

MEASURED = Fit(Mode.HOST_CLOCK, 9, 0.0, 0.0, 0.0, 0.0)


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


def test_large_counts_keep_every_nanosecond_apart() -> None:
    origin = 2**62
    segment = Segment(0, origin, np.array([0.0, 1e9]), np.array([0.0, 1.0]), MEASURED)
    x = origin + np.arange(0, 86400 * 10**9, 10**13, dtype=np.int64)
    pairs = segment.times(np.stack([x, x + 1], axis=1).reshape(-1)).reshape(-1, 2)
    np.testing.assert_allclose(pairs[:, 1] - pairs[:, 0], 1e-9, atol=3e-11)


def two_epochs() -> ClockMap:
    """Units of 1 s; the second epoch has a segment that begins at 50."""
    x = np.array([0.0, 100.0])
    return ClockMap(
        Axis.SAMPLE,
        (
            Segment(0, 10, x, x, MEASURED),
            Segment(1, 0, x, x + 200, MEASURED),
            Segment(1, 0, x, x + 205, MEASURED, begin=50),
        ),
    )


def test_segments_of_one_epoch_follow_each_other_from_their_begin_on() -> None:
    times = two_epochs().times(np.array([49, 50, 60]), 1)
    assert times.tolist() == [249, 255, 265]
    assert two_epochs().times(np.array([60]), 0).tolist() == [50]


def test_an_epoch_without_segment_and_no_time_have_no_times() -> None:
    clock = two_epochs()
    assert np.isnan(clock.times(np.arange(3), 2)).all()
    assert np.isnan(clock.times(np.array([NO_TIME]), 0)).all()


def test_positions_turn_times_round() -> None:
    clock = two_epochs()
    x, epoch = clock.positions(np.array([-3.0, 50.0, 249.0, 265.0, np.nan]))
    assert x.tolist() == [7, 60, 49, 60, NO_TIME]
    assert epoch.tolist() == [0, 0, 1, 1, -1]
    assert ClockMap(Axis.SAMPLE).positions(np.zeros(1))[1].tolist() == [-1]


def test_a_shifted_map_is_later_by_a_constant() -> None:
    clock = two_epochs()
    x = np.array([12, 70])
    assert (clock.shifted(1.5).times(x, 0) - clock.times(x, 0)).tolist() == [1.5, 1.5]


def test_the_error_is_the_worst_and_unknown_if_one_is() -> None:
    x = np.array([0.0, 1.0])
    fits = [Fit(Mode.HOST_CLOCK, 1, 0.0, 0.0, 0.0, e) for e in (1e-3, 2e-3, None)]
    parts = [Segment(n, 0, x, x, fit) for n, fit in enumerate(fits)]
    assert ClockMap(Axis.DEVICE, tuple(parts[:2])).error == 2e-3
    assert ClockMap(Axis.DEVICE, tuple(parts)).error is None
    assert ClockMap(Axis.DEVICE).error is None
    assert Grade.A < Grade.D < Grade.F
