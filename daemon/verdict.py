"""What a stream, and a session, says of itself: complete, degraded, incomplete, failed.

complete    every declared stream from start to end, nothing lost, aligned as asked
degraded    all streams are there; something was lost or aligned worse than asked
incomplete  a stream is missing, ends early, or its file was not closed
failed      no usable data
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rigd.streams.ledger import ENDED_WITH_REASON, RUNNING, Ledger

COVERAGE = 5.0
"""Seconds by which a stream may begin after the first one, or end before the last."""


class Verdict(StrEnum):
    """From good to bad."""

    COMPLETE = "complete"
    DEGRADED = "degraded"
    INCOMPLETE = "incomplete"
    FAILED = "failed"


BY_SEVERITY = tuple(Verdict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and why it is not complete, in words."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """All that counts for the verdict of one stream.

    Attributes:
        ledger: What came and what was lost; None where the file can't be used.
        fault: Why the file can't be used; empty if it can.
        missing: There is nothing that could be recovered: no file at all.
        event_like: The stream may be empty, and begin and end as it likes.
        contradictions: Where the file contradicts itself.
        begins_late: Seconds from the beginning of the first stream to its own.
        ends_early: Seconds from its end to the end of the last stream.
        alignment_error: Estimated error of its times, s; None if unknown.
        untimed: Rows without a time.
        outage_seconds: Seconds in which nobody counted samples, as far as known.
        tolerance: Largest error of its times asked for, s; None: that of the session.
        silent: Seconds of samples that nobody counted as lost, found from the clocks.
        silent_losses: In so many intervals.
        refused: Why a wish for its times was not met; empty if it was.
        given_up: Why a process that carried it was not started again; empty: none.
        doubts: What was wrong with the evidence of its clock, in full sentences.

    """

    ledger: Ledger | None
    fault: str = ""
    missing: bool = False
    event_like: bool = False
    contradictions: tuple[str, ...] = ()
    begins_late: float = 0.0
    ends_early: float = 0.0
    alignment_error: float | None = None
    untimed: int = 0
    outage_seconds: float = 0.0
    tolerance: float | None = None
    silent: float = 0.0
    silent_losses: int = 0
    refused: str = ""
    given_up: str = ""
    doubts: tuple[str, ...] = ()


Finding = tuple[Verdict, str]
"""What a single fact makes of the verdict, in words."""


def judge_stream(facts: StreamFacts, tolerance: float) -> Judgement:
    """Judge one stream; `tolerance` is the largest error of times asked for, s."""
    if facts.ledger is None:
        verdict = Verdict.FAILED if facts.missing else Verdict.INCOMPLETE
        return Judgement(verdict, (facts.fault,))
    return _worst(
        [
            *_of_coverage(facts, facts.ledger),
            *_of_losses(facts, facts.ledger),
            *_of_alignment(facts, facts.ledger, facts.tolerance or tolerance),
        ]
    )


def judge_session(
    streams: Mapping[str, Judgement],
    faults: Sequence[str] = (),
    doubts: Sequence[str] = (),
) -> Judgement:
    """Judge a session by its declared streams.

    A failed stream makes it incomplete; it has failed itself where all have.

    Args:
        streams: Judgements of all declared streams, by name.
        faults: What is wrong with the session file, if anything: it can't do without.
        doubts: What else speaks against the session as a whole.

    """
    findings = [
        (_for_session(stream.verdict), f"stream `{name}`: {reason}")
        for name, stream in streams.items()
        for reason in stream.reasons
    ]
    findings += [(Verdict.INCOMPLETE, fault) for fault in faults]
    findings += [(Verdict.DEGRADED, doubt) for doubt in doubts]
    if all(stream.verdict is Verdict.FAILED for stream in streams.values()):
        findings.append((Verdict.FAILED, "no stream has usable data"))
    return _worst(findings)


def _for_session(verdict: Verdict) -> Verdict:
    return Verdict.INCOMPLETE if verdict is Verdict.FAILED else verdict


def _worst(findings: Sequence[Finding]) -> Judgement:
    """The worst verdict, and all reasons, the worst first."""
    ordered = sorted(findings, key=lambda f: BY_SEVERITY.index(f[0]), reverse=True)
    verdict = ordered[0][0] if ordered else Verdict.COMPLETE
    return Judgement(verdict, tuple(reason for _, reason in ordered))


def _of_coverage(facts: StreamFacts, ledger: Ledger) -> Iterator[Finding]:
    if ledger.received == 0 and not facts.event_like:
        yield Verdict.FAILED, "delivered nothing"
    if facts.given_up:
        yield Verdict.INCOMPLETE, facts.given_up
    if ledger.ended == RUNNING:
        yield Verdict.INCOMPLETE, "its writer did not come to its end"
    if ledger.ended == ENDED_WITH_REASON:
        yield Verdict.INCOMPLETE, f"ended early: {ledger.reason}"
    if facts.event_like or ledger.received == 0:
        return
    if facts.begins_late > COVERAGE:
        yield (
            Verdict.INCOMPLETE,
            f"begins {facts.begins_late:.1f} s after the first stream",
        )
    if facts.ends_early > COVERAGE:
        yield (
            Verdict.INCOMPLETE,
            f"ends {facts.ends_early:.1f} s before the last stream",
        )


def _of_losses(facts: StreamFacts, ledger: Ledger) -> Iterator[Finding]:
    if ledger.lost:
        causes = ", ".join(f"{cause}: {n}" for cause, n in ledger.by_cause.items())
        counted = len(ledger.intervals) - len(ledger.outages)
        yield (
            Verdict.DEGRADED,
            f"lost {ledger.lost} of {ledger.expected} samples in "
            f"{counted} intervals ({causes or 'no cause named'})",
        )
    if ledger.outages:
        causes = ", ".join(dict.fromkeys(outage.cause for outage in ledger.outages))
        yield (
            Verdict.DEGRADED,
            f"interrupted {len(ledger.outages)} times ({causes}) for "
            f"{facts.outage_seconds:.3g} s in all: nobody counted how many samples are "
            "missing there",
        )
    if facts.silent_losses:
        yield (
            Verdict.DEGRADED,
            f"{facts.silent * 1e3:.3g} ms of samples that nobody counted are missing, "
            f"in {facts.silent_losses} intervals, found from the clocks",
        )
    for contradiction in facts.contradictions:
        yield Verdict.DEGRADED, contradiction


def _of_alignment(
    facts: StreamFacts, ledger: Ledger, tolerance: float
) -> Iterator[Finding]:
    if ledger.received == 0:
        return
    error = facts.alignment_error
    if error is None:
        yield Verdict.DEGRADED, "the error of its times is unknown: no device times"
    elif error > tolerance:
        yield (
            Verdict.DEGRADED,
            f"times are good to {error * 1e3:.3g} ms, {tolerance * 1e3:.3g} ms asked"
            + "".join(f"; {doubt}" for doubt in facts.doubts),
        )
    if facts.refused:
        yield Verdict.DEGRADED, facts.refused
    if facts.untimed:
        yield Verdict.DEGRADED, f"{facts.untimed} rows have no time"
