"""What a check makes of its measurements."""

import numpy as np
import pytest

from rigd.config.check import Check, Limits
from rigd.config.clocks import SyncLine
from rigd.config.rig import Device
from rigd.daemon.check_report import CheckReport, Finding, Outcome
from rigd.daemon.check_rules import (
    clock_finding,
    device_findings,
    limit_findings,
    space_finding,
    speed_finding,
    sync_finding,
)
from rigd.daemon.disk import StreamNeed
from rigd.daemon.host_state import ClockDiscipline, HostLimits, WriteSpeed
from rigd.streams.block import StreamFormat
from rigd.streams.trial_report import StreamTrial, TrialReport

PASS, WARN, FAIL = Outcome
REGULAR = StreamFormat(np.dtype("<i2"), (4,), rate=1000.0).to_json()
DIGITAL = StreamFormat(np.dtype("u1"), rate=1000.0).to_json()
EVENTS = StreamFormat(np.dtype([("line", "u1")]), row_times=True).to_json()


def device(**nwb: object) -> Device:
    streams = {"s": {"nwb": nwb} if nwb else {}}
    return Device.model_validate({"driver": "simulated", "streams": streams})


def tried(**changes: object) -> StreamTrial:
    values = {"format": REGULAR, "rows": 2000, "seconds": 2.0, **changes}
    return StreamTrial.model_validate(values)


def rate(ppm: float, doubt: float = 100.0) -> StreamTrial:
    return tried(rate=1000 * (1 + ppm / 1e6), ppm=ppm, uncertainty_ppm=doubt)


def of_stream(
    stream: StreamTrial, *, settings: Device | None = None, **report: object
) -> Finding:
    """The finding about the only stream of a device."""
    whole = TrialReport.model_validate({"device": "d", **report})
    whole = whole.model_copy(update={"streams": {"s": stream}})
    _, found = device_findings("d", settings or device(), whole, Check())
    assert found.subject == "stream s"
    assert bool(found.remedy) == (found.outcome is not PASS)
    return found


@pytest.mark.parametrize(
    ("ppm", "doubt", "outcome"),
    [
        (0, 100, PASS),
        (-590, 100, PASS),
        (610, 100, WARN),
        (-5090, 100, WARN),
        (5110, 100, FAIL),
        (20_000, 100, FAIL),
        (-20_000, 15_100, WARN),
        (20_000, 20_000, PASS),
    ],
)
def test_rates(ppm: float, doubt: float, outcome: Outcome) -> None:
    found = of_stream(rate(ppm, doubt))
    assert found.outcome is outcome
    assert f"{ppm:+.0f} ± {doubt:.0f} ppm" in found.found


@pytest.mark.parametrize(
    ("rows", "outcome"), [(0, FAIL), (1, PASS), (4, PASS), (5, FAIL)]
)
def test_slow_streams_are_judged_by_their_count(rows: int, outcome: Outcome) -> None:
    slow = StreamFormat(np.dtype("<f4"), rate=1.0).to_json()
    stream = tried(format=slow, rows=rows, seconds=2.5)
    assert of_stream(stream).outcome is outcome


def test_silent_streams_fail_and_silent_buttons_do_not() -> None:
    silent = of_stream(tried(rows=0))
    assert (silent.outcome, "silent" in silent.found) == (FAIL, True)
    buttons = device(type="EventsTable")
    assert of_stream(tried(format=EVENTS, rows=0), settings=buttons).outcome is PASS


def test_what_contradicts_the_declaration_fails() -> None:
    assert of_stream(tried(misfit="delivers dtype float32")).outcome is FAIL
    assert of_stream(tried(ended="unplugged")).outcome is FAIL
    misfit = of_stream(rate(0), settings=device(type="EventsTable"))
    assert (misfit.outcome, "EventsTable" in misfit.found) == (FAIL, True)


def test_losses_and_notes_are_warnings() -> None:
    assert of_stream(tried(lost=3)).outcome is WARN
    assert of_stream(tried(notes=["hot"])).outcome is WARN


def test_devices_without_a_pace_have_no_rate() -> None:
    stream = tried(rows=10**6)
    assert of_stream(stream, paced_by_consumer=True).outcome is PASS


def test_streams_that_end_in_good_order_have_a_rate() -> None:
    stream = rate(0).model_copy(update={"ended": ""})
    assert of_stream(stream).outcome is PASS


