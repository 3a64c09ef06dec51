"""Clock evidence in, session times out: a pure function, which can be run again.

`align` takes what is known of the clocks of all domains (`clock_evidence`) and gives
for each a `ClockMap`, with its error bound, its grade, and what speaks for and against
it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rigd.streams.clock_evidence import ClockEvidence, WallClock
from rigd.streams.clock_grades import grade_of
from rigd.streams.clock_map import (
    Axis,
    ClockMap,
    Drift,
    Fit,
    Floats,
    Grade,
    Integers,
    Mode,
    PulseMatch,
    Segment,
)
from rigd.streams.clock_modes import (
    LEAST_KNOT_DISTANCE,
    Made,
    Task,
    by_own_clock,
)
from rigd.streams.domain_clock import DomainClock, Part, read_domain
from rigd.streams.mode_choice import best_of
from rigd.streams.reference_line import ReferenceLine, choose_reference_line, line_of
from rigd.streams.session_clock import HOST, SessionClock, reference_clock

ALGORITHM = "rigd-clocks-6"
"""Name and version of the rules below; to be kept with what they made."""

DRIFT_STEP = 10.0
MOST_DRIFT_STEPS = 500
"""Drift is told for steps of this many seconds, or so many steps."""


@dataclass(frozen=True, slots=True)
class SilentLoss:
    """Samples that are missing though the device's count goes on without a hole.

    Attributes:
        epoch: Number of times the counter had started anew.
        x: First point of the device's axis that is surely after the loss.
        earliest: First point that may be after the loss; the map takes all from here
            on for later. Equal to the place after the last sample before the loss, if
            no host stamp near it was unusually late.
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
    clocks = {domain.name: read_domain(domain, start_ns) for domain in domains}
    session, warnings = _session_clock(clocks, reference)
    found: dict[str, Alignment] = {}
    leader = _leader(clocks, session)
    line = None
    if leader is not None:
        found[leader] = _align_leader(clocks[leader], session, wall)
        error = found[leader].error or 0.0
        line = line_of(clocks[leader], found[leader].clock, error)
    for name in _in_order_of_need(clocks):
        if name not in found:
            shared = found.get(clocks[name].evidence.settings.shares_clock_with or "")
            found[name] = _align(clocks[name], session, line, wall, shared)
    return {
        name: replace(found[name], warnings=(*warnings, *found[name].warnings))
        for name in clocks
    }


def _session_clock(
    clocks: Mapping[str, DomainClock], reference: str | None
) -> tuple[SessionClock, tuple[str, ...]]:
    if reference is None:
        return HOST, ()
    if reference not in clocks or not clocks[reference].parts:
        return HOST, (
            f"the reference `{reference}` has no host stamps; the host's clock is the "
            "session clock instead",
        )
    return reference_clock(clocks[reference]), ()


def _leader(clocks: Mapping[str, DomainClock], session: SessionClock) -> str | None:
    """The domain whose pulses the others are compared with."""
    if session.reference is not None:
        return session.reference
    return choose_reference_line(clocks)


def _in_order_of_need(clocks: Mapping[str, DomainClock]) -> list[str]:
    """Domains that run by another one's clock come after it."""
    return sorted(
        clocks, key=lambda n: clocks[n].evidence.settings.shares_clock_with is not None
    )


# --- one domain -----------------------------------------------------------------------


def _align_leader(
    domain: DomainClock, session: SessionClock, wall: WallClock | None
) -> Alignment:
    """Align the domain that leads: it is the session's clock, or has no line to ask."""
    if session.reference != domain.evidence.name:
        return _align(domain, session, None, wall, None, leads=True)
    made = [
        by_own_clock(Task(domain, number, session))
        for number in range(len(domain.parts))
    ]
    return _alignment(domain, made, (), leads=True)


def _align(
    domain: DomainClock,
    session: SessionClock,
    line: ReferenceLine | None,
    wall: WallClock | None,
    shared: Alignment | None,
    *,
    leads: bool = False,
) -> Alignment:
    clock = None if shared is None else shared.clock
    tasks = [
        Task(domain, number, session, line, wall, clock)
        for number in range(len(domain.parts))
    ]
    chosen = [best_of(task, leads) for task in tasks]
    chosen = [
        best_of(task, leads) if best.constant and task.constants else (best, why)
        for task, (best, why) in zip(_acquainted(tasks, chosen), chosen, strict=True)
    ]
    made = [best for best, _ in chosen]
    notes = list(dict.fromkeys(note for _, why in chosen for note in why))
    return _alignment(domain, made, notes, leads=leads)


