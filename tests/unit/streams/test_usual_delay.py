"""A rhythm is seen where there is one, and the bulk of the delays tells the speed."""

import numpy as np
import pytest

from rigd.streams.clock_map import Floats
from rigd.streams.delay_gaps import rhythm
from rigd.streams.host_clock import fit_host_clocks
from rigd.streams.stretches import Stretch
from rigd.streams.usual_delay import usual_slope

SECONDS = 180.0


def asked_in_rhythm(seed: int, *, drift: float) -> tuple[Floats, Floats]:
    """Device times and delays by radio: asked each 7.5 ms, 12 ms late in the mean.

    Against the rhythm the device is faster by `drift`; its delays are those of a clock
    that is right.
    """
    rng = np.random.default_rng(seed)
    x = np.arange(0.0, SECONDS, 0.02)
    ready = x + rng.exponential(12e-3, len(x))
    period = 7.5e-3 * (1 + drift)
    return x, np.ceil(ready / period) * period - x


@pytest.mark.parametrize("seed", range(5))
def test_a_rhythm_is_seen(seed: int) -> None:
    x, delay = asked_in_rhythm(seed, drift=1e-6)
    assert rhythm(x, delay - np.min(delay)) == pytest.approx(2.5e-3, rel=0.2)


@pytest.mark.parametrize("seed", range(5))
def test_chance_is_no_rhythm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.arange(0.0, SECONDS, 0.01)
    assert rhythm(x, rng.exponential(1e-3, len(x))) == 0.0
    assert rhythm(x[:20], np.arange(20.0)) == 0.0


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