def test_a_device_that_fails_and_one_that_lacks_a_stream() -> None:
    failed = TrialReport(device="d", error="no answer")
    (found,) = device_findings("d", device(), failed, Check())
    assert (found.outcome, found.found) == (FAIL, "no answer")
    other = TrialReport(device="d", streams={"other": tried()})
    opened, missing = device_findings("d", device(), other, Check())
    assert (opened.outcome, missing.outcome) == (PASS, FAIL)
    assert "other" in missing.remedy


@pytest.mark.parametrize(
    ("pulses", "period", "outcome"),
    [
        (0, None, FAIL),
        (1, None, PASS),
        (20, 0.1, PASS),
        (18, 0.1, PASS),
        (12, 0.1, WARN),
        (30, 0.1, WARN),
        (0, 0.1, FAIL),
    ],
)
def test_sync_pulses(pulses: int, period: float | None, outcome: Outcome) -> None:
    sync = SyncLine(stream="s", line=3, period=period)
    found = sync_finding("d", sync, tried(format=DIGITAL, pulses=pulses))
    assert (found.subject, found.outcome) == ("sync d", outcome)
    assert f"{pulses} pulses in 2.0 s on line 3 of stream s" in found.found


def test_a_sync_line_that_can_not_be() -> None:
    found = sync_finding("d", SyncLine(stream="s", line=9), tried(format=DIGITAL))
    assert (found.outcome, "line 9 is not one" in found.found) == (FAIL, True)


def test_foreign_senders_are_not_tried() -> None:
    report = TrialReport(device="d", foreign=True, streams={"s": tried(rows=0)})
    opened, stream = device_findings("d", device(), report, Check())
    assert (opened.outcome, stream.outcome) == (WARN, PASS)
    assert "int16 x 4" in stream.found


def test_space() -> None:
    needs = [StreamNeed("a", 10**6, 10**6)]
    enough = space_finding(needs, 10**9, 10**6, duration=900)
    assert (enough.outcome, "16 min" in enough.found) == (PASS, True)
    short = space_finding(needs, 10**8, 10**6, duration=900)
    assert short.outcome is FAIL
    assert "802 MB" in short.remedy
    assert space_finding(needs, 10**8, 10**6, duration=None).outcome is PASS


@pytest.mark.parametrize(
    ("needed", "outcome"), [(0, PASS), (50e6, PASS), (51e6, WARN), (101e6, FAIL)]
)
def test_speed(needed: float, outcome: Outcome) -> None:
    speed = WriteSpeed(bytes=10**7, seconds=0.1)
    assert speed_finding(speed, needed).outcome is outcome


def clock(**changes: object) -> ClockDiscipline:
    values: dict[str, object] = {
        "synchronized": True,
        "offset_seconds": 0,
        "frequency_ppm": -12.5,
        "maximum_error_seconds": 0.002,
        "estimated_error_seconds": 0.001,
        "tai_offset_seconds": 37,
    }
    return ClockDiscipline.model_validate({**values, **changes})


def test_clock() -> None:
    good = clock_finding(clock())
    assert (good.outcome, "2 ms" in good.found) == (PASS, True)
    assert clock_finding(clock(synchronized=False)).outcome is WARN
    assert clock_finding(clock(maximum_error_seconds=0.2)).outcome is WARN
    unknown = clock_finding(None, "Operation not permitted")
    assert (unknown.outcome, "not permitted" in unknown.found) == (WARN, True)


def test_limits() -> None:
    host = HostLimits(open_files=1024, locked_memory=65536, realtime_priority=0, nice=0)
    (files,) = limit_findings(host, Limits(), processes=20)
    assert files.outcome is PASS
    (files,) = limit_findings(host, Limits(), processes=200)
    assert (files.outcome, "LimitNOFILE=1664" in files.remedy) == (FAIL, True)
    asked = Limits(open_files=1000, locked_memory=2**30, realtime_priority=10, nice=-5)
    outcomes = [f.outcome for f in limit_findings(host, asked, processes=20)]
    assert outcomes == [PASS, FAIL, FAIL, FAIL]
    free = HostLimits(
        open_files=None, locked_memory=None, realtime_priority=None, nice=-5
    )
    outcomes = [f.outcome for f in limit_findings(free, asked, processes=20)]
    assert outcomes == [PASS] * 4


def test_the_worst_finding_counts() -> None:
    findings = [
        Finding(subject="x", outcome=outcome, found="y") for outcome in (WARN, PASS)
    ]
    report = CheckReport(findings=tuple(findings))
    assert (report.outcome, report.in_words) == (WARN, "1 passed, 1 warning, 0 failed")
    assert CheckReport(findings=()).outcome is PASS