def _acquainted(
    tasks: Sequence[Task], chosen: Sequence[tuple[Made, list[str]]]
) -> list[Task]:
    """Tell each stretch what the pulses of the others allow."""
    constants = [best.constant for best, _ in chosen]
    return [
        replace(
            task,
            constants=tuple(
                constant
                for number, constant in enumerate(constants)
                if constant is not None and number != task.number
            ),
        )
        for task in tasks
    ]


def _alignment(
    domain: DomainClock, made: Sequence[Made], notes: Sequence[str], *, leads: bool
) -> Alignment:
    segments: list[Segment] = []
    used: list[UsedAnchors] = []
    losses: list[SilentLoss] = []
    overlaps: list[str] = []
    for part, times in zip(domain.parts, made, strict=True):
        segment = _segment(domain, part, times, leads)
        if part.stretch.reason == "silent loss" and segments:
            losses.append(_loss(part, segments[-1], segment))
        if segments and _overlap(segments[-1], segment):
            overlaps.append(
                f"the stretch after the {part.stretch.reason} begins before the one "
                "before it has ended, by their clocks"
            )
            fit = replace(segment.fit, grade=max(Grade.D, segment.fit.grade))
            segment = replace(segment, fit=fit)
        segments.append(segment)
        used.append(_used(part, times, segment))
    return Alignment(
        domain.evidence.name,
        domain.evidence.settings.mode,
        ClockMap(Axis.DEVICE, tuple(segments)),
        tuple(used),
        tuple(losses),
        (*domain.warnings, *notes, *overlaps),
    )


def _segment(domain: DomainClock, part: Part, made: Made, leads: bool) -> Segment:
    settings = domain.evidence.settings
    stretch = part.stretch
    rising = np.concatenate([[True], np.diff(made.x) > LEAST_KNOT_DISTANCE])
    x, t = made.x[rising], made.t[rising]
    if len(x) < 2:
        x = np.array([x[0], x[0] + 1.0])
        t = np.array([t[0], t[0] + 1.0])
    away = np.abs(made.used_t - np.interp(made.used_x, x, t))
    grade = grade_of(
        made.mode,
        made.error,
        made.relative_error,
        tolerance=settings.tolerance,
        sample_period=domain.evidence.sample_period,
        latency_known=settings.latency is not None or leads,
        match=made.match,
        doubtful=bool(made.doubts or domain.is_doubtful),
    )
    fit = Fit(
        made.mode,
        len(made.used_x),
        None if made.mode is Mode.NOMINAL else _ppm(x, t),
        float(np.median(away)),
        float(np.max(away)),
        made.error,
        grade,
        made.relative_error,
        made.against,
        stretch.reason,
        None if made.mode is Mode.NOMINAL else _drift(x, t),
        made.match,
        made.doubts,
    )
    return Segment(stretch.epoch, stretch.origin, x * 1e9, t, fit, stretch.earliest)


def _ppm(x: Floats, t: Floats) -> float:
    return float(((x[-1] - x[0]) / (t[-1] - t[0]) - 1) * 1e6)


def _drift(x: Floats, t: Floats) -> Drift:
    """Speeds over steps that are long enough to show drift, not scatter."""
    count = int(np.clip((t[-1] - t[0]) / DRIFT_STEP, 1, MOST_DRIFT_STEPS))
    at = np.linspace(t[0], t[-1], count + 1)
    device = np.interp(at, t, x)
    ppm = (np.diff(device) / np.diff(at) - 1) * 1e6
    return Drift((at[1:] + at[:-1]) / 2, ppm)


def _used(part: Part, made: Made, segment: Segment) -> UsedAnchors:
    x = part.stretch.origin + np.rint(made.used_x * 1e9).astype(np.int64)
    epoch = np.full(len(x), part.stretch.epoch, np.int64)
    residual = made.used_t - segment.times(x)
    return UsedAnchors(epoch, x, made.used_t, residual, made.source)


def _loss(part: Part, before: Segment, after: Segment) -> SilentLoss:
    stretch = part.stretch
    first = stretch.begin if stretch.earliest is None else stretch.earliest
    return SilentLoss(
        stretch.epoch,
        stretch.begin,
        first,
        float(before.times(np.array([first - 1]))[0]),
        float(after.times(np.array([first]))[0]),
        max(stretch.lost_uncertainty, (stretch.begin - first) / 1e9),
    )


def _overlap(before: Segment, after: Segment) -> bool:
    last, first = before.t[-1], after.t[0]
    if after.begin is not None and after.epoch == before.epoch:
        last = before.times(np.array([after.begin - 1]))[0]
        first = after.times(np.array([after.begin]))[0]
    return bool(first <= last)
