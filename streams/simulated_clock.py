"""The clock of a simulated device: how it runs against the host's. No clock is read.

True time is the host's CLOCK_MONOTONIC. A device has run for `(true time - start) *
(1 + drift)` by its own oscillator, plus what a slow wandering of its speed adds: its
run time. What its clock shows is `offset` plus the run time since its counter started,
so a restart sets it back.
"""

from dataclasses import dataclass

import numpy as np

from rigd.streams.sampling import Floats, Integers, uniform

TAIL_NS = (50e6, 200e6)
"""A transfer that is late is late by this."""

POLL_PPM = 30.0
"""The host asks by a clock of its own, which is off by as much at most."""

WAKE_NS = 20e3
"""Mean of the simulated time in which a host wakes a process."""


@dataclass(frozen=True, slots=True)
class SimulatedClock:
    """Relates run time (ns) to true time (ns).

    Attributes:
        start_ns: True time at which the device started.
        offset_ns: What the device's clock shows when its counter starts.
        drift_ppm: How much faster than true time it runs, parts per million.
        jitter_ns: Mean of the exponentially distributed delay of a transfer.
        seed: Seed of the delays.
        wander_ppm: Amplitude of a slow sine of the speed, parts per million.
        wander_period_ns: Period of this sine.
        latency_ns: Least time of a transfer.
        poll_ns: The host asks in about this rhythm; 0: transfers come at once.
        late: Part of the transfers that come `TAIL_NS` late.

    """

    start_ns: int
    offset_ns: int = 0
    drift_ppm: float = 0.0
    jitter_ns: float = 0.0
    seed: int = 0
    wander_ppm: float = 0.0
    wander_period_ns: float = 600e9
    latency_ns: int = 0
    poll_ns: int = 0
    late: float = 0.0

    @property
    def speed(self) -> float:
        """Seconds of run time in one true second."""
        return 1 + self.drift_ppm * 1e-6

    def _wandered(self, since: Floats) -> Floats:
        """Run time that the wandering has added since the start, ns."""
        turn = 2 * np.pi / self.wander_period_ns
        return self.wander_ppm * 1e-6 / turn * (1 - np.cos(turn * since))

    def run_ns(self, true_ns: int) -> int:
        """Run time at a true time."""
        since = true_ns - self.start_ns
        wandered = float(self._wandered(np.array([float(since)]))[0])
        return round(since * self.speed + wandered)

    def true_ns(self, run_ns: int) -> int:
        """True time at a run time."""
        return int(self.true_times(np.array([run_ns], np.int64))[0])

    def true_times(self, run_ns: Integers) -> Integers:
        """True times at many run times."""
        since = run_ns / self.speed
        if self.wander_ppm:
            for _ in range(3):
                since = (run_ns - self._wandered(since)) / self.speed
        return self.start_ns + np.rint(since).astype(np.int64)

    def delays_ns(self, transfers: Integers) -> Floats:
        """How much later than its last sample each transfer is ready for the host."""
        chance = uniform(self.seed, (3 * transfers[:, None] + np.arange(3)).ravel())
        chance = chance.reshape(-1, 3)
        tails = TAIL_NS[0] + chance[:, 2] * (TAIL_NS[1] - TAIL_NS[0])
        delays = self.latency_ns - np.log1p(-chance[:, 0]) * self.jitter_ns
        return np.asarray(delays + np.where(chance[:, 1] < self.late, tails, 0.0))

    def arrivals_ns(self, ready_ns: Integers, transfers: Integers) -> Integers:
        """True times at which transfers arrive that are complete at `ready_ns`."""
        there = ready_ns - self.start_ns + self.delays_ns(transfers)
        if self.poll_ns:
            chance = uniform(self.seed + 1, np.arange(2))
            period = self.poll_ns * (1 + POLL_PPM * 1e-6 * (2 * chance[0] - 1))
            phase = period * chance[1]
            there = np.ceil((there - phase) / period) * period + phase
        return self.start_ns + np.ceil(there).astype(np.int64)

    def wakes_ns(self, transfers: Integers) -> Integers:
        """How long the host takes to look at transfers that have arrived, simulated."""
        chance = uniform(self.seed + 2, transfers)
        return np.rint(-np.log1p(-chance) * WAKE_NS).astype(np.int64)
