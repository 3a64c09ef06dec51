"""Sender and receiver over real sockets: every row once and in order, or counted."""

import itertools
import time
from collections.abc import Callable, Iterator
from mmap import mmap
from pathlib import Path

import numpy as np
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rigd.streams import receiver as receiver_module
from rigd.streams import sender as sender_module
from rigd.streams.block import Block, ClockReading, Ended, Lost, StreamFormat
from rigd.streams.readiness import has_input
from rigd.streams.receiver import Receiver
from rigd.streams.ring import Ring
from rigd.streams.run import Run
from rigd.streams.sender import RefusedError, Sender
from rigd.streams.standing import Standing
from rigd.streams.taken import Malformed, Taken, Told
from rigd.streams.wire import (
    Address,
    Header,
    Kind,
    pack_header,
    parse_header,
)
from tests.support.faulty_link import FaultyLink

FORMAT = StreamFormat(np.dtype("<i4"), (3,), 1000.0)
EVENTS = StreamFormat(np.dtype("<u1"), (), None, row_times=True)
KEY = 77

Context = zmq.Context[zmq.Socket[bytes]]
_numbers = itertools.count()


@pytest.fixture
def context() -> Iterator[Context]:
    context: Context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture(autouse=True)
def ask_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "RESEND_EVERY", 0.005)
    monkeypatch.setattr(sender_module, "ASK_AFTER", 0.02)
    monkeypatch.setattr(sender_module, "HELLO_EVERY", 0.02)


