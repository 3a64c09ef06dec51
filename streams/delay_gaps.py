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

POLL = 125e-6
"""Hosts ask USB devices in this rhythm, s. Where a device sends in step with it, all
stamps can be late by a part of it, the same for minutes: no stamp tells."""

LEAST_WAVE = 0.4
OVER_TWICE = 1.2
"""The rhythm shows if the wave of its length is so strong in the latenesses (1: all are
whole periods apart), and so many times as strong as the one of twice its length."""


def widest_gap(x: Floats, late: Floats, width: float) -> float:
    """Find the largest gap among the smallest latenesses of any while, s.

    Args:
        x: Device time, s, ascending from 0.
        late: Lateness above the floor, s.
        width: Length of a while, s: as long as the floor leans on what was before and
            after, or infinite.

    """
    parts = _whiles(x, late, width)
    largest = (max(float(np.max(_gaps(part))), polled_gap(part)) for part in parts)
    return max(largest, default=0.0)


def rhythm(x: Floats, late: Floats) -> tuple[float, float]:
    """Find the gap that a host's rhythm leaves among the smallest latenesses.

    Args:
        x: Device time, s, ascending from 0.
        late: Lateness above the floor, s.

    Returns:
        The usual gap of a short while, s; 0 where chance explains it. And how long, s,
        until the device has drifted through it, so that half of it is left; infinite if
        it never does.

    """
    gap, width = _usual_gap(x, late, WINDOW), WINDOW
    if not gap:
        return 0.0, width
    while width < float(x[-1]):
        width *= 2
        if _usual_gap(x, late, width) <= gap / 2:
            return gap, width
    return gap, np.inf


def polled_gap(late: Floats) -> float:
    """Find the gap that USB's rhythm leaves in latenesses, s; 0 if it does not show.

    The time until a process runs smears it, so that it can't be seen among the smallest
    ones. But latenesses without a rhythm, as those with a longer one, have more of the
    wave that is twice as long.

    Args:
        late: Latenesses of a while, s.

    """
    waves = [np.exp(2j * np.pi / period * late) for period in (POLL, 2 * POLL)]
    here, twice = (float(np.abs(np.mean(wave))) for wave in waves)
    return POLL * here if here > max(LEAST_WAVE, OVER_TWICE * twice) else 0.0


def _usual_gap(x: Floats, late: Floats, width: float) -> float:
    gaps = [
        max(_plain(_gaps(part)), polled_gap(part)) for part in _whiles(x, late, width)
    ]
    return float(np.median(gaps)) if gaps else 0.0


def _plain(gaps: Floats) -> float:
    """Return the largest gap; 0 where it may be chance."""
    largest = float(np.max(gaps))
    is_plain = len(gaps) >= LEAST_GAPS and largest > PLAIN * float(np.mean(gaps))
    return largest if is_plain else 0.0


def _gaps(late: Floats) -> Floats:
    """Gaps among the smallest latenesses of a while."""
    count = len(late) // LOWEST_PART
    gaps: Floats = np.diff(np.sort(np.partition(late, count)[: count + 1]))
    return gaps


def _whiles(x: Floats, late: Floats, width: float) -> Iterator[Floats]:
    """Latenesses of each while; whiles overlap by half."""
    last = float(x[-1])
    width = min(width, last + 1e-9)
    for start in np.arange(0.0, max(last - width / 2, 1e-9), width / 2):
        first, stop = np.searchsorted(x, [start, start + width])
        if stop - first >= 2 * LOWEST_PART:
            yield late[first:stop]
