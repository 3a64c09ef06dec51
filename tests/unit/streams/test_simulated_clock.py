"""The simulated clock runs at its speed and arrives late by its jitter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigd.streams.simulated_clock import SimulatedClock

START = 5 * 10**14


def test_a_fast_clock_runs_ahead() -> None:
    clock = SimulatedClock(START, drift_ppm=100)
    assert clock.run_ns(START + 10**9) == 10**9 + 100_000


@given(drift=st.floats(-1000, 1000), run_ns=st.integers(0, 10**14))
def test_true_and_run_time_are_inverse(drift: float, run_ns: int) -> None:
    clock = SimulatedClock(START, drift_ppm=drift)
    assert abs(clock.run_ns(clock.true_ns(run_ns)) - run_ns) <= 1


@given(drift=st.floats(-1000, 1000), run_ns=st.integers(0, 10**14))
def test_many_times_are_the_single_ones(drift: float, run_ns: int) -> None:
    clock = SimulatedClock(START, drift_ppm=drift)
    times = np.array([run_ns, run_ns + 1])
    expected = [clock.true_ns(run_ns), clock.true_ns(run_ns + 1)]
    assert clock.true_times(times).tolist() == expected


def test_without_jitter_nothing_is_late() -> None:
    assert {SimulatedClock(START).delay_ns(n) for n in range(100)} == {0}


def test_jitter_is_the_mean_of_an_exponential_delay() -> None:
    clock = SimulatedClock(START, jitter_ns=1e6, seed=3)
    delays = np.array([clock.delay_ns(n) for n in range(5000)])
    assert delays.min() >= 0
    assert delays.mean() == pytest.approx(1e6, rel=0.1)
    assert np.median(delays) == pytest.approx(np.log(2) * 1e6, rel=0.1)
    assert clock.delay_ns(17) == delays[17]
