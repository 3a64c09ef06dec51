"""From clock readings to times of the session: a pure function, which can be run again.

A device counts on an axis of its own: sample indices, or nanoseconds of its clock. Each
block ties one point of this axis to the host's clock: an anchor. Anchors are late by
the time the samples took to the host, never early, so the least delayed ones count. A
`ClockMap` is what is made of them; how it is made (`fit_host_clock`) does not matter to
those who apply it (`row_times`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Any

import numpy as np
import numpy.typing as npt

from rigd.streams.block import NO_TIME

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Records = npt.NDArray[Any]
"""Entries of `sync/blocks`, dtype `wire.RECORD_DTYPE`."""

RowNs = Callable[[int, int], Integers]
"""Device times of the rows [start, stop), int64 ns, NO_TIME where there is none."""

WINDOW_NS = 10**9
"""One anchor is kept for each of these windows of host time."""

LEAST_WINDOWS = 16
"""Windows of a short recording are narrower, so that there are this many."""

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

ROWS_AT_ONCE = 1 << 18
"""Rows of one array of times: bounds the memory."""


class Axis(StrEnum):
    """What a clock map maps from."""

    SAMPLE = "sample index"
    DEVICE = "device time"
    ARRIVAL = "arrival"
    """The device gave no times: each row has the host time of its block."""


class Mode(StrEnum):
    """How the times of a segment were made."""

    LINE = "line"
    NOMINAL = "nominal"
    """The nominal rate through the least delayed anchor."""
    ARRIVAL = "arrival"


@dataclass(frozen=True, slots=True)
class Anchors:
    """Points of the device's axis and the host clock when they had arrived.

    Attributes:
        epoch: Number of times the counter had started anew, shape (n,).
        x: Sample index, or device time in ns, shape (n,).
        host_ns: CLOCK_MONOTONIC in ns, shape (n,).

    """

    epoch: Integers
    x: Integers
    host_ns: Integers

    def take(self, which: npt.NDArray[Any]) -> "Anchors":
        """Pick anchors by index or mask."""
        return Anchors(self.epoch[which], self.x[which], self.host_ns[which])

    def __len__(self) -> int:
        return len(self.x)


NO_ANCHORS = Anchors(*(np.empty(0, np.int64) for _ in range(3)))


@dataclass(frozen=True, slots=True)
class Fit:
    """How the times of one segment were made, and how good they are.

    Attributes:
        mode: Line, nominal rate, or arrival.
        anchors: Number of anchors that were used.
        drift_ppm: How much faster than nominal the device runs, parts per million;
            None where it was not measured.
        residual_median: Median distance of the anchors from the map, s.
        residual_max: Largest distance of an anchor from the map, s.
        error: Estimated error of the times, s, apart from the constant time that the
            samples take to the host, which can't be seen from here; None if unknown.

    """

    mode: Mode
    anchors: int
    drift_ppm: float | None
    residual_median: float | None
    residual_max: float | None
    error: float | None


@dataclass(frozen=True, slots=True)
class Segment:
    """The map of one epoch: knots, straight lines between and beyond them.

    Attributes:
        epoch: Number of times the counter had started anew.
        origin: Point of the device's axis from which `x` counts. Subtracted as an
            integer, so that large counts lose nothing.
        x: Knots on the device's axis minus `origin`, strictly increasing.
        t: Knots in session seconds, strictly increasing.
        fit: Where the knots come from.

    """

    epoch: int
    origin: int
    x: Floats
    t: Floats
    fit: Fit

    def __post_init__(self) -> None:
        if len(self.x) != len(self.t) or len(self.x) < 2:
            raise ValueError("a segment has two knots or more")
        if np.any(np.diff(self.x) <= 0) or np.any(np.diff(self.t) <= 0):
            raise ValueError("the knots of a segment do not increase strictly")

    def times(self, x: Integers) -> Floats:
        """Session seconds of points of the device's axis."""
        u = (x - self.origin).astype(np.float64)
        t = np.interp(u, self.x, self.t)
        for beyond, knot, inner in ((u < self.x[0], 0, 1), (u > self.x[-1], -1, -2)):
            slope = (self.t[knot] - self.t[inner]) / (self.x[knot] - self.x[inner])
            t[beyond] = self.t[knot] + slope * (u[beyond] - self.x[knot])
        return t


@dataclass(frozen=True, slots=True)
class ClockMap:
    """From the device's axis to session seconds, one segment per epoch."""

    axis: Axis
    segments: tuple[Segment, ...] = ()
    arrival: Fit | None = None
    """What to say of the times where the axis is ARRIVAL."""

    def times(self, x: Integers, epoch: Integers | int) -> Floats:
        """Session seconds of `x`; NaN for an epoch without a segment, and NO_TIME."""
        t = np.full(len(x), np.nan)
        for segment in self.segments:
            mine = (x != NO_TIME) & (np.asarray(epoch) == segment.epoch)
            t[mine] = segment.times(x[mine])
        return t

    @property
    def fits(self) -> dict[int, Fit]:
        """The fit of each epoch."""
        if self.arrival is not None:
            return {0: self.arrival}
        return {segment.epoch: segment.fit for segment in self.segments}

    @property
    def error(self) -> float | None:
        """The worst error estimate of all segments, s; None if one is unknown."""
        errors = [fit.error for fit in self.fits.values()]
        known = [error for error in errors if error is not None]
        return max(known) if known and len(known) == len(errors) else None


def arrival_map(blocks: int) -> ClockMap:
    """Give each row the host time of its block: the device has no clock."""
    return ClockMap(
        Axis.ARRIVAL, arrival=Fit(Mode.ARRIVAL, blocks, None, None, None, None)
    )


