import numpy as np
import pytest

from rigd.config.rig import Device
from rigd.config.stream import Stream
from rigd.daemon.participants import (
    LONGEST_DRAIN,
    SOURCE_RUNGS,
    WRITER_RUNGS,
    Ladder,
    Order,
    Source,
    Writer,
    has_live_stream,
    lost_span,
)
from rigd.daemon.session_events import Losses
from rigd.streams.block import StreamFormat
from rigd.streams.messages import LostSamples, SourceStatus, WriterStatus


def source(*streams: str, open_by: float = 10.0) -> Source:
    device = Device(driver="simulated", streams={name: Stream() for name in streams})
    return Source("box", device, open_by)


def writer(stream: str, rate: float | None = 1000.0) -> Writer:
    return Writer(stream, "box", rate, ready_by=10.0)


def written(
    stream: str, rows: int, lost: int = 0, causes: dict[str, int] | None = None
) -> WriterStatus:
    return WriterStatus(
        lost_by_cause=causes or {},
        stream=stream,
        rows=rows,
        bytes=rows,
        lost=lost,
        repeated=0,
        rejected=0,
        acknowledged_rows=rows,
        lag_seconds=None,
    )


def sent(stream: str, rows: int, lost: int = 0) -> SourceStatus:
    return SourceStatus(
        stream=stream, rows=rows, lost=lost, ring_bytes=0, ring_fill=0, connected=True
    )


def orders(ladder: Ladder, until: float) -> list[tuple[float, Order]]:
    """All orders up to a time, looking every half second."""
    looks = [n / 2 for n in range(int(2 * until) + 1)]
    return [(t, order) for t in looks if (order := ladder.due(t)) is not None]


def test_a_ladder_that_has_not_begun_gives_no_order() -> None:
    assert orders(Ladder(SOURCE_RUNGS), 200) == []


def test_a_process_that_does_not_move_gets_every_order_once_in_time() -> None:
    ladder = Ladder(SOURCE_RUNGS)
    ladder.begin(0)
    ladder.begin(5)
    assert orders(ladder, 200) == [
        (0.0, Order.STOP),
        (10.0, Order.QUIT),
        (15.0, Order.TERMINATE),
        (18.0, Order.KILL),
    ]


def test_a_process_that_moves_is_left_alone_but_not_for_ever() -> None:
    ladder = Ladder(SOURCE_RUNGS)
    ladder.begin(0)
    given = []
    for second in range(int(LONGEST_DRAIN) + 20):
        ladder.moved = float(second)
        order = ladder.due(float(second))
        if order is not None:
            given.append((second, order))
    assert given[0] == (0, Order.STOP)
    assert given[1] == (LONGEST_DRAIN + 10, Order.QUIT)


def test_hurry_makes_an_order_due_at_once_and_keeps_the_later_ones() -> None:
    ladder = Ladder(SOURCE_RUNGS)
    ladder.begin(0)
    assert ladder.due(0) is Order.STOP
    ladder.hurry(Order.QUIT)
    ladder.hurry(Order.QUIT)
    assert orders(ladder, 30) == [
        (0.0, Order.QUIT),
        (15.0, Order.TERMINATE),
        (18.0, Order.KILL),
    ]


def test_hurry_does_not_repeat_an_order() -> None:
    ladder = Ladder(((0.0, Order.STOP), (1.0, Order.QUIT)))
    ladder.begin(0)
    assert [order for _, order in orders(ladder, 5)] == [Order.STOP, Order.QUIT]
    ladder.hurry(Order.QUIT)
    assert orders(ladder, 5) == []


def test_a_device_that_is_silent_is_named_with_its_limit() -> None:
    silent = source("a")
    assert not silent.has_answered(now=9.9)
    assert silent.has_answered(now=10.1)
    fault = silent.fault("still running")
    assert fault is not None
    assert "device `box` (driver `simulated`) did not answer" in fault
    assert "20 s" in fault


def test_a_device_that_fails_says_why() -> None:
    failed = source("a")
    failed.error = "DeviceError: port COM3 is busy"
    failed.over_since = 3.0
    assert failed.has_answered(0)
    assert failed.fault("exit code 1") == (
        "device `box` (driver `simulated`): DeviceError: port COM3 is busy"
    )


def test_a_source_that_crashes_while_opening_is_explained_by_its_end() -> None:
    crashed = source("a")
    crashed.over_since = 3.0
    fault = crashed.fault("SIGSEGV")
    assert fault is not None
    assert fault.endswith("died while opening: SIGSEGV")


def test_a_device_must_offer_all_its_streams() -> None:
    opened = source("a", "b", "c")
    opened.formats = {}
    fault = opened.fault("")
    assert fault is not None
    assert fault.endswith("does not offer a, b, c")


