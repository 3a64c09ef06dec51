"""A rhythm is seen where there is one, and the bulk of the delays tells the speed."""

import numpy as np
import pytest

from rigd.streams.clock_map import Floats
from rigd.streams.delay_gaps import polled_gap, rhythm
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
    gap, until = rhythm(x, delay - np.min(delay))
    assert gap == pytest.approx(2.5e-3, rel=0.2)
    assert until == np.inf


def test_a_device_that_drifts_through_the_rhythm_is_told_from_one_that_does_not() -> (
    None
):
    """25 us a second: through the gap of 2.5 ms in 100 s, half of it is left in 50."""
    x, delay = asked_in_rhythm(1, drift=25e-6)
    gap, until = rhythm(x, delay - np.min(delay))
    assert gap > 1.5e-3
    assert 20 <= until <= 80


def asked_by_usb(seed: int, *, drift: float, late: float = 150e-6) -> Floats:
    """Delays of packets each 10 ms in 10 s, asked each 125 us, woken 20 us later."""
    rng = np.random.default_rng(seed)
    x = np.arange(0.0, 10.0, 0.01)
    ready = x + rng.exponential(late, len(x))
    period = 125e-6 * (1 + drift)
    asked = np.ceil((ready - 70e-6) / period) * period + 70e-6
    return np.asarray(asked + rng.exponential(20e-6, len(x)) - x)


@pytest.mark.parametrize("seed", range(5))
def test_the_rhythm_of_usb_is_seen_though_wake_ups_smear_it(seed: int) -> None:
    assert polled_gap(asked_by_usb(seed, drift=0.0)) == pytest.approx(90e-6, rel=0.2)
    assert polled_gap(asked_by_usb(seed, drift=0.0, late=500e-6)) > 50e-6


@pytest.mark.parametrize("seed", range(5))
def test_a_device_that_is_not_in_step_shows_none(seed: int) -> None:
    """50 ppm: it drifts through the rhythm four times in these 10 s."""
    assert polled_gap(asked_by_usb(seed, drift=50e-6)) == 0.0


@pytest.mark.parametrize("late", [5e-6, 30e-6, 60e-6, 125e-6, 1e-3])
def test_latenesses_without_a_rhythm_show_none(late: float) -> None:
    rng = np.random.default_rng(3)
    assert polled_gap(rng.exponential(late, 1000)) == 0.0
    assert polled_gap(rng.uniform(0, late, 1000)) == 0.0
    assert polled_gap(np.abs(rng.normal(0, late, 1000))) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_chance_is_no_rhythm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.arange(0.0, SECONDS, 0.01)
    assert rhythm(x, rng.exponential(1e-3, len(x)))[0] == 0.0
    assert rhythm(x[:20], np.arange(20.0))[0] == 0.0


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
