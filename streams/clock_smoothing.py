"""The shape of a clock through noisy readings: a smooth curve, its speed a random walk.

Both fits here minimise a sum over readings plus `integral f''^2 / q^2`, the price of a
clock whose speed changes; each step of them is one banded linear system.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rigd.streams.clock_map import Floats, Integers
from rigd.streams.quantization import Quantization

SKEW_WALK = 3e-8
"""How fast the speed of a crystal may wander, 1/sqrt(s): 0.03 ppm in a second, 1.8 ppm
in an hour. The best fixed value of those tried, for 10 min and for 2 h."""

UNIT = 1e-6
"""Readings are in microseconds inside, near 1, so that no number is tiny."""

MOST_BELOW = 1e-3
"""A floor is looked for from this far below the readings on, s: from further away they
would be too weak, beside the form, for the precision of a float."""

NEGLIGIBLE = 1e-12
"""A part of the largest number of a system that is added to all on its diagonal: with
less a float can't tell it from one without a solution."""

DIRECT_BLOCKS = 16
"""A system of so few blocks is solved as a whole."""

SCORING_STEPS = 4
MORE_STEPS = 40
"""Readings that tell nothing slow the way to what is expected down."""

NOWHERE: Integers = np.empty(0, np.int64)

Blocks = npt.NDArray[np.float64]
"""Square blocks of a matrix, shape (blocks, 2, 2)."""


class Curvature:
    """The quadratic form `integral of f''^2` over irregular points.

    Where the curve begins anew it may step, but goes on with the speed that it had.

    Its matrix has seven diagonals; it is kept as 2 x 2 blocks on and beside the
    diagonal, since those can be solved without a loop over the points.
    """

    def __init__(self, x: Floats, begins: Integers = NOWHERE) -> None:
        """Lay out the form.

        Args:
            x: At least three points, strictly increasing.
            begins: Even indices of points at which the curve may step, ascending; from
                each to the next, and before the first, there is an even number of them.

        """
        self.points = len(x)
        step = np.diff(x)
        wide = step[:-1] + step[1:]
        row = np.zeros((4, self.points - 2))
        row[:3] = (
            2 / (step[:-1] * wide),
            -2 / (step[:-1] * step[1:]),
            2 / (step[1:] * wide),
        )
        row *= np.sqrt(wide / 2)
        _step_freely(row, step, begins)
        self._row = row
        self._blocks = _blocks_of(row, self.points)
        self.largest = float(np.max(self._blocks[0]))

    def times(self, f: Floats) -> Floats:
        """Multiply the matrix with f."""
        rows = self.points - 2
        reach = np.concatenate([f, [0.0]])
        bend = sum(c * reach[k : k + rows] for k, c in enumerate(self._row))
        product = np.zeros(self.points + 1)
        for k, coefficient in enumerate(self._row):
            product[k : k + rows] += coefficient * bend
        return product[:-1]

    def solve(self, strength: float, diagonal: Floats, right: Floats) -> Floats:
        """Solve (strength * matrix + diagonal) f = right."""
        on, beside = self._blocks
        on, beside = on * strength, beside * strength
        on[:, 0, 0] += _padded(diagonal, len(on), 1.0)[0::2]
        on[:, 1, 1] += _padded(diagonal, len(on), 1.0)[1::2]
        columns = _padded(right, len(on), 0.0).reshape(-1, 2, 1)
        return solve_blocks(on, beside, columns).reshape(-1)[: self.points]


def _step_freely(row: Floats, step: Floats, begins: Integers) -> None:
    """Compare only the speeds before and after the points at which the curve begins."""
    for begin in begins.tolist():
        before, after = step[begin - 2], step[begin]
        apart = np.sqrt(step[begin - 1] + (before + after) / 2)
        speeds = 1 / before, -1 / before, -1 / after, 1 / after
        row[:, begin - 2] = np.array(speeds) / apart
        row[:, begin - 1] = 0.0


