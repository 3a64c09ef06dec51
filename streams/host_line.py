"""One straight line per epoch through the least delayed receive times."""

from collections.abc import Iterable
from enum import Enum, auto

import numpy as np

from rigd.streams.clock_evidence import NO_ANCHORS, Anchors, joined, least_delayed
from rigd.streams.clock_map import Axis, ClockMap, Fit, Floats, Mode, Segment

LEAST_ANCHORS = 3
"""With fewer anchors no line is fitted: the nominal rate is taken."""

SIGMA_PER_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

PLAUSIBLE_DRIFT = 0.05
"""A fitted rate that differs by more from the nominal one is not believed."""

ASSUMED_DRIFT = 1e-4
"""How far a crystal may be from its nominal rate (100 ppm). Few or scattered anchors
that know no better give way to the nominal rate, with this error."""

ERROR_PARTS = 8
"""The error estimate looks at this many consecutive parts of the anchors."""


def fit_host_clock(
    pieces: Iterable[Anchors],
    *,
    axis: Axis,
    per_second: float,
    start_ns: int,
    width_ns: int,
) -> ClockMap:
    """Fit one straight line per epoch to the least delayed anchors.

    Args:
        pieces: The anchors, in any number of pieces; only one per window is kept.
        axis: What x is.
        per_second: Nominal units of x in one second.
        start_ns: CLOCK_MONOTONIC at time 0 of the session.
        width_ns: Width of the windows (`window_ns`).

    """
    kept = NO_ANCHORS
    for piece in pieces:
        new = least_delayed(piece, width_ns, per_second)
        kept = least_delayed(joined(kept, new), width_ns, per_second)
    return ClockMap(
        axis,
        tuple(
            _fit_segment(kept.take(kept.epoch == epoch), per_second, start_ns)
            for epoch in np.unique(kept.epoch)
        ),
    )


def _fit_segment(anchors: Anchors, per_second: float, start_ns: int) -> Segment:
    """Fit the anchors of one epoch, one or more, in order of host time."""
    origin = int(anchors.x[0])
    x = (anchors.x - origin).astype(np.float64)
    t = (anchors.host_ns - start_ns) / 1e9
    nominal = 1 / per_second
    slope = theil_sen_slope(x, t) if len(x) >= LEAST_ANCHORS else None
    trust = Trust.NONE if slope is None else trust_in(slope / nominal, x * nominal, t)
    if slope is None or trust is not Trust.FULL:
        offset = float(np.min(t - x * nominal))
        residuals = t - offset - x * nominal
        fit = _nominal_fit(residuals, float(np.ptp(t)), trust)
        return _line(anchors, origin, offset, nominal, fit)
    offset = float(np.median(t - x * slope))
    fit = _line_fit(t - offset - x * slope, drift=nominal / slope - 1)
    return _line(anchors, origin, offset, slope, fit)


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


def _line_fit(residuals: Floats, drift: float) -> Fit:
    distance = np.abs(residuals)
    return Fit(
        Mode.LINE,
        len(residuals),
        drift * 1e6,
        float(np.median(distance)),
        float(np.max(distance)),
        bow(residuals),
    )


def _nominal_fit(residuals: Floats, span: float, trust: Trust) -> Fit:
    """Describe the nominal rate through the least delayed anchor.

    Anchors above it are late, which is no error, unless they contradict the rate.
    """
    highest = float(np.max(residuals))
    error = highest if trust is Trust.CONTRADICTION else ASSUMED_DRIFT * span
    return Fit(
        Mode.NOMINAL, len(residuals), None, float(np.median(residuals)), highest, error
    )


def bow(residuals: Floats) -> float:
    """Estimate how far a line is from the clock: its largest consistent distance, s.

    That is the largest median residual of up to `ERROR_PARTS` consecutive parts: the
    bow of a clock whose rate changes counts, the scatter of single anchors does not.
    """
    parts = max(1, min(ERROR_PARTS, len(residuals) // 4))
    return max(abs(float(np.median(part))) for part in np.array_split(residuals, parts))


def _line(
    anchors: Anchors, origin: int, offset: float, slope: float, fit: Fit
) -> Segment:
    """Make the line a segment of two knots, at its ends."""
    last = max(float(np.max(anchors.x - origin)), 1.0 / slope)
    x = np.array([0.0, last])
    return Segment(int(anchors.epoch[0]), origin, x, offset + slope * x, fit)
