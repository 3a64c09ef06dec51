"""Slow streams rest long, fast ones short or not at all; no queue runs full."""

import pytest

from rigd.streams.pace import GATHER_BYTES, Pace

LONGEST = 0.03
QUEUE = 400


class Socket:
    """A queue that a sender fills at its rate while the clock goes on."""

    def __init__(self, rate: float, size: int, queue: int = QUEUE) -> None:
        self.rate = rate
        self.size = size
        self.queue = queue
        self.now = 0.0
        self.slept = 0.0
        self.waiting = 0.0
        self.taken = 0
        self.most = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.go_on(seconds)

    def go_on(self, seconds: float) -> None:
        self.now += seconds
        self.waiting = min(self.queue, self.waiting + self.rate * seconds)
        self.most = max(self.most, self.waiting)

    def take(self) -> int:
        messages = int(self.waiting)
        self.waiting -= messages
        self.taken += messages
        return messages


def run(socket: Socket, *, is_empty: bool = True) -> Socket:
    """Take and rest for 10 s, of which the first is not counted.

    Each look takes 0.1 ms.
    """
    pace = Pace(LONGEST, QUEUE, clock=socket.clock, sleep=socket.sleep)
    for end in (1.0, 10.0):
        socket.slept, socket.taken, socket.most = 0.0, 0, 0.0
        while socket.now < end:
            socket.go_on(1e-4)
            messages = socket.take()
            pace.rest(messages * socket.size, messages, is_empty=is_empty)
    return socket


@pytest.mark.parametrize("rate", [100, 300])
def test_a_slow_stream_rests_nearly_all_the_time(rate: float) -> None:
    assert run(Socket(rate, 5000)).slept > 8.9


@pytest.mark.parametrize("rate", [0, 10, 30])
def test_there_is_no_rest_where_nothing_would_gather(rate: float) -> None:
    assert run(Socket(rate, 10_000)).slept == 0


def test_big_messages_gather_no_more_than_stays_in_the_cache() -> None:
    socket = run(Socket(1000, 100_000))
    assert socket.slept > 8
    assert socket.most * socket.size < 1.2 * GATHER_BYTES


def test_a_very_fast_stream_does_not_rest() -> None:
    assert run(Socket(20_000, 100_000)).slept == 0


@pytest.mark.parametrize("rate", [2e4, 5e4, 1e5, 2e5])
def test_no_sender_is_held_up_by_a_full_queue(rate: float) -> None:
    socket = run(Socket(rate, 100))
    assert socket.most < QUEUE
    assert socket.taken > 0.99 * 9 * rate


def test_there_is_no_rest_while_more_is_waiting() -> None:
    assert run(Socket(100, 10_000), is_empty=False).slept == 0
