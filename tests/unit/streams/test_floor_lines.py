"""Lines that may be the floor under host stamps: the mean of all, not the highest."""

import numpy as np
import pytest

from rigd.streams.floor_lines import expected_lines
from rigd.streams.sync_line import Constant, agreed

NO_BEGINS = np.empty(0, np.int64)


def test_a_floor_of_many_independent_stamps_stays_nearly_as_it_is() -> None:
    rng = np.random.default_rng(1)
    x = np.arange(400.0)
    off = []
    for _ in range(50):
        late = rng.exponential(1e-3, len(x))
        late -= np.min(late)
        off.append(expected_lines(x, late, 1e-3, NO_BEGINS))
    assert np.max(np.abs(off)) < 3e-5


def test_stamps_that_are_late_together_tilt_the_floor_less() -> None:
    """In step with the host's asking: late by 2.0 to 2.5 ms, then suddenly in time."""
    x = np.arange(600.0)
    late = 2e-3 + 1.5e-6 * x
    late[380:] -= 2.5e-3
    late -= np.min(late)
    steepest = np.polyfit(x[[0, 380]], late[[0, 380]], 1)
    over = late - np.polyval(steepest, x)
    over -= np.min(over)
    found = expected_lines(x, over, 60e-3, NO_BEGINS)
    slope = np.polyfit(x, found, 1)[0]
    assert 0.1 * -steepest[0] < slope < -steepest[0]


def test_each_stretch_has_its_offset_and_all_have_one_slope() -> None:
    rng = np.random.default_rng(2)
    x = np.arange(500.0)
    late = rng.exponential(1e-3, len(x))
    late[100:460] += 1e-2
    found = expected_lines(x, late, 1e-3, np.array([100, 460]))
    pieces = np.split(np.arange(500), [100, 460])
    slopes = [np.polyfit(x[piece], found[piece], 1)[0] for piece in pieces]
    np.testing.assert_allclose(slopes, slopes[0], rtol=1e-6)
    assert np.mean(found[pieces[1]]) > 9e-3
    for piece in pieces:
        assert np.mean(found[piece]) < np.quantile(late[piece], 0.05)


def test_stretches_of_a_device_agree_on_one_constant() -> None:
    own = Constant(-1e-3, 1e-3, 1e-5)
    others = [Constant(2e-4, 3e-3, 1e-5), Constant(-4e-3, 4e-4, 1e-5)]
    constant, error = agreed(own, others)
    assert constant == pytest.approx(3e-4)
    assert error == pytest.approx(1.2e-4)


def test_a_constant_that_contradicts_is_of_another_latency() -> None:
    own = Constant(-1e-3, 1e-3, 1e-5)
    assert agreed(own, [Constant(2e-3, 3e-3, 1e-5)]) == (0.0, 1e-3)


def test_constants_that_contradict_each_other_count_for_nothing() -> None:
    own = Constant(-1e-3, 1e-3)
    low, high = Constant(-3e-3, -5e-4), Constant(5e-4, 3e-3)
    assert agreed(own, [low, high]) == (0.0, 1e-3)


def test_slack_lets_a_constant_differ_a_little() -> None:
    constant, error = agreed(Constant(0, 1e-4, 5e-5), [Constant(1.2e-4, 2e-4, 5e-5)])
    assert constant == pytest.approx(1e-4)
    assert constant - error == pytest.approx(2e-5)
