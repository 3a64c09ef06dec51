"""Pulses of a regular train tell of each line by itself; others are left alone."""

import numpy as np
import pytest

from rigd.streams.pair_times import PairTimes
from rigd.streams.pulse_smoothing import left_out, shares
from rigd.streams.regular_train import smoothed_along_train, train_of
from rigd.streams.sync_line import correction
from tests.unit.streams.trains import SAMPLE, pairs_of, regular


def test_a_train_with_missing_pulses_keeps_their_numbers() -> None:
    seen = np.delete(regular(200, 0.5), [3, 4, 90, 150])
    train = train_of(pairs_of(seen)[0])
    assert train is not None
    assert np.diff(train) == pytest.approx(np.diff(seen), abs=2 * SAMPLE)


def test_random_pulses_are_no_train() -> None:
    random = np.cumsum(np.random.default_rng(1).uniform(0.1, 1.9, 300))
    pairs, _ = pairs_of(random)
    assert train_of(pairs) is None
    assert smoothed_along_train(pairs, pairs.x) is None


def test_a_train_of_a_poor_generator_is_not_smoothed_along() -> None:
    loose = regular(300) + np.random.default_rng(2).normal(0, SAMPLE, 300)
    pairs, _ = pairs_of(loose)
    assert train_of(pairs) is not None  # the intervals alone look regular
    assert smoothed_along_train(pairs, pairs.x) is None


def test_few_pulses_are_no_train() -> None:
    assert train_of(pairs_of(regular(20))[0]) is None


def test_two_edges_of_one_pulse_are_no_train() -> None:
    pulses = np.insert(regular(100), 50, regular(100)[49] + 0.05)
    assert train_of(pairs_of(pulses)[0]) is None


@pytest.mark.parametrize("beat", [0.007, 0.01, 0.503])
def test_a_device_in_step_with_the_train_is_seen_through(beat: float) -> None:
    """Its edges move by so much of a sample from pulse to pulse."""
    pulses = regular(3000)
    ppm = (beat - 30_000 * 7.3e-6) / 0.03
    pairs, shift = pairs_of(pulses, ppm)
    found = smoothed_along_train(pairs, pairs.x)
    assert found is not None
    middle = slice(300, -300)
    assert np.max(np.abs(found - shift)[middle]) < SAMPLE / 5


def test_each_segment_of_the_reference_has_a_train_of_its_own() -> None:
    pairs, shift = pairs_of(regular(400))
    piece = (np.arange(400) >= 200).astype(np.int64)
    later = pairs.t + 5.0 * piece
    two = PairTimes(pairs.x, later, piece, SAMPLE, SAMPLE)
    found = smoothed_along_train(two, two.x)
    assert found is not None
    assert np.max(np.abs(found - shift - 5.0 * piece)) < SAMPLE / 3


def test_a_correction_of_regular_pulses_goes_half_along_their_train() -> None:
    pairs, _ = pairs_of(regular(200))
    shape = pairs.x + 1e-5
    along = smoothed_along_train(pairs, shape)
    assert along is not None
    off = 2 * correction(pairs, shape).seconds - along
    assert 0 < np.max(np.abs(off - along)) < SAMPLE / 2


def test_what_predicts_better_counts_for_more() -> None:
    x = np.arange(50.0)
    noisy = x + np.random.default_rng(3).normal(0, 1e-5, 50)
    line = left_out(x, noisy, 1e-5, lambda some: x[some])
    off = left_out(x, noisy, 1e-5, lambda some: x[some] + 1e-5)
    assert 15 < line < 40 < off
    assert shares([line, off])[0] > 0.99
    assert shares([5.0, 5.0]) == [0.5, 0.5]
