"""Straight lines below readings that are late, never early."""

import numpy as np

from rigd.streams.clock_map import Floats, Integers
from rigd.streams.windows import window_minima

MOST_CHANGE = 2e-5
"""A crystal's speed changes by less than this from one stretch to the next."""

SLOPES = 401
MOST_DOUBLINGS = 20
NEVER = -20.0
"""So many slopes of a floor are tried, as far as they are this probable (log)."""


def expected_lines(
    x: Floats,
    late: Floats,
    mean: float,
    begins: Integers,
    usual: tuple[float, float] | None = None,
) -> Floats:
    """Mean of the lines that may be the floor under latenesses, of one slope together.

    The most probable floor leans on the readings; the true one may be tilted. Of lines
    below all readings, one whose mean is higher by `mean / n` is e times as probable
    where n readings are independent and exponential. So slopes whose highest lines are
    at h weigh as exp(sum n h / mean). How far below the highest line the true one lies,
    the gaps among the latenesses tell better (`delay_gaps.widest_gap`).

    Args:
        x: Seconds, strictly increasing.
        late: Lateness above the most probable floor, s.
        mean: Mean lateness, s, times the readings that tell no more than one does.
        begins: Where pieces with an offset of their own begin.
        usual: What else is known of the slope: the most probable one, and its standard
            deviation.

    Returns:
        What is to be added to the most probable floor at x, s.

    """
    pieces = np.split(np.arange(len(x)), begins)
    centred = [x[piece] - np.mean(x[piece]) for piece in pieces]
    corners = [lower_hull(x[piece], late[piece]) for piece in pieces]
    count = np.array([len(piece) for piece in pieces])

    def highest(slopes: Floats) -> Floats:
        """Highest line of each slope, at the middle of each piece."""
        rows = [
            np.min(late[piece][c] - slopes[:, None] * at[c], axis=1)
            for piece, at, c in zip(pieces, centred, corners, strict=True)
        ]
        return np.array(rows)

    reach = mean / float(np.ptp(x))
    for _ in range(MOST_DOUBLINGS):
        slopes = np.linspace(-reach, reach, SLOPES)
        level = highest(slopes)
        likely = count @ level / mean
        if usual is not None:
            likely -= ((slopes - usual[0]) / usual[1]) ** 2 / 2
        likely -= np.max(likely)
        if max(likely[0], likely[-1]) < NEVER or reach > MOST_CHANGE:
            break
        reach *= 2
    weight = np.exp(likely) / np.sum(np.exp(likely))
    offsets = level @ weight
    slope = float(slopes @ weight)
    lines = [o + slope * at for o, at in zip(offsets, centred, strict=True)]
    return np.concatenate(lines)


def supporting_line(x: Floats, r: Floats) -> tuple[float, float]:
    """Intercept and slope of the line that touches r from below at mid time."""
    low = window_minima(x, r, max(0.25, float(x[-1]) / 4000))
    x, r = x[low], r[low]
    if len(x) < 2:
        return float(r[0]), 0.0
    corners = lower_hull(x, r)
    middle = (x[0] + x[-1]) / 2
    k = int(np.clip(np.searchsorted(x[corners], middle) - 1, 0, len(corners) - 2))
    a, b = corners[k], corners[k + 1]
    slope = float((r[b] - r[a]) / (x[b] - x[a]))
    return float(r[a] - slope * x[a]), slope


def lower_hull(x: Floats, r: Floats) -> Integers:
    """Corners of the lower convex hull, x ascending."""
    corners: list[int] = []
    across, up = x.tolist(), r.tolist()  # plain numbers: three times as fast
    for i in range(len(across)):
        while len(corners) >= 2 and _is_above(across, up, corners[-2], corners[-1], i):
            corners.pop()
        corners.append(i)
    return np.array(corners, np.int64)


def _is_above(x: list[float], r: list[float], a: int, b: int, c: int) -> bool:
    """Say whether point b is on or above the line from a to c."""
    turn = (x[b] - x[a]) * (r[c] - r[a]) - (r[b] - r[a]) * (x[c] - x[a])
    return turn <= 0
