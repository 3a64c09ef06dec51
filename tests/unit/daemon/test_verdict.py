"""What streams and sessions say of themselves."""

from dataclasses import replace
from typing import Any

import pytest

from rigd.daemon.verdict import (
    COVERAGE,
    Judgement,
    StreamFacts,
    Verdict,
    judge_session,
    judge_stream,
)
from rigd.streams.ledger import (
    ENDED_REGULARLY,
    ENDED_WITH_REASON,
    RUNNING,
    Ledger,
    LostInterval,
)

WHOLE = Ledger(1000, 0, 0, 0, (), ENDED_REGULARLY, "")
LOSSY = replace(
    WHOLE,
    received=990,
    lost=10,
    intervals=(
        LostInterval(5, 4, 5, 0, "device"),
        LostInterval(50, 6, 46, 0, "ring full"),
    ),
)
GOOD = StreamFacts(WHOLE, alignment_error=1e-4)
TOLERANCE = 1e-3

C, D, I, F = Verdict  # noqa: E741


def facts(**changes: Any) -> StreamFacts:
    return replace(GOOD, **changes)


def ledger(**changes: Any) -> StreamFacts:
    return replace(GOOD, ledger=replace(WHOLE, **changes))


@pytest.mark.parametrize(
    ("found", "verdict", "reasons"),
    [
        (GOOD, C, []),
        (facts(alignment_error=TOLERANCE), C, []),
        (ledger(repeated=3, rejected=2), C, []),
        (facts(begins_late=COVERAGE, ends_early=COVERAGE), C, []),
        (
            facts(ledger=LOSSY),
            D,
            [
                "lost 10 of 1000 samples in 2 intervals (device: 4, ring full: 6)",
            ],
        ),
        (
            ledger(intervals=(LostInterval(500, 0, 500, 0, "source down"),)),
            D,
            [
                "interrupted 1 times (source down) for 0 s in all: nobody counted how "
                "many samples are missing there"
            ],
        ),
        (
            facts(alignment_error=0.0021),
            D,
            ["times are good to 2.1 ms, 1 ms asked"],
        ),
        (
            facts(alignment_error=None),
            D,
            ["the error of its times is unknown: no device times"],
        ),
        (facts(untimed=4), D, ["4 rows have no time"]),
        (facts(contradictions=("odd",)), D, ["odd"]),
        (ledger(ended=RUNNING), I, ["its writer did not come to its end"]),
        (
            ledger(ended=ENDED_WITH_REASON, reason="cable"),
            I,
            ["ended early: cable"],
        ),
        (facts(begins_late=7), I, ["begins 7.0 s after the first stream"]),
        (facts(ends_early=6.04), I, ["ends 6.0 s before the last stream"]),
        (ledger(received=0), F, ["delivered nothing"]),
        (facts(ledger=None, fault="damaged"), I, ["damaged"]),
        (facts(ledger=None, fault="gone", missing=True), F, ["gone"]),
        (
            StreamFacts(replace(WHOLE, received=0), event_like=True),
            C,
            [],
        ),
        (facts(event_like=True, begins_late=50, ends_early=50), C, []),
    ],
)
def test_the_verdict_of_a_stream(
    found: StreamFacts, verdict: Verdict, reasons: list[str]
) -> None:
    assert judge_stream(found, TOLERANCE) == Judgement(verdict, tuple(reasons))


def test_the_worst_counts_and_comes_first() -> None:
    found = judge_stream(
        facts(ledger=replace(LOSSY, ended=RUNNING), untimed=1), TOLERANCE
    )
    assert found.verdict is I
    assert found.reasons[0] == "its writer did not come to its end"
    assert len(found.reasons) == 3


@pytest.mark.parametrize(
    ("streams", "faults", "verdict"),
    [
        ([C, C], [], C),
        ([C, D], [], D),
        ([D, I, C], [], I),
        ([C, F], [], I),
        ([I], [], I),
        ([F, F], [], F),
        ([C, C], ["no session file"], I),
        ([F], ["no session file"], F),
    ],
)
def test_the_verdict_of_a_session(
    streams: list[Verdict], faults: list[str], verdict: Verdict
) -> None:
    judged = {
        f"s{number}": Judgement(one, () if one is C else ("why",))
        for number, one in enumerate(streams)
    }
    found = judge_session(judged, faults)
    assert found.verdict is verdict
    assert bool(found.reasons) == (verdict is not C)


def test_the_reasons_of_a_session_name_the_stream() -> None:
    judged = {
        "ap": Judgement(D, ("lost 1 of 2 samples",)),
        "camera": Judgement(F, ("the file is missing",)),
    }
    assert judge_session(judged).reasons == (
        "stream `camera`: the file is missing",
        "stream `ap`: lost 1 of 2 samples",
    )