class Pair:
    """A sender and a receiver of the same stream, with everything that was taken."""

    def __init__(
        self,
        context: Context,
        folder: Path,
        *,
        stream_format: StreamFormat = FORMAT,
        ring: Ring | None = None,
        through: str | None = None,
    ) -> None:
        number = next(_numbers)
        self.endpoint = f"ipc://{folder}/{number}"
        self.complaints: list[str] = []
        self._context, self._format = context, stream_format
        self.receiver = self._new_receiver()
        self.sender = Sender(
            context,
            through or self.endpoint,
            stream="s",
            stream_format=stream_format,
            address=Address(KEY, stream_format.digest, 1000 + number),
            ring=ring or Ring(10**6),
        )
        self.taken: list[Taken] = []
        self.bodies: list[bytes] = []
        self.link: FaultyLink | None = None

    def _new_receiver(self) -> Receiver:
        return Receiver(
            self._context,
            self.endpoint,
            stream="s",
            stream_format=self._format,
            key=KEY,
            complain=self.complaints.append,
        )

    def start_receiver_anew(self) -> None:
        """Put a receiver that knows nothing into the place of one that has died."""
        self.receiver = self._new_receiver()

    def step(self) -> None:
        self.sender.pump()
        if self.link is not None:
            self.link.step()
        self.take()

    def take(self) -> None:
        """Take what is there; copy bodies, which are only lent until acknowledged."""
        taken = self.receiver.take(is_waiting=has_input(self.receiver.socket))
        self.taken += taken
        self.bodies += [bytes(b) for t in taken if isinstance(t, Run) for b in t.bodies]

    def settle(self, seconds: float = 5.0) -> None:
        """Go on until the receiver has everything and the sender knows."""
        end = time.monotonic() + seconds
        while self.sender.ring.first < self.sender.ring.next:
            assert time.monotonic() < end, "not delivered in time"
            self.step()
            if self.receiver.wanted > self.sender.ring.first:
                self.receiver.acknowledge(self.receiver.wanted)

    def rows(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
        return np.frombuffer(b"".join(self.bodies), "<i4").reshape(-1, 3)

    def close(self) -> None:
        self.sender.close()
        self.receiver.close()
        if self.link is not None:
            self.link.close()


def block(first: int, rows: int) -> Block:
    data = np.arange(first * 3, (first + rows) * 3, dtype="<i4").reshape(rows, 3)
    return Block("s", first, data, time.monotonic_ns())


def test_rows_arrive_once_and_in_order(context: Context, tmp_path: Path) -> None:
    pair = Pair(context, tmp_path)
    for first in range(0, 1000, 10):
        assert pair.sender.offer(block(first, 10))
    pair.sender.end(Ended("s", "because"))
    pair.settle()
    np.testing.assert_array_equal(pair.rows().ravel(), np.arange(3000))
    last = pair.taken[-1]
    assert isinstance(last, Told)
    assert (last.header.kind, last.body) == (Kind.END, b"because")
    assert pair.sender.finished
    pair.close()


LARGE = 20_000
"""Rows of a block that is large enough for shared memory."""


def is_shared(run: Taken) -> bool:
    return isinstance(run, Run) and all(
        isinstance(body, memoryview) and isinstance(body.obj, mmap)
        for body in run.bodies
    )


def test_a_large_block_travels_by_shared_memory(
    context: Context, tmp_path: Path
) -> None:
    pair = Pair(context, tmp_path, ring=Ring(10**8))
    for first in range(0, 5 * LARGE, LARGE):
        assert pair.sender.offer(block(first, LARGE))
        pair.settle()
    assert [is_shared(run) for run in pair.taken] == [False] + 4 * [True]
    np.testing.assert_array_equal(pair.rows().ravel(), np.arange(15 * LARGE))
    assert pair.receiver.taken_bytes > 15 * LARGE * 4
    pair.close()


def test_blocks_that_lie_one_behind_the_other_are_one_piece(
    context: Context, tmp_path: Path
) -> None:
    pair = Pair(context, tmp_path, ring=Ring(10**8))
    pair.sender.offer(block(0, LARGE))
    pair.settle()
    for first in range(LARGE, 6 * LARGE, LARGE):
        pair.sender.offer(block(first, LARGE))
    pair.sender.pump()
    time.sleep(0.1)
    pair.settle()
    runs = [run for run in pair.taken if isinstance(run, Run)]
    assert sum(run.blocks for run in runs) == 6
    assert sum(len(run.bodies) for run in runs) < 6
    for run in runs:
        assert sum(run.body_rows) == run.rows
    np.testing.assert_array_equal(pair.rows().ravel(), np.arange(18 * LARGE))
    pair.close()


TOGETHER = 2000
"""Rows of a small block of which three are large enough together."""


def test_small_blocks_that_are_large_together_travel_by_shared_memory(
    context: Context, tmp_path: Path
) -> None:
    pair = Pair(context, tmp_path, ring=Ring(10**8))
    for group in range(4):
        for number in range(3 * group, 3 * group + 3):
            assert pair.sender.offer(block(number * TOGETHER, TOGETHER))
        pair.sender.finish_gathering()
        pair.settle()
    runs = [run for run in pair.taken if isinstance(run, Run)]
    assert [is_shared(run) for run in runs] == [False] + 3 * [True]
    assert [run.blocks for run in runs] == [3, 3, 3, 3]
    np.testing.assert_array_equal(pair.rows().ravel(), np.arange(36 * TOGETHER))
    pair.close()


def test_a_sender_that_is_closed_twice_closes_nobody_elses_file(
    context: Context, tmp_path: Path
) -> None:
    pair = Pair(context, tmp_path, ring=Ring(10**8))
    assert pair.sender.offer(block(0, LARGE))
    pair.settle()
    pair.sender.close()
    others = [(tmp_path / f"other{n}").open("w") for n in range(8)]
    pair.close()
    for other in others:
        other.write("still open")
        other.close()


def test_a_block_that_memory_has_no_room_for_travels_by_socket(
    context: Context, tmp_path: Path
) -> None:
    size = 12 * LARGE
    pair = Pair(context, tmp_path, ring=Ring(4 * size - 1))
    for first in range(0, 4 * LARGE, LARGE):
        pair.sender.offer(block(first, LARGE))
    pair.settle()
    pair.sender.offer(block(4 * LARGE, 5 * LARGE))  # an empty ring takes it
    pair.settle()
    pair.sender.offer(block(9 * LARGE, LARGE))
    pair.settle()
    shared = [is_shared(run) for run in pair.taken if isinstance(run, Run)]
    assert shared[-2:] == [False, True]
    rows = pair.rows()
    np.testing.assert_array_equal(
        rows[-6 * LARGE :, 0], np.arange(4 * LARGE, 10 * LARGE) * 3
    )
    pair.close()


@pytest.mark.parametrize(("pieces", "rows"), [(1, LARGE), (5, TOGETHER)])
def test_a_new_receiver_is_shown_the_memory(
    context: Context, tmp_path: Path, pieces: int, rows: int
) -> None:
    """Whether a message has one large block or several small ones."""
    pair = Pair(context, tmp_path, ring=Ring(10**8))
    whole = pieces * rows

    def offer(message: int) -> None:
        for first in range(message * whole, (message + 1) * whole, rows):
            pair.sender.offer(block(first, rows))
        pair.sender.finish_gathering()
        pair.sender.pump()

    for message in range(3):
        offer(message)
        pair.settle()
    assert is_shared(pair.taken[-1])
    sender, sequence = pair.receiver.sender, 3 * pieces
    pair.receiver.socket.close(linger=0)
    for message in range(3, 6):
        offer(message)
    pair.start_receiver_anew()
    pair.receiver.go_on_from(Standing(sequence, sender, next=3 * whole))
    pair.settle()
    offer(6)
    pair.settle()
    assert is_shared(pair.taken[-1])
    assert not pair.complaints
    np.testing.assert_array_equal(pair.rows().ravel(), np.arange(21 * whole))
    pair.close()


def test_a_full_ring_loses_with_its_cause(context: Context, tmp_path: Path) -> None:
    pair = Pair(context, tmp_path, ring=Ring(1200))
    taken = [pair.sender.offer(block(first, 10)) for first in range(0, 200, 10)]
    assert taken == [True] * 10 + [False] * 10
    pair.settle()
    assert pair.sender.offer(block(200, 10))
    pair.settle()
    told = [t for t in pair.taken if isinstance(t, Told)]
    assert [(t.header.kind, t.header.first) for t in told] == [(Kind.LOST, 100)]
    assert told[0].body == (100).to_bytes(8, "little") + b"ring full"
    assert pair.sender.tally.rows + pair.sender.tally.lost == 210
    pair.close()


def test_losses_and_clocks_keep_their_place(context: Context, tmp_path: Path) -> None:
    pair = Pair(context, tmp_path)
    pair.sender.offer(block(0, 5))
    pair.sender.lose(Lost("s", 5, 10, "device"))
    pair.sender.read_clock(ClockReading("s", 1, 2, 3))
    pair.sender.offer(block(15, 5))
    pair.settle()
    kinds = [
        t.header.kind if isinstance(t, Told) else type(t).__name__ for t in pair.taken
    ]
    assert kinds == ["Run", Kind.LOST, Kind.CLOCK, "Run"]
    pair.close()


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 2**32),
    drop=st.floats(0, 0.3),
    double=st.floats(0, 0.3),
    hold=st.floats(0, 0.3),
    rows=st.sampled_from([5, 2000]),
)
def test_a_faulty_link_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    drop: float,
    double: float,
    hold: float,
    rows: int,
) -> None:
    """Blocks alone or together, through the socket or in shared memory."""
    context: Context = zmq.Context()
    folder = tmp_path_factory.mktemp("link")
    front = f"ipc://{folder}/front"
    pair = Pair(context, folder, through=front, ring=Ring(10**7))
    pair.link = FaultyLink(
        context,
        front,
        pair.endpoint,
        seed=seed,
        drop=drop,
        double=double,
        hold=hold,
    )
    for number in range(60):
        pair.sender.offer(block(number * rows, rows))
        if number % 7 == seed % 7:
            pair.sender.finish_gathering()
        pair.step()
    pair.sender.end(Ended("s"))
    pair.settle(20)
    np.testing.assert_array_equal(pair.rows().ravel(), np.arange(180 * rows))
    assert pair.receiver.rejected == 0
    pair.close()
    context.destroy(linger=0)


