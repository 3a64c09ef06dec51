"""Where a device's count goes on without interruption, told by its host stamps.

A stretch ends where the counter starts anew (another epoch), where device and host
disagree by seconds, and where samples were lost without the count noticing: from there
on the least delayed stamps are later for good.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rigd.streams.clock_evidence import Anchors
from rigd.streams.clock_map import Floats, Integers

DISAGREE = 2.0
"""Device and host may differ by so many seconds from one anchor to the next: longer
than a host ever stalls."""

NEIGHBOURS = 10
"""Windows on either side of a step whose least delays are compared."""

LEAST_NEIGHBOURS = 3
"""Near the ends of a stretch so few windows are enough."""

LEAST_STEP = 1e-3
"""Steps of the delay below this many seconds are not losses."""

CLEAR_STEP = 8.0
"""A step is a loss from so many standard deviations of the least delays on."""

SIGMA_PER_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

MOST_SPLITS = 1000
"""A stretch with more losses than this is not looked at further."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Anchors of one uninterrupted count.

    Attributes:
        epoch: Number of times the counter had started anew.
        origin: Device time from which `x` counts, ns.
        host_origin: Host time from which `host` counts, ns.
        x: Device time minus origin, s, ascending.
        host: Host time minus host origin, s.
        reason: `start`, `restart`, `clock jump` or `silent loss`.
        lost: Time that is missing before it, s; 0 unless it begins with a silent loss.
        lost_uncertainty: How far `lost` may be off, s.
        earliest: Smallest point of the axis that can be the first one, ns.

    """

    epoch: int
    origin: int
    host_origin: int
    x: Floats
    host: Floats
    reason: str = "start"
    lost: float = 0.0
    lost_uncertainty: float = 0.0
    earliest: int | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def begin(self) -> int:
        """First point of the axis that has an anchor, ns."""
        return self.origin + round(float(self.x[0]) * 1e9)


@dataclass(frozen=True, slots=True)
class Loss:
    """A step of the least delay.

    Attributes:
        first: First anchor after the loss.
        seconds: How much later the least delay is from there on.
        uncertainty: How far `seconds` may be off.

    """

    first: int
    seconds: float
    uncertainty: float


def find_stretches(
    anchors: Anchors, *, transfer: float, counts: bool
) -> tuple[list[Stretch], list[str]]:
    """Split the anchors of a domain, in order of epoch and host time.

    Args:
        anchors: All of them.
        transfer: Usual time of samples in one block, s.
        counts: Whether samples can be lost without the axis noticing.

    Returns:
        The stretches in order, and warnings in full sentences.

    """
    stretches: list[Stretch] = []
    warnings: list[str] = []
    for epoch in np.unique(anchors.epoch).tolist():
        mine = anchors.take(anchors.epoch == epoch)
        ahead, notes = _without_going_back(mine, transfer)
        warnings += notes
        for first, stop in _jumps(ahead):
            reason = "clock jump" if first else ("restart" if stretches else "start")
            part = _stretch(ahead.take(np.arange(first, stop)), reason)
            if first:
                earliest = int(np.max(ahead.x[:first])) + 1
                part = replace(part, earliest=earliest)
            smallest = max(LEAST_STEP, 0.5 * transfer)
            stretches += _split(part, smallest) if counts else [part]
    return stretches, warnings


def _without_going_back(anchors: Anchors, transfer: float) -> tuple[Anchors, list[str]]:
    """Leave out what follows a clock that goes back within an epoch, and say so.

    Streams of one device are read one after the other, so their anchors go back by no
    more than a few transfers.
    """
    highest = np.maximum.accumulate(anchors.x)
    back = (highest - anchors.x) * 1e-9 > max(1.0, 10 * transfer)
    if not back.any():
        return anchors, []
    first = int(np.flatnonzero(back)[0])
    span = (anchors.host_ns[-1] - anchors.host_ns[first]) / 1e9
    return anchors.take(~back), [
        f"the device's clock goes back by {(highest[first] - anchors.x[first]) / 1e9:g}"
        f" s after {(anchors.host_ns[first] - anchors.host_ns[0]) / 1e9:.1f} s without "
        f"saying that it started anew; its readings in the {span:.1f} s from there on "
        "are used only where they are ahead of all earlier ones"
    ]


def _jumps(anchors: Anchors) -> list[tuple[int, int]]:
    """Ranges of anchors between which device and host do not disagree."""
    step = np.diff(anchors.x) - np.diff(anchors.host_ns)
    cuts = np.flatnonzero(np.abs(step) > DISAGREE * 1e9) + 1
    edges = [0, *cuts.tolist(), len(anchors)]
    return list(zip(edges[:-1], edges[1:], strict=True))


def _stretch(anchors: Anchors, reason: str) -> Stretch:
    order = np.argsort(anchors.x, kind="stable")
    x, host = anchors.x[order], anchors.host_ns[order]
    origin, host_origin = int(x[0]), int(host[0])
    return Stretch(
        int(anchors.epoch[0]),
        origin,
        host_origin,
        (x - origin) / 1e9,
        (host - host_origin) / 1e9,
        reason,
    )


# --- silent losses --------------------------------------------------------------------


def _split(whole: Stretch, smallest: float) -> list[Stretch]:
    """Split at every silent loss."""
    waiting, done = [whole], list[Stretch]()
    while waiting and len(done) < MOST_SPLITS:
        part = waiting.pop()
        loss = silent_loss(part.x, part.host - part.x, smallest)
        if loss is None:
            done.append(part)
            continue
        waiting += [_after(part, loss), _before(part, loss)]
    return done + waiting[::-1]


def _before(part: Stretch, loss: Loss) -> Stretch:
    return replace(part, x=part.x[: loss.first], host=part.host[: loss.first])


def _after(part: Stretch, loss: Loss) -> Stretch:
    """The rest of a stretch, counted from its own first anchor."""
    before, first = loss.first - 1, loss.first
    ahead_ns = round(float(part.x[first]) * 1e9)
    later_ns = round(float(part.host[first]) * 1e9)
    return Stretch(
        part.epoch,
        part.origin + ahead_ns,
        part.host_origin + later_ns,
        part.x[first:] - ahead_ns / 1e9,
        part.host[first:] - later_ns / 1e9,
        "silent loss",
        loss.seconds,
        loss.uncertainty,
        part.origin + round(float(part.x[before]) * 1e9) + 1,
    )


def silent_loss(x: Floats, delay: Floats, smallest: float) -> Loss | None:
    """Find the first lasting upward step of the least delay.

    Args:
        x: Device time, s, ascending.
        delay: Host time minus device time, s, apart from a constant.
        smallest: Steps below this many seconds are none.

    """
    width = window_width(x)
    low = window_minima(x, delay, width)
    at, floor = x[low], delay[low]
    if len(at) < 2 * LEAST_NEIGHBOURS + 2:
        return None
    slope = _common_slope(at, floor)
    step, before, noise = _steps(floor - slope * at)
    needed = np.maximum(max(smallest, grain(x, delay + x)), CLEAR_STEP * noise)
    if np.all(step < needed):
        return None
    clear = np.where(step >= needed, step, 0.0)
    j = int(np.flatnonzero(clear > 0.7 * clear.max())[0])
    near = (x >= at[max(0, j - 1)] - width) & (x <= at[min(len(at) - 1, j + 2)] + width)
    anchors = np.flatnonzero(near)
    on_old = delay[anchors] - slope * x[anchors] < before[j] + step[j] / 2
    first = int(anchors[on_old][-1]) + 1 if on_old.any() else int(anchors[0])
    if first == 0 or first >= len(x):
        return None
    return Loss(first, float(step[j]), 3 * float(noise[j]))


def _common_slope(at: Floats, floor: Floats) -> float:
    lag = min(NEIGHBOURS, len(at) // 2)
    return float(np.median((floor[lag:] - floor[:-lag]) / (at[lag:] - at[:-lag])))


def _steps(flat: Floats) -> tuple[Floats, Floats, Floats]:
    """Rise of the least delay at each boundary of windows, that before it, and noise.

    Near the ends there are fewer windows to compare, and the noise is larger.
    """
    before, after = _least_around(flat, NEIGHBOURS)
    step = after - before
    noise = np.full(len(step), _scatter(step))
    few_before, few_after = _least_around(flat, LEAST_NEIGHBOURS)
    for end in (slice(None, NEIGHBOURS - 1), slice(-NEIGHBOURS + 1, None)):
        noise[end] = _scatter(few_after - few_before)
    step[: LEAST_NEIGHBOURS - 1] = 0
    step[len(step) - LEAST_NEIGHBOURS + 1 :] = 0
    return step, before, noise


def _least_around(flat: Floats, count: int) -> tuple[Floats, Floats]:
    """Least of `count` windows before and after each boundary between two windows."""
    wall = np.full(count - 1, np.inf)
    before = sliding_window_view(np.concatenate([wall, flat]), count).min(1)
    after = sliding_window_view(np.concatenate([flat, wall]), count).min(1)
    return before[:-1], after[1:]


def _scatter(values: Floats) -> float:
    middle = np.median(values)
    return SIGMA_PER_MAD * float(np.median(np.abs(values - middle))) + 1e-6


def grain(x: Floats, host: Floats) -> float:
    """Steps that batches can imitate, s: a bit more than the interval of anchors.

    Where several samples come in one read, which of them is the last of its batch may
    stay the same for minutes, and then change. 0 where each anchor has a read of its
    own.
    """
    if len(x) < 2 or np.mean(np.diff(host) == 0) < 0.1:
        return 0.0
    return 1.2 * float(np.median(np.diff(x)))


def window_width(x: Floats) -> float:
    """Width of windows, s, with several anchors in each: 1 s, or 4 usual intervals."""
    usual = float(np.median(np.diff(x))) if len(x) > 1 else 0.0
    return max(1.0, 4 * usual)


def window_minima(x: Floats, r: Floats, width: float) -> Integers:
    """Index of the lowest r in each window of x (the first, when equal)."""
    window = ((x - x[0]) / width).astype(np.int64)
    starts = np.flatnonzero(np.diff(window, prepend=window[0] - 1))
    lengths = np.diff(np.append(starts, len(x)))
    lowest = np.repeat(np.minimum.reduceat(r, starts), lengths)
    hits = np.flatnonzero(r == lowest)
    group = np.searchsorted(starts, hits, "right")
    chosen: Integers = hits[np.diff(group, prepend=0) > 0]
    return chosen
