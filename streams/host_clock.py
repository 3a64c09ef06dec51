"""A device's clock from host stamps alone: the floor under the delays.

Each stamp is late by the least time of the path and a random rest. Under one least
delayed stamp a second lies the most probable floor (`clock_smoothing`). What stays
unseen is the least time of the path, a constant.
"""

from dataclasses import dataclass

import numpy as np

from rigd.streams.clock_map import Floats, Integers, interpolated
from rigd.streams.clock_smoothing import SKEW_WALK, floor_under
from rigd.streams.stretches import Stretch
from rigd.streams.windows import window_minima, window_width

LEAST_SECONDS = 30.0
LEAST_STAMPS = 200
"""A stretch that is shorter, or has fewer stamps, can't tell the device's speed."""

LEAST_MINIMA = 8
"""With fewer windows than this no floor is fitted."""

LEAST_EXCESS = 2e-6
"""Mean lateness of the least delayed stamps is taken as at least this, s."""

LOWEST_PART = 8
"""The smallest eighth of the latenesses is looked at."""

POLL = 125e-6
"""Hosts ask USB devices in this rhythm, s. Where a device sends in step with it, all
stamps can be late by a part of it, the same for minutes: no stamp tells."""


@dataclass(frozen=True, slots=True)
class HostClock:
    """Device seconds to host seconds of one stretch, both minus their origins.

    Attributes:
        x: Knots, device s, strictly increasing, two or more.
        host: Knots, host s, least delay included.
        wander: Bound of the error of the times, s, apart from a constant.
        skew: Host seconds per device second minus 1, in the mean.
        is_measured: False where the skew was borrowed or is the nominal one.
        used: Index into the stretch of the stamps under which the floor lies.

    """

    x: Floats
    host: Floats
    wander: float
    skew: float
    is_measured: bool
    used: Integers

    @property
    def error(self) -> float:
        """Bound of the error of the times, s, apart from the path's least time."""
        return self.wander + POLL

    def at(self, x: Floats) -> Floats:
        """Host seconds at device seconds."""
        return interpolated(np.asarray(x, np.float64), self.x, self.host)


def can_tell_speed(part: Stretch) -> bool:
    """Say whether a stretch has stamps enough to measure the device's speed."""
    return len(part) >= LEAST_STAMPS and float(part.x[-1]) >= LEAST_SECONDS


def fit_host_clock(part: Stretch) -> HostClock:
    """Fit the floor of a stretch that `can_tell_speed`."""
    x, delay = part.x, part.host - part.x
    intercept, skew = supporting_line(x, delay)
    rest = delay - intercept - skew * x
    low = window_minima(x, rest, window_width(x))
    low = low[np.concatenate([[True], np.diff(x[low]) > 1e-3])]
    at, rest_at = x[low], rest[low]
    floor, excess = _floor(at, rest_at)
    late = rest - np.interp(x, at, floor)
    wander = widest_gap(x, late, 3 * float(np.sqrt(excess / SKEW_WALK))) + excess
    unseen = widest_gap(x, late, np.inf) / 2
    host = at + intercept + skew * at + floor - unseen
    if len(at) < 2 or np.any(np.diff(host) <= 0):
        return borrow_skew(part, 0.0, float(np.ptp(delay)) / float(part.x[-1]))
    return HostClock(at, host, wander, skew, True, low)


def _floor(at: Floats, rest: Floats) -> tuple[Floats, float]:
    """Floor under the minima, and their mean lateness above it."""
    excess = max(LEAST_EXCESS, float(np.median(rest - rest.min())) / np.log(2))
    floor = np.full(len(at), float(rest.min()))
    if len(at) < LEAST_MINIMA:
        return floor, excess
    for _ in range(4):
        floor = floor_under(at, rest, excess, SKEW_WALK)
        before = excess
        excess = max(LEAST_EXCESS, float(np.median(rest - floor)) / np.log(2))
        if abs(excess / before - 1) < 0.05:
            break
    return floor, excess


def borrow_skew(part: Stretch, skew: float, skew_error: float) -> HostClock:
    """Lay a line of known slope through the least delayed stamp of a short stretch.

    Args:
        part: The stretch, one stamp or more.
        skew: Host seconds per device second minus 1.
        skew_error: How far the skew may be off.

    """
    rest = part.host - part.x - skew * part.x
    lowest = int(np.argmin(rest))
    span = max(float(part.x[-1]), 1e-3)
    x = np.array([0.0, span])
    host = x * (1 + skew) + rest[lowest]
    error = skew_error * span + float(np.median(rest - rest[lowest]))
    return HostClock(x, host, error, skew, False, np.array([lowest]))


# --- parts ----------------------------------------------------------------------------


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


def widest_gap(x: Floats, late: Floats, width: float) -> float:
    """Find the largest gap among the smallest latenesses of any while, s.

    A host that asks in a rhythm of its own sees a device that is in step with it only
    at certain latenesses, for as long as they stay in step. Then the true floor lies
    anywhere between the lowest of them and the next one that would be below.

    Args:
        x: Device time, s, ascending from 0.
        late: Lateness above the floor, s.
        width: Length of a while, s: as long as the floor leans on what was before and
            after, or infinite.

    """
    last = float(x[-1])
    width = min(width, last + 1e-9)
    widest = 0.0
    for start in np.arange(0.0, max(last - width / 2, 1e-9), width / 2):
        first, stop = np.searchsorted(x, [start, start + width])
        part = late[first:stop]
        if len(part) >= 2 * LOWEST_PART:
            count = len(part) // LOWEST_PART
            lowest = np.sort(np.partition(part, count)[: count + 1])
            widest = max(widest, float(np.max(np.diff(lowest))))
    return widest
