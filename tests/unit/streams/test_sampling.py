"""Sample times are pure functions of the index, whatever is asked and in what order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigd.streams.sampling import (
    Irregular,
    Regular,
    Schedule,
    derived_seed,
    irregular,
    uniform,
)

seeds = st.integers(0, 2**64 - 1)
schedules = st.one_of(
    st.builds(Regular, st.floats(0.1, 1e6)),
    st.builds(Irregular, seeds, st.integers(10_000, 10**10)),
)


@given(seed=seeds, first=st.integers(0, 2**40))
def test_chance_depends_on_seed_and_index_only(seed: int, first: int) -> None:
    together = uniform(seed, np.arange(first, first + 20))
    one_by_one = [uniform(seed, np.array([first + i]))[0] for i in range(20)]
    assert together.tolist() == one_by_one
    assert together.min() >= 0
    assert together.max() < 1


def test_chance_is_evenly_spread() -> None:
    numbers = uniform(7, np.arange(100_000))
    counts, _ = np.histogram(numbers, bins=10, range=(0, 1))
    assert counts.min() > 9_500
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.02


def test_seeds_give_different_chance() -> None:
    index = np.arange(1000)
    assert abs(np.corrcoef(uniform(1, index), uniform(2, index))[0, 1]) < 0.1


def test_streams_of_a_device_have_different_seeds() -> None:
    seeds_of = {derived_seed(s, name) for s in (0, 1) for name in ("a", "b")}
    assert len(seeds_of) == 4
    assert derived_seed(0, "a") == derived_seed(0, "a")


@given(seed=seeds, slot=st.integers(100, 10**10))
def test_irregular_intervals_are_a_tenth_to_nineteen_tenths(
    seed: int, slot: int
) -> None:
    intervals = np.diff(irregular(seed, np.arange(500), slot))
    assert intervals.min() >= int(0.1 * slot)
    assert intervals.max() <= int(1.9 * slot) + 1


@given(schedule=schedules, first=st.integers(0, 10**6), time=st.integers(0, 10**14))
def test_counting_agrees_with_the_times(
    schedule: Schedule, first: int, time: int
) -> None:
    count = schedule.count_before(time)
    around = schedule.times(max(0, count - 1), 2)
    before = around[0] if count else -1
    after = around[1] if count else around[0]
    assert before <= time <= after


@given(schedule=schedules, first=st.integers(0, 10**8), count=st.integers(1, 50))
def test_times_do_not_depend_on_the_piece(
    schedule: Schedule, first: int, count: int
) -> None:
    pieces = [schedule.times(first + i, 1)[0] for i in range(count)]
    assert schedule.times(first, count).tolist() == pieces


def test_regular_samples_stay_exact_for_a_day() -> None:
    day = 24 * 3600
    assert Regular(30_000.0).times(day * 30_000, 1)[0] == day * 10**9
    assert Regular(30_000.0).count_before(day * 10**9) == day * 30_000


@pytest.mark.parametrize("schedule", [Regular(1000.0), Irregular(0, 10**6)])
def test_nothing_comes_before_the_start(schedule: Schedule) -> None:
    assert schedule.count_before(-(10**9)) == 0
    assert schedule.count_before(0) == 0
