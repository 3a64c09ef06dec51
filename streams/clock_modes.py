"""The ways to make times of one stretch: each gives times, or says why it can't.

All start from the stretch's clock by host stamps and correct it by better evidence.
"""

from dataclasses import dataclass, replace

import numpy as np

from rigd.streams.clock_evidence import ClockEvidence, Edges, WallClock
from rigd.streams.clock_grades import (
    KNOWN_LATENCY,
    SLOPE_FLOOR,
    UNKNOWN_LATENCY,
    faults_of,
)
from rigd.streams.clock_map import ClockMap, Floats, Mode, PulseMatch
from rigd.streams.domain_clock import DomainClock, Part
from rigd.streams.edge_matching import LEAST_PAIRS, Pairs, match_edges
from rigd.streams.host_clock import borrow_skew
from rigd.streams.pair_times import PairTimes
from rigd.streams.pulses import without_bounce
from rigd.streams.pulses_in_step import LONG_IN_STEP, longest_in_step
from rigd.streams.rate_trust import ASSUMED_DRIFT
from rigd.streams.reference_line import ReferenceLine
from rigd.streams.round_trips import LEAST_ROUND_TRIPS, correct_by_round_trips
from rigd.streams.session_clock import SessionClock
from rigd.streams.sync_line import (
    COARSE,
    FINE,
    Constant,
    Correction,
    corrected_knots,
    correction,
    holdout,
)

BOUNCE_NS = 10_000_000
"""An edge that follows another within this, ns, or within 1.5 times the line's
resolution, is a bounce."""

LEAST_KNOT_DISTANCE = 1e-6
"""Knots that are closer than this, s, are one."""

LARGEST_DELAY = 1.0
"""Host stamps that are later than a disciplined clock by more than this, s, contradict
it."""


@dataclass(frozen=True, slots=True)
class Made:
    """Times of one stretch.

    Attributes:
        mode: What they rest on.
        x: Knots, device seconds since the stretch's origin, strictly increasing.
        t: Knots, session s.
        error: Bound of their error on the session clock, s.
        relative_error: The same against `against`.
        against: Domain whose pulses were used.
        used_x: Device seconds of the anchors used.
        used_t: Session seconds of the anchors used.
        source: What they are.
        match: Statistics of pulses.
        doubts: Why they are doubtful, in words; none: they passed all checks.
        constant: What its pulses allow, where they tell no more than a constant.
        remarks: What a person should know, in words; no reason to doubt the times.

    """

    mode: Mode
    x: Floats
    t: Floats
    error: float
    used_x: Floats
    used_t: Floats
    source: str
    relative_error: float | None = None
    against: str | None = None
    match: PulseMatch | None = None
    doubts: tuple[str, ...] = ()
    constant: Constant | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a mode can't be used for a stretch, in words."""

    faults: tuple[str, ...]
    match: PulseMatch | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One stretch and what it is to be aligned with.

    Attributes:
        domain: Its domain.
        number: Which of the domain's stretches it is.
        session: The session clock.
        line: Pulses of the reference; None: there are none, or it is the reference.
        wall: The host's wall clock.
        shared: Clock of the domain by whose clock this one runs.
        constants: What the pulses of the domain's other stretches allow.

    """

    domain: DomainClock
    number: int
    session: SessionClock
    line: ReferenceLine | None = None
    wall: WallClock | None = None
    shared: ClockMap | None = None
    constants: tuple[Constant, ...] = ()

    @property
    def part(self) -> Part:
        """The stretch with its clock by host stamps."""
        return self.domain.parts[self.number]

    @property
    def evidence(self) -> ClockEvidence:
        """What is known of the domain."""
        return self.domain.evidence

    def shape(self, x: Floats) -> Floats:
        """Session times by host stamps at device seconds."""
        return self.session.times(self.part.host_times(x))

    @property
    def knots(self) -> Floats:
        """Device seconds of the knots by host stamps, the stretch's ends included."""
        last = float(self.part.stretch.x[-1])
        first = float(self.part.stretch.x[0])
        return np.union1d(self.part.host.x, [first, max(last, first + 1e-9)])


# --- by host stamps -------------------------------------------------------------------


def by_host_stamps(task: Task) -> Made:
    """Take the clock by host stamps as it is."""
    settings = task.evidence.settings
    part = task.part
    used = part.host.used
    stamps = part.host_zero + part.stretch.host[used]
    error = part.host.error + settings.latency_uncertainty + task.session.error
    error += _wait_in_batch(task.evidence)
    doubts = []
    if abs(part.host.skew) * 1e6 > settings.max_drift_ppm:
        doubts.append(_other_rate(task))
    return Made(
        Mode.NOMINAL if part.is_nominal else Mode.HOST_CLOCK,
        task.knots,
        task.shape(task.knots),
        error,
        part.stretch.x[used],
        task.session.times(stamps),
        "host",
        doubts=tuple(doubts),
    )


