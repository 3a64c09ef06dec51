"""Where a count goes on, and which samples may be on either side of a loss."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rigd.streams.clock_evidence import Anchors
from rigd.streams.stretches import MOST_SPLITS, find_stretches, longest_run


def test_the_longest_run_of_late_anchors_is_counted() -> None:
    late = np.array([True, False, True, True, True, False, True, True])
    assert longest_run(late) == 3
    assert longest_run(np.zeros(4, bool)) == 0
    assert longest_run(np.ones(4, bool)) == 4


def anchors_of(x: npt.NDArray[Any], host: npt.NDArray[Any]) -> Anchors:
    seconds = (np.rint(column * 1e9).astype(np.int64) for column in (x, host))
    return Anchors(np.zeros(len(x), np.int64), *seconds)


def reasons(anchors: Anchors, transfer: float) -> list[str]:
    found = find_stretches(anchors, transfer=transfer, counts=True)
    return [stretch.reason for stretch in found.stretches]


def test_a_host_that_stalls_for_long_and_catches_up_has_lost_nothing() -> None:
    x = np.arange(6000) * 0.01
    host = x + np.random.default_rng(1).exponential(2e-4, len(x))
    host[2000:3000] = np.maximum(host[2000:3000], 28 + np.arange(1000) * 1e-4)
    assert reasons(anchors_of(x, np.maximum.accumulate(host)), 0.01) == ["start"]


def test_a_loss_of_seconds_is_for_good() -> None:
    x = np.arange(6000) * 0.01
    host = x + np.where(x < 20, 0.0, 8.0)
    assert reasons(anchors_of(x, host), 0.01) == ["start", "silent loss"]


def test_one_lost_frame_is_found_in_a_short_stretch_that_ends_early() -> None:
    x = np.arange(1140) / 30
    host = x + np.random.default_rng(2).exponential(5e-4, len(x))
    host[600:] += 1 / 30
    host[-1] -= 0.028
    anchors = anchors_of(x, host)
    found = find_stretches(anchors, transfer=1 / 30, counts=True)
    assert [stretch.reason for stretch in found.stretches] == ["start", "silent loss"]
    after = found.stretches[1]
    assert np.min(np.diff(after.host - after.x)) > -0.01
    assert len(found.warnings) == 1


def by_radio(lost: int, seed: int) -> Anchors:
    """Stamps of 2 min at 50 Hz, asked for each 7.5 ms, late by 12 ms in the mean."""
    random = np.random.default_rng(seed)
    count = np.arange(6000)
    x = count * 0.02
    x_counted = np.where(count < 3600, x, x - lost * 0.02)
    host = x * (1 + 2e-5) + random.exponential(12e-3, len(x))
    asked = np.ceil(host / 7.5002e-3) * 7.5002e-3
    return anchors_of(x_counted, np.maximum.accumulate(asked))


@pytest.mark.parametrize("seed", range(8))
def test_one_lost_sample_is_found_among_stamps_that_are_as_late(seed: int) -> None:
    assert reasons(by_radio(0, seed), 0.02) == ["start"]
    assert reasons(by_radio(1, seed), 0.02) == ["start", "silent loss"]


def test_stamps_that_all_disagree_are_cut_into_a_bounded_number() -> None:
    x = np.arange(20_000) * 1.0
    begin = time.process_time()
    found = reasons(anchors_of(x, 4 * x), 1.0)
    assert len(found) <= MOST_SPLITS + 1
    assert time.process_time() - begin < 5


def test_late_anchors_beside_a_loss_are_not_taken_for_its_far_side() -> None:
    """They wait for one that is late, as often before: they may be from before it."""
    random = np.random.default_rng(4)
    x = np.arange(3000) * 0.02
    late = random.exponential(5e-4, len(x))
    for stall in (*range(200, 2900, 300), 1990):
        late[stall : stall + 10] = 0.25 - 0.02 * np.arange(10)
    x_counted, lost = x.copy(), 0.1
    x_counted[2000:] -= lost
    host_ns = np.rint((x + late) * 1e9).astype(np.int64)
    anchors = Anchors(
        np.zeros(len(x), np.int64), np.rint(x_counted * 1e9).astype(np.int64), host_ns
    )
    before, after = find_stretches(anchors, transfer=0.02, counts=True).stretches
    assert after.reason == "silent loss"
    assert abs(after.lost - lost) < 2e-3
    assert after.earliest is not None
    assert after.earliest <= round(x[1999] * 1e9) + 1
    assert after.begin >= round(x_counted[2000] * 1e9)
    assert len(before) + len(after) < len(x)


@pytest.mark.parametrize("seed", [0, 1, 4, 6, 9])
def test_a_lost_sample_is_found_where_the_floor_falls_in_steps(seed: int) -> None:
    """Nearly in step with the asking: for 20 s the least delay stays, then it falls."""
    random = np.random.default_rng(seed)
    x = np.arange(21_000) * 0.02
    ready = x * (1 - 126e-6) + random.uniform(0, 7.5e-3)
    ready += random.exponential(12e-3, len(x))
    is_late = random.random(len(x)) < 0.02
    ready[is_late] += random.uniform(0.05, 0.2, int(is_late.sum()))
    asked = np.maximum.accumulate(np.ceil(ready / 7.5e-3) * 7.5e-3)
    last = np.append(np.diff(asked) > 0, True)  # of each read
    counted = np.where(x < 270, x, x - 0.02)
    assert reasons(anchors_of(x[last], asked[last]), 0.02) == ["start"]
    found = reasons(anchors_of(counted[last], asked[last]), 0.02)
    assert found == ["start", "silent loss"]


@pytest.mark.parametrize("seed", range(5))
def test_late_anchors_of_one_read_count_as_one(seed: int) -> None:
    """Two packets are kept back right before a loss, and all that follow them."""
    x = np.arange(6000) * 0.02
    late = np.random.default_rng(seed).exponential(12e-3, len(x))
    late[3979], late[3990] = 0.24, 0.22
    asked = np.ceil(np.maximum.accumulate(x + late) / 7.5e-3) * 7.5e-3
    counted = np.where(np.arange(len(x)) < 4000, x, x - 0.02)
    before, after = find_stretches(
        anchors_of(counted, asked), transfer=0.02, counts=True
    ).stretches
    assert after.reason == "silent loss"
    assert after.earliest is not None
    assert after.earliest <= round(x[3999] * 1e9) + 1
    assert after.begin >= round(counted[4000] * 1e9)
    assert len(before) + len(after) < len(x)
