"""From a device's clock to session seconds: straight pieces, and what is known of them.

A device counts on an axis of its own: sample indices, or nanoseconds of its clock. A
`ClockMap` takes this axis to session seconds and back. How it is made does not matter
to those who apply it; `alignment` makes it.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from rigd.streams.block import NO_TIME

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Axis(StrEnum):
    """What a clock map maps from."""

    SAMPLE = "sample index"
    DEVICE = "device time"
    ARRIVAL = "arrival"
    """The device gave no times: each row has the host time of its block."""


class Mode(StrEnum):
    """How times are made: what a session asks for, and what a segment got."""

    AUTO = "auto"
    """Asked for only: the best mode that the evidence allows."""
    SHARED_CLOCK = "shared_clock"
    """The device is the reference, or runs by the reference's clock."""
    SYNC_LINE = "sync_line"
    """Edges of a shared line, matched with those of the reference."""
    TWO_WAY = "two_way"
    """Offsets measured by round trips."""
    DEVICE_UTC = "device_utc"
    """The device's clock is disciplined to UTC by PTP or GPS."""
    HOST_CLOCK = "host_clock"
    """Least delayed receive times."""
    NOMINAL = "nominal"
    """The nominal rate through the least delayed anchor: the last resort."""
    ARRIVAL = "arrival"


class Grade(StrEnum):
    """How far times can be trusted.

    A: the error bound is below the device's own sample period and the tolerance, by
    evidence that passed every check. B: below the tolerance. C: by receive times alone,
    below the tolerance, right if the declared latency is. D: the bound is above the
    tolerance, or rests on something unknown (latency) or contradictory. F: no evidence.
    """

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    F = "F"


@dataclass(frozen=True, slots=True)
class Drift:
    """How much faster than nominal a device ran, over the session.

    Attributes:
        session_s: Session seconds, shape (n,).
        ppm: Parts per million at these times, shape (n,).

    """

    session_s: Floats
    ppm: Floats


@dataclass(frozen=True, slots=True)
class PulseMatch:
    """Statistics of a match of two pulse trains; all of one segment.

    Attributes:
        seen: Edges on the device's line.
        expected: Edges on the reference's line while the segment lasted.
        matched: Edges that are the same on both.
        missing: Edges of the reference that the device did not see.
        extra: Edges of the device that the reference did not see.
        offset: Median of reference minus device in host time, s: the difference of
            latencies, apart from the declared ones.
        vote_ratio: Votes for this offset over the votes for the best other one.
        holdout: RMS of the distances of pulses from a map made without them, over what
            the resolutions of both lines explain; None if it could not be computed.
        ppm_difference: Speed by the pulses minus speed by host stamps, ppm.
        span: Part of the segment between the first and the last matched pulse, 0 to 1.
        in_step: Longest time, s, for which regular pulses keep their place within the
            samples of a line that resolves them well: it can't be seen which.

    """

    seen: int
    expected: int
    matched: int
    missing: int
    extra: int
    offset: float = 0.0
    vote_ratio: float = 0.0
    holdout: float | None = None
    ppm_difference: float | None = None
    span: float = 0.0
    in_step: float = 0.0


@dataclass(frozen=True, slots=True)
class Fit:
    """How the times of one segment were made, and how good they are.

    Attributes:
        mode: What the times rest on.
        anchors: Number of anchors that were used.
        drift_ppm: How much faster than nominal the device runs, parts per million;
            None where it was not measured.
        residual_median: Median distance of the anchors from the map, s.
        residual_max: Largest distance of an anchor from the map, s.
        error: Bound of the error of 99.7 % of the times on the session clock, s; apart
            from the constant time that the samples take to the host, if that is not
            declared: it can't be seen from here. None if unknown.
        grade: How far the times can be trusted.
        relative_error: The same bound against the device's reference for sync pulses
            (`against`), which is smaller: what both have in common is not in it.
        against: Name of the domain whose pulses were used; None without.
        begins_with: Why the segment begins: `start`, `restart`, `clock jump` or
            `silent loss`.
        drift: Drift over time; None where it was not measured.
        match: Statistics of the pulses; None without.
        warnings: What was wrong with better evidence, in full sentences.

    """

    mode: Mode
    anchors: int
    drift_ppm: float | None
    residual_median: float | None
    residual_max: float | None
    error: float | None
    grade: Grade = Grade.F
    relative_error: float | None = None
    against: str | None = None
    begins_with: str = "start"
    drift: Drift | None = None
    match: PulseMatch | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """A map without interruption: knots, straight lines between and beyond them.

    Attributes:
        epoch: Number of times the counter had started anew.
        origin: Point of the device's axis from which `x` counts. Subtracted as an
            integer, so that large counts lose nothing.
        x: Knots on the device's axis minus `origin`, strictly increasing.
        t: Knots in session seconds, strictly increasing.
        fit: Where the knots come from.
        begin: First point of the axis that belongs to the segment; None: all of the
            epoch before the next segment.

    """

    epoch: int
    origin: int
    x: Floats
    t: Floats
    fit: Fit
    begin: int | None = None

    def __post_init__(self) -> None:
        if len(self.x) != len(self.t) or len(self.x) < 2:
            raise ValueError("a segment has two knots or more")
        if np.any(np.diff(self.x) <= 0) or np.any(np.diff(self.t) <= 0):
            raise ValueError("the knots of a segment do not increase strictly")

    def times(self, x: Integers) -> Floats:
        """Session seconds of points of the device's axis."""
        return interpolated((x - self.origin).astype(np.float64), self.x, self.t)

    def positions(self, t: Floats) -> Floats:
        """Points of the device's axis minus `origin` at session seconds."""
        return interpolated(np.asarray(t, np.float64), self.t, self.x)


