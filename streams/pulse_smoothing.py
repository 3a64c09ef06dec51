"""What smoothing pulses takes: curves through times that lines have cut into pieces."""

from collections.abc import Callable, Sequence

import numpy as np

from rigd.streams.clock_map import Floats, Integers
from rigd.streams.clock_smoothing import Expected, sharpened, smoothed
from rigd.streams.quantization import Quantization

FINE_WALKS = (1e-8, 3e-8)
"""How fast the speed of a clock may wander, 1/sqrt(s), where the line resolves edges
well: of calm and of restless clocks."""

FARTHEST = 4.0
"""A pulse that was left out counts for no more than this, in standard deviations."""


def quantized(
    x: Floats,
    values: Floats,
    noise: Quantization,
    sd: float,
    walk: float,
    expected: Expected | None = None,
) -> Floats:
    """Find the most probable curve through times, as a line and what bends it.

    Args:
        x: Seconds, strictly increasing, three or more.
        values: Times, s.
        noise: Distribution of their errors.
        sd: Standard deviation of their errors, s.
        walk: How fast the speed may wander, 1/sqrt(s).
        expected: What else is known of the curve.

    """
    since = x - x[0]
    slope, intercept = np.polyfit(since, values - since, 1)
    line = since + intercept + slope * since
    rest = values - line
    near = smoothed(since, rest, sd, walk)
    if expected is not None:
        expected = Expected(expected.values - line, expected.weight)
    return np.asarray(line + sharpened(since, rest, near, noise, walk, expected))


def left_out(
    x: Floats, values: Floats, sd: float, fit: Callable[[Integers], Floats]
) -> float:
    """How unlikely each half of some times is by a fit of the other half.

    Every second time is of the same half.

    Args:
        x: Seconds, strictly increasing.
        values: Times, s.
        sd: Standard deviation of their errors, s.
        fit: Smooths the values of these indices.

    Returns:
        Sum of the squared distances, in standard deviations, halved.

    """
    halves = np.arange(0, len(x), 2), np.arange(1, len(x), 2)
    total = 0.0
    for some, others in (halves, halves[::-1]):
        found = fit(some) - x[some]
        away = values[others] - x[others] - np.interp(x[others], x[some], found)
        total += float(np.sum(np.minimum(np.abs(away) / sd, FARTHEST) ** 2)) / 2
    return total


def shares(losses: Sequence[float]) -> list[float]:
    """What each of several fits counts in their mean, by what `left_out` says of it."""
    likely = np.exp(min(losses) - np.array(losses))
    shared: list[float] = (likely / np.sum(likely)).tolist()
    return shared
