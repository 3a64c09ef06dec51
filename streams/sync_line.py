"""A device's clock from a shared sync line: matched edges, smoothed.

Where the line resolves edges well, they alone make the clock. Where it does not (a
camera, a slow microcontroller), host stamps give the shape of the clock's drift, and
the edges only what the stamps can't see: the constant, or its slow change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rigd.streams.clock_map import Floats, Integers
from rigd.streams.clock_smoothing import smoothed
from rigd.streams.edge_matching import intersect
from rigd.streams.pair_times import PairTimes
from rigd.streams.pulse_smoothing import FINE_WALKS, left_out, quantized, shares
from rigd.streams.pulses_in_step import placed_by_stamps
from rigd.streams.quantization import Quantization
from rigd.streams.regular_train import TRAIN_WALK, smoothed_along_train

FINE = 1e-4
"""Lines that resolve edges to this, s, are smoothed by themselves."""

COARSE = 5e-3
"""Lines that resolve edges no better than this, s, tell a constant only."""

SHAPE_WALK = 3e-9
"""How fast the difference of edges and host stamps may wander, 1/sqrt(s), where the
stamps give the shape."""

ASIDE = 0.1
"""Pairs that contradict a constant by this part of what both lines can be off are not
of one pulse."""

BOW = 30
"""Pairs whose mean distance from the smoothed clock counts as its error."""

LONG_GAP = 10.0
"""Without an edge for so long, s, the clock follows its host stamps."""


@dataclass(frozen=True, slots=True)
class Constant:
    """What the pulses of one stretch allow the constant between them and stamps to be.

    Attributes:
        low, high: Between these it is, s.
        slack: By so much the stamps of the stretch may be off, s: the path's least time
            is the same for all stretches of a device, but their clocks by host stamps
            are not equally right.

    """

    low: float
    high: float
    slack: float = 0.0

    def meets(self, other: "Constant") -> bool:
        """Whether both can have come of one least time of the path."""
        apart = max(self.low, other.low) - min(self.high, other.high)
        return apart <= self.slack + other.slack


@dataclass(frozen=True, slots=True)
class Correction:
    """What is added to a stretch's times by host stamps, to agree with the pulses.

    Attributes:
        x: Device seconds since the stretch's origin, ascending.
        seconds: Correction there; before and after it stays as it is.
        exact: True where the pulses alone make the clock between these points, False
            where the host stamps give the shape in between.
        error: Bound of the error at these points, s, against the reference.
        constant: What the pulses alone allow, where they tell no more than a constant.

    """

    x: Floats
    seconds: Floats
    exact: bool
    error: float
    constant: Constant | None = None


def correction(
    pairs: PairTimes,
    shape: Floats,
    slack: float = 0.0,
    others: Sequence[Constant] = (),
) -> Correction:
    """Find what the pulses say of the times by host stamps.

    Args:
        pairs: Matched edges, in order.
        shape: Times of the edges by host stamps, session s.
        slack: By so much these times may be off, s, the path's least time left aside.
        others: What other stretches of the device say, if their pulses tell a constant.

    """
    rest = pairs.t - shape
    if pairs.resolution >= COARSE:
        own = replace(_constant(pairs, rest), slack=slack)
        seconds, error = agreed(own, others)
        error += pairs.worst / len(pairs)
        ends = pairs.x[[0, -1]]
        return Correction(ends, np.full(2, seconds), False, error, own)
    if pairs.resolution > FINE:
        return _slow(pairs, rest)
    return _fine(pairs, rest)


def _fine(pairs: PairTimes, rest: Floats) -> Correction:
    """Smooth around the host stamps' shape and around a line, as pulses ask for.

    Stamps help at the ends and between pulses, unless their floor is bent.
    """
    along = smoothed_along_train(pairs, pairs.t - rest)
    if along is None:
        seconds = _smoothed_as_they_ask(pairs, rest)
    else:  # its errors and those of the pairs hardly have to do with each other
        paired = [_smooth(pairs, rest, v, TRAIN_WALK) for v in (rest, pairs.t)]
        seconds = (along + np.mean(paired, axis=0)) / 2
        seconds = placed_by_stamps(pairs, pairs.t - rest, seconds)
    error = max(pairs.worst, 4 * posterior_sd(pairs, max(FINE_WALKS)))
    return Correction(pairs.x, seconds, True, error)


def _smoothed_as_they_ask(pairs: PairTimes, rest: Floats) -> Floats:
    """Smooth pairs of pulses at random times.

    Calm clocks are smoothed more than restless ones. Where the pulses can hardly tell
    which is better, the mean is taken: each counts by how well it predicts what it left
    out.
    """
    tried = [(values, walk) for values in (rest, pairs.t) for walk in FINE_WALKS]
    parts = shares([_left_out(pairs, *one) for one in tried])
    both = zip(tried, parts, strict=True)
    return np.asarray(sum(part * _smooth(pairs, rest, *one) for one, part in both))


def _smooth(pairs: PairTimes, rest: Floats, values: Floats, walk: float) -> Floats:
    """Smooth `rest`, or the times that it is the rest of, to a correction."""
    return _smooth_pieces(pairs, values, walk) + (rest - values)


def _smooth_pieces(pairs: PairTimes, values: Floats, walk: float) -> Floats:
    """Smooth values at the pairs around a line, for each segment of the reference."""
    found = values.copy()
    noise = Quantization(pairs.resolution, pairs.reference_resolution, pairs.softness)
    for piece in np.unique(pairs.piece):
        mine = np.flatnonzero(pairs.piece == piece)
        if len(mine) >= 3:
            found[mine] = quantized(pairs.x[mine], values[mine], noise, pairs.sd, walk)
    return found


def _left_out(pairs: PairTimes, values: Floats, walk: float) -> float:
    """How unlikely each half of the pairs is by a fit of the other, see `left_out`."""

    def smooth(some: Integers) -> Floats:
        return _smooth_pieces(pairs.take(some), values[some], walk)

    return left_out(pairs.x, values, pairs.sd, smooth)


def _slow(pairs: PairTimes, rest: Floats) -> Correction:
    middle = float(np.median(rest))
    change = smoothed(pairs.x, rest - middle, pairs.sd, SHAPE_WALK)
    error = 4 * posterior_sd(pairs, SHAPE_WALK) + pairs.reference_resolution / 2
    error += _bow(rest - middle - change)
    return Correction(pairs.x, middle + change, False, error)


def _bow(rest: Floats) -> float:
    """Largest mean of 30 neighbours: what neither shape nor smoothing follows, s."""
    if len(rest) < BOW:
        return float(np.max(np.abs(rest), initial=0.0))
    means = np.convolve(rest, np.full(BOW, 1 / BOW), "valid")
    return float(np.max(np.abs(means)))


def _constant(pairs: PairTimes, rest: Floats) -> Constant:
    """Find the constants that all pairs allow that can be of one pulse."""
    near = rest
    constant, width = intersect(near - pairs.worst, near + pairs.worst)
    for _ in range(2):
        is_near = np.abs(rest - constant) < (1 + ASIDE) * pairs.worst
        near = rest[is_near] if is_near.any() else rest
        constant, width = intersect(near - pairs.worst, near + pairs.worst)
    outside = np.abs(near - constant) - pairs.worst
    half = width / 2 + max(0.0, float(np.max(outside)))
    return Constant(constant - half, constant + half)


def agreed(own: Constant, others: Sequence[Constant]) -> tuple[float, float]:
    """Find the constant of a stretch from its pulses and those of its device's others.

    Returns:
        The constant, as near to what suits all stretches as its own pulses and the
        slack allow, and how far it may be off.

    """
    alike = [other for other in others if own.meets(other)]
    low = max([own.low, *(c.low - c.slack - own.slack for c in alike)])
    high = min([own.high, *(c.high + c.slack + own.slack for c in alike)])
    if low > high:  # the others contradict each other
        alike, low, high = [], own.low, own.high
    all_low = max([own.low, *(c.low for c in alike)])
    all_high = min([own.high, *(c.high for c in alike)])
    constant = min(max((all_low + all_high) / 2, low), high)
    return constant, max(high - constant, constant - low)


def posterior_sd(pairs: PairTimes, walk: float) -> float:
    """Standard deviation of the smoothed clock at its ends, where it is largest, s.

    Of the steady state of a clock whose speed is a random walk, seen through readings
    of equal precision at their usual rate.
    """
    if len(pairs) < 3:
        return pairs.sd
    span = float(pairs.x[-1] - pairs.x[0])
    per_second = pairs.sd**2 * span / len(pairs)
    width = (per_second / walk**2) ** 0.25
    steady = float(np.sqrt(np.sqrt(2) * per_second / width))
    straight = 2 * pairs.sd / float(np.sqrt(len(pairs)))
    return max(steady, straight)


def holdout(pairs: PairTimes, shape: Floats) -> float | None:
    """Predict every second pair from the others; RMS over what resolution explains."""
    if len(pairs) < 12:
        return None
    some = np.arange(0, len(pairs), 2)
    rest = np.arange(1, len(pairs), 2)
    known = correction(pairs.take(some), shape[some])
    predicted = shape[rest] + np.interp(pairs.x[rest], known.x, known.seconds)
    away = pairs.t[rest] - predicted
    return float(np.sqrt(np.mean(away**2))) / pairs.sd


def corrected_knots(knots: Floats, found: Correction) -> Floats:
    """Choose the knots of the corrected clock.

    Where the pulses alone make the clock, knots by host stamps stay only where there
    was no pulse for long, and before and after all pulses.

    Args:
        knots: Device seconds of the knots by host stamps, ascending.
        found: The correction.

    """
    if not found.exact:
        return np.union1d(knots, found.x)
    after = np.searchsorted(found.x, knots)
    gap = np.diff(np.concatenate([[-np.inf], found.x, [np.inf]]))
    return np.union1d(knots[gap[after] > LONG_GAP], found.x)
