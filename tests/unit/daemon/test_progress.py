import io
import json

import pytest
from rich.console import Console

from rigd.daemon.disk import DiskReading
from rigd.daemon.participants import Writer
from rigd.daemon.progress import (
    JsonLines,
    Lenient,
    LiveTable,
    PlainLines,
    lost_text,
    observer_for,
    progress_line,
)
from rigd.daemon.progress_report import ProgressReport
from rigd.daemon.rate_meter import RateMeter
from rigd.daemon.session_events import (
    FolderMade,
    Output,
    Progress,
    SessionEvent,
    StateChanged,
    Step,
    StreamProgress,
    StreamSummary,
    Summary,
)
from rigd.daemon.session_state import State
from rigd.streams.messages import Notice, SourceStatus, WriterStatus

PROGRESS = Progress(
    seconds=12.5,
    duration=60,
    streams=[
        StreamProgress(
            stream="probe0_ap",
            device="probe0",
            rows=375_000,
            safe_rows=360_000,
            bytes=288_000_000,
            rate=29_999.8,
            bytes_per_second=23_040_000,
            lag_seconds=0.12,
            ring_fill=0.02,
        ),
        StreamProgress(
            stream="wheel", device="encoder", rows=2500, lost=30, ring_fill=0.6
        ),
    ],
    free_bytes=230_400_000_000,
    seconds_left=10_000,
)

SUMMARY = Summary(
    folder="/data/s1",
    verdict="degraded",
    reasons=["wheel: 30 samples lost (ring full)"],
    streams=[
        StreamSummary(
            stream="probe0_ap",
            rows=1_800_000,
            seconds=60.0,
            rate=30_000.2,
            lost=0,
            bytes=1_382_400_000,
            verdict="complete",
        ),
        StreamSummary(stream="wheel", rows=2500, lost=30, bytes=40, verdict="degraded"),
    ],
)

EVENTS: list[SessionEvent] = [
    StateChanged(state=State.RECORDING),
    FolderMade(folder="/data/s1", session="s1", subject="m7"),
    PROGRESS,
    Output(process="source:box", line="driver says hello"),
    Step(step="seal", stream="wheel"),
    Notice(level="warning", text="[wheel] is late"),
    SUMMARY,
]


class Minutes:
    """A clock that goes on by one second at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_progress_in_one_line_names_what_matters() -> None:
    assert progress_line(PROGRESS) == (
        "12.5 s of 1 min 0 s, 377 500 rows, 23.04 MB/s, lag 0.12 s, lost 30, "
        "ring 60%, disk for 2 h 46 min"
    )


def test_progress_before_the_first_row_invents_nothing() -> None:
    nothing = Progress(
        seconds=0,
        duration=None,
        streams=[StreamProgress(stream="a", device="b")],
        free_bytes=None,
        seconds_left=None,
    )
    assert progress_line(nothing) == (
        "0.0 s, 0 rows, 0 B/s, lag -, lost 0, ring 0%, free space unknown"
    )


def test_plain_lines_say_each_thing_once_and_the_verdict_last() -> None:
    out = io.StringIO()
    observer = PlainLines(out, clock=lambda: 0.0)
    for event in EVENTS:
        observer.observe(event)
    lines = out.getvalue().splitlines()
    assert lines == [
        "recording; Ctrl-C stops",
        "session s1 of m7 in /data/s1",
        "  seal wheel",
        "warning: [wheel] is late",
        "stream          rows  seconds   rows/s  lost     size   verdict",
        "probe0_ap  1 800 000   60.000  30000.2     0  1.38 GB  complete",
        "wheel          2 500        -        -    30     40 B  degraded",
        "/data/s1",
        "  wheel: 30 samples lost (ring full)",
        "verdict: degraded",
    ]


def test_plain_lines_show_progress_every_few_seconds() -> None:
    out = io.StringIO()
    observer = PlainLines(out, clock=Minutes())
    for _ in range(30):
        observer.observe(PROGRESS)
    assert 5 <= len(out.getvalue().splitlines()) <= 7


def test_json_lines_hold_every_event_with_its_kind_and_time() -> None:
    out = io.StringIO()
    observer = JsonLines(out)
    for event in EVENTS:
        observer.observe(event)
    objects = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [o["event"] for o in objects] == [
        "state", "folder", "progress", "output", "step", "notice", "summary",
    ]  # fmt: skip
    assert all(o["time"].endswith("+00:00") for o in objects)
    assert objects[0]["state"] == "recording"
    assert objects[2]["streams"][0]["rows"] == 375_000
    assert objects[-1]["verdict"] == "degraded"


def test_the_live_table_shows_each_stream_and_ends_before_the_summary() -> None:
    out = io.StringIO()
    observer = LiveTable(Console(file=out, force_terminal=True, width=100))
    for event in (*EVENTS[:-1], StateChanged(state=State.FINALIZING), SUMMARY):
        observer.observe(event)
    text = out.getvalue()
    for shown in ("probe0_ap", "29999.8", "23.040", "0.12 s", "60%", "disk for 2 h"):
        assert shown in text
    assert "[wheel] is late" in text, "a bracket in a notice is no markup"
    assert text.rstrip().endswith("verdict: degraded")


class ClosedPipe(io.StringIO):
    """An output whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError("the reader has gone")


