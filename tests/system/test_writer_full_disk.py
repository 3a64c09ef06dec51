"""A writer on a full disk ends its stream in good order, with the cause in its file."""

import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rigd.streams.block import Block, Ended, StreamFormat
from rigd.streams.messages import Command
from rigd.streams.recovery import is_whole, recover
from rigd.streams.sender import Sender
from tests.support.small_disk import fill, small_disk
from tests.support.writer_process import WriterProcess, deliver, running_writer

FORMAT = StreamFormat(np.dtype("<i4"), (4,), 1000.0)
MIB = 2**20


def offer(sender: Sender, blocks: int) -> None:
    for _ in range(blocks):
        first = sender.tally.rows
        data = np.arange(first * 4, (first + 100) * 4, dtype="<i4").reshape(100, 4)
        sender.offer(Block("s", first, data, time.monotonic_ns()))
        sender.pump()
        if sender.ended:
            return


def account(path: Path) -> tuple[Any, Any]:
    with h5py.File(path) as file:
        group = file["acquisition/s"]
        rows = len(group["data"])
        np.testing.assert_array_equal(group["data"][:].ravel(), np.arange(rows * 4))
        assert group["sync/blocks"]["rows"].sum() == rows
        return group["sync/state"][()], group["sync/lost"][:]


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_every_sample_is_kept_or_lost_to_the_disk(
    tmp_path: Path, kind: str, compression: str
) -> None:
    with (
        small_disk(tmp_path, 12 * MIB, kind) as disk,
        running_writer(
            disk, FORMAT, sockets=tmp_path, sync_seconds=0.1, compression=compression
        ) as writer,
    ):
        sender = writer.sender()
        offer(sender, 20)
        deliver(sender)
        fill(disk)
        limit = time.monotonic() + 20
        while not sender.ended:
            assert time.monotonic() < limit, "the sender was not asked to stop"
            offer(sender, 20)
            time.sleep(0.005)
        deliver(sender)
        finished = writer.wait_for_end()
        sender.close()
        assert finished.reason.startswith("the disk is full: ")
        assert is_whole(writer.path)
        state, lost = account(writer.path)
        expected = sender.tally.rows
        assert state["rows"] + state["lost"] == expected
        assert state["lost"] == lost["count"].sum() > 0
        assert set(lost["cause"]) == {b"disk"}
        assert state["reason"].decode() == finished.reason


def test_a_patient_writer_waits_for_room(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path, 12 * MIB) as disk,
        running_writer(
            disk, FORMAT, sockets=tmp_path, sync_seconds=0.1, patience_seconds=20.0
        ) as writer,
    ):
        sender = writer.sender()
        offer(sender, 20)
        deliver(sender)
        filler = fill(disk)
        offer(sender, 2000)
        deliver_for(sender, 1.0)
        assert sender.ring.used > 0, "there was room for all"
        filler.unlink()
        deliver(sender)
        sender.end(Ended("s"))
        deliver(sender)
        assert writer.wait_for_end().reason == ""
        sender.close()
        state, lost = account(writer.path)
        assert (state["rows"], len(lost)) == (sender.tally.rows, 0)


def deliver_for(sender: Sender, seconds: float) -> None:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        sender.pump()
        time.sleep(0.005)


def test_an_order_to_stop_keeps_what_is_on_its_way(tmp_path: Path) -> None:
    with running_writer(tmp_path, FORMAT) as writer:
        sender = writer.sender()
        offer(sender, 50)
        deliver(sender)
        writer.order(Command(command="stop", reason="disk: of low priority"))
        stop(sender, writer)
        state, lost = account(writer.path)
        assert (state["rows"], len(lost)) == (sender.tally.rows, 0)
        assert state["reason"] == b"disk: of low priority"


def stop(sender: Sender, writer: WriterProcess) -> None:
    limit = time.monotonic() + 10
    while not sender.ended:
        assert time.monotonic() < limit, "the sender was not asked to stop"
        offer(sender, 1)
        time.sleep(0.005)
    deliver(sender)
    assert writer.wait_for_end().reason == "disk: of low priority"
    sender.close()


def test_without_a_reserve_what_was_acknowledged_is_recovered(tmp_path: Path) -> None:
    """On a file system that can't set space aside a write fails in the middle."""
    with (
        small_disk(tmp_path, 12 * MIB, "ext2") as disk,
        running_writer(disk, FORMAT, sockets=tmp_path, sync_seconds=0.1) as writer,
    ):
        sender = writer.sender()
        offer(sender, 20)
        deliver(sender)
        filler = fill(disk)
        limit = time.monotonic() + 20
        while writer.process.poll() is None:
            assert time.monotonic() < limit, "the writer goes on"
            offer(sender, 20)
            time.sleep(0.005)
        sender.pump()
        acknowledged = 100 * sender.ring.first
        sender.close()
        texts = writer.last_words()
        assert sum("can't set space aside" in text for text in texts) == 1
        assert "disk: " in texts[-1]
        assert "No space left on device" in texts[-1]
        filler.unlink()
        recover(writer.path, writer.layout, FORMAT)
        state, _ = account(writer.path)
        assert state["rows"] >= acknowledged > 0
        assert state["reason"].startswith(b"disk: ")
