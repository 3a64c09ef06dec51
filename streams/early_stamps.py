"""Host stamps that are impossibly early: one of them misleads all that trust minima."""

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from rigd.streams.clock_map import Floats
from rigd.streams.windows import window_minima, window_width

LEAST_WINDOWS = 6
"""With fewer windows than this no stamp can be called early."""

EARLY = 30e-6
"""Stamps this much below their neighbours' floor, s, and more than its scatter, are
impossible."""


def plausible(x: Floats, delay: Floats) -> npt.NDArray[np.bool_]:
    """Leave out stamps that lie impossibly below their neighbours' floor.

    The floor stands on the lowest stamps: one that is 80 ms early would move it by half
    as much. The gate is the fourth lowest of 61 least delays, minus a margin. Where
    more than a tenth would go, the device is not understood, and all stay.
    """
    everything = np.ones(len(x), bool)
    low = window_minima(x, delay, window_width(x))
    at, floor = x[low], delay[low]
    if len(at) < LEAST_WINDOWS:
        return everything
    lag = int(np.clip(len(at) // 4, 1, 30))
    slope = np.median((floor[lag:] - floor[:-lag]) / (at[lag:] - at[:-lag]))
    flat = floor - slope * at
    width = min(61, (len(flat) // 2) * 2 - 1)
    around = sliding_window_view(np.pad(flat, width // 2, mode="reflect"), width)
    fourth = np.partition(around, 3, axis=1)[:, 3]
    scatter = np.maximum(np.median(np.median(around, 1) - fourth), 5e-6)
    gate = fourth - 4 * scatter - EARLY
    good: npt.NDArray[np.bool_] = delay - slope * x >= np.interp(x, at, gate)
    return good if good.mean() > 0.9 else everything