def _wait_in_batch(evidence: ClockEvidence) -> float:
    """Time for which the last sample of a batch may have waited, unseen, s.

    The host may come just before the next sample every time.
    """
    period = evidence.sample_period
    if period is None or evidence.transfer < 1.5 * period:
        return 0.0
    return period


def _other_rate(task: Task) -> str:
    """Say which rate the device has instead of the nominal one."""
    speed = 1 / (1 + task.part.host.skew)
    ppm, most = (speed - 1) * 1e6, task.evidence.settings.max_drift_ppm
    said = f"its clock runs {ppm:+.0f} ppm from the nominal rate"
    period = task.evidence.sample_period
    if period is not None:
        said = (
            f"its samples come at {speed / period:.6g} per second, not at the nominal "
            f"{1 / period:.6g} ({ppm:+.0f} ppm)"
        )
    return (
        f"{said}: more than the {most:g} ppm of `max_drift_ppm`; its times follow what "
        "was measured: correct its nominal rate, or raise `max_drift_ppm`"
    )


# --- by pulses ------------------------------------------------------------------------


def by_pulses(task: Task) -> Made | Refused:
    """Match the pulses of the sync line with the reference's and smooth them."""
    line, edges = task.line, _edges_of(task)
    if len(edges) < LEAST_PAIRS:
        return Refused((_too_few(task, len(edges)),))
    if line is None:
        return Refused(("no other device shows pulses to compare its own with",))
    x = task.part.seconds(edges.x)
    ours = task.part.host_times(x)
    within = (line.host >= ours[0] - 1) & (line.host <= ours[-1] + 1)
    if int(within.sum()) < LEAST_PAIRS:
        return Refused((f"`{line.name}` saw {int(within.sum())} pulses in this time",))
    pairs = match_edges(ours, line.host[within], max(edges.resolution, line.resolution))
    theirs = np.flatnonzero(within)[pairs.theirs]
    times = PairTimes(
        x[pairs.ours],
        line.session[theirs],
        line.piece[theirs],
        edges.resolution,
        line.resolution,
    )
    match = _statistics(task, len(edges), int(within.sum()), times, pairs.vote_ratio)
    faults = faults_of(
        match,
        offset_allowed=_offset_allowed(task, line, pairs.period),
        ppm_allowed=_ppm_allowed(task, line),
    )
    if faults:
        return Refused(tuple(faults), match)
    return replace(
        _corrected(task, line, times, match),
        doubts=_doubts(times, pairs),
        remarks=_remarks(line, match),
    )


def _edges_of(task: Task) -> Edges:
    """The task's edges in order, the first of each burst."""
    edges = task.evidence.edges
    if edges is None:
        return Edges(np.empty(0, np.int64), np.empty(0, np.int64), 1.0)
    x = edges.x - round(edges.delay * 1e9)
    mine = np.flatnonzero(task.domain.part_of(x, edges.epoch) == task.number)
    quiet = max(BOUNCE_NS, round(1.5e9 * edges.resolution))
    places = without_bounce(np.sort(x[mine]), quiet)
    epoch = np.full(len(places), task.part.stretch.epoch, np.int64)
    return Edges(epoch, places, edges.resolution)


def _too_few(task: Task, count: int) -> str:
    edges = task.evidence.edges
    if edges is None:
        return "it has no sync line"
    if len(edges) == 0:
        return "its sync line shows no pulse: is the cable plugged in?"
    mine = task.domain.part_of(edges.x, edges.epoch) == task.number
    seen = int(np.sum(mine))
    if seen < LEAST_PAIRS:
        return f"its sync line shows {seen} pulses; {LEAST_PAIRS} or more are needed"
    return (
        f"of the {seen} pulses on its sync line all but {count} come right after the "
        "one before: the line bounces, or carries something else"
    )


def _statistics(
    task: Task, seen: int, expected: int, pairs: PairTimes, vote_ratio: float
) -> PulseMatch:
    if len(pairs) < LEAST_PAIRS:
        return PulseMatch(
            seen, expected, len(pairs), expected - len(pairs), seen - len(pairs), 0.0
        )
    shape = task.shape(pairs.x)
    span = float(pairs.x[-1] - pairs.x[0])
    whole = float(task.part.stretch.x[-1] - task.part.stretch.x[0])
    return PulseMatch(
        seen,
        expected,
        len(pairs),
        expected - len(pairs),
        seen - len(pairs),
        float(np.median(pairs.t - shape)),
        vote_ratio,
        holdout(pairs, shape),
        _ppm_difference(pairs, shape),
        span / max(whole, 1e-9),
        longest_in_step(pairs) if pairs.worst <= FINE else 0.0,
    )


