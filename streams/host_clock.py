"""A device's clock from host stamps alone: the floor under the delays.

Each stamp is late by the least time of the path and a random rest. Under one least
delayed stamp a second lies the most probable floor (`clock_smoothing`). What stays
unseen is the least time of the path, a constant.

All stretches of a device are fitted together: from one to the next its count says
nothing, but it is the same crystal, which goes on at the speed that it had.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rigd.streams.batches import with_earlier_samples
from rigd.streams.clock_map import Floats, Integers, interpolated
from rigd.streams.clock_smoothing import SKEW_WALK, floor_under
from rigd.streams.delay_gaps import POLL, rhythm, widest_gap
from rigd.streams.floor_lines import MOST_CHANGE, expected_lines, supporting_line
from rigd.streams.stretches import Stretch
from rigd.streams.usual_delay import usual_slope
from rigd.streams.windows import window_minima, window_width

LEAST_SECONDS = 30.0
LEAST_STAMPS = 200
"""A stretch that is shorter, or has fewer stamps, can't tell the device's speed."""

OVERLAP = 0.25
"""Stretches that overlap, by their host stamps, are taken to be so far apart, s."""

LEAST_APART = 0.2
"""Of least delayed stamps that are closer than this part of a window the more
delayed one is left out."""

ASSUMED_SKEW = 1e-6
"""Error of the speed that a stretch borrows from longer ones of the same device."""

LEAST_MINIMA = 8
"""With fewer windows than this no floor is fitted."""

LEAST_SHARED = 0.1
"""Latenesses whose correlation is less than this are witnesses of their own."""

LEAST_EXCESS = 2e-6
"""Mean lateness of the least delayed stamps is taken as at least this, s."""

SEEN_THROUGH = 180.0
"""In longer sessions, s, a device drifts through the rhythm in which it is asked more
than once. In shorter ones the floor can be taken to drift as the rhythm does: its ends
are off by up to half a gap."""


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


def can_tell_speed(parts: Sequence[Stretch]) -> bool:
    """Say whether stretches have stamps enough to measure the device's speed."""
    seconds = sum(float(part.x[-1]) for part in parts)
    return sum(map(len, parts)) >= LEAST_STAMPS and seconds >= LEAST_SECONDS


def fit_host_clocks(parts: Sequence[Stretch]) -> list[HostClock]:
    """Fit the floor of stretches of one device that together `can_tell_speed`.

    A stretch that plainly runs at another speed than the others (a camera that was set
    to another rate when it started anew) is fitted by itself.
    """
    clocks = _fit_together(parts)
    alike = [
        number
        for number, (part, clock) in enumerate(zip(parts, clocks, strict=True))
        if not _runs_at_another_speed(part, clock)
    ]
    if len(alike) == len(parts) or len(parts) == 1:
        return clocks
    clocks = [_fit_together([part])[0] for part in parts]
    if alike:
        together = _fit_together([parts[number] for number in alike])
        for number, clock in zip(alike, together, strict=True):
            clocks[number] = clock
    return clocks


def _runs_at_another_speed(part: Stretch, clock: HostClock) -> bool:
    """Whether a stretch contradicts the speed that it has together with others."""
    if not can_tell_speed([part]):
        return False
    _, own = supporting_line(part.x, part.host - part.x)
    allowed = MOST_CHANGE + 2 * clock.wander / float(part.x[-1])
    return abs(own - clock.skew) > allowed


