"""One domain's stretches, each with its clock by host stamps: where all modes start."""

from dataclasses import dataclass, replace

import numpy as np

from rigd.streams.block import NO_TIME
from rigd.streams.clock_evidence import Anchors, ClockEvidence
from rigd.streams.clock_map import Floats, Integers
from rigd.streams.host_clock import (
    HostClock,
    borrow_skew,
    can_tell_speed,
    fit_host_clocks,
)
from rigd.streams.rate_trust import ASSUMED_DRIFT, Trust, theil_sen_slope, trust_in
from rigd.streams.stretches import Stretch, find_stretches
from rigd.streams.windows import window_minima

STALE = 10.0
"""Stamps that are older than the session by more than this, s, are left out."""

SHORT_WINDOWS = 16
"""Windows of a stretch that is too short to tell its speed well."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch with its clock by host stamps.

    Attributes:
        stretch: Its anchors.
        host: Device seconds to host seconds, both from the stretch's origins.
        host_zero: Session time of the stretch's host origin, s, declared latency
            subtracted.
        is_nominal: The speed is the nominal one.

    """

    stretch: Stretch
    host: HostClock
    host_zero: float
    is_nominal: bool = False

    def seconds(self, x: Integers) -> Floats:
        """Device seconds since the stretch's origin of points of the axis."""
        return (x - self.stretch.origin) / 1e9

    def host_times(self, seconds: Floats) -> Floats:
        """Host times, s since the session's start, at device seconds."""
        return self.host_zero + self.host.at(seconds)


@dataclass(frozen=True, slots=True)
class DomainClock:
    """A domain as its host stamps show it.

    Attributes:
        evidence: What is known of it.
        parts: Its stretches in order; none without a usable stamp.
        warnings: What was wrong with the stamps, in full sentences.
        is_doubtful: The device's clock went back, or contradicts its nominal rate.

    """

    evidence: ClockEvidence
    parts: tuple[Part, ...]
    warnings: tuple[str, ...]
    is_doubtful: bool = False

    def part_of(self, x: Integers, epoch: Integers) -> Integers:
        """Index of the part to which points of the axis belong; -1 for none."""
        found = np.full(len(x), -1, np.int64)
        for number, part in enumerate(self.parts):
            mine = epoch == part.stretch.epoch
            if part.stretch.earliest is not None:
                mine &= x >= part.stretch.earliest
            found[mine] = number
        return found

    def host_times(self, x: Integers, epoch: Integers) -> Floats:
        """Host times, s since the session's start; NaN outside all parts."""
        number = self.part_of(x, epoch)
        times = np.full(len(x), np.nan)
        for index, part in enumerate(self.parts):
            mine = number == index
            times[mine] = part.host_times(part.seconds(x[mine]))
        return times


def read_domain(evidence: ClockEvidence, start_ns: int) -> DomainClock:
    """Find the stretches of a domain and fit each to its host stamps."""
    anchors, warnings = _usable(evidence.anchors, start_ns)
    if len(anchors) == 0:
        return DomainClock(evidence, (), (*warnings, "it has no host stamps at all"))
    found = find_stretches(anchors, transfer=evidence.transfer, counts=evidence.counts)
    clocks, more = _clocks(found.stretches)
    latency = evidence.settings.latency or 0.0
    parts = tuple(
        Part(
            stretch,
            clock,
            (stretch.host_origin - start_ns) / 1e9 - latency,
            is_nominal,
        )
        for stretch, (clock, is_nominal) in zip(found.stretches, clocks, strict=True)
    )
    return DomainClock(
        evidence, parts, (*warnings, *found.warnings, *more), found.goes_back
    )


def _usable(anchors: Anchors, start_ns: int) -> tuple[Anchors, list[str]]:
    anchors = anchors.take(anchors.x != NO_TIME)
    stale = anchors.host_ns < start_ns - STALE * 1e9
    if not stale.any():
        return anchors, []
    oldest = (start_ns - int(np.min(anchors.host_ns))) / 1e9
    return anchors.take(~stale), [
        f"{int(stale.sum())} host stamps are from before the session, up to "
        f"{oldest:.0f} s, and were left out"
    ]


def _clocks(
    stretches: list[Stretch],
) -> tuple[list[tuple[HostClock, bool]], list[str]]:
    """Fit the stretches together, as far as one crystal can have made them."""
    if not can_tell_speed(stretches):
        return _short_clocks(stretches)
    return [(clock, False) for clock in fit_host_clocks(stretches)], []


def _short_clocks(
    stretches: list[Stretch],
) -> tuple[list[tuple[HostClock, bool]], list[str]]:
    """Lay lines through stretches none of which can tell its speed well."""
    longest = max(stretches, key=lambda stretch: float(stretch.x[-1]))
    width = max(float(longest.x[-1]) / SHORT_WINDOWS, 1e-9)
    low = window_minima(longest.x, longest.host - longest.x, width)
    x, host = longest.x[low], longest.host[low]
    slope = theil_sen_slope(x, host) if len(x) >= 3 else None
    trust = Trust.NONE if slope is None else trust_in(slope, x, host)
    if slope is not None and trust is Trust.FULL:
        scatter = float(
            np.median(np.abs(host - slope * x - np.median(host - slope * x)))
        )
        skew_error = min(ASSUMED_DRIFT, 6 * scatter / float(np.ptp(x)))
        return [(borrow_skew(s, slope - 1, skew_error), False) for s in stretches], []
    found = [(borrow_skew(s, 0.0, ASSUMED_DRIFT), True) for s in stretches]
    if trust is not Trust.CONTRADICTION:
        return found, [
            f"{len(longest)} host stamps in {float(longest.x[-1]):.3g} s are too few "
            "to measure the device's speed; it is taken as nominal"
        ]
    worst = [
        (replace(clock, wander=clock.wander + float(np.ptp(s.host - s.x))), True)
        for s, (clock, _) in zip(stretches, found, strict=True)
    ]
    return worst, [
        "the host stamps contradict the nominal rate by more than 5 %; the nominal "
        "rate is taken"
    ]
