"""Pulses in step with the samples of a line: host stamps help to place them within one.

While each pulse of a regular train comes at the same place between two samples, no
reading tells the place, and a curve through the readings may be off by half a sample.
Host stamps then tell more: by how much they are off is seen from all other pulses.
"""

import numpy as np
import numpy.typing as npt

from rigd.streams.clock_map import Floats
from rigd.streams.clock_smoothing import Expected
from rigd.streams.pair_times import LINE_JITTER, PairTimes
from rigd.streams.regular_train import curve, lateness, train_of

LONG_IN_STEP = 60.0
"""Pulses that keep their place within the samples of a line for longer than this, s,
are locked to it for that time, in effect. (Of 260 simulated runs without such a minute
none was off by more than 10 us at 30 kHz; of 70 with one, 24 were by pulses alone.)"""

LEAST_ELSE = 120.0
"""The pulses of so much other time, s, tell how far host stamps are off."""

ALIKE = 50.0
"""Errors of host stamps are alike for about so long, s: a floor leans on what was so
much before and after."""

PART = 0.5
"""What the place by host stamps counts: the errors of both places hardly have to do
with each other. (2 h, regular pulses, 51 of 170 simulated runs with a time in step: the
largest error is 15.8 us by pulses alone, 15.8 by stamps, 14.2 by the mean.)"""

FADES = 30.0
"""So long, s, before and after that it counts less and less."""

Levels = npt.NDArray[np.bool_]


def placed_by_stamps(pairs: PairTimes, shape: Floats, seconds: Floats) -> Floats:
    """Correct what pulses say of the times by host stamps where they are in step.

    Args:
        pairs: Matched edges, in order.
        shape: Times of the edges by host stamps, session s.
        seconds: What the pulses say is to be added to the shape, s.

    Returns:
        What is to be added, s.

    """
    placed = seconds.copy()
    for piece in np.unique(pairs.piece):
        mine = np.flatnonzero(pairs.piece == piece)
        placed[mine] = _placed_piece(pairs.take(mine), shape[mine], seconds[mine])
    return placed


def _placed_piece(pairs: PairTimes, shape: Floats, seconds: Floats) -> Floats:
    train = train_of(pairs)
    if train is None:
        return seconds
    theirs = _is_in_step(train, pairs.t, pairs.reference_resolution)
    ours = _is_in_step(train, pairs.x, pairs.resolution)
    others = seconds[~(theirs | ours)]
    period = float(np.min(np.diff(train)))
    if len(others) in (0, len(train)) or len(others) * period < LEAST_ELSE:
        return seconds
    usual, sd = float(np.median(others)), max(float(np.std(others)), LINE_JITTER)
    if sd > min(pairs.resolution, pairs.reference_resolution) / 2:
        return seconds
    weight = period / (2 * ALIKE * sd**2)
    placed = seconds
    if theirs.any():
        our_curve = curve(train, pairs.x, pairs.resolution)
        late = lateness(train, pairs, shape, our_curve)
        expected = Expected(np.full(len(train), usual), weight * theirs.astype(float))
        found = curve(
            train, pairs.t - shape - late, pairs.reference_resolution, expected
        )
        placed = _mixed(train, theirs, found, placed)
    if ours.any():
        their_curve = curve(train, pairs.t, pairs.reference_resolution)
        expected = Expected(np.full(len(train), usual), weight * ours.astype(float))
        found = curve(train, their_curve - shape, pairs.resolution, expected)
        placed = _mixed(train, ours, found, placed)
    return placed


def _mixed(train: Floats, in_step: Levels, found: Floats, seconds: Floats) -> Floats:
    """Let what host stamps place count where pulses are in step, and less around it."""
    part = PART * _nearness(train, train[in_step])
    return np.asarray(part * found + (1 - part) * seconds)


def _nearness(train: Floats, those: Floats) -> Floats:
    """1 at those times, 0 at times that are far from all of them."""
    after = np.searchsorted(those, train)
    earlier, later = (
        those[np.maximum(after - 1, 0)],
        those[after.clip(max=len(those) - 1)],
    )
    away = np.minimum(np.abs(train - earlier), np.abs(train - later))
    return np.asarray(np.clip(1 - away / FADES, 0, 1))


def longest_in_step(pairs: PairTimes) -> float:
    """Find the longest time for which a regular train is in step with samples, s.

    Then each pulse lies at the same place between two samples of one of the lines, and
    no reading tells which. 0 where the pulses are no regular train. Segments of the
    reference are looked at each by itself.
    """
    longest = 0.0
    for piece in np.unique(pairs.piece):
        mine = pairs.take(np.flatnonzero(pairs.piece == piece))
        train = train_of(mine)
        if train is None:
            continue
        theirs = _in_step(train, mine.t, mine.reference_resolution)
        longest = max(longest, theirs, _in_step(train, mine.x, mine.resolution))
    return longest


def _is_in_step(train: Floats, values: Floats, resolution: float) -> Levels:
    """Tell the pulses at which a line is in step for longer than `LONG_IN_STEP`."""
    moves = _moves(train, values, resolution)
    lasts = np.diff(moves)
    of = np.clip(np.searchsorted(moves, train, "right") - 1, 0, len(lasts) - 1)
    return np.asarray(lasts[of] > LONG_IN_STEP)


def _in_step(train: Floats, values: Floats, resolution: float) -> float:
    """Find the longest time in which a line counts as many samples for each period."""
    return float(np.max(np.diff(_moves(train, values, resolution))))


def _moves(train: Floats, values: Floats, resolution: float) -> Floats:
    """Times at which a line's count of samples for a period changes; both ends."""
    steps = np.diff(train) / np.min(np.diff(train))
    per_period = np.diff(values) / steps
    moved = np.abs(np.diff(per_period)) * np.maximum(steps[1:], steps[:-1])
    moves = train[1:-1][moved > resolution / 2]
    return np.concatenate([train[:1], moves, train[-1:]])
