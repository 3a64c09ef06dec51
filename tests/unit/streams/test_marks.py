"""The driver of marks takes what is a mark, in order, and refuses the rest."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from rigd.streams.block import Block, ClockReading, Item, Note
from rigd.streams.driver import DeviceError
from rigd.streams.drivers.marks import (
    LONGEST_TEXT,
    MarksDriver,
    MarksOptions,
    MarksStreamOptions,
    cut,
)


def driver(folder: Path, *streams: str) -> MarksDriver:
    options = MarksOptions(endpoint=f"ipc://{folder}/marks")
    return MarksDriver("marks", options, dict.fromkeys(streams, MarksStreamOptions()))


@pytest.fixture
def open_driver(tmp_path: Path) -> Iterator[MarksDriver]:
    opened = driver(tmp_path, "marks")
    opened.open()
    opened.start()
    yield opened
    opened.close()


@pytest.fixture
def sender(tmp_path: Path) -> Iterator["zmq.Socket[bytes]"]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.PUSH)
    socket.connect(f"ipc://{tmp_path}/marks")
    yield socket
    context.destroy(linger=0)


def read(opened: MarksDriver, count: int) -> list[Item]:
    items: list[Item] = []
    deadline = time.monotonic() + 10
    while len(items) < count:
        assert time.monotonic() < deadline
        items += [i for i in opened.read(0.1) if not isinstance(i, ClockReading)]
    return items


def texts(items: list[Item]) -> list[bytes]:
    return [item.data["text"][0] for item in items if isinstance(item, Block)]


def test_a_mark_has_the_time_that_it_says(
    open_driver: MarksDriver, sender: Any
) -> None:
    sender.send_json({"text": "lights off", "monotonic_ns": 123})
    sender.send_json({"text": "lights on", "monotonic_ns": 456})
    first, second = read(open_driver, 2)
    assert isinstance(first, Block)
    assert isinstance(second, Block)
    assert texts([first, second]) == [b"lights off", b"lights on"]
    assert (first.first, second.first) == (0, 1)
    assert (first.host_ns, first.device_ns) == (123, 123)
    assert second.row_ns is not None
    assert second.row_ns.tolist() == [456]


def test_the_clock_is_read_without_marks(open_driver: MarksDriver) -> None:
    end = time.monotonic() + 1
    items: list[Item] = []
    while time.monotonic() < end:
        items += open_driver.read(0.02)
    items += open_driver.stop()
    readings = [item for item in items if isinstance(item, ClockReading)]
    assert 4 <= len(readings) <= 10
    assert all(r.device_ns == r.host_ns for r in readings)
    assert readings == sorted(readings, key=lambda reading: reading.host_ns)


def test_a_mark_without_a_time_has_that_of_its_arrival(
    open_driver: MarksDriver, sender: Any
) -> None:
    before = time.monotonic_ns()
    sender.send_json({"text": "now"})
    block = read(open_driver, 1)[0]
    assert isinstance(block, Block)
    assert before < block.device_ns < time.monotonic_ns()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"text": ""}',
        b'{"text": 3}',
        b'{"text": "x", "monotonic_ns": -1}',
        b'{"text": "x", "monotonic_ns": 9223372036854775808}',
        b'{"text": "x", "color": "red"}',
    ],
)
def test_what_is_no_mark_is_refused_aloud(
    open_driver: MarksDriver, sender: Any, message: bytes
) -> None:
    sender.send(message)
    sender.send(json.dumps({"text": "good"}).encode())
    items = read(open_driver, 2)
    assert isinstance(items[0], Note)
    assert "no mark" in items[0].text
    assert texts(items) == [b"good"]


def test_what_came_before_the_stop_is_kept(
    open_driver: MarksDriver, sender: Any
) -> None:
    sender.send_json({"text": "last", "monotonic_ns": 1})
    read(open_driver, 1)
    sender.send_json({"text": "after", "monotonic_ns": 2})
    time.sleep(0.2)
    assert texts(list(open_driver.stop())) == [b"after"]


def test_a_long_text_is_cut_between_characters() -> None:
    assert cut("x" * 300) == b"x" * LONGEST_TEXT
    assert cut("\u00e4" * 200).decode() == "\u00e4" * (LONGEST_TEXT // 2)


def test_marks_go_into_one_stream(tmp_path: Path) -> None:
    two = driver(tmp_path, "a", "b")
    with pytest.raises(DeviceError, match="one stream, declared are a, b"):
        two.open()
    two.close()


def test_a_place_that_is_taken_is_said(tmp_path: Path) -> None:
    missing = driver(tmp_path / "nowhere", "a")
    with pytest.raises(DeviceError, match="can't listen at ipc://"):
        missing.open()
    missing.close()
