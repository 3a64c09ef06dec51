"""A rhythm is seen where there is one."""

import numpy as np
import pytest

from rigd.streams.clock_map import Floats
from rigd.streams.delay_gaps import polled_gap, rhythm
from tests.unit.streams.rhythms import SECONDS, asked_in_rhythm


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
