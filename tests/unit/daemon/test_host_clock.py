"""The computer's clocks are read at the start, every minute and at the end."""

import time
from pathlib import Path

import pytest

from rigd.daemon import host_clock
from rigd.daemon.host_clock import HostClockLog, load_host_clock, read_host_clock
from rigd.daemon.session_events import Progress, StateChanged
from rigd.daemon.session_state import State

PROGRESS = Progress(
    seconds=1, duration=None, streams=[], free_bytes=None, seconds_left=None
)


def test_all_clocks_are_read_at_the_same_moment() -> None:
    before = time.monotonic_ns()
    reading = read_host_clock()
    after = time.monotonic_ns()
    assert before <= reading.monotonic_ns <= after
    moved = time.time_ns() - reading.wall_ns - (after - reading.monotonic_ns)
    assert abs(moved) < 50_000_000
    raw = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    assert 0 <= raw - reading.raw_ns < 5_000_000_000
    tai_minus_utc = reading.tai_ns - reading.wall_ns
    told = 0 if reading.discipline is None else reading.discipline.tai_offset_seconds
    assert tai_minus_utc == pytest.approx(told * 1e9, abs=5e6)
    assert 0 <= reading.uncertainty_ns < 5_000_000


def test_start_minute_and_end_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "host_clock.jsonl"
    log = HostClockLog(path)
    log.observe(StateChanged(state=State.ARMING))
    log.observe(PROGRESS)
    assert not path.exists()
    log.observe(StateChanged(state=State.RECORDING))
    log.observe(PROGRESS)
    assert len(load_host_clock(path)) == 1
    monkeypatch.setattr(host_clock, "EVERY", 0.0)
    log.observe(PROGRESS)
    log.observe(StateChanged(state=State.DRAINING))
    assert len(load_host_clock(path)) == 2
    log.observe(StateChanged(state=State.FINALIZING))
    log.observe(StateChanged(state=State.DONE))
    readings = load_host_clock(path)
    assert len(readings) == 3
    times = [reading.monotonic_ns for reading in readings]
    assert times == sorted(set(times))
    assert path.stat().st_mode & 0o777 == 0o444


def test_a_cut_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "host_clock.jsonl"
    line = read_host_clock().model_dump_json()
    path.write_text(f"{line}\n{line[:40]}")
    assert len(load_host_clock(path)) == 1
    assert load_host_clock(tmp_path / "nothing") == []


def test_a_session_that_does_not_start_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "host_clock.jsonl"
    log = HostClockLog(path)
    log.observe(StateChanged(state=State.ARMING))
    log.observe(StateChanged(state=State.FAILED))
    assert not path.exists()


def test_a_disk_that_refuses_stops_nothing(tmp_path: Path) -> None:
    log = HostClockLog(tmp_path / "missing" / "host_clock.jsonl")
    log.observe(StateChanged(state=State.RECORDING))
    log.observe(StateChanged(state=State.FINALIZING))
