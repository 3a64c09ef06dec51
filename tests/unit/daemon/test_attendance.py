"""What systemd hears of a session that a unit records."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rigd.daemon.attendance import Attendance
from rigd.daemon.pulse import SILENT
from rigd.daemon.service_manager import ServiceManager
from rigd.daemon.session_events import StateChanged
from rigd.daemon.session_state import State
from rigd.daemon.staying_awake import StayingAwake
from tests.unit.daemon.test_pulse import Clock, progress
from tests.unit.daemon.test_service_manager import Listener


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    heard = Listener(str(tmp_path / "notify"))
    yield heard
    heard.socket.close()


def environment(tmp_path: Path) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000"}


def test_ready_when_it_records_and_time_while_it_ends(
    tmp_path: Path, listener: Listener
) -> None:
    clock = Clock()
    with closing(ServiceManager(environment(tmp_path), clock)) as manager:
        attendance = Attendance(manager, StayingAwake(), clock)
        attendance.observe(StateChanged(state=State.ARMING))
        attendance.turn()
        attendance.turn()
        assert listener.heard() == [
            "STATUS=opening the devices of",
            "WATCHDOG=1",
            "EXTEND_TIMEOUT_USEC=30000000",
        ]
        attendance.observe(StateChanged(state=State.RECORDING))
        assert listener.heard() == ["READY=1", "STATUS=recording"]
        for _ in range(10):
            clock.now += 0.25
            attendance.turn()
        assert listener.heard() == ["WATCHDOG=1"] * 2
        attendance.observe(StateChanged(state=State.DRAINING))
        attendance.observe(StateChanged(state=State.FINALIZING))
        clock.now += 1.0
        attendance.turn()
        assert listener.heard() == [
            "STOPPING=1",
            "STATUS=bringing to the disk",
            "STATUS=finalizing",
            "WATCHDOG=1",
            "EXTEND_TIMEOUT_USEC=30000000",
        ]


def test_no_sign_of_life_when_no_writer_speaks(
    tmp_path: Path, listener: Listener
) -> None:
    clock = Clock()
    with closing(ServiceManager(environment(tmp_path), clock)) as manager:
        attendance = Attendance(manager, StayingAwake(), clock)
        attendance.observe(StateChanged(state=State.RECORDING))
        attendance.observe(progress(1.0, None))
        listener.heard()
        clock.now += SILENT + 1
        attendance.observe(progress(None, None))
        attendance.turn()
        assert "WATCHDOG=1" not in listener.heard()
        attendance.observe(progress(None, 0.0))
        attendance.turn()
        assert "WATCHDOG=1" in listener.heard()