def _fit_together(parts: Sequence[Stretch]) -> list[HostClock]:
    longest = max(parts, key=lambda part: float(part.x[-1]))
    _, skew = supporting_line(longest.x, longest.host - longest.x)
    lows = [_lows(part, skew) for part in parts]
    at, rest, begins = _joined(parts, lows)
    floor = _floor(at, rest, begins)
    cuts = np.cumsum([len(low.index) for low in lows])[:-1]
    height, excess = floor.height, floor.excess
    if floor.is_fitted:
        xs, lates = _above(parts, lows, np.split(height, cuts))
        height = height + _more_likely_lines(at, rest, floor, begins, xs, lates)
    pieces = np.split(height, cuts)
    seconds = sum(float(part.x[-1]) for part in parts)
    tilt = min(1.0, SEEN_THROUGH / seconds) / 2
    return [
        _clock(part, low, piece, excess, tilt)
        for part, low, piece in zip(parts, lows, pieces, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Floor:
    """The most probable floor under low stamps.

    Attributes:
        height: At each of them, s.
        excess: Their mean lateness above it, s.
        shared_excess: The same times the readings that tell no more than one does; 0
            where the floor is only the lowest of them.

    """

    height: Floats
    excess: float
    shared_excess: float = 0.0

    @property
    def is_fitted(self) -> bool:
        """Whether there were enough stamps to fit it."""
        return self.shared_excess > 0


@dataclass(frozen=True, slots=True)
class _Lows:
    """The least delayed stamps of a stretch, an even number of them, or none.

    Attributes:
        skew: What has been taken off, host seconds per device second minus 1.
        delay: Delay of all stamps, the skew taken off, s.
        index: Index of the least delayed ones.

    """

    skew: float
    delay: Floats
    index: Integers


def _lows(part: Stretch, skew: float) -> _Lows:
    delay = part.host - part.x - skew * part.x
    width = window_width(part.x)
    low = window_minima(part.x, delay, width)
    low = _apart(part.x, delay, low, LEAST_APART * width)
    if len(low) % 2:
        low = np.delete(low, int(np.argmax(delay[low])))
    return _Lows(skew, delay, low)


def _apart(x: Floats, delay: Floats, low: Integers, least: float) -> Integers:
    """Leave out the more delayed one of two that are closer than `least`, s."""
    close = np.diff(x[low]) < least
    later = delay[low[1:]] >= delay[low[:-1]]
    drop = np.zeros(len(low), bool)
    drop[1:] |= close & later
    drop[:-1] |= close & ~later
    return low[~drop]


def _joined(
    parts: Sequence[Stretch], lows: Sequence[_Lows]
) -> tuple[Floats, Floats, Integers]:
    """Times and delays of all low stamps, and where stretches begin among them."""
    at: list[Floats] = []
    for part, low in zip(parts, lows, strict=True):
        since = (part.host_origin - parts[0].host_origin) / 1e9
        x = part.x[low.index] + since
        last = next((float(a[-1]) for a in reversed(at) if len(a)), -np.inf)
        at.append(x + max(0.0, last + OVERLAP - x[0]) if len(x) else x)
    begins = np.cumsum([len(low.index) for low in lows])
    begins = np.unique(begins[(begins > 0) & (begins < begins[-1])])
    rest = np.concatenate([low.delay[low.index] for low in lows])
    return np.concatenate(at), rest, begins


def _clock(
    part: Stretch, low: _Lows, floor: Floats, excess: float, tilt: float
) -> HostClock:
    """Make the clock of one stretch of its piece of the floor.

    Args:
        part: The stretch.
        low: Its least delayed stamps.
        floor: The floor under them, s.
        excess: Their mean lateness, s.
        tilt: The ends of the floor may be off by this part of the gap among them.

    """
    x, at = part.x, part.x[low.index]
    if len(at) < 2:
        return borrow_skew(part, low.skew, ASSUMED_SKEW)
    late = low.delay - np.interp(x, at, floor)
    gap = widest_gap(x, late, 3 * float(np.sqrt(excess / SKEW_WALK)))
    wander = (1 + tilt) * gap + excess
    unseen = widest_gap(*with_earlier_samples(x, late), np.inf) / 2
    host = at + low.skew * at + floor - unseen
    if np.any(np.diff(host) <= 0):
        delay = part.host - part.x
        return borrow_skew(part, 0.0, float(np.ptp(delay)) / float(part.x[-1]))
    skew = float((host[-1] - host[0]) / (at[-1] - at[0])) - 1
    return HostClock(at, host, wander, skew, True, low.index)


def _above(
    parts: Sequence[Stretch], lows: Sequence[_Lows], pieces: Sequence[Floats]
) -> tuple[list[Floats], list[Floats]]:
    """Times of all stamps of stretches with a floor, and latenesses above it."""
    xs, lates = [], []
    for part, low, piece in zip(parts, lows, pieces, strict=True):
        if len(piece) >= 2:
            late = low.delay - np.interp(part.x, part.x[low.index], piece)
            x, late = with_earlier_samples(part.x, late)
            xs.append(x)
            lates.append(late)
    return xs, lates


def _more_likely_lines(
    at: Floats,
    rest: Floats,
    floor: _Floor,
    begins: Integers,
    xs: Sequence[Floats],
    lates: Sequence[Floats],
) -> Floats:
    """What is to be added to the most probable floor, see `expected_lines`.

    Where a rhythm shows, low stamps are as uncertain as the gap that it leaves, and no
    more witnesses than the device drifts through it; and the bulk is heard, too.
    """
    shown = [rhythm(x, late) for x, late in zip(xs, lates, strict=True)]
    usual = usual_slope(xs, lates) if any(gap for gap, _ in shown) else None
    seconds = sum(float(x[-1]) for x in xs)
    weights = [float(x[-1]) / seconds for x in xs]
    lean = sum(
        weight * gap / 2 * min(1.0, width / seconds)
        for weight, (gap, width) in zip(weights, shown, strict=True)
    )
    mean = max(floor.shared_excess, len(at) * lean)
    return expected_lines(at, rest - floor.height, mean, begins, usual)


def _floor(at: Floats, rest: Floats, begins: Integers) -> _Floor:
    """Fit the floor under the low stamps."""
    starts = np.concatenate([[0], begins])
    lengths = np.diff(np.append(starts, len(at)))
    floor = np.repeat(np.minimum.reduceat(rest, starts), lengths)
    excess = max(LEAST_EXCESS, float(np.median(rest - floor)) / np.log(2))
    if len(at) < LEAST_MINIMA:
        return _Floor(floor, excess)
    for _ in range(4):
        floor = floor_under(at, rest, excess, SKEW_WALK, begins)
        before = excess
        excess = max(LEAST_EXCESS, float(np.median(rest - floor)) / np.log(2))
        if abs(excess / before - 1) < 0.05:
            break
    together = correlation_length(rest - floor)
    stiff = SKEW_WALK / float(np.sqrt(together))
    floor = floor_under(at, rest, excess, stiff, begins)
    return _Floor(floor, excess, excess * together)


def correlation_length(late: Floats) -> float:
    """Count the readings in a row whose latenesses tell no more than one does.

    Where a device is in step with the host's asking, all are late by the same for long:
    they are one witness, not many, that the floor is high there.
    """
    rest = np.minimum(late, 3 * float(np.median(late)))
    rest = rest - np.mean(rest)
    power = np.abs(np.fft.rfft(rest, 2 * len(rest))) ** 2
    shared = np.fft.irfft(power)[: len(rest) // 4]
    if len(shared) < 2 or shared[0] <= 0:
        return 1.0
    shared = shared / shared[0]
    ends = np.flatnonzero(shared < LEAST_SHARED)
    stop = int(ends[0]) if len(ends) else len(shared)
    return float(1 + 2 * np.sum(shared[1:stop]))


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
