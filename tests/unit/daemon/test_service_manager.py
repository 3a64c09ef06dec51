"""Messages to systemd, heard on a real socket."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rigd.daemon.service_manager import LONGEST_STATUS, ServiceManager


class Listener:
    """What systemd would hear."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture(params=["path", "abstract"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The address as systemd names it, and as a socket takes it."""
    if request.param == "path":
        return str(tmp_path / "notify"), str(tmp_path / "notify")
    name = f"rigd-test-{os.getpid()}"
    return f"@{name}", f"\0{name}"


@pytest.fixture
def listener(place: tuple[str, str]) -> Iterator[Listener]:
    heard = Listener(place[1])
    yield heard
    heard.socket.close()


def test_every_word_arrives(place: tuple[str, str], listener: Listener) -> None:
    with closing(ServiceManager({"NOTIFY_SOCKET": place[0]})) as manager:
        assert manager.is_there
        manager.ready("ready")
        manager.status("recording µ, 6 streams\nof it")
        manager.status("recording µ, 6 streams of it")
        manager.extend(2.5)
        manager.stopping("finalizing µ")
        manager.reloading()
    *words, reloading = listener.heard()
    assert words == [
        "READY=1",
        "STATUS=ready",
        "STATUS=recording µ, 6 streams of it",
        "EXTEND_TIMEOUT_USEC=2500000",
        "STOPPING=1",
        "STATUS=finalizing µ",
    ]
    assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=")


def test_signs_of_life_come_in_time(place: tuple[str, str], listener: Listener) -> None:
    wanted = {"NOTIFY_SOCKET": place[0], "WATCHDOG_USEC": "30000000"}
    times = iter([1000.0 + tenths / 10 for tenths in range(301)])
    mine = {**wanted, "WATCHDOG_PID": str(os.getpid())}
    with closing(ServiceManager(mine, lambda: next(times))) as one:
        for _ in range(301):
            one.alive()
    assert listener.heard() == ["WATCHDOG=1"] * 4
    with closing(ServiceManager({**wanted, "WATCHDOG_PID": "1"})) as other:
        other.alive()
    assert listener.heard() == []


def test_children_hear_nothing_of_the_manager(place: tuple[str, str]) -> None:
    environment = {"NOTIFY_SOCKET": place[0], "WATCHDOG_USEC": "1", "HOME": "/"}
    with closing(ServiceManager(environment)):
        assert environment == {"HOME": "/"}


def test_long_words_are_cut(place: tuple[str, str], listener: Listener) -> None:
    with closing(ServiceManager({"NOTIFY_SOCKET": place[0]})) as manager:
        manager.status("x" * 5000)
    assert listener.heard() == ["STATUS=" + "x" * LONGEST_STATUS]


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "/nowhere/notify"])
def test_without_a_manager_nothing_happens(address: str) -> None:
    with closing(ServiceManager({"NOTIFY_SOCKET": address})) as manager:
        manager.ready("ready")
        manager.alive()
        manager.close()
        manager.ready("ready")


def test_a_full_manager_keeps_nobody_waiting(
    place: tuple[str, str], listener: Listener
) -> None:
    with closing(ServiceManager({"NOTIFY_SOCKET": place[0]})) as manager:
        for number in range(5000):
            manager.status(f"{number} " + "x" * 250)
    assert 0 < len(listener.heard()) < 5000
