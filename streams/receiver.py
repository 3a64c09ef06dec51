"""The writer's end of the wire: takes messages in order, once, and asks for the rest.

Numbered messages are accepted in sequence only. A hole makes the receiver ask to send
again from there (go-back-N, at most every `RESEND_EVERY` seconds); what it has already
is dropped and counted. What is not of this protocol or stream is refused and counted.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zmq

from rigd.streams.block import StreamFormat
from rigd.streams.ledger import CAUSES
from rigd.streams.standing import Standing
from rigd.streams.wire import (
    CLOCK_DTYPE,
    HEADER_BYTES,
    INTRODUCE,
    LOST_COUNT,
    NUMBERED,
    PREFIX,
    RECORD,
    SAMPLES_END,
    Address,
    Header,
    Kind,
    WireError,
    high_water_mark,
    pack_header,
    parse_header,
    welcome,
)

RESEND_EVERY = 0.2
"""Seconds between two requests for the same missing message."""

TAKE_LIMIT = 2048
"""Messages taken in a row: bounds the work between two looks at the clock."""

TAKE_BYTES = 2 * 2**20
"""Bytes taken in a row: what is taken together stays in the processor's cache."""

REPLACED = "another sender has taken over this stream"
"""Why a sender is refused whose successor has said HELLO."""

TOO_MANY = memoryview(b"")
"""Body of a message of more than two frames: none that can be used."""

NO_SENDER = 0
"""Sender id before the first HELLO; senders draw ids from 1."""


@dataclass(slots=True)
class Run:
    """Blocks that follow each other in sequence and in sample index.

    `records` are the blocks' 48-byte entries for `sync/blocks`; `bodies` their bytes.
    """

    first: int
    rows: int
    epoch: int
    records: list[Any] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A numbered message of this sender that can't be used; its samples are lost."""

    what: str


