"""A device's clock from offsets measured by round trips (LSL, Pupil, remote hosts).

The true offset lies within half the round trip of each measured one. Host stamps know
the shape of the drift better, round trips the constant; where the stamps scatter more
than the round trips, these make the clock alone.
"""

import numpy as np

from rigd.streams.clock_map import Floats
from rigd.streams.clock_smoothing import SKEW_WALK, smoothed
from rigd.streams.edge_matching import intersect
from rigd.streams.sync_line import Correction

WINDOW = 5.0
"""The quickest round trip of each window of this length counts, s."""

LEAST_ROUND_TRIPS = 3


def correct_by_round_trips(
    x: Floats, offset: Floats, uncertainty: Floats, shape_error: float
) -> Correction:
    """Find what round trips say of the times by host stamps.

    Args:
        x: Device seconds of the round trips, ascending, `LEAST_ROUND_TRIPS` or more.
        offset: Session time by round trip minus that by host stamps, s.
        uncertainty: Half of each round trip, s.
        shape_error: Bound of the error of the host stamps' shape, s.

    """
    quick = _quickest(x, uncertainty)
    x, offset, uncertainty = x[quick], offset[quick], uncertainty[quick]
    constant, width = intersect(offset - uncertainty, offset + uncertainty)
    outside = np.abs(offset - constant) - uncertainty
    by_shape = width / 2 + shape_error + max(0.0, float(np.max(outside)))
    by_themselves = float(np.max(uncertainty))
    if by_shape <= by_themselves or len(x) < 8:
        return Correction(x[[0, -1]], np.full(2, constant), False, by_shape)
    middle = float(np.median(offset))
    change = smoothed(x, offset - middle, uncertainty / 2, SKEW_WALK)
    return Correction(x, middle + change, True, by_themselves)


def _quickest(x: Floats, uncertainty: Floats) -> np.ndarray:
    window = np.floor((x - x[0]) / WINDOW)
    order = np.lexsort((uncertainty, window))
    first = np.concatenate([[True], np.diff(window[order]) > 0])
    return np.sort(order[first])