def interpolated(u: Floats, x: Floats, y: Floats) -> Floats:
    """Read y at u; beyond the knots the outermost pieces go on."""
    found = np.interp(u, x, y)
    for beyond, knot, inner in ((u < x[0], 0, 1), (u > x[-1], -1, -2)):
        if beyond.any():
            slope = (y[knot] - y[inner]) / (x[knot] - x[inner])
            found[beyond] = y[knot] + slope * (u[beyond] - x[knot])
    return found


@dataclass(frozen=True, slots=True)
class ClockMap:
    """From a device's axis to session seconds and back.

    Attributes:
        axis: What is mapped from.
        segments: In order of time. Several segments of one epoch follow each other on
            the axis, each from its `begin` on.
        arrival: What to say of the times where the axis is ARRIVAL.

    """

    axis: Axis
    segments: tuple[Segment, ...] = ()
    arrival: Fit | None = None

    def times(self, x: Integers, epoch: Integers | int) -> Floats:
        """Session seconds of `x`; NaN for an epoch without a segment, and NO_TIME."""
        t = np.full(len(x), np.nan)
        for segment in self.segments:
            mine = (x != NO_TIME) & (np.asarray(epoch) == segment.epoch)
            if segment.begin is not None:
                mine &= x >= segment.begin
            if mine.all():
                t = segment.times(x)
            else:
                t[mine] = segment.times(x[mine])
        return t

    def positions(self, t: Floats) -> tuple[Integers, Integers]:
        """Point of the axis (rounded) and epoch at session seconds.

        Each time belongs to the last segment that begins before it, the earliest ones
        to the first. NO_TIME and -1 without segments, and for NaN.
        """
        t = np.asarray(t, np.float64)
        x = np.full(len(t), NO_TIME, np.int64)
        epoch = np.full(len(t), -1, np.int64)
        for number, segment in enumerate(self.segments):
            mine = np.isfinite(t) if number == 0 else t >= _beginning(segment)
            x[mine] = segment.origin + np.rint(segment.positions(t[mine])).astype(
                np.int64
            )
            epoch[mine] = segment.epoch
        return x, epoch

    def shifted(self, seconds: float) -> "ClockMap":
        """The same map with all times later by a constant."""
        moved = (replace(part, t=part.t + seconds) for part in self.segments)
        return replace(self, segments=tuple(moved))

    @property
    def fits(self) -> dict[int, Fit]:
        """The fit of each epoch; of the first segment where there are several."""
        if self.arrival is not None:
            return {0: self.arrival}
        return {part.epoch: part.fit for part in reversed(self.segments)}

    @property
    def error(self) -> float | None:
        """The worst error bound of all segments, s; None if one is unknown."""
        if self.arrival is not None:
            return self.arrival.error
        errors = [segment.fit.error for segment in self.segments]
        known = [error for error in errors if error is not None]
        return max(known) if known and len(known) == len(errors) else None


def _beginning(segment: Segment) -> float:
    if segment.begin is None:
        return float(segment.t[0])
    return float(segment.times(np.array([segment.begin]))[0])


def arrival_map(blocks: int) -> ClockMap:
    """Give each row the host time of its block: the device has no clock."""
    return ClockMap(
        Axis.ARRIVAL, arrival=Fit(Mode.ARRIVAL, blocks, None, None, None, None)
    )
