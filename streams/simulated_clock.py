"""The clock of a simulated device: how it runs against the host's. No clock is read.

True time is the host's CLOCK_MONOTONIC. A device has run for `(true time - start) *
(1 + drift)` by its own oscillator: its run time. What its clock shows is `offset` plus
the run time since its counter started, so a restart sets it back.
"""

import math
from dataclasses import dataclass

import numpy as np

from rigd.streams.sampling import Integers, uniform


@dataclass(frozen=True, slots=True)
class SimulatedClock:
    """Relates run time (ns) to true time (ns).

    Attributes:
        start_ns: True time at which the device started.
        offset_ns: What the device's clock shows when its counter starts.
        drift_ppm: How much faster than true time it runs, parts per million.
        jitter_ns: Mean of the exponentially distributed delay of a transfer.
        seed: Seed of the delays.

    """

    start_ns: int
    offset_ns: int = 0
    drift_ppm: float = 0.0
    jitter_ns: float = 0.0
    seed: int = 0

    @property
    def speed(self) -> float:
        """Seconds of run time in one true second."""
        return 1 + self.drift_ppm * 1e-6

    def run_ns(self, true_ns: int) -> int:
        """Run time at a true time."""
        return round((true_ns - self.start_ns) * self.speed)

    def true_ns(self, run_ns: int) -> int:
        """True time at a run time."""
        return self.start_ns + round(run_ns / self.speed)

    def true_times(self, run_ns: Integers) -> Integers:
        """True times at many run times."""
        return self.start_ns + np.rint(run_ns / self.speed).astype(np.int64)

    def delay_ns(self, transfer: int) -> int:
        """How much later than its last sample a transfer arrives."""
        if self.jitter_ns == 0:
            return 0
        chance = uniform(self.seed, np.array([transfer]))[0]
        return round(-math.log1p(-chance) * self.jitter_ns)
