"""Pulses in step with samples are told, and host stamps help to place them."""

from dataclasses import replace

import numpy as np
import pytest

from rigd.streams.clock_map import Floats
from rigd.streams.pair_times import PairTimes
from rigd.streams.pulses_in_step import longest_in_step, placed_by_stamps
from rigd.streams.sync_line import correction
from tests.unit.streams.trains import SAMPLE, pairs_of, regular


def test_a_train_locked_to_the_samples_is_in_step_all_the_time() -> None:
    pairs, _ = pairs_of(regular(300, 1.0))
    assert longest_in_step(pairs) == pytest.approx(299, abs=1)


def test_a_train_that_passes_the_samples_quickly_is_never_in_step() -> None:
    pairs, _ = pairs_of(regular(300, 1.0 + 7.3e-6), ppm=33.3)
    assert longest_in_step(pairs) < 10


@pytest.mark.parametrize("is_ours", [False, True])
def test_the_time_in_step_is_as_long_as_it_is(is_ours: bool) -> None:
    """A generator that warms up: for 200 s it makes its pulses at whole samples."""
    drift = np.concatenate([np.full(100, 9e-6), np.zeros(200), np.full(100, 9e-6)])
    pulses = 0.20001 + np.arange(400.0) + np.cumsum(drift)
    if is_ours:  # as seen by the device, whose clock is ahead of the reference's
        pulses = pulses / (1 + 33.3e-6)
    pairs, _ = pairs_of(pulses, ppm=33.3)
    assert longest_in_step(pairs) == pytest.approx(200, abs=5)


def test_missing_pulses_do_not_end_it() -> None:
    seen = np.delete(regular(300, 1.0), [3, 4, 90, 91, 92, 150])
    assert longest_in_step(pairs_of(seen)[0]) == pytest.approx(299, abs=1)


def test_a_short_segment_of_the_reference_hides_nothing() -> None:
    pairs, _ = pairs_of(regular(310, 1.0))
    pieces = np.repeat([0, 1], [300, 10])
    pairs = replace(pairs, piece=pieces)
    assert longest_in_step(pairs) == pytest.approx(299, abs=1)


def test_random_pulses_are_not_in_step() -> None:
    random = np.cumsum(np.random.default_rng(1).uniform(0.1, 1.9, 300))
    assert longest_in_step(pairs_of(random)[0]) == 0


# --- placed by host stamps ------------------------------------------------------------


def in_step_for_a_while(
    seed: int, *, is_early: bool, is_ours: bool = False
) -> tuple[PairTimes, Floats, Floats]:
    """Pulses whose speed passes that of the samples: for 190 s they stay within one.

    When they turn they lie near its beginning, or near its end.

    Returns:
        Pairs, their times by host stamps, and what is to be added to these, s.

    """
    since = np.arange(600.0) - 300
    turn = SAMPLE * (since / 100) ** 2 * (1 if is_early else -1)
    near = 0.05 if is_early else 0.95
    pulses = SAMPLE * (30_000 * (np.arange(600.0) + 1) + near) + turn
    if is_ours:  # these are the times at which the device sees them, by its own clock
        pulses = (pulses - 0.37) / (1 + 20e-6)
    pairs, shift = pairs_of(pulses, ppm=20.0)
    rng = np.random.default_rng(seed)
    knots = np.arange(0.0, 660.0, 50.0)
    errors = np.interp(pulses, knots, rng.normal(0, 3e-6, len(knots)))
    return pairs, pairs.x + shift + errors, -errors


@pytest.mark.parametrize("is_ours", [False, True])
@pytest.mark.parametrize("is_early", [False, True])
def test_host_stamps_help_to_place_pulses_in_step(
    is_early: bool, is_ours: bool
) -> None:
    """The pulses lie near the edge of a sample; a curve through them, in its middle."""
    side = 1 if is_early is not is_ours else -1
    away = 0.45 * SAMPLE * np.exp(-(((np.arange(600) - 300) / 60) ** 4))
    off = []
    for seed in range(5):
        pairs, shape, truth = in_step_for_a_while(
            seed, is_early=is_early, is_ours=is_ours
        )
        assert longest_in_step(pairs) > 150
        placed = placed_by_stamps(pairs, shape, truth + side * away)
        off.append(np.mean(np.abs(placed - truth)[250:350]))
    assert np.mean(off) < 0.65 * np.mean(away[250:350])


def test_pulses_that_are_never_in_step_stay_where_they_are() -> None:
    pairs, shift = pairs_of(regular(300, 1.0 + 7.3e-6), ppm=33.3)
    assert np.array_equal(placed_by_stamps(pairs, pairs.x, shift), shift)


def test_stamps_that_nothing_tells_the_error_of_place_nothing() -> None:
    """In step all the time: half a sample stays half a sample."""
    pairs, shift = pairs_of(regular(300, 1.0))
    assert np.array_equal(placed_by_stamps(pairs, pairs.x, shift), shift)


def test_stamps_that_are_off_by_a_sample_place_nothing() -> None:
    pairs, shape, truth = in_step_for_a_while(1, is_early=True)
    bent = 3e-5 * np.sin(np.arange(600) / 40)
    assert np.array_equal(
        placed_by_stamps(pairs, shape + bent, truth - bent), truth - bent
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_correction_is_placed_by_stamps(seed: int) -> None:
    pairs, shape, truth = in_step_for_a_while(seed, is_early=True)
    off = np.abs(correction(pairs, shape).seconds - truth)[250:350]
    assert np.mean(off) < 0.23 * SAMPLE  # 0.28 by pulses alone
