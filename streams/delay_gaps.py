"""Gaps among the smallest delays: what a host that asks in a rhythm of its own leaves.

It sees a device that is in step with it only at certain latenesses, for as long as they
stay in step. Then the true floor lies anywhere between the lowest of them and the next
one that would be below.
"""

from collections.abc import Iterator

import numpy as np

from rigd.streams.clock_map import Floats

LOWEST_PART = 8
"""The smallest eighth of the latenesses is looked at."""

WINDOW = 10.0
"""A rhythm is looked for in so many seconds together."""

PLAIN = 8.0
LEAST_GAPS = 4
"""A gap so many times as large as the mean of so many or more is no chance."""


def widest_gap(x: Floats, late: Floats, width: float) -> float:
    """Find the largest gap among the smallest latenesses of any while, s.

    Args:
        x: Device time, s, ascending from 0.
        late: Lateness above the floor, s.
        width: Length of a while, s: as long as the floor leans on what was before and
            after, or infinite.

    """
    largest = (float(np.max(gaps)) for gaps in _gaps(x, late, width))
    return max(largest, default=0.0)


def rhythm(x: Floats, late: Floats) -> float:
    """Find the gap that a host's rhythm leaves among the smallest latenesses, s.

    Args:
        x: Device time, s, ascending from 0.
        late: Lateness above the floor, s.

    Returns:
        The usual gap; 0 where chance explains it.

    """
    plain = [_plain(gaps) for gaps in _gaps(x, late, WINDOW)]
    return float(np.median(plain)) if plain else 0.0


def _plain(gaps: Floats) -> float:
    """Return the largest gap; 0 where it may be chance."""
    largest = float(np.max(gaps))
    is_plain = len(gaps) >= LEAST_GAPS and largest > PLAIN * float(np.mean(gaps))
    return largest if is_plain else 0.0


def _gaps(x: Floats, late: Floats, width: float) -> Iterator[Floats]:
    """Gaps among the smallest latenesses of each while; whiles overlap by half."""
    last = float(x[-1])
    width = min(width, last + 1e-9)
    for start in np.arange(0.0, max(last - width / 2, 1e-9), width / 2):
        first, stop = np.searchsorted(x, [start, start + width])
        part = late[first:stop]
        if len(part) >= 2 * LOWEST_PART:
            count = len(part) // LOWEST_PART
            yield np.diff(np.sort(np.partition(part, count)[: count + 1]))
