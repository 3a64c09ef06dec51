"""The sending process of a benchmark: `python -m benchmarks.feed`.

Three ways to send, from rigd's own to the barest:

sender  `rigd.streams.sender.Sender`, with its ring, as in a source process
plain   the protocol without a ring: a DEALER that numbers messages and sends them
push    a PUSH socket that sends the same messages and hears nothing
"""

import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from enum import StrEnum

import zmq

from benchmarks.processes import LIFETIME
from benchmarks.workload import KEY, STREAM, Workload
from rigd.config.base import Model
from rigd.streams.block import Block, Ended
from rigd.streams.process import spare_the_collector
from rigd.streams.ring import Ring
from rigd.streams.sender import Sender
from rigd.streams.wire import (
    COPY_BELOW,
    RECORD,
    Address,
    Header,
    Kind,
    high_water_mark,
    pack_header,
    parse_header,
)

PAUSE = 0.0005
"""Seconds of rest when neither ring nor socket takes more."""

LOOK_EVERY = 0.02
"""Seconds between two looks at the sockets, as in a source whose device is silent."""

TURN_BYTES = 512 * 1024
"""Bytes that may wait to be sent: drivers make blocks no faster than they are sent."""

FULL = 0.9
"""Fill of the ring from which on no more is made, as in a source."""

Context = zmq.Context[zmq.Socket[bytes]]
Socket = zmq.Socket[bytes]


class Way(StrEnum):
    """How the blocks are sent."""

    SENDER = "sender"
    PLAIN = "plain"
    PUSH = "push"


class FeedSpec(Model):
    """What to send, how, and to whom: every receiver gets all of it."""

    way: Way
    endpoints: list[str]
    workload: Workload
    ring_bytes: int = 256 * 2**20


class FeedReport(Model):
    """What the sending process saw. Times are CLOCK_MONOTONIC, seconds."""

    started: float
    finished: float
    """The last block is acknowledged, or handed to ZeroMQ (`push`)."""
    ring_fill: float = 0.0
    """Highest fill of a ring, 0 to 1."""
    longest_wait: float = 0.0
    """Longest time from a block to its acknowledgement, seconds."""
    lost: int = 0
    """Rows that found their ring full."""


# --- as rigd sends --------------------------------------------------------------------