def test_a_new_receiver_is_met_again(context: Context, tmp_path: Path) -> None:
    """A receiver that starts anew asks for an introduction, then for everything."""
    pair = Pair(context, tmp_path)
    pair.sender.offer(block(0, 5))
    pair.settle()
    pair.receiver.socket.close(linger=0)
    time.sleep(0.05)
    pair.start_receiver_anew()
    pair.receiver.sender, pair.receiver.wanted = 0, 0
    pair.taken.clear()
    pair.sender.offer(block(5, 5))
    end = time.monotonic() + 5
    while pair.receiver.sender == 0 and time.monotonic() < end:
        pair.step()
    assert pair.receiver.sender != 0
    pair.close()


def test_a_refusal_is_raised(context: Context, tmp_path: Path) -> None:
    socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
    socket.bind(f"ipc://{tmp_path}/r")
    sender = Sender(
        context,
        f"ipc://{tmp_path}/r",
        stream="s",
        stream_format=FORMAT,
        address=Address(KEY, FORMAT.digest, 5),
        ring=Ring(1000),
    )
    sender.pump()
    hello = parse_header(socket.recv())
    refusal = pack_header(Header(Kind.REFUSED, KEY, FORMAT.digest, hello.sender, 0))
    socket.send(refusal + b"no room")
    time.sleep(0.1)
    with pytest.raises(RefusedError, match="no room"):
        sender.pump()
    sender.close()
    socket.close(linger=0)


