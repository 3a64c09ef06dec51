"""Where a device's count goes on without interruption, told by its host stamps.

A stretch ends where the counter starts anew (another epoch), where device and host
disagree by seconds, and where samples were lost without the count noticing: from there
on the least delayed stamps are later for good.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from rigd.streams.clock_evidence import Anchors
from rigd.streams.clock_map import Floats
from rigd.streams.early_stamps import plausible
from rigd.streams.windows import window_minima, window_width

DISAGREE = 2.0
"""Device and host may differ by so many seconds, for good, from one anchor to the
next."""

NEIGHBOURS = 10
"""Windows on either side of a step whose least delays are compared."""

LEAST_NEIGHBOURS = 3
"""Near the ends of a stretch so few windows are enough."""

SHORT = 6 * NEIGHBOURS
"""A stretch of fewer windows than this is short."""

LEAST_STEP = 1e-3
"""Steps of the delay below this many seconds are not losses."""

CLEAR_STEP = 8.0
"""A step is a loss from so many standard deviations of the least delays on."""

LIKELY_STEP = 5.0
CLEAR_OVER_FALL = 2.5
"""Or from so many on, if no fall of the least delay is near as large: losses only make
it rise, all else makes it fall as far as it rises."""

SIGMA_PER_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

SURE = 0.1
"""An anchor that is less late than a step by this part of it is from before it."""

DOUBT = 0.001
"""Anchors after a loss may be late ones from before it, unless this is less likely."""

USUAL_SPAN = 300.0
"""Before a loss it is looked for so long, s, how many late anchors come in a row."""

SAME_READ = 1e-9
"""Host times that differ by less, s, are of one read."""

MOSTLY = 0.5
"""Part of the anchors that come together with the one before where a host reads them
in batches."""

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
        """First point of the axis that surely belongs to it, and has an anchor, ns."""
        return self.origin


@dataclass(frozen=True, slots=True)
class Loss:
    """A step of the least delay.

    Attributes:
        first: First anchor that may be after the loss.
        surely: First anchor that surely is.
        seconds: How much later the least delay is from there on.
        uncertainty: How far `seconds` may be off.

    """

    first: int
    surely: int
    seconds: float
    uncertainty: float


@dataclass(frozen=True, slots=True)
class Found:
    """All stretches of a domain.

    Attributes:
        stretches: In order.
        warnings: What was wrong with the stamps, in full sentences.
        goes_back: The device's clock went back without saying that it started anew.

    """

    stretches: list[Stretch]
    warnings: list[str]
    goes_back: bool


def find_stretches(anchors: Anchors, *, transfer: float, counts: bool) -> Found:
    """Split the anchors of a domain, in order of epoch and host time.

    Args:
        anchors: All of them.
        transfer: Usual time of samples in one block, s.
        counts: Whether samples can be lost without the axis noticing.

    """
    stretches: list[Stretch] = []
    warnings: list[str] = []
    count = 0
    goes_back = False
    for epoch in np.unique(anchors.epoch).tolist():
        mine = anchors.take(anchors.epoch == epoch)
        ahead, notes = _without_going_back(mine, transfer)
        warnings += notes
        goes_back |= bool(notes)
        for first, stop in _jumps(ahead):
            part = _stretch(ahead.take(np.arange(first, stop)))
            if first:
                part = _after_jump(
                    part, ahead.take(np.arange(first - 1, first + 1)), counts
                )
            elif stretches:
                part = replace(part, reason="restart")
            part, early = _without_early(part)
            count += early
            smallest = max(LEAST_STEP, 0.5 * transfer)
            pieces = _split(part, smallest) if counts else [part]
            for piece in pieces:
                kept, early = _without_early(piece)
                stretches.append(kept)
                count += early
    if count:
        warnings.append(
            f"{count} of {len(anchors)} host stamps are impossibly early and were left "
            "out"
        )
    return Found(stretches, warnings, goes_back)


def _without_early(part: Stretch) -> tuple[Stretch, int]:
    good = plausible(part.x, part.host - part.x)
    kept = replace(part, x=part.x[good], host=part.host[good])
    return kept, int(len(part) - len(kept))


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
    by = (highest[first] - anchors.x[first]) / 1e9
    after = (anchors.host_ns[first] - anchors.host_ns[0]) / 1e9
    return anchors.take(~back), [
        f"the device's clock goes back by {by:.1f} s after {after:.1f} s without "
        "saying that it started anew; its readings from there on are used only where "
        "they are ahead of all earlier ones"
    ]


def _jumps(anchors: Anchors) -> list[tuple[int, int]]:
    """Ranges of anchors between which device and host do not disagree.

    A host that stalls disagrees too, but not for good: it catches up with the device.
    """
    delay = (anchors.host_ns - anchors.host_ns[0]) - (anchors.x - anchors.x[0])
    most = DISAGREE * 1e9
    least_from = np.minimum.accumulate(delay[::-1])[::-1]
    rises = (np.diff(delay) > most) & (least_from[1:] - delay[:-1] > most)
    falls = delay[1:] - np.minimum.accumulate(delay)[:-1] < -most
    cuts = np.flatnonzero(rises | falls) + 1
    edges = [0, *cuts[:MOST_SPLITS].tolist(), len(anchors)]
    return list(zip(edges[:-1], edges[1:], strict=True))


def _stretch(anchors: Anchors) -> Stretch:
    order = np.argsort(anchors.x, kind="stable")
    x, host = anchors.x[order], anchors.host_ns[order]
    origin, host_origin = int(x[0]), int(host[0])
    return Stretch(
        int(anchors.epoch[0]),
        origin,
        host_origin,
        (x - origin) / 1e9,
        (host - host_origin) / 1e9,
    )


def _after_jump(part: Stretch, around: Anchors, counts: bool) -> Stretch:
    """Say why a stretch begins whose device and host disagree with those before.

    Args:
        part: The stretch.
        around: The anchors before and after the jump.
        counts: Whether samples can be lost without the axis noticing.

    """
    host = int(around.host_ns[1] - around.host_ns[0])
    ahead = (host - int(around.x[1] - around.x[0])) / 1e9
    part = replace(part, earliest=int(around.x[0]) + 1)
    if ahead < 0 or not counts:
        return replace(part, reason="clock jump")
    return replace(part, reason="silent loss", lost=ahead, lost_uncertainty=ahead / 2)


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
    """The rest of a stretch, counted from its own first sure anchor."""
    before, sure = loss.first - 1, loss.surely
    ahead_ns = round(float(part.x[sure]) * 1e9)
    later_ns = round(float(part.host[sure]) * 1e9)
    return Stretch(
        part.epoch,
        part.origin + ahead_ns,
        part.host_origin + later_ns,
        part.x[sure:] - ahead_ns / 1e9,
        part.host[sure:] - later_ns / 1e9,
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
    needed = np.maximum(max(smallest, grain(x, delay + x)), _clear(step, noise))
    if np.all(step < needed):
        return None
    clear = np.where(step >= needed, step, 0.0)
    j = int(np.flatnonzero(clear > 0.7 * clear.max())[0])
    begin, end = at[max(0, j - 1)] - width, at[min(len(at) - 1, j + 2)] + width
    near = np.flatnonzero((x >= begin) & (x <= end))
    late = delay - slope * x - before[j]
    limit = float(step[j]) - max(3 * float(noise[j]), SURE * float(step[j]))
    earlier = np.searchsorted(x, begin - USUAL_SPAN)
    longest = longest_run(late[earlier : near[0]] >= limit)
    last, doubtful = _last_before(
        late[near], (delay + x)[near], limit, float(step[j]), float(noise[j])
    )
    doubtful = max(doubtful, longest)
    first = int(near[0]) + last + 1
    if first == 0 or first + doubtful >= len(x):
        return None
    return Loss(first, first + doubtful, float(step[j]), 3 * float(noise[j]))


def _clear(step: Floats, noise: Floats) -> Floats:
    """From which height on a step can't be chance, s."""
    largest_fall = float(np.median(step) - np.min(step))
    likely = np.maximum(LIKELY_STEP * noise, CLEAR_OVER_FALL * largest_fall)
    clear: Floats = np.minimum(CLEAR_STEP * noise, likely)
    return clear


