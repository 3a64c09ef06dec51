"""Which clock the times of a stream come from."""

from pathlib import Path

import numpy as np
import pytest

from rigd.config.clocks import Clocks
from rigd.daemon.clock_domains import align_streams
from rigd.daemon.clock_reading import read_stream_clock
from rigd.daemon.stream_entry import LostTime
from rigd.daemon.stream_record import StreamRecord
from rigd.daemon.stream_times import StreamTimes
from rigd.streams.block import NO_TIME, StreamFormat
from rigd.streams.clock_map import Axis
from rigd.streams.ledger import LostInterval
from rigd.streams.stream_file import StreamFile
from rigd.streams.stream_reader import StreamReader
from rigd.streams.wire import RECORD
from tests.support.stream_files import make_stream_file

START_NS = 10**12
ROWS = 5
RATE = 50.0


def recorded(
    tmp_path: Path, rate: float | None, row_ns: list[int] | None, blocks: int = 40
) -> tuple[StreamTimes, StreamReader]:
    """Blocks of five rows every 100 ms; `row_ns` are the same in all blocks + 100 ms.

    Samples 50 to 59 are lost; no block comes for them.
    """
    stream = StreamFormat(np.dtype("<i2"), (), rate, row_times=row_ns is not None)
    record = StreamRecord(
        device="d", file="s.nwb", key=1, format=stream.to_json(), nwb_type="TimeSeries"
    )
    layout = record.layout("s")
    path = tmp_path / "s.nwb"
    make_stream_file(path, layout)
    file = StreamFile(path, layout, stream)
    for number in range(blocks):
        if number in (10, 11):
            continue
        body = np.zeros(ROWS, "<i2").tobytes()
        if row_ns is not None:
            times = [NO_TIME if ns == NO_TIME else ns + number * 10**8 for ns in row_ns]
            body += np.array(times, "<i8").tobytes()
        host_ns = START_NS + (number + 1) * 10**8
        entry = RECORD.pack(number, number * ROWS, NO_TIME, host_ns, ROWS, 0, 0, 0)
        file.append([entry], [body], [ROWS])
    file.close()
    reader = StreamReader(path, layout)
    read = read_stream_clock(reader, record, None)
    clocks = align_streams(
        {"s": read}, {"s": "d"}, Clocks(), tolerance=1e-3, start_ns=START_NS
    )
    clock = clocks.maps["s"]
    return StreamTimes(path, layout, clock, START_NS), reader


def check(times: StreamTimes, axis: Axis, expected: list[float]) -> None:
    """Compare the times of the first block."""
    assert times.clock.axis is axis
    found = np.concatenate(list(times.all()))
    np.testing.assert_allclose(found[:ROWS], expected, atol=1e-6)
    assert len(found) == 38 * ROWS


ROW_STEPS = [0, 20_000_000, 40_000_000, 60_000_000, 80_000_000]
LOST = (LostInterval(50, 10, 50, 0, "device"),)


def test_a_regular_stream_is_timed_by_its_sample_index(tmp_path: Path) -> None:
    times, reader = recorded(tmp_path, RATE, None)
    with reader:
        check(times, Axis.SAMPLE, [0.02, 0.04, 0.06, 0.08, 0.1])
        (lost,) = times.lost(reader, LOST)
        assert (lost.start, lost.stop) == pytest.approx((1.02, 1.22))
        assert lost.interval is LOST[0]
        assert times.at(reader, [49, 50]) == pytest.approx({49: 1.0, 50: 1.22})


@pytest.mark.parametrize("rate", [RATE, None])
def test_rows_with_times_are_timed_by_these(tmp_path: Path, rate: float | None) -> None:
    times, reader = recorded(tmp_path, rate, [ns + 7 * 10**15 for ns in ROW_STEPS])
    with reader:
        check(times, Axis.DEVICE, [0.02, 0.04, 0.06, 0.08, 0.1])
        (lost,) = times.lost(reader, LOST)
        assert (lost.start, lost.stop) == pytest.approx((1.0, 1.22))


def test_a_row_without_a_time_has_none(tmp_path: Path) -> None:
    row_ns = [0, NO_TIME, *ROW_STEPS[2:]]
    times, reader = recorded(tmp_path, None, row_ns)
    with reader:
        check(times, Axis.DEVICE, [0.02, np.nan, 0.06, 0.08, 0.1])
        assert times.at(reader, [1, -1, 10**6]) == {1: None}
        unknown = LostInterval(0, 1, 2, 0, "device")
        assert times.lost(reader, (unknown,)) == [LostTime(unknown, None, None)]


def test_a_regular_stream_whose_device_gave_no_times_is_timed_by_its_sample_index(
    tmp_path: Path,
) -> None:
    times, reader = recorded(tmp_path, RATE, [NO_TIME] * ROWS)
    with reader:
        check(times, Axis.SAMPLE, [0.02, 0.04, 0.06, 0.08, 0.1])


def test_an_event_like_stream_without_times_is_timed_by_arrival(tmp_path: Path) -> None:
    times, reader = recorded(tmp_path, None, [NO_TIME] * ROWS)
    with reader:
        check(times, Axis.ARRIVAL, [0.1] * ROWS)
        assert times.clock.error is None
        assert times.clock.fits[0].anchors == 38


@pytest.mark.parametrize("row_ns", [None, ROW_STEPS])
def test_a_stream_without_rows_has_no_times(
    tmp_path: Path, row_ns: list[int] | None
) -> None:
    times, reader = recorded(tmp_path, RATE, row_ns, blocks=0)
    with reader:
        assert list(times.all()) == []
        assert times.clock.fits == {}
        assert times.at(reader, [0, -1]) == {}
        assert times.lost(reader, LOST) == [LostTime(LOST[0], None, None)]


def test_an_outage_lasts_from_the_row_before_to_the_row_after(tmp_path: Path) -> None:
    times, reader = recorded(tmp_path, RATE, None)
    outage = LostInterval(first=60, count=0, row=50, epoch=0, cause="source down")
    counted = LostInterval(first=50, count=10, row=50, epoch=0, cause="device")
    with reader:
        found, beside = times.lost(reader, (outage, counted))
        ends = times.at(reader, [49, 50])
    assert (found.start, found.stop) == (ends[49], ends[50])
    assert found.estimate(RATE) == 10
    assert found.estimate(None) is None
    assert (beside.start, beside.stop) == pytest.approx((1.02, 1.22), abs=1e-3)
    assert beside.estimate(RATE) is None