class Stranger:
    """Sends single messages to a receiver that has met sender 5 already."""

    def __init__(self, context: Context, folder: Path, form: StreamFormat) -> None:
        self.form = form
        self.pair = Pair(context, folder, stream_format=form)
        self.socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
        self.socket.connect(self.pair.endpoint)
        self.send(Header(Kind.HELLO, KEY, form.digest, 5, 0), b"s")
        self.wait(lambda: self.pair.receiver.sender == 5)

    def send(self, header: Header, body: bytes = b"") -> None:
        self.send_raw(pack_header(header) + body)

    def send_raw(self, message: bytes) -> None:
        self.socket.send(message)

    def data(self, sequence: int, first: int, rows: int) -> Header:
        return Header(
            Kind.DATA, KEY, self.form.digest, 5, sequence, first=first, rows=rows
        )

    def wait(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + 5
        while not done():
            assert time.monotonic() < end
            self.pair.take()

    def close(self) -> None:
        self.socket.close(linger=0)
        self.pair.close()


@pytest.fixture
def stranger(context: Context, tmp_path: Path) -> Iterator[Stranger]:
    stranger = Stranger(context, tmp_path, FORMAT)
    yield stranger
    stranger.close()


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (b"", "0 bytes"),
        (b"RIGD", "4 bytes"),
        (bytes(100), "magic"),
        (b"RIGD\x07" + bytes(90), "version 7"),
        (b"RIGD\x01\x63" + bytes(90), "unknown kind 99"),
        (b"RIGD\x01\x03\x00\x80" + bytes(90), "flags 0x8000"),
        (pack_header(Header(Kind.DATA, 1, FORMAT.digest, 5, 0)), "stream key"),
        (pack_header(Header(Kind.DATA, KEY, 1, 5, 0)), "dtype or shape"),
        (pack_header(Header(Kind.ACK, KEY, FORMAT.digest, 5, 0)), "not for a writer"),
        (pack_header(Header(Kind.HELLO, KEY, FORMAT.digest, 6, 0)) + b"x", "HELLO"),
        (pack_header(Header(Kind.HELLO, KEY, FORMAT.digest, 0, 0)) + b"s", "sender"),
        (pack_header(Header(Kind.MEMORY, KEY, FORMAT.digest, 5, 0)) + b"x", "1 bytes"),
    ],
)
def test_a_message_that_is_not_ours_is_counted(
    stranger: Stranger, message: bytes, what: str
) -> None:
    stranger.send_raw(message)
    stranger.wait(lambda: stranger.pair.receiver.rejected == 1)
    assert what in stranger.pair.complaints[0]
    stranger.send(stranger.data(0, 0, 1), bytes(12))
    stranger.wait(lambda: stranger.pair.receiver.wanted == 1)


def test_memory_that_can_not_be_seen_is_no_fault(stranger: Stranger) -> None:
    stranger.send(Header(Kind.MEMORY, KEY, FORMAT.digest, 5, 0), bytes(16))
    stranger.send(stranger.data(0, 0, 1), bytes(12))
    stranger.wait(lambda: stranger.pair.receiver.wanted == 1)
    assert stranger.pair.receiver.rejected == 0
    assert "travel through the socket" in stranger.pair.complaints[0]


