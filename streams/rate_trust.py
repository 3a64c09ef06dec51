"""Whether few or scattered host stamps tell a device's rate better than its maker."""

from enum import Enum, auto

import numpy as np

from rigd.streams.clock_map import Floats

SIGMA_PER_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

PLAUSIBLE_DRIFT = 0.05
"""A fitted rate that differs by more from the nominal one is not believed."""

ASSUMED_DRIFT = 1e-4
"""How far a crystal may be from its nominal rate (100 ppm). Few or scattered anchors
that know no better give way to the nominal rate, with this error."""


class Trust(Enum):
    """Whether a fitted rate is believed."""

    FULL = auto()
    NONE = auto()
    """It is not known better than that of any crystal, and agrees with nominal."""
    CONTRADICTION = auto()
    """It is too far from nominal: the nominal rate is wrong, or the anchors are."""


def trust_in(slope: float, x: Floats, t: Floats) -> Trust:
    """Compare a slope with 1 and with its own uncertainty; x and t in seconds."""
    if abs(slope - 1) > PLAUSIBLE_DRIFT:
        return Trust.CONTRADICTION
    residuals = t - x * slope
    scatter = SIGMA_PER_MAD * np.median(np.abs(residuals - np.median(residuals)))
    uncertainty = float(scatter * np.sqrt(12 / len(x)) / np.ptp(t))
    is_vague = uncertainty > ASSUMED_DRIFT
    agrees = abs(slope - 1) < ASSUMED_DRIFT + 3 * uncertainty
    return Trust.NONE if is_vague and agrees else Trust.FULL


def theil_sen_slope(x: Floats, t: Floats) -> float | None:
    """Median slope of the pairs that lie half the recording apart.

    All pairs would be hardly better, and quadratic in number. None where no pair has
    two different x.
    """
    half = len(x) // 2
    run, rise = x[half:] - x[: len(x) - half], t[half:] - t[: len(x) - half]
    usable = run > 0
    return float(np.median(rise[usable] / run[usable])) if usable.any() else None
