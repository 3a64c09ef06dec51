"""The least of each window of time: what delays are judged by."""

import numpy as np

from rigd.streams.clock_map import Floats, Integers


def window_width(x: Floats) -> float:
    """Width of windows, s, with several anchors in each: 1 s, or 4 usual intervals."""
    usual = float(np.median(np.diff(x))) if len(x) > 1 else 0.0
    return max(1.0, 4 * usual)


def window_minima(x: Floats, r: Floats, width: float) -> Integers:
    """Index of the lowest r in each window of x (the first, when equal)."""
    window = ((x - x[0]) / width).astype(np.int64)
    starts = np.flatnonzero(np.diff(window, prepend=window[0] - 1))
    lengths = np.diff(np.append(starts, len(x)))
    lowest = np.repeat(np.minimum.reduceat(r, starts), lengths)
    hits = np.flatnonzero(r == lowest)
    group = np.searchsorted(starts, hits, "right")
    chosen: Integers = hits[np.diff(group, prepend=0) > 0]
    return chosen