def test_a_writer_is_without_fault_only_when_it_is_ready_and_alive() -> None:
    one = writer("a")
    assert one.fault("still running") == (
        "the file of stream `a` could not be opened: no answer in time"
    )
    one.ready = True
    assert one.fault("still running") is None
    one.over_since = 1.0
    fault = one.fault("SIGKILL")
    assert fault is not None
    assert fault.endswith("SIGKILL")


@pytest.mark.parametrize(
    ("rate", "seconds", "expected"),
    [
        (1000.0, 4.9, None),
        (1000.0, 5.0, "delivers nothing in the first 5 s"),
        (0.1, 29.0, None),
        (0.1, 30.0, "delivers nothing in the first 30 s"),
        (None, 5.2, "no event in the first 5 s"),
    ],
)
def test_a_stream_without_rows_is_missed_when_rows_are_due(
    rate: float | None, seconds: float, expected: str | None
) -> None:
    assert writer("a", rate).missing(seconds) == expected


def test_it_is_said_where_rows_got_stuck() -> None:
    one = writer("a")
    one.sent = sent("a", 500)
    assert one.missing(5) == (
        "500 rows left the source, none reached the file in the first 5 s"
    )


def test_a_stream_with_rows_or_missed_already_is_not_missed() -> None:
    one, other = writer("a"), writer("b")
    one.written = written("a", 1)
    other.was_missed = True
    assert one.missing(100) is None
    assert other.missing(100) is None


def test_losses_are_those_of_whoever_knows_of_more() -> None:
    one = writer("a")
    assert one.lost == 0
    one.sent = sent("a", 10, lost=7)
    one.written = written("a", 10, lost=5)
    assert one.lost == 7


def test_causes_of_losses_before_a_restart_are_not_guessed() -> None:
    one = writer("a")
    assert one.lost_by_cause == {}
    one.written = written("a", 10, lost=5, causes={"device": 5})
    assert one.lost_by_cause == {"device": 5}
    one.written = written("a", 10, lost=7, causes={"disk": 2})
    assert one.lost_by_cause == {"disk": 2, "before a restart": 5}


def test_a_device_that_comes_back_as_another_is_named() -> None:
    before = StreamFormat(np.dtype("<i2"), (4,), 1000.0)
    after = StreamFormat(np.dtype("<i2"), (8,), 1000.0)
    box = source("a", "b")
    box.formats = {"a": before, "b": before}
    assert box.changes({"a": before, "b": before}) is None
    assert box.changes({"a": before}) is None
    assert box.changes({"a": before, "b": after}) == (
        "b has another dtype or shape than before"
    )


def test_a_writer_that_begins_again_has_all_its_time_to_end() -> None:
    one = writer("a")
    one.ready = True
    one.ladder.begin(0)
    one.ladder.due(2)
    assert one.life.is_up
    one.life.start_at = 3.0
    assert not one.life.is_up
    one.begin_again(up_by=30)
    assert not one.life.is_up
    assert not one.ready
    assert one.ladder == Ladder(WRITER_RUNGS)


def test_a_stream_lives_while_its_source_and_its_writer_do() -> None:
    box, a, b = source("a", "b"), writer("a"), writer("b")
    sources, writers = {"box": box}, {"a": a, "b": b}
    assert has_live_stream(sources, writers)
    a.finished = True
    assert has_live_stream(sources, writers)
    b.over_since = 1.0
    assert not has_live_stream(sources, writers)


def test_without_its_source_a_stream_is_dead_unless_its_sender_is_foreign() -> None:
    box = source("a")
    box.over_since = 1.0
    sources, writers = {"box": box}, {"a": writer("a")}
    assert not has_live_stream(sources, writers)
    box.foreign = True
    assert has_live_stream(sources, writers)


@pytest.mark.parametrize(
    ("count", "rate", "after_ns", "start", "stop", "text"),
    [
        (250, 1000.0, 12_500_000_000, 2.5, 2.75, "samples 40 to 289 (device), at 2.5"),
        (250, None, 12_500_000_000, 2.5, None, "samples 40 to 289 (device), at 2.500"),
        (0, 1000.0, 12_500_000_000, 2.5, None, "an outage from sample 40 on (device)"),
        (250, 1000.0, 0, None, None, "samples 40 to 289 (device), before the first"),
    ],
)
def test_a_loss_has_its_place_in_the_session(
    count: int,
    rate: float | None,
    after_ns: int,
    start: float | None,
    stop: float | None,
    text: str,
) -> None:
    lost = LostSamples(
        first=40, count=count, epoch=0, cause="device", after_ns=after_ns
    )
    span = lost_span(lost, start_ns=10_000_000_000, rate=rate)
    assert (span.start, span.stop) == (start, stop)
    assert str(span).startswith(text)
    told = Losses(stream="count", intervals=[span] * 5, interval_count=7)
    assert str(told).startswith("`count` lost ")
    assert str(told).endswith(" and 4 more")