@pytest.mark.parametrize("size", [0, 11, 13, 24])
def test_a_wrong_length_is_counted_and_its_samples_are_suspect(
    stranger: Stranger, size: int
) -> None:
    stranger.send(stranger.data(0, 0, 1), bytes(size))
    stranger.send(stranger.data(1, 1, 1), bytes(12))
    stranger.wait(lambda: stranger.pair.receiver.wanted == 2)
    assert stranger.pair.receiver.rejected == 1
    assert [type(t) for t in stranger.pair.taken] == [Malformed, Run]
    assert "12 bytes" in stranger.pair.complaints[0]


SAMPLES_END = 2**48


@pytest.mark.parametrize(
    ("kind", "first", "rows", "body", "what"),
    [
        (Kind.DATA, 0, 0, b"", "0 rows"),
        (Kind.DATA, SAMPLES_END, 1, bytes(12), "indices end at"),
        (Kind.DATA, 2**64 - 1, 1, bytes(12), "indices end at"),
        (Kind.LOST, 0, 0, bytes(8) + b"device", "none is no loss"),
        (Kind.LOST, 1, 0, SAMPLES_END.to_bytes(8, "little") + b"disk", "end at"),
        (Kind.LOST, 0, 0, b"\1" + bytes(7) + b"a mouse", "'a mouse'; it must be one"),
        (Kind.LOST, 0, 0, b"\1" + bytes(7) + b"disk\0", "it must be one of"),
        (Kind.LOST, 0, 0, bytes(7), "7 bytes in a LOST"),
        (Kind.CLOCK, 0, 0, bytes(25), "25 bytes in a CLOCK"),
    ],
)
def test_a_message_that_makes_no_sense_is_counted(
    stranger: Stranger, kind: Kind, first: int, rows: int, body: bytes, what: str
) -> None:
    header = Header(kind, KEY, FORMAT.digest, 5, 0, first=first, rows=rows)
    stranger.send(header, body)
    stranger.wait(lambda: stranger.pair.receiver.wanted == 1)
    assert what in stranger.pair.complaints[0]
    assert [type(t) for t in stranger.pair.taken] == [Malformed]


@pytest.mark.parametrize("kind", [Kind.LOST, Kind.CLOCK, Kind.END])
def test_no_message_has_three_frames(stranger: Stranger, kind: Kind) -> None:
    header = pack_header(Header(kind, KEY, FORMAT.digest, 5, 0))
    body = b"\1" + bytes(7) + b"disk" if kind is Kind.LOST else b""
    stranger.socket.send_multipart([header, body, b"more"])
    stranger.wait(lambda: stranger.pair.receiver.wanted == 1)
    stranger.socket.send_multipart([header + body, b"more"])
    stranger.wait(lambda: stranger.pair.receiver.repeated == 1)
    assert [type(t) for t in stranger.pair.taken] == [Malformed]


def test_extra_frames_are_refused(stranger: Stranger) -> None:
    header = pack_header(stranger.data(0, 0, 1))
    stranger.socket.send_multipart([header, bytes(12), b"more"])
    stranger.send(stranger.data(1, 1, 1), bytes(12))
    stranger.wait(lambda: stranger.pair.receiver.wanted == 2)
    assert stranger.pair.receiver.rejected >= 1
    assert sum(t.rows for t in stranger.pair.taken if isinstance(t, Run)) == 1


def test_a_hole_in_the_sequence_is_asked_for(stranger: Stranger) -> None:
    stranger.send(stranger.data(3, 0, 1), bytes(12))
    replies: list[tuple[Kind, int]] = []

    def asked() -> bool:
        while stranger.socket.poll(1):
            header = parse_header(stranger.socket.recv())
            replies.append((header.kind, header.sequence))
        return (Kind.RESEND, 0) in replies

    stranger.wait(asked)
    assert stranger.pair.receiver.wanted == 0


def test_rows_with_times(context: Context, tmp_path: Path) -> None:
    pair = Pair(context, tmp_path, stream_format=EVENTS)
    times = np.array([5, 6], "<i8")
    pair.sender.offer(Block("s", 0, np.array([1, 2], "<u1"), 0, row_ns=times))
    pair.settle()
    run = pair.taken[0]
    assert isinstance(run, Run)
    assert bytes(run.bodies[0]) == b"\x01\x02" + times.tobytes()
    pair.close()
