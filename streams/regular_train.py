"""Pulses of a regular train: each line tells by itself how it runs against the train.

Where a train is nearly in step with the samples of a line, the errors of its edges stay
alike for many pulses, and matched pairs look as if the clock wandered. Against the
number of the pulse each line's edges are a smooth curve that samples cut into steps:
where an edge goes on from one sample to the next, it tells within a small part of a
sample where the curve is. The clock is the difference of two such curves.
"""

import numpy as np

from rigd.streams.clock_map import Floats
from rigd.streams.clock_smoothing import Expected
from rigd.streams.pair_times import LINE_JITTER, PairTimes
from rigd.streams.pulse_smoothing import quantized
from rigd.streams.quantization import Quantization

TRAIN_WALK = 2e-8
"""How fast the speed of a clock may wander, 1/sqrt(s). What pulses predict of others
tells no better value where their errors are alike."""

LEAST_PULSES = 30
"""Fewer pulses are not taken for a train."""

DRIFT = 2e-4
"""The intervals of a train may be off by this part, by both clocks together."""

OUTSIDE = 4 * LINE_JITTER
"""An edge of a train is not farther from its curve than half a sample and this, s."""

STEADY = 0.98
"""Part of the intervals, and of the edges, that must be as of a regular train."""


def smoothed_along_train(pairs: PairTimes, shape: Floats) -> Floats | None:
    """Find what the pulses say of the times by host stamps, if their train is regular.

    Args:
        pairs: Matched edges, in order.
        shape: Times of the edges by host stamps, session s.

    Returns:
        What is to be added to the shape, s; None: it is no regular train.

    """
    seconds = np.zeros(len(pairs))
    for piece in np.unique(pairs.piece):
        mine = np.flatnonzero(pairs.piece == piece)
        found = _smoothed_piece(pairs.take(mine), shape[mine])
        if found is None:
            return None
        seconds[mine] = found
    return seconds


def train_of(pairs: PairTimes) -> Floats | None:
    """Find the nominal times of the pulses of a regular train, s; None: it is none."""
    if len(pairs) < LEAST_PULSES:
        return None
    intervals = np.diff(pairs.t)
    period = float(np.median(intervals))
    steps = np.rint(intervals / period)
    allowed = pairs.worst + OUTSIDE + DRIFT * period * np.maximum(steps, 1)
    is_steady = np.abs(intervals - steps * period) < allowed
    if np.min(steps) < 1 or np.mean(is_steady) < STEADY:
        return None
    return np.concatenate([[0.0], np.cumsum(steps)]) * period


def _smoothed_piece(pairs: PairTimes, shape: Floats) -> Floats | None:
    """Smooth the pulses of one segment of the reference.

    Our line counts half as it is, half by host stamps: these follow a warming crystal,
    but have bends of their own.
    """
    train = train_of(pairs)
    if train is None:
        return None
    theirs = _along(train, pairs.t, pairs.reference_resolution)
    ours = _along(train, pairs.x, pairs.resolution)
    if theirs is None or ours is None:
        return None
    return np.asarray(theirs - shape - lateness(train, pairs, shape, ours))


def lateness(train: Floats, pairs: PairTimes, shape: Floats, ours: Floats) -> Floats:
    """Find by how much samples of our line made its edges late, s, smoothed.

    Args:
        train: Nominal times of the pulses, s.
        pairs: Matched edges.
        shape: Times of the edges by host stamps, session s.
        ours: The `curve` of our line.

    """
    stamped = curve(train, shape, pairs.resolution)
    return np.asarray(ours - pairs.x + stamped - shape) / 2


def _along(train: Floats, values: Floats, resolution: float) -> Floats | None:
    """Smooth one line's edges; None: samples have not cut a smooth curve into these."""
    found = curve(train, values, resolution)
    is_near = np.abs(values - found) < resolution / 2 + OUTSIDE
    return found if np.mean(is_near) >= STEADY else None


def curve(
    train: Floats,
    values: Floats,
    resolution: float,
    expected: Expected | None = None,
) -> Floats:
    """Smooth a line's edges against the number of the pulse.

    Args:
        train: Nominal times of the pulses, s.
        values: Times of the edges, s, that the line has cut into pieces.
        resolution: Length of the pieces, s.
        expected: What else is known of them.

    Returns:
        Smoothed times, s.

    """
    noise = Quantization(resolution, 0.0, LINE_JITTER)
    sd = float(np.hypot(resolution / np.sqrt(12), LINE_JITTER))
    return quantized(train, values, noise, sd, TRAIN_WALK, expected)
