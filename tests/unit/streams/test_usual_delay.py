"""Where a rhythm hides the floor, the bulk of the delays tells the speed."""

import numpy as np
import pytest

from rigd.streams.host_clock import fit_host_clocks
from rigd.streams.stretches import Stretch
from rigd.streams.usual_delay import usual_slope
from tests.unit.streams.rhythms import SECONDS, asked_in_rhythm


@pytest.mark.parametrize("seed", range(5))
def test_the_bulk_tells_a_slope_within_its_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.arange(0.0, SECONDS, 0.01)
    late = rng.exponential(1e-3, len(x)) + 2e-6 * x
    parts = np.split(np.arange(len(x)), [7000, 12000])
    found = usual_slope([x[p] - x[p[0]] for p in parts], [late[p] for p in parts])
    assert found is not None
    slope, error = found
    assert abs(slope - 2e-6) < 4 * error
    assert error < 2e-6


def test_a_few_means_tell_no_slope() -> None:
    x = np.arange(0.0, 10.0, 0.1)
    assert usual_slope([x], [np.ones_like(x)]) is None


def test_stamps_that_are_never_late_tell_no_slope() -> None:
    x = np.arange(0.0, SECONDS, 0.1)
    assert usual_slope([x], [np.zeros_like(x)]) is None


def test_a_floor_that_moves_with_the_rhythm_is_not_the_clock() -> None:
    """In step for three minutes, while the least delay rises by a gap."""
    worst = []
    for seed in range(10):
        x, delay = asked_in_rhythm(seed, drift=2.5e-3 / SECONDS)
        part = Stretch(0, 0, 0, x, x + delay - delay[0])
        (clock,) = fit_host_clocks([part])
        worst.append(abs(clock.skew))
    assert np.median(worst) < 6e-6  # the lowest stamps alone say 14e-6


def test_a_floor_that_moves_with_the_rhythm_of_usb_is_not_the_clock() -> None:
    """Nearly in step for three minutes: the least delay rises by a period, 0.7 ppm."""
    worst = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        x = np.arange(0.0, SECONDS, 0.01)
        period = 125e-6 * (1 + 125e-6 / SECONDS)
        asked = np.ceil((x + rng.exponential(150e-6, len(x))) / period) * period
        host = asked + rng.exponential(20e-6, len(x))
        (clock,) = fit_host_clocks([Stretch(0, 0, 0, x, host - host[0])])
        worst.append(abs(clock.skew))
    assert np.median(worst) < 0.25e-6


def test_a_floor_that_moves_with_batches_is_not_the_clock() -> None:
    """A serial line, read each 16 ms: nearly always the same 16 samples."""
    worst = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        x = np.arange(0.0, SECONDS, 1e-3)
        period = 16e-3 * (1 + 1e-3 / SECONDS)
        reads = np.ceil((x + rng.exponential(0.3e-3, len(x))) / period)
        last = np.flatnonzero(np.diff(np.maximum.accumulate(reads), append=np.inf) > 0)
        host = np.maximum.accumulate(reads)[last] * period
        x = x[last]
        (clock,) = fit_host_clocks([Stretch(0, 0, 0, x - x[0], host - host[0])])
        worst.append(abs(clock.skew))
    assert np.median(worst) < 3.5e-6  # the lowest stamps alone say 5.6e-6
