"""Whether an alignment may be believed, and how far: checks and grades."""

from rigd.streams.clock_map import Grade, Mode, PulseMatch

LEAST_VOTE_RATIO = 3.0
"""The right offset of two pulse trains gets so many times the votes of any other."""

LEAST_MATCHED = 0.5
"""Part of the shorter train that must find its pulse on the other line."""

MOST_HOLDOUT = 2.0
"""Pulses left out are predicted to within so many times what resolution explains."""

UNKNOWN_LATENCY = 0.05
"""Where a latency is not declared it is believed to be below this, s."""

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
    shorter = max(1, min(match.seen, match.expected))
    faults = []
    if match.matched / shorter < LEAST_MATCHED:
        faults.append(
            f"only {match.matched} of {shorter} pulses are on both lines "
            f"(at least {LEAST_MATCHED:.0%} must be)"
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
    if match.holdout is None or match.holdout > MOST_HOLDOUT:
        value = "not known" if match.holdout is None else f"{match.holdout:.3g} times"
        faults.append(
            f"pulses left out are predicted badly ({value} what the lines' resolution "
            f"explains, at most {MOST_HOLDOUT:g} is accepted)"
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
        error: Bound of its error against its reference, s.
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
    if mode in (Mode.HOST_CLOCK, Mode.LINE):
        return Grade.C if latency_known else Grade.D
    is_thin = match is not None and (
        match.span < WELL_COVERED
        or match.matched < WELL_MATCHED * max(1, min(match.seen, match.expected))
    )
    period = tolerance if sample_period is None else sample_period
    return Grade.B if is_thin or error > A_SAMPLE * period else Grade.A
