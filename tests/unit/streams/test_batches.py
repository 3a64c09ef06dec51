"""Which samples came with a stamp, and how late they were."""

import numpy as np
import pytest

from rigd.streams import batches
from rigd.streams.batches import unit_of, with_earlier_samples
from rigd.streams.clock_map import Floats


def read_each_16_ms(count: int = 500, seed: int = 1) -> tuple[Floats, Floats, Floats]:
    """All samples of a device of 1 kHz, and the last ones of the reads with stamps."""
    rng = np.random.default_rng(seed)
    x = np.arange(count * 16, dtype=np.float64) * 1e-3
    ready = x + rng.exponential(3e-4, len(x))
    reads = np.maximum.accumulate(np.ceil(ready / 16.003e-3))
    last = np.flatnonzero(np.diff(reads, append=np.inf) > 0)
    late = np.asarray(reads * 16.003e-3 - x, np.float64)
    return late, x[last], late[last]


def test_all_samples_of_a_read_have_its_stamp() -> None:
    late, x, of_last = read_each_16_ms()
    every, all_late = with_earlier_samples(x, of_last)
    first = len(late) - len(every)  # what came with the first stamp is not known
    assert every == pytest.approx(np.arange(first, len(late)) * 1e-3)
    assert all_late == pytest.approx(late[first:], abs=1e-9)


def test_packets_are_not_taken_apart() -> None:
    x = np.cumsum(np.full(300, 0.01))
    x = np.delete(x, [5, 20, 21, 50, 100, 101, 200, 201])  # two of them came at once
    assert unit_of(x) == pytest.approx(0.01)
    late = np.ones_like(x)
    assert with_earlier_samples(x, late)[0] is x


def test_samples_of_a_gap_did_not_come() -> None:
    _, x, late = read_each_16_ms()
    x = np.where(x > 4, x + 5, x)
    every, _ = with_earlier_samples(x, late)
    assert not np.any((every > 4.01) & (every < 9))


@pytest.mark.parametrize("count", [1, 5, 300])
def test_times_of_a_device_that_have_no_common_step_stay_as_they_are(
    count: int,
) -> None:
    x = np.cumsum(np.random.default_rng(2).uniform(0.01, 0.02, count))
    assert unit_of(x) == 0.0
    assert with_earlier_samples(x, x)[0] is x


def test_of_a_long_recording_some_batches_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, x, late = read_each_16_ms(4000)
    monkeypatch.setattr(batches, "MOST_SAMPLES", 10_000)
    every, all_late = with_earlier_samples(x, late)
    assert 5_000 < len(every) <= 10_000
    assert np.all(np.diff(every) > 0)
    assert np.max(all_late) == pytest.approx(17e-3, abs=1e-3)
