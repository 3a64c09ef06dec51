"""Clock evidence in, session times out: a pure function, which can be run again.

`align` takes what is known of the clocks of all domains (`clock_evidence`) and gives
for each a `ClockMap`, with its error bound, its grade, and what speaks for and against
it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rigd.streams.clock_evidence import ClockEvidence, WallClock, window_ns
from rigd.streams.clock_map import (
    Axis,
    ClockMap,
    Floats,
    Grade,
    Integers,
    Mode,
    PulseMatch,
)
from rigd.streams.host_line import fit_host_clock

ALGORITHM = "rigd-clocks-1"
"""Name and version of the rules below; to be kept with what they made."""


@dataclass(frozen=True, slots=True)
class SilentLoss:
    """Samples that are missing though the device's count goes on without a hole.

    Attributes:
        epoch: Number of times the counter had started anew.
        x: First point of the device's axis after the loss.
        earliest: Smallest point of the axis that can be the first after the loss.
        start, stop: Session seconds between which samples are missing.
        uncertainty: How far start and stop may be off, s.

    """

    epoch: int
    x: int
    earliest: int
    start: float
    stop: float
    uncertainty: float


@dataclass(frozen=True, slots=True)
class UsedAnchors:
    """The anchors that a map rests on, after thinning, matching and gating.

    Attributes:
        epoch: Number of times the counter had started anew, shape (n,).
        x: Device time, ns, shape (n,).
        session_s: Session seconds of the anchor, shape (n,): of a host stamp after the
            declared latency, of a pulse the reference's time.
        residual_s: The anchor minus the map, s, shape (n,).
        source: `host`, `pulse`, `round trip` or `utc`, one for all.

    """

    epoch: Integers
    x: Integers
    session_s: Floats
    residual_s: Floats
    source: str


@dataclass(frozen=True, slots=True)
class Alignment:
    """How the clock of one domain runs against the session's.

    Attributes:
        name: Name of the domain.
        asked: The mode that was asked for.
        clock: From device time in ns (axis DEVICE) to session seconds.
        used: What the map rests on, one entry a source.
        losses: Losses that nobody counted, found from host stamps.
        warnings: What a person should know, in full sentences that name the evidence.

    """

    name: str
    asked: Mode
    clock: ClockMap
    used: tuple[UsedAnchors, ...] = ()
    losses: tuple[SilentLoss, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def mode(self) -> Mode:
        """The mode of the largest part of the session; NOMINAL without any."""
        modes = {part.fit.mode: 0.0 for part in self.clock.segments}
        for part in self.clock.segments:
            modes[part.fit.mode] += float(part.t[-1] - part.t[0])
        return max(modes, key=lambda mode: modes[mode], default=Mode.NOMINAL)

    @property
    def error(self) -> float | None:
        """The worst error bound of all segments, s; None if one is unknown."""
        return self.clock.error

    @property
    def grade(self) -> Grade:
        """The worst grade of all segments; F without any."""
        return max((p.fit.grade for p in self.clock.segments), default=Grade.F)

    @property
    def matches(self) -> tuple[PulseMatch, ...]:
        """Statistics of the pulses, one of each segment that has any."""
        fits = (segment.fit for segment in self.clock.segments)
        return tuple(fit.match for fit in fits if fit.match is not None)


def align(
    domains: Sequence[ClockEvidence],
    *,
    start_ns: int,
    reference: str | None = None,
    wall: WallClock | None = None,
) -> dict[str, Alignment]:
    """Align the clocks of all domains of a session.

    Args:
        domains: What is known of each.
        start_ns: CLOCK_MONOTONIC at time 0 of the session.
        reference: Domain whose clock is the session clock; None: the host's.
        wall: The host's wall clock, for DEVICE_UTC.

    Returns:
        An alignment for each domain, by name. A domain without anchors gets a map
        without segments and grade F.

    """
    return {domain.name: _by_host_line(domain, start_ns) for domain in domains}


def _by_host_line(domain: ClockEvidence, start_ns: int) -> Alignment:
    anchors = domain.anchors
    if len(anchors) == 0:
        return Alignment(domain.name, domain.settings.mode, ClockMap(Axis.DEVICE))
    span = int(np.min(anchors.host_ns)), int(np.max(anchors.host_ns))
    clock = fit_host_clock(
        [anchors],
        axis=Axis.DEVICE,
        per_second=1e9,
        start_ns=start_ns,
        width_ns=window_ns(*span),
    )
    return Alignment(domain.name, domain.settings.mode, clock)