def _last_before(
    late: Floats, host: Floats, limit: float, step: float, noise: float
) -> tuple[int, int]:
    """Find the last anchor that is surely from before a step, and how many may be.

    After the step none is less late than the step: one that is comes from before it.
    The next ones are from after it unless they are later than is usual: then they may
    be late ones from before. Those of one read were kept back together, and count as
    one.

    Args:
        late: Delay of the anchors around the step above the floor before it, s.
        host: Their host times, s, ascending.
        limit: An anchor that is less late is surely from before, s.
        step: Height of the step, s.
        noise: Standard deviation of least delays, s.

    Returns:
        Index of the last sure one, -1 for none; number of doubtful ones after it.

    """
    sure = late < limit
    if not sure.any():
        return -1, 0
    last = int(np.flatnonzero(sure)[-1])
    chance = max(float(np.mean(late[:last] >= limit)) if last else 0.0, 1e-9)
    likely = int(np.ceil(np.log(DOUBT) / np.log(min(chance, 0.9))))
    usual = noise + 8 * float(np.median(late[sure]))
    is_usual = late[last + 1 :] < step + usual
    reads = np.cumsum(np.diff(host[last + 1 :], prepend=-np.inf) > SAME_READ)
    together = int(np.searchsorted(reads, likely, "right"))
    return last, max(together, int(np.argmax(is_usual)) if is_usual.any() else 0)


def longest_run(late: npt.NDArray[np.bool_]) -> int:
    """Most late anchors in a row: one that waits keeps back all that follow it."""
    ends = np.flatnonzero(np.diff(np.concatenate([[False], late, [False]])))
    return int(np.max(ends[1::2] - ends[0::2], initial=0))


def _common_slope(at: Floats, floor: Floats) -> float:
    """Find the usual slope of the least delay: the mean of the middle half of many.

    Where it falls in steps the median would be that of a step, or of none.
    """
    lag = min(NEIGHBOURS, len(at) // 2)
    slopes = np.sort((floor[lag:] - floor[:-lag]) / (at[lag:] - at[:-lag]))
    outer = len(slopes) // 4
    return float(np.mean(slopes[outer : len(slopes) - outer]))


def _steps(flat: Floats) -> tuple[Floats, Floats, Floats]:
    """Rise of the least delay at each boundary of windows, that before it, and noise.

    Near the ends there are fewer windows to compare, and the noise is larger. In a
    short stretch a true step is in too many of the rises to judge their scatter by.
    """
    before, after = _least_around(flat, NEIGHBOURS)
    step = after - before
    scatter = _scatter(step)
    if len(flat) < SHORT:
        scatter = min(scatter, _scatter(np.diff(flat)))
    noise = np.full(len(step), scatter)
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
    if len(x) < 2 or np.mean(np.diff(host) == 0) < MOSTLY:
        return 0.0
    return 1.2 * float(np.median(np.diff(x)))