class Feeder:
    """Offers blocks to one sender, and watches their acknowledgements."""

    def __init__(self, context: Context, endpoint: str, spec: FeedSpec) -> None:
        stream_format = spec.workload.stream_format
        self.sender = Sender(
            context,
            endpoint,
            stream=STREAM,
            stream_format=stream_format,
            address=Address(KEY, stream_format.digest, 5),
            ring=Ring(spec.ring_bytes),
        )
        self.ring_fill = 0.0
        self.longest_wait = 0.0
        self._blocks = _blocks(spec.workload)
        self._waiting: deque[tuple[int, float]] = deque()

    def offer(self) -> None:
        """Offer the next block; what finds the ring full is lost."""
        self.sender.offer(next(self._blocks))

    def pump(self) -> None:
        """Send, hear, note how long the oldest blocks have waited."""
        ring, waiting, now = self.sender.ring, self._waiting, time.monotonic()
        if not waiting or waiting[-1][0] < ring.next:
            waiting.append((ring.next, now))
        self.ring_fill = max(self.ring_fill, ring.fill)
        self.sender.pump()
        while waiting and waiting[0][0] <= ring.first:
            self.longest_wait = max(self.longest_wait, now - waiting.popleft()[1])

    def offer_all(self, count: int, block_bytes: int) -> None:
        """Offer and send as fast as ring and socket take.

        Like a source whose driver is paced by its consumer: a few blocks a turn, while
        the ring has room.
        """
        ring = self.sender.ring
        left = count
        at_once = max(64, min(16_384, TURN_BYTES // block_bytes))
        while left:
            before = ring.cursor
            unsent = ring.next - ring.cursor
            turn = min(left, at_once - unsent) if ring.fill < FULL else 0
            for _ in range(turn):
                self.offer()
            left -= turn
            self.pump()
            if ring.cursor == before:
                time.sleep(PAUSE)


def _blocks(workload: Workload) -> Iterator[Block]:
    """Make the blocks; those that go as fast as they are taken are stamped to rate."""
    begin, period = time.monotonic_ns(), int(workload.period * 1e9)
    for number, data in enumerate(workload.arrays()):
        now = time.monotonic_ns() if workload.paced else begin + number * period
        yield Block(STREAM, number * workload.rows, data, now)


def feed_by_senders(context: Context, spec: FeedSpec) -> FeedReport:
    """Send as a source process does."""
    feeders = [Feeder(context, endpoint, spec) for endpoint in spec.endpoints]
    _pump_until(feeders, lambda feeder: feeder.sender.welcome)
    started = time.monotonic()
    if spec.workload.paced:
        _offer_paced(feeders, spec.workload, started)
    else:
        for feeder in feeders:
            feeder.offer_all(spec.workload.blocks, spec.workload.block_bytes)
    for feeder in feeders:
        feeder.sender.end(Ended(STREAM))
    _pump_until(feeders, lambda feeder: feeder.sender.finished)
    finished = time.monotonic()
    for feeder in feeders:
        feeder.sender.close()
    return FeedReport(
        started=started,
        finished=finished,
        ring_fill=max(feeder.ring_fill for feeder in feeders),
        longest_wait=max(feeder.longest_wait for feeder in feeders),
        lost=sum(feeder.sender.tally.lost for feeder in feeders),
    )


def _offer_paced(feeders: list[Feeder], workload: Workload, started: float) -> None:
    for number in range(1, workload.blocks + 1):
        due = started + number * workload.period
        while (left := due - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_EVERY))
            for feeder in feeders:
                feeder.pump()
        for feeder in feeders:
            feeder.offer()
            feeder.pump()


def _pump_until(feeders: list[Feeder], is_done: Callable[[Feeder], bool]) -> None:
    while not all(map(is_done, feeders)):
        for feeder in feeders:
            feeder.pump()
        time.sleep(PAUSE)


# --- as barely as can be --------------------------------------------------------------


def feed_plainly(context: Context, spec: FeedSpec) -> FeedReport:
    """Send the messages of one stream over a DEALER; hear WELCOME and the last ACK."""
    stream_format = spec.workload.stream_format
    socket = _connect(context, zmq.DEALER, spec)
    hello = Header(Kind.HELLO, KEY, stream_format.digest, 5, 0)
    socket.send(pack_header(hello) + STREAM.encode())
    while parse_header(socket.recv()).kind is not Kind.WELCOME:
        pass
    started = time.monotonic()
    _send_all(socket, spec.workload)
    end = Header(Kind.END, KEY, stream_format.digest, 5, spec.workload.blocks)
    socket.send(pack_header(end))
    while parse_header(socket.recv()).sequence <= spec.workload.blocks:
        pass
    finished = time.monotonic()
    socket.close()
    return FeedReport(started=started, finished=finished)


def feed_by_push(context: Context, spec: FeedSpec) -> FeedReport:
    """Send the messages of one stream over a PUSH, to whoever counts them."""
    socket = _connect(context, zmq.PUSH, spec)
    started = time.monotonic()
    _send_all(socket, spec.workload)
    finished = time.monotonic()
    sys.stdin.readline()  # the receiver has counted them: closing loses nothing
    socket.close()
    return FeedReport(started=started, finished=finished)


def _connect(context: Context, kind: int, spec: FeedSpec) -> Socket:
    socket = context.socket(kind)
    socket.sndhwm = high_water_mark(spec.workload.stream_format)
    socket.connect(spec.endpoints[0])
    return socket


def _send_all(socket: Socket, workload: Workload) -> None:
    """Send numbered blocks, waiting for the socket where it is full."""
    address = Address(KEY, workload.stream_format.digest, 5)
    prefix, pack, rows = address.prefix(Kind.DATA), RECORD.pack, workload.rows
    is_small = workload.block_bytes < COPY_BELOW
    for number, data in enumerate(workload.arrays()):
        now = time.monotonic_ns()
        header = prefix + pack(number, number * rows, 0, now, rows, 0, 0, 0)
        if is_small:
            socket.send(header + data.tobytes())
        else:
            socket.send(header, zmq.SNDMORE)
            socket.send(data.data, copy=False)


WAYS: dict[Way, Callable[[Context, FeedSpec], FeedReport]] = {
    Way.SENDER: feed_by_senders,
    Way.PLAIN: feed_plainly,
    Way.PUSH: feed_by_push,
}


def main() -> int:
    """Send by the specification on standard input; report on standard output."""
    signal.alarm(LIFETIME)
    spec = FeedSpec.model_validate_json(sys.stdin.readline())
    context: Context = zmq.Context()
    spare_the_collector()  # as a source does
    print("ready", flush=True)
    sys.stdin.readline()
    report = WAYS[spec.way](context, spec)
    print(report.model_dump_json(), flush=True)
    context.term()
    return 0


if __name__ == "__main__":
    sys.exit(main())