def _blocks_of(row: Floats, points: int) -> tuple[Blocks, Blocks]:
    """Blocks on and right of the diagonal of the sum of all outer products of rows."""
    count = (points + 1) // 2
    diagonals = np.zeros((4, 2 * count + 2))
    here = np.arange(points - 2)
    for first in range(4):
        for second in range(first, 4):
            diagonals[second - first][here + first] += row[first] * row[second]
    main, next_, second_next, third_next = diagonals
    on = np.zeros((count, 2, 2))
    on[:, 0, 0], on[:, 1, 1] = main[0 : 2 * count : 2], main[1 : 2 * count : 2]
    on[:, 0, 1] = on[:, 1, 0] = next_[0 : 2 * count : 2]
    beside = np.zeros((count - 1, 2, 2))
    beside[:, 0, 0] = second_next[0 : 2 * count - 2 : 2]
    beside[:, 0, 1] = third_next[0 : 2 * count - 2 : 2]
    beside[:, 1, 0] = next_[1 : 2 * count - 2 : 2]
    beside[:, 1, 1] = second_next[1 : 2 * count - 2 : 2]
    return on, beside


def _padded(values: Floats, blocks: int, fill: float) -> Floats:
    return np.concatenate([values, np.full(2 * blocks - len(values), fill)])


def solve_blocks(on: Blocks, beside: Blocks, right: Blocks) -> Blocks:
    """Solve a symmetric positive definite system of blocks by cyclic reduction.

    Every second block is eliminated at once, and the rest is a system of half the size.

    Args:
        on: Blocks on the diagonal, shape (n, 2, 2).
        beside: Blocks right of the diagonal, shape (n - 1, 2, 2).
        right: Right side, shape (n, 2, 1).

    """
    count = len(on)
    if count <= DIRECT_BLOCKS:
        return _solve_directly(on, beside, right)
    if count % 2 == 0:
        on = np.concatenate([on, np.eye(2)[None]])
        beside = np.concatenate([beside, np.zeros((1, 2, 2))])
        right = np.concatenate([right, np.zeros((1, 2, 1))])
    to_left, to_right = _transposed(beside[0::2]), beside[1::2]
    inverse = _inverted(on[1::2])
    by_left, by_right = inverse @ to_left, inverse @ to_right
    own = inverse @ right[1::2]
    on_rest, right_rest = on[0::2].copy(), right[0::2].copy()
    on_rest[:-1] -= _transposed(to_left) @ by_left
    on_rest[1:] -= _transposed(to_right) @ by_right
    right_rest[:-1] -= _transposed(to_left) @ own
    right_rest[1:] -= _transposed(to_right) @ own
    rest = solve_blocks(on_rest, -_transposed(to_left) @ by_right, right_rest)
    found = np.empty_like(right)
    found[0::2] = rest
    found[1::2] = own - by_left @ rest[:-1] - by_right @ rest[1:]
    return found[:count]


def _solve_directly(on: Blocks, beside: Blocks, right: Blocks) -> Blocks:
    count = len(on)
    whole = np.zeros((count, 2, count, 2))
    here = np.arange(count)
    whole[here, :, here, :] = on
    whole[here[:-1], :, here[1:], :] = beside
    whole[here[1:], :, here[:-1], :] = _transposed(beside)
    size = 2 * count
    found = np.linalg.solve(whole.reshape(size, size), right.reshape(size))
    return np.asarray(found, np.float64).reshape(-1, 2, 1)


def _transposed(blocks: Blocks) -> Blocks:
    return np.swapaxes(blocks, 1, 2)


def _inverted(blocks: Blocks) -> Blocks:
    a, b = blocks[:, 0, 0], blocks[:, 0, 1]
    c, d = blocks[:, 1, 0], blocks[:, 1, 1]
    rows = np.stack([np.stack([d, -b], -1), np.stack([-c, a], -1)], 1)
    inverse: Blocks = rows / (a * d - b * c)[:, None, None]
    return inverse


# --- the two fits ---------------------------------------------------------------------


