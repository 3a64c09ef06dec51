"""Rates measured within seconds, from arrivals that are late by chance."""

import random

import pytest

from rigd.streams.rate_trial import FEWEST, Arrival, measured_rate


def arrivals(
    rate: float, *, seconds: float, every: float, jitter: float = 0.0, seed: int = 0
) -> list[Arrival]:
    """Transfers of a device, each late by a random time of mean `jitter`."""
    chance = random.Random(seed)
    count = round(seconds / every)
    times = [1000.0 + n * every for n in range(1, count + 1)]
    if jitter:
        times = [time + chance.expovariate(1 / jitter) for time in times]
    return [
        Arrival(round(n * every * rate), time) for n, time in enumerate(times, start=1)
    ]


@pytest.mark.parametrize("ppm", [-50_000, -300, 0, 20_000])
@pytest.mark.parametrize("jitter", [0.0, 0.0002, 0.002])
def test_the_rate_is_within_its_uncertainty(ppm: float, jitter: float) -> None:
    rate = 30_000 * (1 + ppm / 1e6)
    wrong = 0
    for seed in range(200):
        measured = measured_rate(
            arrivals(rate, seconds=2, every=0.01, jitter=jitter, seed=seed), 30_000
        )
        assert measured is not None
        assert measured.rate == pytest.approx(30_000 * (1 + measured.ppm / 1e6))
        wrong += abs(measured.ppm - ppm) > measured.uncertainty_ppm
    assert wrong <= 1


def test_quiet_transfers_are_measured_to_a_hundred_ppm() -> None:
    measured = measured_rate(arrivals(1000, seconds=2, every=0.01), 1000)
    assert measured is not None
    assert measured.uncertainty_ppm < 120


def test_longer_trials_are_more_exact() -> None:
    short, long = (
        measured_rate(arrivals(1000, seconds=s, every=0.01, jitter=0.001), 1000)
        for s in (1, 20)
    )
    assert short is not None
    assert long is not None
    assert long.uncertainty_ppm < short.uncertainty_ppm / 10


def test_few_arrivals_show_no_rate() -> None:
    few = arrivals(1000, seconds=1, every=1 / (FEWEST - 1))
    assert len(few) == FEWEST - 1
    assert measured_rate(few, 1000) is None


def test_arrivals_all_at_once_show_no_rate() -> None:
    assert measured_rate([Arrival(n, 5.0) for n in range(1, 20)], 1000) is None
