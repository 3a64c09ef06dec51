"""Pulses of a regular train, as two lines see them that cut time into samples."""

import numpy as np

from rigd.streams.clock_map import Floats
from rigd.streams.pair_times import PairTimes

SAMPLE = 1 / 30_000


def cut(times: Floats) -> Floats:
    """Times of a line that sees an edge at its next sample, in the middle before."""
    return np.asarray((np.ceil(times / SAMPLE) - 0.5) * SAMPLE)


def pairs_of(pulses: Floats, ppm: float = 20.0) -> tuple[PairTimes, Floats]:
    """Pairs of a device that runs faster than the reference, and their true shift."""
    device = pulses * (1 + ppm * 1e-6) + 0.37
    one_piece = np.zeros(len(pulses), np.int64)
    x, t = cut(device), cut(pulses)
    shift = (x - 0.37) / (1 + ppm * 1e-6) - x
    return PairTimes(x, t, one_piece, SAMPLE, SAMPLE), np.asarray(shift)


def regular(count: int, period: float = 1.0 + 7.3e-6) -> Floats:
    return 0.2 + np.arange(float(count)) * period