def _ppm_difference(pairs: PairTimes, shape: Floats) -> float | None:
    """Speed by pulses minus speed by host stamps, from the thirds at both ends."""
    rest = pairs.t - shape
    third = len(rest) // 3
    rise = float(np.median(rest[-third:]) - np.median(rest[:third]))
    run = float(np.median(pairs.x[-third:]) - np.median(pairs.x[:third]))
    return rise / run * 1e6 if run > 0 else None


def _offset_allowed(task: Task, line: ReferenceLine, period: float | None) -> float:
    settings = task.evidence.settings
    is_known = settings.latency is not None and line.latency_known
    allowed = KNOWN_LATENCY if is_known else UNKNOWN_LATENCY
    allowed += settings.latency_uncertainty
    allowed += task.part.host.error + line.host_error + line.resolution
    return allowed if period is None else min(allowed, 0.25 * period)


def _ppm_allowed(task: Task, line: ReferenceLine) -> float:
    if not task.part.host.is_measured:
        return np.inf
    edges = task.evidence.edges
    resolution = line.resolution + (edges.resolution if edges is not None else 0.0)
    span = max(float(task.part.stretch.x[-1]), 1.0)
    both = task.part.host.wander + line.host_wander + resolution
    return SLOPE_FLOOR + 3 * both / span * 1e6


def _doubts(times: PairTimes, pairs: Pairs) -> tuple[str, ...]:
    """Regular pulses on a coarse line could be those of any other generator."""
    if pairs.period is None or times.resolution <= FINE:
        return ()
    return (
        f"pulses that come every {pairs.period:.3g} s can't be told from those of "
        f"another generator by a line that resolves {times.resolution * 1e3:.3g} ms; "
        "use pulses at random intervals",
    )


def _remarks(line: ReferenceLine, match: PulseMatch) -> tuple[str, ...]:
    """Say where regular pulses can't tell more than one sample."""
    if match.in_step < LONG_IN_STEP:
        return ()
    return (
        f"pulses keep in step with its samples, or those of `{line.name}`, for "
        f"{match.in_step:.0f} s: meanwhile it can't be seen where within a sample they "
        "are; pulses at random intervals tell more",
    )


def _corrected(
    task: Task, line: ReferenceLine, pairs: PairTimes, match: PulseMatch
) -> Made:
    slack = task.part.host.error
    if len(np.unique(line.piece)) > 1:
        slack += line.host_error
    found = correction(pairs, task.shape(pairs.x), slack, task.constants)
    x = corrected_knots(task.knots, found)
    t = task.shape(x) + np.interp(x, found.x, found.seconds)
    shape_error = task.part.host.wander + line.host_wander
    relative = found.error + _uncovered(task, pairs, found, shape_error)
    common = 0.0 if line.name == task.session.reference else line.error
    return Made(
        Mode.SYNC_LINE,
        x,
        t,
        relative + common,
        pairs.x,
        pairs.t,
        "pulse",
        relative_error=relative,
        against=line.name,
        match=match,
        constant=found.constant,
    )


def _uncovered(
    task: Task, pairs: PairTimes, found: Correction, shape_error: float
) -> float:
    """Error where there were no pulses for long, by host stamps from the last one on.

    A coarse line leaves the shape to the host stamps everywhere.
    """
    if pairs.resolution >= COARSE:
        return shape_error
    ends = [task.part.stretch.x[0], *pairs.x, task.part.stretch.x[-1]]
    longest = float(np.max(np.diff(ends)))
    walk = 3 * 3e-8 * longest**1.5
    slope = 8 * pairs.sd / max(float(np.ptp(pairs.x)), 1.0) * longest
    return min(shape_error, walk + slope) if longest > 3 else 0.0


# --- by round trips and by UTC --------------------------------------------------------


