"""Devices whose host asks in a rhythm of its own."""

import numpy as np

from rigd.streams.clock_map import Floats

SECONDS = 180.0


def asked_in_rhythm(seed: int, *, drift: float) -> tuple[Floats, Floats]:
    """Device times and delays by radio: asked each 7.5 ms, 12 ms late in the mean.

    Against the rhythm the device is faster by `drift`; its delays are those of a clock
    that is right.
    """
    rng = np.random.default_rng(seed)
    x = np.arange(0.0, SECONDS, 0.02)
    ready = x + rng.exponential(12e-3, len(x))
    period = 7.5e-3 * (1 + drift)
    return x, np.ceil(ready / period) * period - x
