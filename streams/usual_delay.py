"""What the bulk of the delays tells of a speed, where a rhythm hides the floor.

A host that asks in a rhythm of its own sees a device that is in step with it only at
certain latenesses. The least of them moves with the rhythm, and the floor with it: for
as long as they stay in step it can take the rhythm's speed for the device's. How many
come at which lateness changes meanwhile, and so their mean hardly moves.
"""

from collections.abc import Sequence

import numpy as np

from rigd.streams.clock_map import Floats

LARGEST = 1.5
"""Latenesses above so many times the median count as that: late packets hold up others,
and say nothing of the speed."""

MEAN_OVER = 2.0
"""Their mean is taken of so many seconds."""

UNSTEADY = 0.1
"""The mean may drift by this part of the median in a session, by the host's load."""

LEAST_MEANS = 10
"""Fewer tell no slope."""


def usual_slope(
    xs: Sequence[Floats], lates: Sequence[Floats]
) -> tuple[float, float] | None:
    """Find how the bulk of the latenesses rises: one slope for all stretches.

    Args:
        xs: Device time of each stretch, s, ascending from 0.
        lates: Lateness above the floor, s.

    Returns:
        Seconds per second, and how far it may be off (a standard deviation); None: too
        few, or none is late.

    """
    every = np.concatenate(lates)
    middle = float(np.median(every))
    if middle <= 0:
        return None
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
    counted = float(np.mean(every < LARGEST * middle))
    scatter = float(np.sqrt(np.mean((means - slope * at) ** 2) / spread)) / counted
    drift = UNSTEADY * middle / float(np.sqrt(12 * spread / len(at)))
    return slope / counted, float(np.hypot(scatter, drift))


def _means(x: Floats, late: Floats) -> tuple[Floats, Floats]:
    """Mean time and lateness of each window."""
    window = (x / MEAN_OVER).astype(np.int64)
    count = np.bincount(window)
    some = count > 0
    return (
        np.bincount(window, x)[some] / count[some],
        np.bincount(window, late)[some] / count[some],
    )