def by_round_trips(task: Task) -> Made | Refused:
    """Correct the clock by offsets that round trips measured."""
    trips = task.evidence.round_trips
    if trips is None:
        return Refused(("no round trips were measured",))
    mine = np.flatnonzero(task.domain.part_of(trips.x, trips.epoch) == task.number)
    mine = mine[np.argsort(trips.x[mine], kind="stable")]
    x = task.part.seconds(trips.x[mine])
    new = np.concatenate([[True], np.diff(x) > 0]) if len(x) else np.empty(0, bool)
    mine, x = mine[new], x[new]
    if len(x) < LEAST_ROUND_TRIPS:
        return Refused((f"there are {len(x)} round trips, too few",))
    zero = task.part.host_zero - _latency(task)
    host = (trips.host_ns[mine] - task.part.stretch.host_origin) / 1e9 + zero
    t = task.session.times(host + 2 * _latency(task))
    uncertainty = trips.uncertainty_ns[mine] / 1e9
    found = correct_by_round_trips(
        x, t - task.shape(x), uncertainty, task.part.host.wander
    )
    knots = corrected_knots(task.knots, found)
    times = task.shape(knots) + np.interp(knots, found.x, found.seconds)
    error = found.error + task.session.error
    return Made(Mode.TWO_WAY, knots, times, error, x, t, "round trip")


def _latency(task: Task) -> float:
    return task.evidence.settings.latency or 0.0


def by_utc(task: Task) -> Made | Refused:
    """Take the device's own UTC, laid onto the host's clock by its wall clock."""
    settings, wall = task.evidence.settings, task.wall
    if settings.utc_uncertainty is None:
        return Refused(("nothing says how well the device is disciplined to UTC",))
    if wall is None or len(wall.host_ns) == 0 or wall.uncertainty is None:
        return Refused(("the host's wall clock is not disciplined to UTC",))
    utc = wall.utc_ns + settings.utc_offset_ns - task.part.stretch.origin
    order = np.argsort(utc, kind="stable")
    zero = task.part.host_zero + _latency(task)
    host = (wall.host_ns - task.part.stretch.host_origin) / 1e9 + zero
    knots = task.knots
    at = _wall_times(knots, utc[order] / 1e9, host[order])
    late = task.part.host_times(knots) + _latency(task) - at
    error = settings.utc_uncertainty + wall.uncertainty
    if late.min() < -error - task.part.host.error or late.max() > LARGEST_DELAY:
        return Refused(
            (
                f"host stamps are {late.min():.3g} to {late.max():.3g} s later than "
                "the device's UTC says",
            )
        )
    t = task.session.times(at)
    error += task.session.error
    return Made(Mode.DEVICE_UTC, knots, t, error, knots, t, "utc")


def _wall_times(x: Floats, utc: Floats, host: Floats) -> Floats:
    """Host seconds at UTC seconds; beyond the readings both run at the same speed."""
    offset: Floats = x + np.interp(x, utc, host - utc)
    return offset


# --- by another clock -----------------------------------------------------------------


def by_own_clock(task: Task) -> Made:
    """Take the times of the session's reference as they are: it is the clock."""
    x = task.part.host.x[[0, -1]]
    start = float(task.shape(x[:1])[0])
    t = start + x - x[0]
    return Made(Mode.SHARED_CLOCK, x, t, 0.0, x, t, "host", 0.0, task.evidence.name)


def by_shared_clock(task: Task) -> Made | Refused:
    """Take the speed of the domain by whose clock this one runs; host stamps tell when.

    The counts of both may have started at different times.
    """
    if task.shared is None or not task.shared.segments:
        name = task.evidence.settings.shares_clock_with
        return Refused((f"nothing is known of the clock of `{name}`",))
    part = task.part
    nominal, _ = task.shared.positions(task.shape(part.host.x[[0, -1]]))
    ahead = round(float(np.mean(nominal / 1e9 - part.host.x[[0, -1]])) * 1e9)
    epochs = task.shared.positions(task.shape(part.host.x[:1]))[1]
    knots = task.knots
    points = np.rint(knots * 1e9).astype(np.int64) + ahead
    t = task.shared.times(points, int(epochs[0]))
    used = part.host.used
    stamps = task.session.times(part.host_zero + part.stretch.host[used])
    used_x = part.stretch.x[used]
    late = stamps - np.interp(used_x, knots, t)
    t = t + float(np.min(late))
    error = part.host.error + task.evidence.settings.latency_uncertainty
    error += (task.shared.error or 0.0) + float(np.ptp(late[: len(late) // 2 + 1]))
    return Made(Mode.SHARED_CLOCK, knots, t, error, used_x, stamps, "host")


def by_nominal_rate(task: Task) -> Made:
    """Take the nominal rate through the least delayed stamp."""
    part = task.part
    flat = replace(part, host=borrow_skew(part.stretch, 0.0, ASSUMED_DRIFT))
    parts = list(task.domain.parts)
    parts[task.number] = replace(flat, is_nominal=True)
    domain = replace(task.domain, parts=tuple(parts))
    return by_host_stamps(replace(task, domain=domain))
