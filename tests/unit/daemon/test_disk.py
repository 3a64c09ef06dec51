"""The rules for a disk that runs full: need, forecast, warnings, order of stopping."""

import numpy as np
import pytest

from rigd.daemon.disk import (
    LEAST_FREE,
    Forecast,
    StreamNeed,
    Thresholds,
    first_to_stop,
    patience,
    shortage,
    stream_need,
)
from rigd.daemon.stream_record import StreamRecord
from rigd.streams.block import StreamFormat

MB = 1_000_000


def record(form: StreamFormat, nwb_type: str = "TimeSeries") -> StreamRecord:
    return StreamRecord(
        device="box", file="s.nwb", key=1, format=form.to_json(), nwb_type=nwb_type
    )


def test_a_fast_stream_takes_little_more_than_its_rows() -> None:
    probe = StreamFormat(np.dtype("<i2"), (384,), 30_000.0)
    need = stream_need("probe", record(probe))
    rows = 30_000 * 768
    times = 30_000 * 8
    assert rows + times < need.per_second < 1.01 * (rows + times)
    assert 2 * MB < need.at_once < 30 * MB


def test_a_slow_stream_stands_in_the_journal_too() -> None:
    slow = StreamFormat(np.dtype("<f8"), (), 100.0)
    need = stream_need("slow", record(slow))
    assert need.per_second > 100 * (8 + 8 + 8)


def test_events_take_only_what_is_known_before() -> None:
    events = StreamFormat(np.dtype([("line", "u1"), ("value", "u1")]), row_times=True)
    need = stream_need("ttl", record(events, "EventsTable"))
    assert need.per_second == 0
    assert need.at_once > 500_000


NEEDS = [
    StreamNeed("wheel", at_once=MB, per_second=1000.0),
    StreamNeed("probe", at_once=5 * MB, per_second=20.0 * MB),
]


def test_there_is_room() -> None:
    assert shortage(NEEDS, 1300 * MB, 50 * MB, 60.0) is None


@pytest.mark.parametrize(
    ("duration", "words"),
    [(600.0, "for 10 min 0 s"), (None, "for at least 1 min 0 s")],
)
def test_what_is_missing_is_said(duration: float | None, words: str) -> None:
    said = shortage(NEEDS, 200 * MB, 50 * MB, duration)
    assert said is not None
    assert words in said
    assert "200 MB free; most is for `probe` " in said
    assert said.index("probe") < said.index("wheel")


def test_the_forecast_is_right_for_a_steady_use() -> None:
    forecast = Forecast(0.0)
    for tick in range(400):
        forecast.read(tick * 0.5, 10**9 - tick * MB)
    assert forecast.seconds_left == pytest.approx((10**9 - 399 * MB) / (2 * MB), 0.01)


def test_the_forecast_is_what_is_expected_before_it_is_measured() -> None:
    forecast = Forecast(2.0 * MB)
    assert forecast.seconds_left is None
    forecast.read(0.0, 100 * MB)
    assert forecast.seconds_left == 50


def test_one_burst_moves_the_forecast_little() -> None:
    forecast = Forecast(1.0 * MB)
    free = 10**9
    for tick in range(100):
        free -= MB // 2
        forecast.read(tick * 0.5, free)
    before = forecast.seconds_left
    forecast.read(50.0, free - 10 * MB)
    assert before is not None
    assert forecast.seconds_left is not None
    assert forecast.seconds_left > 0.7 * before


def test_space_that_is_given_back_is_no_negative_use() -> None:
    forecast = Forecast(1.0 * MB)
    forecast.read(0.0, 10 * MB)
    forecast.read(0.5, 900 * MB)
    assert 0 < forecast.rate <= MB


def test_nothing_used_lasts_for_ever() -> None:
    forecast = Forecast(0.0)
    forecast.read(0.0, 10 * MB)
    assert forecast.seconds_left is None
    assert not forecast.is_over
    forecast.read(1.0, LEAST_FREE)
    assert forecast.is_over


def test_streams_end_before_the_disk_is_full() -> None:
    forecast = Forecast(10.0 * MB)
    forecast.read(0.0, 31 * MB)
    assert not forecast.is_over
    forecast.read(0.1, 29 * MB)
    assert forecast.is_over
    forecast.relieve(9 * MB)
    assert not forecast.is_over
    forecast.relieve(900 * MB)
    assert forecast.rate == 0


def warnings(left: list[float | None]) -> list[int]:
    thresholds = Thresholds((600.0, 300.0, 60.0))
    return [n for n, seconds in enumerate(left) if thresholds.reached(seconds)]


def test_each_threshold_warns_once_and_in_time() -> None:
    left: list[float | None] = [float(s) for s in range(1000, 0, -1)]
    warned = [left[n] for n in warnings(left)]
    assert warned == [660.0, 330.0, 66.0]


def test_a_forecast_that_sways_does_not_warn_again() -> None:
    assert warnings([700, 590, 700, 590, None, 590]) == [1, 5]
    assert warnings([620, 700, 610, 900, 600]) == [0]
    assert warnings([590, 1300, 590]) == [0, 2]


def test_one_warning_where_several_thresholds_are_passed() -> None:
    assert warnings([40, 39, 50, 65]) == [0]


def test_the_lowest_priority_stops_first() -> None:
    assert first_to_stop({"a": 1, "b": -1, "c": -1}) == ["b", "c"]
    assert first_to_stop({"a": 0, "b": 0}) == ["a", "b"]
    assert first_to_stop({}) == []


def test_only_those_wait_that_others_make_room_for() -> None:
    priorities = {"a": 1, "b": 0}
    assert patience("a", priorities, 4.0) == 2.0
    assert patience("a", priorities, 600.0) == 5.0
    assert patience("b", priorities, 10.0) == 0.0
    assert patience("a", {"a": 3}, 10.0) == 0.0
