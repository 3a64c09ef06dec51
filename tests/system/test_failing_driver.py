"""What a driver has given is kept, and what it says is told, however it ends."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import h5py
import numpy as np
import pytest
import zmq

from rigd.config.base import Model
from rigd.streams import source
from rigd.streams.block import Block, Items, StreamFormat
from rigd.streams.driver import DeviceError
from rigd.streams.messages import Command, Event, Notice, SourceSpec, SourceStream
from rigd.streams.process import Control, TermFlag
from tests.support.writer_process import KEY, WriterProcess, running_writer

FORMAT = StreamFormat(np.dtype("<i2"), (4,), 1000.0)
BLOCKS, ROWS = 200, 10


class FailingDriver:
    """Gives some blocks as fast as it is asked, then raises."""

    Options = StreamOptions = Model
    paced_by_consumer = False
    foreign = False

    def __init__(self, error: Exception) -> None:
        self._error = error
        self._given = 0
        self.is_closed = False

    def open(self) -> Mapping[str, StreamFormat]:
        return {"s": FORMAT}

    def start(self) -> None:
        return

    def read(self, timeout: float) -> Items:
        if self._given == BLOCKS:
            raise self._error
        first = self._given * ROWS
        self._given += 1
        return [Block("s", first, rows(first, first + ROWS), time.monotonic_ns())]

    def stop(self) -> Items:
        return []

    def close(self) -> None:
        self.is_closed = True


def rows(first: int, stop: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.int16]]":
    return np.arange(4 * first, 4 * stop, dtype="<i2").reshape(-1, 4)


class Line:
    """A control line with one order: to start."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        self.socket = context.socket(zmq.DEALER)
        self.events: list[Event] = []
        self._orders = [Command(command="start")]

    def send(self, event: Event) -> None:
        self.events.append(event)

    def commands(self) -> list[Command]:
        orders, self._orders = self._orders, []
        return orders


def run_source(
    writer: WriterProcess, driver: FailingDriver, monkeypatch: pytest.MonkeyPatch
) -> tuple[Callable[[], None], Line]:
    monkeypatch.setattr(source, "make_driver", lambda spec: driver)
    line = Line(writer.context)
    stream = SourceStream(
        options={}, endpoint=writer.endpoint, key=KEY, ring_bytes=2**24, ring_seconds=10
    )
    spec = SourceSpec(
        device="box", driver="failing", options={}, streams={"s": stream},
        control="", parent=0,
    )  # fmt: skip
    term: Any = SimpleNamespace(raised=False)
    one = source.Source(
        spec, writer.context, cast("Control", line), cast("TermFlag", term)
    )
    return one.run, line


def check_file(path: Path) -> None:
    with h5py.File(path) as file:
        np.testing.assert_array_equal(
            file["acquisition/s/data"][()], rows(0, BLOCKS * ROWS)
        )


def test_a_bug_in_a_driver_loses_nothing_that_it_gave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = FailingDriver(ZeroDivisionError("a bug"))
    with running_writer(tmp_path, FORMAT) as writer:
        run, line = run_source(writer, driver, monkeypatch)
        with pytest.raises(ZeroDivisionError):
            run()
        writer.order(Command(command="quit", reason="the test is over"))
        writer.wait_for_end()
        line.socket.close(linger=0)
    assert driver.is_closed
    check_file(writer.path)


def test_the_last_word_of_a_device_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes right after another complaint, of which one a second is told."""
    driver = FailingDriver(DeviceError("the cable is gone"))
    with running_writer(tmp_path, FORMAT) as writer:
        run, line = run_source(writer, driver, monkeypatch)
        monkeypatch.setattr(
            source.Source, "_read_until_over", _complaining(source.Source)
        )
        run()
        finished = writer.wait_for_end()
        line.socket.close(linger=0)
    assert finished.reason == "the cable is gone"
    told = [event.text for event in line.events if isinstance(event, Notice)]
    assert told == ["s: it is warm", "the cable is gone"]
    check_file(writer.path)


def _complaining(kind: type[source.Source]) -> Callable[[source.Source], str]:
    read = kind._read_until_over

    def complain_and_read(one: source.Source) -> str:
        one._complain("s: it is warm")
        return read(one)

    return complain_and_read
