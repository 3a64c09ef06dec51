"""Wraps and restarts of narrow counters."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rigd.streams.counter_wrap import unwrapped

RATE = 1e6
SECOND = 10**9


@settings(deadline=None, max_examples=100)
@given(
    start=st.integers(0, 2**32 - 1),
    stalls=st.lists(st.floats(0.001, 0.5), min_size=2, max_size=20),
    minutes=st.integers(1, 80),
)
def test_a_counter_that_wraps_goes_on(
    start: int, stalls: list[float], minutes: int
) -> None:
    true_ns = np.arange(8) * minutes * 30 * SECOND
    counts = start + (true_ns // 1000)
    late = (np.resize(stalls, len(true_ns)) * SECOND).astype(np.int64)
    found, epoch = unwrapped(counts % 2**32, true_ns + late, rate=RATE, bits=32)
    assert np.array_equal(np.diff(found), np.diff(counts))
    assert not epoch.any()


@settings(deadline=None, max_examples=100)
@given(start=st.integers(0, 2**32 - 1), at=st.integers(2, 8))
def test_a_restart_is_told_from_a_wrap(start: int, at: int) -> None:
    true_ns = np.arange(10) * 100 * SECOND
    counts = (start + true_ns // 1000) % 2**32
    expected = int(counts[at])
    counts[at:] = (true_ns[at:] - true_ns[at]) // 1000
    found, epoch = unwrapped(counts, true_ns, rate=RATE, bits=32)
    looks_like_a_wrap = min(expected, 2**32 - expected) <= 2 * RATE
    assert epoch[-1] == (0 if looks_like_a_wrap else 1)
    if not looks_like_a_wrap:
        assert found[at] == 0
        assert np.all(np.diff(found[at:]) == 100 * RATE)
