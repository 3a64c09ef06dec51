"""The source's end of one stream's wire: numbers, keeps, sends and sends again."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import zmq

from rigd.streams.block import Block, ClockReading, Ended, Lost, StreamFormat
from rigd.streams.free_space import Place
from rigd.streams.readiness import has_input
from rigd.streams.ring import Message, Ring
from rigd.streams.shared_memory import SharedMemory
from rigd.streams.wire import (
    CLOCK_DTYPE,
    COPY_BELOW,
    GATHER_BYTES,
    INTRODUCE,
    LOST_COUNT,
    MOST_BLOCKS,
    OFFSET,
    RECORD,
    Address,
    Header,
    Kind,
    WireError,
    high_water_mark,
    pack_header,
    parse_header,
    record_of_blocks,
)

HELLO_EVERY = 0.5
"""Seconds between two introductions while the writer has not answered."""

ASK_AFTER = 3.0
"""Seconds without a word from the writer until its state is asked for."""

PUMP_LIMIT = 256
"""Messages sent in a row before replies are looked at again."""

MORE_FOLLOWS = zmq.NOBLOCK | zmq.SNDMORE
"""Flags of the first of two frames."""

GATHER_SECONDS = 0.12
"""Seconds that a small block may wait for others, to travel with them."""


@dataclass(slots=True)
class Tally:
    """Samples of a stream so far: sent to the ring, and lost before it."""

    rows: int = 0
    lost: int = 0


@dataclass(slots=True)
class Gathering:
    """Small blocks that will travel as one message.

    Attributes:
        since: CLOCK_MONOTONIC, ns, when the first one came.
        next: Sample index after the last row.
        epoch: That of all of them.
        records: Their `RECORD`s.
        parts: Their bodies, in pieces.
        size: Bytes of the bodies.
        rows: Rows of all.

    """

    since: int
    next: int
    epoch: int
    records: list[bytes] = field(default_factory=list)
    parts: list[Any] = field(default_factory=list)
    size: int = 0
    rows: int = 0

    def takes(self, block: Block, size: int) -> bool:
        """Say whether a block of `size` bytes goes on where this ends, and fits."""
        follows = self.next == block.first and self.epoch == block.epoch
        fits = self.size + size <= GATHER_BYTES and len(self.records) < MOST_BLOCKS
        return follows and fits

    def add(self, record: bytes, block: Block, rows: int, size: int) -> None:
        """Add a block with its record."""
        self.records.append(record)
        self.parts.append(block.data)
        if block.row_ns is not None:
            self.parts.append(block.row_ns)
        self.next = block.first + rows
        self.size += size
        self.rows += rows


def record_of(block: Block, rows: int, sequence: int) -> bytes:
    """Make the 48 bytes (`RECORD`) of message number `sequence`."""
    return RECORD.pack(
        sequence, block.first, block.device_ns, block.host_ns, rows, block.epoch,
        block.batch, 0,
    )  # fmt: skip


class RefusedError(Exception):
    """The writer does not want this stream: what it said."""


class Sender:
    """One stream's messages, from the driver's blocks to the acknowledged end.

    Never waits: `offer` takes a block or counts its loss, `pump` sends what the socket
    takes at the moment.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        endpoint: str,
        *,
        stream: str,
        stream_format: StreamFormat,
        address: Address,
        ring: Ring,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self.stream = stream
        self.ring = ring
        self.tally = Tally()
        self.welcome = False
        self._gather_ns = int(gather_seconds * 1e9)
        self._address = address
        self._data_prefix = address.prefix(Kind.DATA)
        self._blocks_prefix = address.prefix(Kind.BLOCKS)
        self._shared_prefix = address.prefix(Kind.SHARED)
        self._shared_blocks_prefix = address.prefix(Kind.SHARED_BLOCKS)
        self._memory: SharedMemory | None = None
        self._has_tried_to_share = False
        self._is_seen = False
        self._gathering: Gathering | None = None
        self._came = self._interval = 0
        self._missing: Lost | None = None
        self._ended: int | None = None
        self._greeted = -HELLO_EVERY
        self._progressed = 0.0
        self._socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.sndhwm = high_water_mark(stream_format)
        self._socket.connect(endpoint)

    # --- what the driver says -----------------------------------------------------

    def offer(self, block: Block) -> bool:
        """Take a block into the ring, or count its rows as lost: "ring full"."""
        data, times = block.data, block.row_ns
        rows = len(data)
        size = data.nbytes if times is None else data.nbytes + times.nbytes
        if not self.ring.has_room(size, rows):
            self.lose(Lost(self.stream, block.first, rows, "ring full", block.epoch))
            return False
        if self._missing is not None:
            self.announce_missing()
        if size < COPY_BELOW:
            self._gather(block, rows, size)
        else:
            self._take_alone(block, rows, size)
        self.tally.rows += rows
        return True

    def _gather(self, block: Block, rows: int, size: int) -> None:
        """Put a small block beside those before it that have not been sent."""
        now = time.monotonic_ns()
        gathering = self._gathering
        if gathering is None or not gathering.takes(block, size):
            self.finish_gathering()
            self._gathering = gathering = Gathering(now, block.first, block.epoch)
        record = record_of(block, rows, self.ring.number(size, rows))
        gathering.add(record, block, rows, size)
        # Bursts have pauses: the shorter of two intervals says when the next may come.
        before, self._interval = self._interval, now - self._came
        self._came = now
        expected = now + (before if before < self._interval else self._interval)
        is_last = expected - gathering.since > self._gather_ns
        if is_last or gathering.size + size > GATHER_BYTES:
            self.finish_gathering()

    def finish_gathering(self) -> None:
        """Let the blocks that wait for others travel now."""
        gathering, self._gathering = self._gathering, None
        if gathering is None:
            return
        records, parts, rows = gathering.records, gathering.parts, gathering.rows
        if len(records) == 1:
            frame = b"".join((self._data_prefix, *records, *parts))
            self.ring.keep(Message((frame,), gathering.size, rows))
        elif gathering.size < COPY_BELOW:
            header = self._blocks_prefix + record_of_blocks(records, rows)
            frame = b"".join((header, *records, *parts))
            self.ring.keep(Message((frame,), gathering.size, rows, len(records)))
        else:
            self._share_gathered(gathering)

    def _share_gathered(self, gathering: Gathering) -> None:
        """Keep blocks that are large together in shared memory, as one piece."""
        records, rows, size = gathering.records, gathering.rows, gathering.size
        record = record_of_blocks(records, rows)
        # To put small parts there one by one costs seven times as much.
        body: Any = b"".join((*records, *gathering.parts))
        place, brief = self._share([memoryview(body)], len(body)), b""
        if place is not None and self._memory is not None:
            body = self._memory.view(place)
            brief = self._shared_blocks_prefix + record + OFFSET.pack(place.offset)
        frames = (self._blocks_prefix + record, body)
        self.ring.keep(Message(frames, size, rows, len(records), place, brief))

    def _finish_gathering_in_time(self) -> None:
        gathering = self._gathering
        if gathering and time.monotonic_ns() - gathering.since >= self._gather_ns:
            self.finish_gathering()

    def _take_alone(self, block: Block, rows: int, size: int) -> None:
        """Keep a large block: a message of its own, its body in shared memory."""
        self.finish_gathering()
        record = record_of(block, rows, self.ring.next)
        parts = [as_bytes(block.data)]
        if block.row_ns is not None:
            parts.append(as_bytes(block.row_ns))
        place, brief = self._share(parts, size), b""
        if place is not None and self._memory is not None:
            body: Any = self._memory.view(place)
            brief = self._shared_prefix + record + OFFSET.pack(place.offset)
        else:
            body = parts[0] if len(parts) == 1 else b"".join(parts)
        frames = (self._data_prefix + record, body)
        self.ring.push(Message(frames, size, rows, place=place, brief=brief))

    def _share(self, parts: list[memoryview], size: int) -> Place | None:
        """Put a block into the shared memory; None where that has no room."""
        if not self._has_tried_to_share:
            self._has_tried_to_share = True
            with suppress(OSError):  # without it all goes through the socket
                self._memory = SharedMemory(self.ring.size, self._address.sender)
            self._offer_memory()
        return None if self._memory is None else self._memory.put(parts, size)

    def lose(self, lost: Lost) -> None:
        """Pass on what is lost; losses in a row are one interval."""
        self.tally.lost += lost.count
        previous = self._missing
        if previous is not None and (
            previous.epoch == lost.epoch
            and previous.cause == lost.cause
            and previous.first + previous.count == lost.first
        ):
            lost = Lost(
                lost.stream,
                previous.first,
                previous.count + lost.count,
                lost.cause,
                lost.epoch,
            )
        elif previous is not None:
            self.announce_missing()
        self._missing = lost

    def read_clock(self, reading: ClockReading) -> None:
        """Pass on a pair of clock readings."""
        self.announce_missing()
        body = np.array(
            [(reading.device_ns, reading.host_ns, reading.uncertainty_ns)], CLOCK_DTYPE
        ).tobytes()
        self._push_small(Kind.CLOCK, body)

    def end(self, ended: Ended) -> None:
        """Say that nothing follows. A second end is ignored."""
        if self._ended is not None:
            return
        self.announce_missing()
        self._push_small(Kind.END, ended.reason.encode()[:240])
        self._ended = self.ring.next

    @property
    def ended(self) -> bool:
        """The driver has said that nothing follows."""
        return self._ended is not None

    @property
    def finished(self) -> bool:
        """The end, and so everything before it, is acknowledged."""
        return self._ended is not None and self.ring.first >= self._ended

    def announce_missing(self) -> None:
        """Put a LOST message into the ring; small, so it goes in whatever its fill."""
        lost, self._missing = self._missing, None
        if lost is not None:
            body = LOST_COUNT.pack(lost.count) + lost.cause.encode()
            self._push_small(Kind.LOST, body, lost.first, lost.epoch)

    def _push_small(
        self, kind: Kind, body: bytes, first: int = 0, epoch: int = 0
    ) -> None:
        self.finish_gathering()
        record = RECORD.pack(
            self.ring.next, first, 0, time.monotonic_ns(), 0, epoch, 0, 0
        )
        frame = self._address.prefix(kind) + record + body
        self.ring.push(Message((frame,), len(frame), 0))

    # --- what the socket takes ----------------------------------------------------

    def pump(self) -> None:
        """Hear the writer, then send what is waiting, as far as the socket takes it.

        Raises:
            RefusedError: The writer does not want this sender.

        """
        self._hear()
        if not self.welcome:
            self._greet()
            return
        self._finish_gathering_in_time()
        unsent, send, mark_sent = self.ring.unsent, self._send, self.ring.mark_sent
        for _ in range(PUMP_LIMIT):
            message = unsent()
            if message is None:
                self._ask_when_silent()
                return
            if not send(self._frames_of(message)):
                return
            mark_sent()

    def _frames_of(self, message: Message) -> tuple[Any, ...]:
        """Say only where the body lies, to a writer that sees the memory."""
        if self._is_seen and message.brief:
            return (message.brief,)
        return message.frames

    def _ask_when_silent(self) -> None:
        """Say HELLO again when all is sent and the writer has long said nothing.

        The last messages may be gone with a connection; nobody else would notice.
        """
        waiting = self.ring.first < self.ring.next
        if waiting and time.monotonic() - self._progressed >= ASK_AFTER:
            self._greet()

    def _greet(self) -> None:
        now = time.monotonic()
        if now - self._greeted < HELLO_EVERY:
            return
        if self._send((self._unnumbered(Kind.HELLO) + self.stream.encode(),)):
            self._greeted = now

    def _offer_memory(self) -> None:
        """Tell the writer where large blocks lie; it answers if it can see them."""
        if self._memory is not None and self.welcome:
            self._send((self._unnumbered(Kind.MEMORY) + self._memory.where,))

    def _unnumbered(self, kind: Kind) -> bytes:
        address = self._address
        return pack_header(Header(kind, address.key, address.digest, address.sender, 0))

    def _send(self, frames: tuple[bytes, ...]) -> bool:
        try:
            if len(frames) == 1:
                self._socket.send(frames[0], zmq.NOBLOCK)
            else:
                self._socket.send(frames[0], MORE_FOLLOWS)
                self._socket.send(frames[1], copy=False)
        except zmq.Again:
            return False
        return True

    def _hear(self) -> None:
        while has_input(self._socket):
            reply = b"".join(self._socket.recv_multipart(zmq.NOBLOCK))
            try:
                self._obey(parse_header(reply), reply)
            except WireError:
                continue

    def _obey(self, header: Header, reply: bytes) -> None:
        if header.sender != self._address.sender:
            return
        if header.kind is Kind.WELCOME:
            self.welcome, self._is_seen = True, False
            self._progressed = time.monotonic()
            self.ring.rewind(header.sequence)
            self._offer_memory()
        elif header.kind is Kind.MEMORY:
            self._is_seen = True
        elif header.kind is Kind.ACK:
            self._progressed = time.monotonic()
            self._release(header.sequence)
        elif header.kind is Kind.RESEND and header.sequence == INTRODUCE:
            self.welcome = False
        elif header.kind is Kind.RESEND:
            self.ring.rewind(header.sequence)
        elif header.kind is Kind.STOP:
            self.end(Ended(self.stream))
        elif header.kind is Kind.REFUSED:
            raise RefusedError(reply[80:].decode(errors="replace"))

    def _release(self, sequence: int) -> None:
        for message in self.ring.release(sequence):
            if message.place is not None and self._memory is not None:
                self._memory.give_back(message.place)

    def close(self) -> None:
        """Give socket and memory back, once; nothing unacknowledged is waited for."""
        self._socket.close(linger=0)
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.close()


def as_bytes(rows: npt.NDArray[Any]) -> memoryview:
    """See C-contiguous rows as bytes."""
    return rows.reshape(-1).view(np.uint8).data
