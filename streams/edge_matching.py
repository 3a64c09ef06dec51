"""Which edge on one device's line is which edge on another's: matched in host time.

Host stamps say when an edge was, but for the latency. So a periodic train is not
ambiguous, and an edge that is missing or extra costs one pair, not all that follow.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from rigd.streams.clock_map import Floats, Integers

LARGEST_OFFSET = 0.45
"""Latencies of two devices may differ by so much, s."""

PERIODIC = 0.05
"""A train whose intervals scatter by less than this part of the usual is periodic."""

VOTE_BIN = 1e-3
"""Width of a bin of the vote, s, unless the lines resolve less."""

TOLERANCE = 5e-3
"""Edges of a pair lie within this in host time, s, unless the lines resolve less."""

CLOSE = 20e-6
"""Pairs that differ from their neighbours by less than this, s, beyond what the lines
resolve are never doubted."""

LEAST_PAIRS = 8
"""Fewer pairs are taken for chance."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Edges that are the same on both lines.

    Attributes:
        ours: Index into our edges, ascending.
        theirs: Index into the reference's edges.
        offset: What had to be added to our host times, s: a difference of latencies.
        vote_ratio: Votes for this offset over the votes for the best other one.
        period: Usual interval of a periodic train, s; None: its intervals differ.

    """

    ours: Integers
    theirs: Integers
    offset: float
    vote_ratio: float
    period: float | None

    def __len__(self) -> int:
        return len(self.ours)


def match_edges(ours: Floats, theirs: Floats, resolution: float) -> Pairs:
    """Match edges by their host times.

    Args:
        ours: Host times of our edges, s, ascending, three or more.
        theirs: Host times of the reference's edges, likewise.
        resolution: Resolution of the coarser line, s.

    """
    period = train_period(theirs) or train_period(ours)
    span = LARGEST_OFFSET if period is None else min(LARGEST_OFFSET, 0.49 * period)
    bin_width = max(VOTE_BIN, resolution)
    offset, ratio = vote(ours, theirs, span, min(bin_width, span / 4))
    tolerance = max(TOLERANCE, 1.5 * resolution)
    a, b = mutual_nearest(ours + offset, theirs, tolerance)
    if len(a) >= LEAST_PAIRS:
        keep = near_running_median(theirs[b] - ours[a], 2 * resolution + CLOSE)
        a, b = a[keep], b[keep]
        offset = float(np.median(theirs[b] - ours[a]))
    return Pairs(a, b, offset, ratio, period)


def train_period(edges: Floats) -> float | None:
    """Usual interval of a periodic train, s; None where intervals differ."""
    if len(edges) < 4:
        return None
    intervals = np.diff(edges)
    usual = float(np.median(intervals))
    away = np.abs(intervals - usual)
    return usual if float(np.median(away)) < PERIODIC / 2 * usual else None


def vote(
    ours: Floats, theirs: Floats, span: float, bin_width: float
) -> tuple[float, float]:
    """Find the most frequent difference theirs - ours within +-span, s.

    Returns:
        The difference, and its votes over the most votes elsewhere; 0, 0 without any.

    """
    first = np.searchsorted(theirs, ours - span)
    count = np.searchsorted(theirs, ours + span) - first
    if count.sum() == 0:
        return 0.0, 0.0
    which = np.repeat(np.arange(len(ours)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    difference = theirs[np.repeat(first, count) + within] - ours[which]
    votes, borders = np.histogram(
        difference, np.arange(-span, span + bin_width, bin_width)
    )
    votes = np.convolve(votes, np.ones(5), "same")
    best = int(np.argmax(votes))
    elsewhere = votes.copy()
    elsewhere[max(0, best - 10) : best + 11] = 0
    centre = float(borders[best] + borders[best + 1]) / 2
    near = difference[np.abs(difference - centre) < 3 * bin_width]
    offset = float(np.median(near)) if len(near) else centre
    return offset, float(votes[best] / max(1.0, elsewhere.max()))


def mutual_nearest(
    ours: Floats, theirs: Floats, tolerance: float
) -> tuple[Integers, Integers]:
    """Pairs in which each is the other's nearest, no further apart than tolerance."""
    there, back = _nearest(ours, theirs), _nearest(theirs, ours)
    mine = np.arange(len(ours))
    good = (back[there] == mine) & (np.abs(theirs[there] - ours) <= tolerance)
    return mine[good], there[good]


def _nearest(points: Floats, among: Floats) -> Integers:
    right = np.clip(np.searchsorted(among, points), 1, len(among) - 1)
    is_left = points - among[right - 1] <= among[right] - points
    nearest: Integers = np.where(is_left, right - 1, right)
    return nearest


def near_running_median(r: Floats, floor: float) -> npt.NDArray[np.bool_]:
    """Keep what is near the median of its 31 neighbours, twice.

    Args:
        r: Differences, in order of time, s.
        floor: Distances below this are always near, s.

    """
    kept = np.arange(len(r))
    for _ in range(2):
        here = r[kept]
        width = min(31, max(1, (len(here) // 2) * 2 - 1))
        around = sliding_window_view(np.pad(here, width // 2, mode="edge"), width)
        away = np.abs(here - np.median(around, axis=1))
        kept = kept[away < max(6 * 1.4826 * float(np.median(away)), floor)]
    chosen = np.zeros(len(r), bool)
    chosen[kept] = True
    return chosen


def intersect(low: Floats, high: Floats) -> tuple[float, float]:
    """Find the constant that violates the intervals [low, high] least.

    Minimises the sum of the distances to all of them: few wrong ones do not move it.

    Returns:
        The middle of all such constants, and how wide they lie.

    """
    corners = np.sort(np.concatenate([low, high]))
    below = np.searchsorted(np.sort(high), corners, "right")
    above = len(low) - np.searchsorted(np.sort(low), corners, "right")
    rise = below - above
    left = int(np.argmax(rise >= 0))
    right = int(np.argmax(rise > 0)) if (rise > 0).any() else left
    middle = float(corners[left] + corners[right]) / 2
    return middle, float(corners[right] - corners[left])
