"""The simulated clock runs at its speed and arrives late by its jitter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigd.streams.simulated_clock import POLL_PPM, WAKE_NS, SimulatedClock

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
    clock, transfers = SimulatedClock(START), np.arange(100)
    assert not clock.delays_ns(transfers).any()
    ready = START + transfers * 10**7
    assert clock.arrivals_ns(ready, transfers).tolist() == ready.tolist()


def test_jitter_is_the_mean_of_an_exponential_delay() -> None:
    clock = SimulatedClock(START, jitter_ns=1e6, seed=3)
    delays = clock.delays_ns(np.arange(5000))
    assert delays.min() >= 0
    assert delays.mean() == pytest.approx(1e6, rel=0.1)
    assert np.median(delays) == pytest.approx(np.log(2) * 1e6, rel=0.1)
    assert clock.delays_ns(np.array([17])).tolist() == [delays[17]]


@given(
    drift=st.floats(-200, 200),
    wander=st.floats(0, 100),
    run_ns=st.integers(0, 10**13),
)
def test_a_wandering_clock_can_be_turned_round(
    drift: float, wander: float, run_ns: int
) -> None:
    clock = SimulatedClock(START, drift_ppm=drift, wander_ppm=wander)
    assert abs(clock.run_ns(clock.true_ns(run_ns)) - run_ns) <= 2


def test_wandering_changes_the_speed_by_its_amplitude() -> None:
    clock = SimulatedClock(START, wander_ppm=5, wander_period_ns=100e9)
    run = np.array([clock.run_ns(START + n * 10**9) for n in range(200)])
    ppm = (np.diff(run) / 1e9 - 1) * 1e6
    assert ppm.max() == pytest.approx(5, rel=0.01)
    assert ppm.min() == pytest.approx(-5, rel=0.01)


def test_a_host_that_asks_in_a_rhythm_gets_transfers_in_it() -> None:
    clock = SimulatedClock(
        START, jitter_ns=1e6, latency_ns=300_000, poll_ns=16_000_000, seed=1
    )
    ready = START + np.arange(200) * 1_000_000
    arrival = clock.arrivals_ns(ready, np.arange(200))
    assert np.min(arrival - ready) >= 300_000
    asked = np.unique(arrival)
    assert len(asked) < 20
    period = np.diff(asked) / np.rint(np.diff(asked) / 16e6)
    assert period / 16e6 == pytest.approx(period.mean() / 16e6, abs=1e-7)
    assert period.mean() / 16e6 == pytest.approx(1, abs=POLL_PPM * 1e-6)


def test_a_host_is_awake_soon_after_a_transfer() -> None:
    waits = SimulatedClock(START, seed=4).wakes_ns(np.arange(5000))
    assert waits.min() >= 0
    assert waits.mean() == pytest.approx(WAKE_NS, rel=0.1)


def test_some_transfers_are_late() -> None:
    clock = SimulatedClock(START, late=0.1, seed=2)
    delays = clock.delays_ns(np.arange(2000))
    late = delays > 0
    assert late.mean() == pytest.approx(0.1, abs=0.03)
    assert delays[late].min() >= 50e6
    assert delays.max() <= 200e6
