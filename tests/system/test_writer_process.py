"""The writer as a real process: every end leaves a whole file and an honest reason."""

import signal
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import zmq

from rigd.streams.block import Block, ClockReading, Ended, Lost, StreamFormat
from rigd.streams.ledger import ENDED_REGULARLY, ENDED_WITH_REASON
from rigd.streams.messages import Command, Notice, WriterStatus
from rigd.streams.writer import LOOK_EVERY_MS, STOP_GRACE
from tests.support.writer_process import deliver, running_writer

FORMAT = StreamFormat(np.dtype("<i4"), (4,), 1000.0)


def block(first: int, rows: int = 10, epoch: int = 0) -> Block:
    data = np.arange(first * 4, (first + rows) * 4, dtype="<i4").reshape(rows, 4)
    return Block("s", first, data, time.monotonic_ns(), epoch=epoch)


def test_end_of_stream(tmp_path: Path) -> None:
    with running_writer(tmp_path, FORMAT) as writer:
        sender = writer.sender()
        for first in range(0, 1000, 10):
            sender.offer(block(first))
        sender.read_clock(ClockReading("s", 1, 2, 3))
        sender.end(Ended("s"))
        deliver(sender)
        assert writer.wait_for_end().reason == ""
        sender.close()
    with h5py.File(writer.path) as file:
        group = file["acquisition/s"]
        np.testing.assert_array_equal(group["data"][:].ravel(), np.arange(4000))
        assert group["sync/clock"][:].tolist() == [(1, 2, 3)]
        state = group["sync/state"][()]
    assert (state["rows"], state["ended"]) == (1000, ENDED_REGULARLY)


@pytest.mark.parametrize("durable", [True, False])
def test_acknowledged_before_the_end(tmp_path: Path, durable: bool) -> None:
    settings = {"sync_seconds": 0.2, "durable": durable}
    with running_writer(tmp_path, FORMAT, **settings) as writer:
        sender = writer.sender()
        sender.offer(block(0))
        deliver(sender)
        status = writer.wait_for("writer")
        assert isinstance(status, WriterStatus)
        with h5py.File(writer.path, "r", swmr=True) as file:
            assert file["acquisition/s/data"].shape == (10, 4)
        sender.close()


def test_an_acknowledgement_does_not_wait_for_the_next_look(tmp_path: Path) -> None:
    """A sender with a full ring stands still until it comes."""
    settings = {
        "durable": False,  # the disk's own time is not meant
        "sync_seconds": 0.0,
        "sync_bytes": 1,
        "visible_seconds": 60.0,
    }
    looks = 50
    with running_writer(tmp_path, FORMAT, **settings) as writer:
        sender = writer.sender(gather_seconds=0.0)
        began = time.monotonic()
        for number in range(looks):
            sender.offer(block(10 * number))
            deliver(sender)
        assert time.monotonic() - began < looks * LOOK_EVERY_MS / 1000 / 2
        sender.close()


@pytest.mark.parametrize("end", ["quit", "SIGTERM"])
def test_an_early_end_keeps_what_came_and_says_why(tmp_path: Path, end: str) -> None:
    with running_writer(tmp_path, FORMAT) as writer:
        sender = writer.sender()
        sender.offer(block(0))
        deliver(sender)
        if end == "quit":
            writer.order(Command(command="quit", reason="the source is gone"))
        else:
            writer.process.send_signal(signal.SIGTERM)
        reason = writer.wait_for_end().reason
        sender.close()
    assert reason
    with h5py.File(writer.path) as file:
        assert file["acquisition/s/data"].shape == (10, 4)
        state = file["acquisition/s/sync/state"][()]
    assert state["ended"] == ENDED_WITH_REASON
    assert state["reason"].decode() == reason


def test_a_sender_that_was_not_there_hears_of_the_stop_later(tmp_path: Path) -> None:
    with running_writer(tmp_path, FORMAT) as writer:
        writer.order(Command(command="stop", reason="the session is over"))
        time.sleep(0.3)
        sender = writer.sender()
        sender.offer(block(0))
        deliver(sender)
        limit = time.monotonic() + STOP_GRACE
        while not sender.ended and time.monotonic() < limit:
            sender.pump()
            time.sleep(0.001)
        deliver(sender)
        assert writer.wait_for_end().reason == "the session is over"
        assert sender.ended
        sender.close()
    with h5py.File(writer.path) as file:
        assert file["acquisition/s/data"].shape == (10, 4)


def test_gaps_restarts_and_repeats_are_accounted(tmp_path: Path) -> None:
    with running_writer(tmp_path, FORMAT) as writer:
        sender = writer.sender()
        sender.offer(block(0))
        sender.offer(block(15))  # the device lost 5
        sender.lose(Lost("s", 25, 10, "driver"))
        sender.offer(block(35))
        sender.offer(block(35))  # came twice
        sender.offer(block(0, epoch=1))  # the device started anew
        sender.end(Ended("s"))
        deliver(sender)
        writer.wait_for_end()
        sender.close()
    with h5py.File(writer.path) as file:
        group = file["acquisition/s"]
        lost = group["sync/lost"][:].tolist()
        state = group["sync/state"][()]
        blocks = group["sync/blocks"][:]
    assert lost == [(10, 5, 10, 0, b"device"), (25, 10, 20, 0, b"driver")]
    assert (state["rows"], state["lost"], state["repeated"]) == (40, 15, 1)
    assert blocks["epoch"].tolist() == [0, 0, 0, 1]
    assert state["rows"] == blocks["rows"].sum()


def test_a_live_reader_sees_the_last_row_in_time(tmp_path: Path) -> None:
    """Within the visible interval and the drain interval, whatever the chunk."""
    delays = []
    with running_writer(tmp_path, FORMAT) as writer:
        sender = writer.sender()
        for number in range(10):
            sender.offer(block(number * 10))
            sent = time.monotonic()
            rows = 0
            while rows < (number + 1) * 10 and time.monotonic() - sent < 5:
                sender.pump()
                with h5py.File(writer.path, "r", swmr=True) as file:
                    rows = file["acquisition/s/data"].shape[0]
            delays.append(time.monotonic() - sent)
        sender.close()
    assert sorted(delays)[5] < 0.25


def test_garbage_is_counted_and_told_at_most_once_a_second(tmp_path: Path) -> None:
    with running_writer(tmp_path, FORMAT) as writer:
        stranger: zmq.Socket[bytes] = writer.context.socket(zmq.DEALER)
        stranger.connect(writer.endpoint)
        for _ in range(5000):
            stranger.send(b"not of this protocol")
        rejected = 0
        while rejected < 5000:
            status = writer.wait_for("writer")
            assert isinstance(status, WriterStatus)
            rejected = status.rejected
        sender = writer.sender()
        sender.offer(block(0))
        sender.end(Ended("s"))
        deliver(sender)
        writer.wait_for_end()
        sender.close()
        stranger.close(linger=0)
    notices = [event for event in writer.events if isinstance(event, Notice)]
    assert 1 <= len(notices) <= 5
    with h5py.File(writer.path) as file:
        state = file["acquisition/s/sync/state"][()]
    assert (state["rows"], state["rejected"]) == (10, 5000)