def smoothed(x: Floats, r: Floats, sd: Floats | float, walk: float) -> Floats:
    """Find the most probable curve through r with normal errors; far ones weigh less.

    Args:
        x: Seconds, strictly increasing.
        r: Readings, s.
        sd: Standard deviation of the readings, s.
        walk: How fast the speed may wander, 1/sqrt(s).

    """
    if len(x) < 3:
        return r.copy()
    curvature = Curvature(x)
    scale = np.broadcast_to(np.asarray(sd, np.float64) / UNIT, r.shape)
    y = r / UNIT
    weight = 1 / scale**2
    found = y
    for _ in range(4):
        found = curvature.solve((UNIT / walk) ** 2, weight, weight * y)
        away = np.abs(y - found)
        weight = np.minimum(1.0, 4 * scale / np.maximum(away, 1e-12)) / scale**2
    return found * UNIT


@dataclass(frozen=True, slots=True)
class Expected:
    """Where a curve is expected to be, whatever the readings say.

    Attributes:
        values: At each point, s.
        weight: One over the variance there, 1/s^2; 0: nothing is known.

    """

    values: Floats
    weight: Floats


def sharpened(
    x: Floats,
    r: Floats,
    start: Floats,
    noise: Quantization,
    walk: float,
    expected: Expected | None = None,
) -> Floats:
    """Find the most probable curve through r where errors come of quantization.

    By Fisher scoring: each step solves the system of a normal distribution that tells
    as much.

    Args:
        x: Seconds, strictly increasing.
        r: Readings, s.
        start: A curve that is near, s.
        noise: Distribution of the readings' errors.
        walk: How fast the speed may wander, 1/sqrt(s).
        expected: What else is known of the curve.

    """
    if len(x) < 3:
        return start.copy()
    known = expected or Expected(np.zeros(len(x)), np.zeros(len(x)))
    more, target = known.weight * UNIT**2, known.values / UNIT
    curvature = Curvature(x)
    weight = np.full(len(x), noise.information * UNIT**2)
    y, found = r / UNIT, start / UNIT
    for _ in range(SCORING_STEPS if expected is None else MORE_STEPS):
        pull = noise.score((y - found) * UNIT) * UNIT + more * target
        found = curvature.solve(
            (UNIT / walk) ** 2, weight + more, weight * found + pull
        )
    return found * UNIT


def floor_under(
    x: Floats,
    r: Floats,
    mean_excess: float,
    walk: float,
    begins: Integers = NOWHERE,
) -> Floats:
    """Find the most probable floor f under readings that are late, never early.

    The lateness is exponential: maximise `sum f / mean_excess - integral f''^2 / (2
    walk^2)` with f <= r, by Newton steps inside a barrier that is lowered.

    Args:
        x: Seconds, strictly increasing, three or more.
        r: Readings, s.
        mean_excess: Mean lateness, s.
        walk: How fast the speed may wander, 1/sqrt(s).
        begins: Where the floor may step, as of a `Curvature`.

    """
    y, mean = r / UNIT, mean_excess / UNIT
    strength = (UNIT / walk) ** 2
    curvature = Curvature(x, begins)
    ridge = NEGLIGIBLE * strength * curvature.largest
    starts = np.concatenate([[0], begins])
    lengths = np.diff(np.append(starts, len(x)))
    below = min(5 * mean, MOST_BELOW / UNIT)
    f = np.repeat(np.minimum.reduceat(y, starts) - below, lengths)
    barrier = 1.0
    for _ in range(40):
        room = y - f
        gradient = -1 / mean + strength * curvature.times(f) + barrier / room
        step = -curvature.solve(strength, barrier / room**2 + ridge, gradient)
        upward = step > 0
        most = 0.95 * np.min(room[upward] / step[upward], initial=np.inf)
        length = min(1.0, float(most))
        f = f + length * step
        if length > 0.9:
            barrier = max(barrier * 0.2, 0.02)
        if barrier <= 0.02 and np.max(np.abs(step)) < 0.05:
            break
    return f * UNIT