# --- anchors --------------------------------------------------------------------------


def sample_anchors(blocks: Records) -> Anchors:
    """Tie the last sample of each block to the block's host time."""
    filled = blocks[blocks["rows"] > 0]
    last = filled["first_sample"].astype(np.int64) + filled["rows"] - 1
    return Anchors(
        filled["epoch"].astype(np.int64), last, filled["host_ns"].astype(np.int64)
    )


def device_anchors(blocks: Records, last_row_ns: Integers) -> Anchors:
    """Tie the device time of each block's last row to the block's host time.

    The time of its first row is taken where the last has none; blocks without any are
    left out.
    """
    x = np.where(last_row_ns == NO_TIME, blocks["device_ns"], last_row_ns)
    anchors = Anchors(
        blocks["epoch"].astype(np.int64), x, blocks["host_ns"].astype(np.int64)
    )
    return anchors.take((x != NO_TIME) & (blocks["rows"] > 0))


def window_ns(first_host_ns: int, last_host_ns: int) -> int:
    """Width of the windows for a recording from the first to the last block, ns."""
    return max(1, min(WINDOW_NS, (last_host_ns - first_host_ns) // LEAST_WINDOWS))


def least_delayed(anchors: Anchors, width_ns: int, per_second: float) -> Anchors:
    """Keep the least delayed anchor of each window of host time and epoch.

    The delay is measured against a device that runs at its nominal rate, `per_second`
    units of x. Applying it piece by piece and again to the whole gives the same.
    """
    if len(anchors) == 0:
        return anchors
    window = anchors.host_ns // width_ns
    delay = _delay_ns(anchors, per_second)
    order = np.lexsort((anchors.x, delay, window, anchors.epoch))
    keys = np.stack([anchors.epoch[order], window[order]])
    new = np.r_[True, np.any(np.diff(keys, axis=1) != 0, axis=0)]
    return anchors.take(order[new])


def _delay_ns(anchors: Anchors, per_second: float) -> Floats:
    """Host time minus device time, ns, each counted from the first anchor."""
    host = (anchors.host_ns - anchors.host_ns[0]).astype(np.float64)
    device = (anchors.x - anchors.x[0]).astype(np.float64)
    late: Floats = host - device * (1e9 / per_second)
    return late


# --- the fit --------------------------------------------------------------------------


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
        kept = least_delayed(_joined(kept, new), width_ns, per_second)
    return ClockMap(
        axis,
        tuple(
            _fit_segment(kept.take(kept.epoch == epoch), per_second, start_ns)
            for epoch in np.unique(kept.epoch)
        ),
    )


def _joined(first: Anchors, second: Anchors) -> Anchors:
    return Anchors(
        np.concatenate([first.epoch, second.epoch]),
        np.concatenate([first.x, second.x]),
        np.concatenate([first.host_ns, second.host_ns]),
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


# --- applying it ----------------------------------------------------------------------


def row_times(
    pieces: Iterable[Records],
    clock: ClockMap,
    *,
    start_ns: int,
    row_ns: RowNs | None = None,
    step: int = ROWS_AT_ONCE,
) -> Iterator[Floats]:
    """Give the session seconds of all rows of a stream, array by array, in order.

    Rows follow each other in the file whether or not samples are missing between
    them, so gaps show in the times.

    Args:
        pieces: All entries of `sync/blocks`, in any number of pieces.
        clock: The map of the stream.
        start_ns: CLOCK_MONOTONIC at time 0 of the session.
        row_ns: Device times of the rows, where the axis is DEVICE.
        step: Most rows of one array.

    """
    row = 0
    for blocks in pieces:
        ends = row + np.cumsum(blocks["rows"], dtype=np.int64)
        stop = int(ends[-1]) if len(ends) else row
        for start in range(row, stop, step):
            rows = np.arange(start, min(start + step, stop))
            device_ns = None if row_ns is None else row_ns(start, start + len(rows))
            yield _times_in(blocks, ends, rows, clock, start_ns, device_ns)
        row = stop


def times_at(
    rows: Integers,
    pieces: Iterable[Records],
    clock: ClockMap,
    *,
    start_ns: int,
    row_ns: RowNs | None = None,
) -> Floats:
    """Give the session seconds of single rows, in ascending order, as `row_times` does.

    Rows that the stream does not have get no time: the result is shorter.
    """
    found = [np.empty(0)]
    row = 0
    for blocks in pieces:
        ends = row + np.cumsum(blocks["rows"], dtype=np.int64)
        stop = int(ends[-1]) if len(ends) else row
        mine = rows[(rows >= row) & (rows < stop)]
        if len(mine):
            device_ns = None
            if row_ns is not None:
                device_ns = np.concatenate([row_ns(r, r + 1) for r in mine.tolist()])
            found.append(_times_in(blocks, ends, mine, clock, start_ns, device_ns))
        row = stop
    return np.concatenate(found)


def _times_in(
    blocks: Records,
    ends: Integers,
    rows: Integers,
    clock: ClockMap,
    start_ns: int,
    device_ns: Integers | None,
) -> Floats:
    """Times of rows that lie in `blocks`, which end before the rows `ends`."""
    block = np.searchsorted(ends, rows, side="right")
    if clock.axis is Axis.ARRIVAL:
        seconds: Floats = (blocks["host_ns"][block] - start_ns) / 1e9
        return seconds
    epoch = blocks["epoch"][block].astype(np.int64)
    if clock.axis is Axis.SAMPLE:
        before = blocks["first_sample"].astype(np.int64) - (ends - blocks["rows"])
        return clock.times(before[block] + rows, epoch)
    if device_ns is None:
        raise ValueError("a map from device time needs the device times of the rows")
    return clock.times(device_ns, epoch)
