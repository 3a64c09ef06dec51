"""Matched edges of two lines: when a device saw each, and when the reference did."""

from dataclasses import dataclass

import numpy as np

from rigd.streams.clock_map import Floats, Integers

LINE_JITTER = 2e-6
"""Standard deviation of the pulse line itself, s."""

SOFT = 0.05
"""What two lines can be off together is not a sharp limit, but softer by this part."""


@dataclass(frozen=True, slots=True)
class PairTimes:
    """Matched edges of one stretch.

    Attributes:
        x: Device seconds since the stretch's origin, ascending.
        t: Session seconds of the same edges by the reference.
        piece: Number of the reference's segment in which each lies.
        resolution: Resolution of our line, s.
        reference_resolution: Resolution of the reference's line, s.

    """

    x: Floats
    t: Floats
    piece: Integers
    resolution: float
    reference_resolution: float

    def __len__(self) -> int:
        return len(self.x)

    @property
    def sd(self) -> float:
        """Standard deviation of t - x: both lines cut time into equal pieces."""
        both = self.resolution**2 + self.reference_resolution**2
        return float(np.sqrt(both / 12 + LINE_JITTER**2))

    @property
    def worst(self) -> float:
        """What both resolutions can be off together, s."""
        return (self.resolution + self.reference_resolution) / 2

    @property
    def softness(self) -> float:
        """By how much `worst` is not a sharp limit, s."""
        return max(LINE_JITTER, SOFT * self.worst)

    def take(self, which: Integers) -> "PairTimes":
        """Pick pairs."""
        return PairTimes(
            self.x[which],
            self.t[which],
            self.piece[which],
            self.resolution,
            self.reference_resolution,
        )
