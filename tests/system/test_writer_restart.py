"""A writer killed at any moment is started again, and nothing is lost or doubled."""

import random
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from rigd.streams.block import Block, ClockReading, Ended, StreamFormat
from rigd.streams.recovery import is_whole, recover
from tests.support.writer_process import deliver, running_writer

FORMAT = StreamFormat(np.dtype("<i4"), (4,), 1000.0)


def block(first: int, rows: int = 10) -> Block:
    data = np.arange(first * 4, (first + rows) * 4, dtype="<i4").reshape(rows, 4)
    return Block("s", first, data, time.monotonic_ns())


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("seed", [1, 2])
def test_kills_in_one_session(tmp_path: Path, compression: str, seed: int) -> None:
    chance = random.Random(seed)
    settings = {"compression": compression, "sync_seconds": 0.1, "chunk": (64,)}
    with running_writer(tmp_path, FORMAT, **settings) as writer:
        sender = writer.sender()
        first = 0
        for _ in range(4):
            until = time.monotonic() + chance.uniform(0.1, 0.6)
            while time.monotonic() < until:
                assert sender.offer(block(first))
                first += 10
                sender.pump()
                time.sleep(0.003)
            sender.read_clock(ClockReading("s", first, 2, 3))
            writer.kill_and_restart()
        sender.end(Ended("s"))
        deliver(sender)
        writer.wait_for_end()
        sender.close()
    assert not is_whole(writer.path)
    recovery = recover(writer.path, writer.layout, FORMAT)
    assert (recovery.rows, recovery.missing, recovery.parts) == (first, 0, 5)
    assert is_whole(writer.path)
    with h5py.File(writer.path) as file:
        group = file["acquisition/s"]
        np.testing.assert_array_equal(group["data"][:].ravel(), np.arange(first * 4))
        blocks = group["sync/blocks"][:]
        assert len(group["sync/clock"]) == 4
        state = group["sync/state"][()]
    assert blocks["rows"].sum() == first
    assert (state["rows"], state["lost"], state["ended"]) == (first, 0, 1)
