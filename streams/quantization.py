"""How readings of one moment differ that both cut time into pieces."""

from collections.abc import Callable

import numpy as np

from rigd.streams.clock_map import Floats

NEGLIGIBLE = 1e-12
"""Chances below this are not told from 0."""


class Quantization:
    """How far two readings of one moment lie apart that both cut time into pieces.

    Their difference is spread like the sum of two uniform errors (a trapezoid, or a
    triangle of equal pieces) with softened corners. It tells more than a normal
    distribution of the same width: its sides are steep.
    """

    def __init__(self, first: float, second: float, jitter: float) -> None:
        """Describe the distribution.

        Args:
            first: Length of the pieces of the one, s.
            second: Length of the pieces of the other, s.
            jitter: Standard deviation of what softens the corners, s.

        """
        first, second = max(first, jitter), max(second, jitter)  # none is exact
        self._outer = (first + second) / 2
        self._inner = abs(first - second) / 2
        self._jitter = jitter * float(np.sqrt(3)) / np.pi  # of a logistic rest
        apart = np.linspace(-1.2, 1.2, 2001) * (self._outer + 3 * self._jitter)
        chance = self._density(apart)
        self.information = float(
            np.sum(self.score(apart) ** 2 * chance) / np.sum(chance)
        )

    def score(self, apart: Floats) -> Floats:
        """Fall of the logarithm of the chance with distance, 1/s, at distances in s.

        No reading counts for more than the softened corners allow.
        """
        chance, slope = self._density(apart), self._corners(_step, apart)
        score = np.divide(-slope, chance, out=np.sign(apart), where=chance > NEGLIGIBLE)
        return np.clip(score, -1, 1) / self._jitter

    def _density(self, apart: Floats) -> Floats:
        """Chance at distances in s, but for a factor."""
        return self._corners(_ramp, apart)

    def _corners(self, of: Callable[[Floats], Floats], apart: Floats) -> Floats:
        """Add a function up from each corner of the trapezoid, where its side bends."""
        outer, inner = self._outer, self._inner
        bends = ((-outer, 1), (-inner, -1), (inner, -1), (outer, 1))
        total = np.zeros(len(apart))
        for at, sign in bends:
            total += sign * of((apart - at) / self._jitter)
        return total


def _ramp(v: Floats) -> Floats:
    return np.logaddexp(0.0, v)


def _step(v: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(v / 2))