@dataclass(frozen=True, slots=True)
class Told:
    """A numbered message other than DATA: its header and body."""

    header: Header
    body: bytes


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What follows comes from another sender than what was before."""


Taken = Run | Told | Malformed | TakenOver


def fault_of(told: Told) -> str:
    """Say what makes a numbered message unusable; empty: nothing."""
    kind, size = told.header.kind, len(told.body)
    if kind is Kind.LOST and size >= LOST_COUNT.size:
        return _fault_of_loss(told)
    if kind is Kind.LOST or (kind is Kind.CLOCK and size % CLOCK_DTYPE.itemsize):
        return f"{size} bytes in a {kind.name} message"
    return ""


def _fault_of_loss(told: Told) -> str:
    first = told.header.first
    (count,) = LOST_COUNT.unpack_from(told.body)
    cause = told.body[LOST_COUNT.size :].decode(errors="replace")
    if cause not in CAUSES:
        return f"LOST with the cause {cause[:64]!r}; it must be one of {list(CAUSES)}"
    if count == 0 or first + count > SAMPLES_END:
        what = f"LOST of {count} samples from {first} on; indices end at {SAMPLES_END}"
        return f"{what}, and none is no loss"
    return ""


class Receiver:
    """Binds the stream's socket and hands out what comes, in order."""

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        endpoint: str,
        *,
        stream: str,
        stream_format: StreamFormat,
        key: int,
        complain: Callable[[str], None],
    ) -> None:
        self.socket: zmq.Socket[bytes] = context.socket(zmq.ROUTER)
        self.socket.linger = 1000
        self.socket.rcvhwm = high_water_mark(stream_format)
        self.socket.bind(endpoint)
        self.wanted = 0
        self.sender = NO_SENDER
        self._replaced: set[int] = set()
        self.repeated = 0
        self.rejected = 0
        self.taken_bytes = 0
        self.is_empty = True
        self._kept = 0
        self._epoch = 0
        self._stream = stream
        self._format = stream_format
        self._key = key
        self._row_bytes = stream_format.row_bytes + 8 * stream_format.row_times
        self._prefix = b""
        self._peer = b""
        self._complain = complain
        self._asked = (-1, 0.0)

    def go_on_from(self, standing: Standing) -> None:
        """Want what comes after a checkpoint, of the sender that it names."""
        self.wanted = self._kept = standing.sequence
        self._epoch = standing.epoch
        self.repeated = 0
        self.rejected = max(self.rejected, standing.rejected)
        if standing.sender != self.sender:
            self.sender = standing.sender
            self._replaced.discard(standing.sender)
            self._prefix = self._address(standing.sender).prefix(Kind.DATA)

    @property
    def has_met_sender(self) -> bool:
        """Whether the sender has shown itself to this process."""
        return bool(self._peer)

    def ask_again(self) -> None:
        """Ask the sender for everything from `wanted` on."""
        if self._peer:
            self._answer(Kind.RESEND, self.wanted)

    # --- taking -------------------------------------------------------------------

    def take(self) -> list[Taken]:
        """Take what is waiting, within the two limits, without waiting.

        `is_empty` says afterwards whether nothing more was there.
        """
        taken: list[Taken] = []
        run: Run | None = None
        full = self.taken_bytes + TAKE_BYTES
        receive, unpack = self.socket.recv, RECORD.unpack_from
        row_bytes, header_end = self._row_bytes, HEADER_BYTES
        prefix_end = PREFIX.size
        self.is_empty = False
        try:
            for _ in range(TAKE_LIMIT):
                peer = receive(zmq.NOBLOCK)
                if peer != self._peer:
                    run = None
                    self._take_stranger(peer, taken)
                    continue
                message = receive()
                size = len(message)
                body: Any
                if size == header_end:
                    body = self._second_frame()
                    size += len(body)
                else:
                    body = memoryview(message)[header_end:]
                if message[:prefix_end] != self._prefix or size < header_end:
                    run = None
                    self._take_other(peer, message, body, taken)
                    continue
                sequence, first, _, _, rows, epoch, _, _ = unpack(message, prefix_end)
                if sequence != self.wanted:
                    self._out_of_sequence(sequence)
                    continue
                self.wanted += 1
                if (
                    size != header_end + rows * row_bytes
                    or not rows
                    or first + rows > SAMPLES_END
                ):
                    run = None
                    taken.append(self._malformed(first, rows, size - header_end))
                    continue
                self.taken_bytes += size
                if run is None or first != run.first + run.rows or epoch != run.epoch:
                    run = Run(first, 0, epoch)
                    taken.append(run)
                    self._epoch = max(self._epoch, epoch)
                run.rows += rows
                run.records.append(message[prefix_end:header_end])
                run.bodies.append(body)
                if self.taken_bytes >= full:
                    break
        except zmq.Again:
            self.is_empty = True
        return taken

    def _second_frame(self) -> Any:
        """Return the body that came in a frame of its own, without copying it.

        `TOO_MANY` if frames follow it.
        """
        if not self.socket.getsockopt(zmq.RCVMORE):
            return b""
        body: Any = self.socket.recv(copy=False).buffer
        return TOO_MANY if self._drops_surplus() else body

    def _drops_surplus(self) -> bool:
        """Read the frames that are left of a message; say whether there were any."""
        has_surplus = False
        while self.socket.getsockopt(zmq.RCVMORE):
            self.socket.recv()
            has_surplus = True
        return has_surplus

    def _take_stranger(self, peer: bytes, taken: list[Taken]) -> None:
        """Handle a message that came on another connection than the sender's.

        Or that is the surplus frame of a DATA message before it (to ask after each of
        them whether frames are left would cost too much): then it has no follower, or
        is refused with it.
        """
        if not self.socket.getsockopt(zmq.RCVMORE):
            self._reject("a message with too many frames")
            return
        message = self.socket.recv()
        body: Any = message[HEADER_BYTES:]
        if len(message) == HEADER_BYTES:
            body = self._second_frame()
        elif self._drops_surplus():
            body = TOO_MANY
        try:
            header = parse_header(message)
            self._check_address(header, bytes(body))
        except WireError as error:
            self._reject(str(error))
            return
        if header.kind is Kind.HELLO:
            self._introduce(peer, header, taken)
        elif header.sender == self.sender:
            self._peer = peer
            self._answer(Kind.RESEND, self.wanted)
        else:
            self._turn_away(peer, header.sender)

    def _malformed(self, first: int, rows: int, size: int) -> Malformed:
        what = (
            f"{size} bytes for {rows} rows of {self._row_bytes} bytes "
            f"({self._format.dtype}, shape {list(self._format.shape)})"
        )
        if first + rows > SAMPLES_END:
            what = f"rows {first} to {first + rows}; indices end at {SAMPLES_END}"
        self._reject(what)
        return Malformed(what)

    def _take_other(
        self, peer: bytes, message: bytes, body: Any, taken: list[Taken]
    ) -> None:
        """Handle whatever is not a plain DATA message on the sender's connection."""
        if len(message) != HEADER_BYTES and self._drops_surplus():
            body = TOO_MANY
        try:
            header = parse_header(message)
            self._check_address(header, bytes(body))
        except WireError as error:
            self._reject(str(error))
            return
        if header.kind is Kind.HELLO:
            self._introduce(peer, header, taken)
        elif header.sender != self.sender:
            self._turn_away(peer, header.sender)
        elif header.kind not in NUMBERED:
            self._reject(f"kind {header.kind.name} is not for a writer")
        elif header.sequence != self.wanted:
            self._out_of_sequence(header.sequence)
        else:
            self.wanted += 1
            self._take_told(Told(header, bytes(body)), taken, body is not TOO_MANY)

    def _take_told(self, told: Told, taken: list[Taken], is_whole: bool) -> None:
        what = fault_of(told) if is_whole else "a message of more than two frames"
        if what:
            self._reject(what)
            taken.append(Malformed(what))
        else:
            taken.append(told)

    def _check_address(self, header: Header, body: bytes) -> None:
        hello = header.kind is Kind.HELLO
        if hello and body.decode(errors="replace") != self._stream:
            raise WireError(
                f"HELLO of stream {body[:64]!r}, this is the writer of `{self._stream}`"
            )
        if header.key != self._key and not (hello and header.key == 0):
            raise WireError(f"stream key {header.key:#x} is not that of this session")
        if header.digest != self._format.digest and not (hello and header.digest == 0):
            raise WireError(
                f"format digest {header.digest:#x} instead of "
                f"{self._format.digest:#x}: dtype or shape differ from "
                f"{self._format.dtype} {list(self._format.shape)}"
            )
        if header.sender == NO_SENDER:
            raise WireError("sender id 0")

    def _out_of_sequence(self, sequence: int) -> None:
        if sequence < self.wanted:
            self.repeated += 1
            return
        wanted, when = self._asked
        now = time.monotonic()
        if wanted != self.wanted or now - when >= RESEND_EVERY:
            self._asked = (self.wanted, now)
            self._answer(Kind.RESEND, self.wanted)

    def _reject(self, what: str) -> None:
        self.rejected += 1
        self._complain(what)

    # --- answering ----------------------------------------------------------------

    def _introduce(self, peer: bytes, header: Header, taken: list[Taken]) -> None:
        """Meet a sender: a new one starts at 0, a known one goes on where it was.

        A known one is told what is kept, too: it may have missed that from a writer
        that has died. One that was replaced does not come back, else a HELLO that it
        has left in a queue would take the stream from its successor.
        """
        if header.sender in self._replaced:
            self._turn_away(peer, header.sender)
            return
        self._peer = peer
        is_first = self.sender == NO_SENDER
        if header.sender != self.sender:
            self._replaced.add(self.sender)
            self.sender, self.wanted, self._kept = header.sender, 0, 0
            self._prefix = self._address(header.sender).prefix(Kind.DATA)
            if not is_first:
                taken.append(TakenOver())
        first_epoch = 0 if is_first else self._epoch + 1
        greeting = {**self._format.to_json(), "first_epoch": first_epoch}
        self._send(peer, welcome(self._address(header.sender), self.wanted, greeting))
        if self._kept:
            self._answer(Kind.ACK, self._kept)

    def _turn_away(self, peer: bytes, sender: int) -> None:
        """Let a sender introduce itself; or give up, if another has replaced it."""
        if sender not in self._replaced:
            self._answer(Kind.RESEND, INTRODUCE, peer, sender)
            return
        self._reject(f"a message of sender {sender:#x}: {REPLACED}")
        self._answer(Kind.REFUSED, self.wanted, peer, sender, REPLACED)

    def _address(self, sender: int) -> Address:
        return Address(self._key, self._format.digest, sender)

    def acknowledge(self, sequence: int) -> None:
        """Tell the sender that everything below `sequence` is kept for good."""
        self._kept = sequence
        if self.sender != NO_SENDER:
            self._answer(Kind.ACK, sequence)

    def ask_to_stop(self) -> None:
        """Tell the sender that the session is over."""
        if self.sender != NO_SENDER:
            self._answer(Kind.STOP, self.wanted)

    def _answer(
        self,
        kind: Kind,
        sequence: int,
        peer: bytes | None = None,
        sender: int | None = None,
        text: str = "",
    ) -> None:
        """Answer the known sender, or whoever is at the connection `peer`."""
        header = Header(
            kind,
            self._key,
            self._format.digest,
            self.sender if sender is None else sender,
            sequence,
        )
        reply = pack_header(header) + text.encode()
        self._send(self._peer if peer is None else peer, reply)

    def _send(self, peer: bytes, reply: bytes) -> None:
        """Send without waiting; a reply that finds nobody is not missed."""
        try:
            self.socket.send_multipart([peer, reply], zmq.NOBLOCK)
        except zmq.Again:
            return

    def close(self) -> None:
        """Give the socket back after the last replies have left, at most 1 s."""
        self.socket.close()
