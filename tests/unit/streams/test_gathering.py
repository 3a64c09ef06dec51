"""When small blocks travel together, and when they wait no longer for others."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from rigd.streams.block import Block, StreamFormat
from rigd.streams.ring import Ring
from rigd.streams.sender import Sender
from rigd.streams.wire import GATHER_BYTES, Address

FORMAT = StreamFormat(np.dtype("<i2"), (32,), 1000.0)
MS = 10**6


class Offered:
    """A sender at a time of our own, in ms."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.now = 10_000.0
        self._first = 0

    def offer(self, rows: int = 10) -> int:
        """Offer a block; return how many messages are ready to travel."""
        data = np.zeros((rows, 32), "<i2")
        self.sender.offer(Block("s", self._first, data, 0))
        self._first += rows
        return self.ready

    @property
    def ready(self) -> int:
        ring, count = self.sender.ring, 0
        while ring.unsent() is not None:
            ring.mark_sent()
            count += 1
        return count


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Offered]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sender = Sender(
        context,
        f"ipc://{tmp_path}/s",
        stream="s",
        stream_format=FORMAT,
        address=Address(1, FORMAT.digest, 1),
        ring=Ring(10**8),
    )
    offered = Offered(sender)

    def now() -> int:
        return int(offered.now * MS)

    monkeypatch.setattr("rigd.streams.sender.time.monotonic_ns", now)
    yield offered
    sender.close()
    context.destroy(linger=0)


def messages(offered: Offered, interval: float, blocks: int) -> list[int]:
    """Offer blocks at an interval, ms; return which of them went at once."""
    gone = []
    for number in range(blocks):
        if offered.offer():
            gone.append(number)
        offered.now += interval
    return gone


def test_blocks_go_when_the_next_one_would_come_too_late(offered: Offered) -> None:
    messages(offered, 50.0, 6)
    assert messages(offered, 50.0, 9) == [2, 5, 8]


def test_fast_blocks_wait_for_each_other(offered: Offered) -> None:
    messages(offered, 10.0, 13)
    assert messages(offered, 10.0, 26) == [12, 25]


def test_slow_blocks_do_not_wait_at_all(offered: Offered) -> None:
    messages(offered, 125.0, 3)
    assert messages(offered, 125.0, 5) == [0, 1, 2, 3, 4]


def test_blocks_that_come_in_bursts_travel_together(offered: Offered) -> None:
    """A long pause before a burst does not say that no other block comes soon."""
    for _ in range(3):
        assert messages(offered, 0.1, 10) == []
        offered.now += 300
        offered.sender.finish_gathering()
        assert offered.ready == 1


def test_what_the_next_block_would_not_fit_into_does_not_wait(
    offered: Offered,
) -> None:
    rows = GATHER_BYTES // 4 // 64
    assert [offered.offer(rows) for _ in range(8)] == [0, 0, 0, 1, 0, 0, 0, 1]
