"""The source's end of one stream's wire: numbers, keeps, sends and sends again."""

import time
from dataclasses import dataclass

import numpy as np
import zmq

from rigd.streams.block import Block, ClockReading, Ended, Lost, StreamFormat
from rigd.streams.ring import Message, Ring
from rigd.streams.wire import (
    CLOCK_DTYPE,
    COPY_BELOW,
    INTRODUCE,
    LOST_COUNT,
    RECORD,
    Address,
    Header,
    Kind,
    WireError,
    high_water_mark,
    pack_header,
    parse_header,
)

HELLO_EVERY = 0.5
"""Seconds between two introductions while the writer has not answered."""

ASK_AFTER = 3.0
"""Seconds without a word from the writer until its state is asked for."""

PUMP_LIMIT = 256
"""Messages sent in a row before replies are looked at again."""


@dataclass(slots=True)
class Tally:
    """Samples of a stream so far: sent to the ring, and lost before it."""

    rows: int = 0
    lost: int = 0


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
    ) -> None:
        self.stream = stream
        self.ring = ring
        self.tally = Tally()
        self.welcome = False
        self._row_bytes = stream_format.row_bytes
        self._address = address
        self._data_prefix = address.prefix(Kind.DATA)
        self._missing: Lost | None = None
        self._ended: int | None = None
        self._greeted = -HELLO_EVERY
        self._progressed = 0.0
        self._socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.sndhwm = high_water_mark(stream_format)
        self._socket.connect(endpoint)

    # --- what the driver says -----------------------------------------------------

    def has_room(self, rows: int) -> bool:
        """Say whether a block of `rows` rows would be taken now."""
        return self.ring.has_room(rows * self._row_bytes, rows)

    def offer(self, block: Block) -> bool:
        """Take a block into the ring, or count its rows as lost: "ring full"."""
        rows = len(block.data)
        if not self.has_room(rows):
            self._lose(Lost(self.stream, block.first, rows, "ring full", block.epoch))
            return False
        self.announce_missing()
        self.ring.push(self._data_message(block, rows))
        self.tally.rows += rows
        return True

    def lose(self, lost: Lost) -> None:
        """Pass on what the driver says is lost; losses in a row are one interval."""
        self._lose(lost)

    def read_clock(self, reading: ClockReading) -> None:
        """Pass on a pair of clock readings."""
        self.announce_missing()
        body = np.array(
            [(reading.device_ns, reading.host_ns, reading.uncertainty_ns)], CLOCK_DTYPE
        ).tobytes()
        self._push_small(Header(Kind.CLOCK, 0, 0, 0, self.ring.next), body)

    def end(self, ended: Ended) -> None:
        """Say that nothing follows. A second end is ignored."""
        if self._ended is not None:
            return
        self.announce_missing()
        self._push_small(
            Header(Kind.END, 0, 0, 0, self.ring.next), ended.reason.encode()[:240]
        )
        self._ended = self.ring.next

    @property
    def ended(self) -> bool:
        """The driver has said that nothing follows."""
        return self._ended is not None

    @property
    def finished(self) -> bool:
        """The end, and so everything before it, is acknowledged."""
        return self._ended is not None and self.ring.first >= self._ended

    def _lose(self, lost: Lost) -> None:
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

    def announce_missing(self) -> None:
        """Put a LOST message into the ring; small, so it goes in whatever its fill."""
        lost, self._missing = self._missing, None
        if lost is not None:
            header = Header(
                Kind.LOST, 0, 0, 0, self.ring.next, first=lost.first, epoch=lost.epoch
            )
            self._push_small(header, LOST_COUNT.pack(lost.count) + lost.cause.encode())

    def _push_small(self, header: Header, body: bytes) -> None:
        address = self._address
        frame = (
            address.prefix(header.kind)
            + RECORD.pack(
                header.sequence, header.first, 0, time.monotonic_ns(), 0, header.epoch,
                0, 0,
            )
            + body
        )  # fmt: skip
        self.ring.push(Message((frame,), len(frame), 0))

    def _data_message(self, block: Block, rows: int) -> Message:
        header = self._data_prefix + RECORD.pack(
            self.ring.next, block.first, block.device_ns, block.host_ns, rows,
            block.epoch, block.batch, 0,
        )  # fmt: skip
        data, times = block.data, block.row_ns
        after = b"" if times is None else times.tobytes()
        size = data.nbytes + len(after)
        if size < COPY_BELOW:
            return Message((header + data.tobytes() + after,), size, rows)
        body = data.reshape(-1).view(np.uint8).data
        return Message((header, b"".join((body, after)) if after else body), size, rows)

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
        unsent, send, mark_sent = self.ring.unsent, self._send, self.ring.mark_sent
        for _ in range(PUMP_LIMIT):
            message = unsent()
            if message is None:
                self._ask_when_silent()
                return
            if not send(message.frames):
                return
            mark_sent()

    def _ask_when_silent(self) -> None:
        """Say HELLO again when all is sent and the writer has long said nothing.

        The last messages may be gone with a connection; nobody else would notice.
        """
        waiting = self.ring.first < self.ring.next
        if waiting and time.monotonic() - self._progressed >= ASK_AFTER:
            self._greet()

    def _greet(self) -> None:
        now = time.monotonic()
        if now - self._greeted >= HELLO_EVERY:
            address = self._address
            header = Header(Kind.HELLO, address.key, address.digest, address.sender, 0)
            if self._send((pack_header(header) + self.stream.encode(),)):
                self._greeted = now

    def _send(self, frames: tuple[bytes, ...]) -> bool:
        try:
            if len(frames) == 1:
                self._socket.send(frames[0], zmq.NOBLOCK)
            else:
                self._socket.send(frames[0], zmq.NOBLOCK | zmq.SNDMORE)
                self._socket.send(frames[1], copy=False)
        except zmq.Again:
            return False
        return True

    def _hear(self) -> None:
        while True:
            try:
                reply = b"".join(self._socket.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return
            try:
                self._obey(parse_header(reply), reply)
            except WireError:
                continue

    def _obey(self, header: Header, reply: bytes) -> None:
        if header.sender != self._address.sender:
            return
        if header.kind is Kind.WELCOME:
            self.welcome = True
            self._progressed = time.monotonic()
            self.ring.rewind(header.sequence)
        elif header.kind is Kind.ACK:
            self._progressed = time.monotonic()
            self.ring.release(header.sequence)
        elif header.kind is Kind.RESEND and header.sequence == INTRODUCE:
            self.welcome = False
        elif header.kind is Kind.RESEND:
            self.ring.rewind(header.sequence)
        elif header.kind is Kind.STOP:
            self.end(Ended(self.stream))
        elif header.kind is Kind.REFUSED:
            raise RefusedError(reply[80:].decode(errors="replace"))

    def close(self) -> None:
        """Give the socket back; what is not acknowledged is not waited for."""
        self._socket.close(linger=0)
