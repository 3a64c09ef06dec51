"""Whether an alignment may be believed, and how far: checks and grades."""

from rigd.streams.clock_map import Grade, Mode, PulseMatch

LEAST_VOTE_RATIO = 3.0
"""The right offset of two pulse trains gets so many times the votes of any other."""

LEAST_MATCHED = 0.5
"""Part of a device's pulses that must be on the other line too."""

LEAST_FOUND = 0.3
"""Part of the other line's pulses that the device must have seen, while it saw any."""

MOST_HOLDOUT = 2.0
"""Pulses left out are predicted to within so many times what resolution explains."""

UNKNOWN_LATENCY = 0.04
"""Where latencies are not declared they are believed to differ by less than this, s:
less than a pulse is long, so that the wrong edge is noticed."""

KNOWN_LATENCY = 0.01
"""Where they are declared pulses may still differ by this from host stamps, s."""

SLOPE_FLOOR = 0.2
"""Speeds by pulses and by host stamps may always differ by so much, ppm."""

A_SAMPLE = 1.1
"""The grade is A up to this many sample periods."""

WELL_COVERED = 0.9
WELL_MATCHED = 0.8
"""Below these the grade is B at best."""


def faults_of(
    match: PulseMatch, *, offset_allowed: float, ppm_allowed: float
) -> list[str]:
    """Name the checks that a match fails, in words with numbers."""
    faults = []
    if match.matched < LEAST_MATCHED * match.seen:
        faults.append(
            f"only {match.matched} of its {match.seen} pulses are on the other line "
            f"too (at least {LEAST_MATCHED:.0%} must be)"
        )
    if match.matched < LEAST_FOUND * match.span * match.expected:
        faults.append(
            f"only {match.matched} of the other line's {match.expected} pulses are on "
            f"its line (at least {LEAST_FOUND:.0%} must be)"
        )
    if match.vote_ratio < LEAST_VOTE_RATIO:
        faults.append(
            "no offset of the two lines stands out (vote ratio "
            f"{match.vote_ratio:.1f}, at least {LEAST_VOTE_RATIO:g} is needed)"
        )
    if abs(match.offset) > offset_allowed:
        faults.append(
            f"the pulses differ by {match.offset * 1e3:.3g} ms from the host stamps, "
            f"which may be {offset_allowed * 1e3:.3g} ms off"
        )
    return faults + _faults_of_fit(match, ppm_allowed)


def _faults_of_fit(match: PulseMatch, ppm_allowed: float) -> list[str]:
    faults = []
    if match.holdout is None:
        faults.append(
            f"its {match.matched} pulses are too few to leave some out and predict them"
        )
    elif match.holdout > MOST_HOLDOUT:
        faults.append(
            f"pulses left out are predicted badly ({match.holdout:.3g} times what the "
            f"lines' resolution explains, at most {MOST_HOLDOUT:g} is accepted)"
        )
    if match.ppm_difference is None or abs(match.ppm_difference) > ppm_allowed:
        value = "?" if match.ppm_difference is None else f"{match.ppm_difference:.3g}"
        faults.append(
            f"pulses and host stamps tell speeds that differ by {value} ppm "
            f"(at most {ppm_allowed:.2g} ppm)"
        )
    return faults


def grade_of(
    mode: Mode,
    error: float | None,
    relative_error: float | None = None,
    *,
    tolerance: float,
    sample_period: float | None,
    latency_known: bool,
    match: PulseMatch | None = None,
    doubtful: bool = False,
) -> Grade:
    """Grade a segment by its error bound and by what it rests on.

    Args:
        mode: What its times rest on.
        error: Bound of its error on the session clock, s; compared with `tolerance`.
        relative_error: The same against the device whose pulses it was aligned by, s;
            compared with `sample_period`. None: `error` is.
        tolerance: Largest error that is accepted, s.
        sample_period: Sample period of the fastest stream, s; None: event-like.
        latency_known: Whether the least delay of host stamps is declared; counts for
            modes that rest on these.
        match: Statistics of its pulses.
        doubtful: Whether its evidence is weak or contradicts itself.

    """
    if mode in (Mode.NOMINAL, Mode.ARRIVAL) or error is None:
        return Grade.F
    if error > tolerance or doubtful:
        return Grade.D
    if mode is Mode.HOST_CLOCK:
        return Grade.C if latency_known else Grade.D
    is_thin = match is not None and (
        match.span < WELL_COVERED
        or match.matched < WELL_MATCHED * max(1, min(match.seen, match.expected))
    )
    period = tolerance if sample_period is None else sample_period
    own = error if relative_error is None else relative_error
    return Grade.B if is_thin or own > A_SAMPLE * period else Grade.A
