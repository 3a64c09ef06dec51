"""What the bulk of the delays tells of a speed, where a rhythm hides the floor.

A host that asks in a rhythm of its own sees a device that is in step with it only at
certain latenesses. The least of them moves with the rhythm, and the floor with it: for
as long as they stay in step it can take the rhythm's speed for the device's. How many
come at which lateness changes meanwhile, and so their mean hardly moves.
"""

from collections.abc import Sequence

import numpy as np

from rigd.streams.clock_map import Floats

WINDOW = 10.0
"""A rhythm is looked for in so many seconds together."""

LOWEST_PART = 8
"""... among the smallest eighth of the latenesses."""

PLAIN = 8.0
"""A gap among them so many times as large as the mean one is no chance."""

LARGEST = 1.5
"""Latenesses above so many times the median count as that: late packets hold up others,
and say nothing of the speed."""

MEAN_OVER = 2.0
"""Their mean is taken of so many seconds."""

UNSTEADY = 0.1
"""The mean may drift by this part of the median in a session, by the host's load."""

LEAST_MEANS = 10


def rhythm(x: Floats, late: Floats) -> float:
    """Find the gap that a host's rhythm leaves among the smallest latenesses, s.

    Args:
        x: Device time, s, ascending from 0.
        late: Lateness above the floor, s.

    Returns:
        The usual gap; 0 where chance explains it.

    """
    gaps = [
        _plain_gap(late[slice(*np.searchsorted(x, [start, start + WINDOW]))])
        for start in np.arange(0.0, max(float(x[-1]) - WINDOW / 2, 1e-9), WINDOW / 2)
    ]
    return float(np.median(gaps)) if gaps else 0.0


def _plain_gap(late: Floats) -> float:
    count = len(late) // LOWEST_PART
    if count < 4:
        return 0.0
    gaps = np.diff(np.sort(np.partition(late, count)[: count + 1]))
    largest = float(np.max(gaps))
    return largest if largest > PLAIN * float(np.mean(gaps)) else 0.0


def usual_slope(
    xs: Sequence[Floats], lates: Sequence[Floats]
) -> tuple[float, float] | None:
    """Find how the bulk of the latenesses rises: one slope for all stretches.

    Args:
        xs: Device time of each stretch, s, ascending from 0.
        lates: Lateness above the floor, s.

    Returns:
        Seconds per second, and how far it may be off (a standard deviation); None: too
        few.

    """
    middle = float(np.median(np.concatenate(lates)))
    pairs = [
        _means(x, np.minimum(late, LARGEST * middle))
        for x, late in zip(xs, lates, strict=True)
    ]
    at = np.concatenate([a - np.mean(a) for a, _ in pairs])
    means = np.concatenate([m - np.mean(m) for _, m in pairs])
    spread = float(at @ at)
    if len(at) < LEAST_MEANS or spread <= 0:
        return None
    slope = float(at @ means) / spread
    counted = float(np.mean(np.concatenate(lates) < LARGEST * middle))
    scatter = float(np.sqrt(np.mean((means - slope * at) ** 2) / spread)) / counted
    drift = UNSTEADY * middle / float(np.sqrt(12 * spread / len(at)))
    error = float(np.hypot(scatter, drift))
    return (slope / counted, error) if error > 0 else None


def _means(x: Floats, late: Floats) -> tuple[Floats, Floats]:
    """Mean time and lateness of each window."""
    window = (x / MEAN_OVER).astype(np.int64)
    count = np.bincount(window)
    some = count > 0
    return (
        np.bincount(window, x)[some] / count[some],
        np.bincount(window, late)[some] / count[some],
    )
