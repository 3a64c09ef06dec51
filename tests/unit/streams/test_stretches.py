"""Where a count goes on, and which samples may be on either side of a loss."""

import numpy as np

from rigd.streams.clock_evidence import Anchors
from rigd.streams.stretches import find_stretches, longest_run


def test_the_longest_run_of_late_anchors_is_counted() -> None:
    late = np.array([True, False, True, True, True, False, True, True])
    assert longest_run(late) == 3
    assert longest_run(np.zeros(4, bool)) == 0
    assert longest_run(np.ones(4, bool)) == 4


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