@pytest.mark.parametrize("as_json", [True, False])
def test_a_closed_output_does_not_stop_the_session(as_json: bool) -> None:
    observer = observer_for(ClosedPipe(), as_json=as_json, plain=True)
    for event in EVENTS:
        observer.observe(event)


def test_only_trouble_of_the_output_is_forgiven() -> None:
    class Faulty:
        def observe(self, event: SessionEvent) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Lenient(Faulty()).observe(PROGRESS)


def test_a_pipe_gets_plain_lines_without_being_asked() -> None:
    out = io.StringIO()
    observer_for(out, as_json=False, plain=False).observe(SUMMARY)
    assert "\x1b" not in out.getvalue()
    assert "verdict: degraded" in out.getvalue()


# --- rates ----------------------------------------------------------------------------


def test_a_rate_needs_two_readings() -> None:
    meter = RateMeter()
    assert meter.rate is None
    meter.read(1.0, 100)
    assert meter.rate is None
    meter.read(1.5, 150)
    assert meter.rate == pytest.approx(100)


def test_a_rate_is_that_of_the_last_seconds() -> None:
    meter = RateMeter()
    for tick in range(20):
        meter.read(tick * 0.5, 1000 * tick)
    for tick in range(20, 40):
        meter.read(tick * 0.5, 1000 * 19)
    assert meter.rate == 0


def test_causes_of_losses_are_named_once() -> None:
    full = {"ring full": 20}
    streams = [
        StreamProgress(stream="a", device="box", lost=20, lost_by_cause=full),
        StreamProgress(stream="b", device="box", lost=31, lost_by_cause={"device": 1}),
        StreamProgress(stream="c", device="box", lost=20, lost_by_cause=full),
    ]
    assert lost_text(*streams) == "71 (ring full, device)"
    assert lost_text() == "0"


def test_the_same_reading_twice_is_one() -> None:
    meter = RateMeter()
    meter.read(1.0, 100)
    meter.read(1.0, 100)
    assert meter.rate is None


UNKNOWN = DiskReading(None, None)


def write(writer: Writer, at: float, rows: int) -> None:
    writer.written_at = at
    writer.written = WriterStatus(
        stream="a", rows=rows, bytes=8 * rows, lost=3, repeated=0, rejected=0,
        acknowledged_rows=rows - 20, lag_seconds=0.2, lost_by_cause={"device": 2},
    )  # fmt: skip


def test_the_report_takes_rows_from_the_writer_and_the_ring_from_the_source() -> None:
    writer = Writer("a", "box", 100.0, ready_by=0)
    report = ProgressReport({"a": writer}, duration=5)
    before = report.make(now=10.0, seconds=0.1, disk=DiskReading(8000, None))
    unknown = StreamProgress(stream="a", device="box", nominal_rate=100.0)
    assert before.streams == [unknown]
    assert before.seconds_left is None
    write(writer, at=10.25, rows=100)
    report.make(now=10.5, seconds=0.6, disk=UNKNOWN)
    write(writer, at=11.25, rows=200)
    writer.sent = SourceStatus(
        stream="a", rows=210, lost=4, ring_bytes=1, ring_fill=0.25, connected=True
    )
    after = report.make(now=11.5, seconds=1.6, disk=DiskReading(8000, 10.0))
    assert after.streams == [
        StreamProgress(
            stream="a", device="box", rows=200, safe_rows=180, bytes=1600,
            rate=100.0, bytes_per_second=800.0, nominal_rate=100.0, lost=4,
            lost_by_cause={"device": 2, "before a restart": 1},
            lag_seconds=0.2, ring_fill=0.25,
        )
    ]  # fmt: skip
    assert (after.free_bytes, after.seconds_left) == (8000, 10.0)
    assert after.duration == 5


def test_the_rate_is_compared_with_the_declared_one_when_it_is_known_well() -> None:
    writer = Writer("a", "box", 100.0, ready_by=0)
    report = ProgressReport({"a": writer}, duration=None)
    found = []
    for tick in range(100):
        write(writer, at=10.0 + tick, rows=101 * tick)
        (stream,) = report.make(10.0 + tick, 0, UNKNOWN).streams
        found.append(stream.rate_ppm)
    assert found[:60] == [None] * 60
    assert found[60:] == pytest.approx([10_000] * 40)


def test_the_rate_of_a_writer_that_says_nothing_is_unknown() -> None:
    writer = Writer("a", "box", 100.0, ready_by=0)
    report = ProgressReport({"a": writer}, duration=None)
    for tick in range(4):
        write(writer, at=10.0 + tick, rows=100 * tick)
        (stream,) = report.make(10.0 + tick, 0, UNKNOWN).streams
    assert stream.rate == pytest.approx(100)
    (stream,) = report.make(now=16.5, seconds=0, disk=UNKNOWN).streams
    assert stream.rate is None


def test_after_the_end_rates_stay_what_they_were() -> None:
    writer = Writer("a", "box", 100.0, ready_by=0)
    report = ProgressReport({"a": writer}, duration=None)
    for tick in range(4):
        write(writer, at=10.0 + tick, rows=100 * tick)
        report.make(10.0 + tick, 0, UNKNOWN)
    report.is_measuring = False
    write(writer, at=14.0, rows=310)
    progress = report.make(now=20.0, seconds=0, disk=UNKNOWN)
    assert progress.streams[0].rows == 310
    assert progress.streams[0].rate == pytest.approx(100)
    assert progress.seconds_left is None
