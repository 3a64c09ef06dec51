"""The writer's end of the wire: takes messages in order, once, and asks for the rest.

Numbered messages are accepted in sequence only. A hole makes the receiver ask to send
again from there (go-back-N, at most every `RESEND_EVERY` seconds); what it has already
is dropped and counted. What is not of this protocol or stream is refused and counted.
"""

import time
from collections.abc import Callable
from typing import Any

import zmq

from rigd.streams.block import StreamFormat
from rigd.streams.readiness import has_input
from rigd.streams.run import Run
from rigd.streams.shared_memory import SeenMemory, UnseenError, open_memory
from rigd.streams.standing import Standing
from rigd.streams.taken import (
    Malformed,
    Taken,
    TakenOver,
    Told,
    fault_of,
    fault_of_rows,
    follow_each_other,
)
from rigd.streams.wire import (
    HEADER_BYTES,
    INTRODUCE,
    MEMORY_PLACE,
    MOST_BLOCKS,
    NUMBERED,
    PREFIX,
    RECORD,
    SAMPLES,
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

ROWS = 4
"""Where a `RECORD` has its number of rows."""

NO_SENDER = 0
"""Sender id before the first HELLO; senders draw ids from 1."""


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
        self.taken_messages = 0
        self.is_empty = True
        self._kept = 0
        self._epoch = 0
        self._stream = stream
        self._format = stream_format
        self._key = key
        self._row_bytes = stream_format.row_bytes + 8 * stream_format.row_times
        self._prefixes = (b"", b"", b"", b"")
        self._memory: SeenMemory | None = None
        self._run: Run | None = None
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
            self._replaced.discard(standing.sender)
            self._follow(standing.sender)

    @property
    def has_met_sender(self) -> bool:
        """Whether the sender has shown itself to this process."""
        return bool(self._peer)

    def ask_again(self) -> None:
        """Ask the sender for everything from `wanted` on."""
        if self._peer:
            self._answer(Kind.RESEND, self.wanted)

    # --- taking -------------------------------------------------------------------

    def take(self, *, is_waiting: bool = True) -> list[Taken]:
        """Take what is waiting, within the two limits.

        `is_empty` says afterwards whether nothing more was there.

        Args:
            is_waiting: Whether something waits, as the poll of the socket has said.

        """
        taken: list[Taken] = []
        self._run = None
        self.is_empty = not is_waiting
        full = self.taken_bytes + TAKE_BYTES
        for _ in range(TAKE_LIMIT):
            if self.is_empty or self.taken_bytes >= full:
                break
            self._take_one(taken)
            self.is_empty = not has_input(self.socket)
        return taken

    def _take_one(self, taken: list[Taken]) -> None:
        peer = self.socket.recv(zmq.NOBLOCK)
        if peer != self._peer:
            self._run = None
            self._take_stranger(peer, taken)
            return
        message = self.socket.recv()
        body = self._body(message)
        size = len(message) if len(message) > HEADER_BYTES else HEADER_BYTES + len(body)
        prefix = message[: PREFIX.size]
        if len(message) < HEADER_BYTES or prefix not in self._prefixes:
            self._run = None
            self._take_other(peer, message, body, taken)
        elif prefix == self._prefixes[0]:
            self._take_data(message, body, taken)
        elif prefix == self._prefixes[1]:
            self._take_blocks(message, body, taken)
        elif self._memory is None:
            self._ask(INTRODUCE)  # a writer started anew: it is shown the memory again
        elif prefix == self._prefixes[2]:
            size += self._take_shared(self._memory, message, body, taken)
        else:
            size += self._take_shared_blocks(self._memory, message, body, taken)
        self.taken_bytes += size
        self.taken_messages += 1

    def _body(self, message: bytes) -> Any:
        if len(message) == HEADER_BYTES:
            return self._second_frame()
        return memoryview(message)[HEADER_BYTES:]

    def _take_data(self, message: bytes, body: Any, taken: list[Taken]) -> None:
        run = self._run_for(message, len(body), taken)
        if run is not None:
            record = message[PREFIX.size : HEADER_BYTES]
            run.add(record, body, len(body) // self._row_bytes)

    def _run_for(self, message: bytes, size: int, taken: list[Taken]) -> Run | None:
        """Return the run of a block of `size` bytes; None: it is not taken."""
        sequence, first, _, _, rows, epoch, _, _ = RECORD.unpack_from(
            message, PREFIX.size
        )
        if sequence != self.wanted:
            self._out_of_sequence(sequence)
            return None
        self.wanted += 1
        fault = fault_of_rows(first, rows)
        if fault or size != rows * self._row_bytes:
            taken.append(self._malformed(fault or f"{size} bytes for {rows} rows"))
            return None
        return self._run_at(first, epoch, taken)

    def _take_shared(
        self, memory: SeenMemory, message: bytes, body: Any, taken: list[Taken]
    ) -> int:
        """Take a block that lies in the sender's memory; return its bytes.

        What lies behind the block before it is one piece with that.
        """
        rows = RECORD.unpack_from(message, PREFIX.size)[ROWS]
        place = memory.place(body, rows * self._row_bytes)
        run = self._run_for(message, place.size, taken)
        if run is not None:
            record = message[PREFIX.size : HEADER_BYTES]
            if self._format.row_times:
                run.add(record, memory.view(place), rows)
            else:
                run.add_shared(record, place, rows, memory.view)
        return place.size

    def _take_shared_blocks(
        self, memory: SeenMemory, message: bytes, body: Any, taken: list[Taken]
    ) -> int:
        """Take several blocks that lie in the sender's memory; return their bytes."""
        _, _, _, _, rows, _, _, count = RECORD.unpack_from(message, PREFIX.size)
        size = count * RECORD.size + rows * self._row_bytes
        place = memory.place(body, size)
        self._take_blocks(message, memory.view(place), taken)
        return place.size

    def _take_blocks(self, message: bytes, body: Any, taken: list[Taken]) -> None:
        sequence, _, _, _, _, _, _, count = RECORD.unpack_from(message, PREFIX.size)
        after = sequence + max(1, min(count, MOST_BLOCKS))
        if sequence > self.wanted:
            self._out_of_sequence(sequence)
            return
        known = min(self.wanted, after) - sequence
        self.repeated += known
        if after <= self.wanted:
            return
        self.wanted = after
        blocks = self._blocks(body, sequence, count)
        if blocks is None:
            taken.append(self._malformed(f"{len(body)} bytes for {count} blocks"))
        elif known or self._format.row_times or not follow_each_other(blocks):
            self._take_singly(blocks, body, known, taken)
        else:
            self._take_piece(blocks, body, taken)

    def _blocks(self, body: Any, sequence: int, count: int) -> list[Any] | None:
        """Return the records of a BLOCKS message; None if it is not what it says."""
        end = count * RECORD.size
        if not 1 <= count <= MOST_BLOCKS or len(body) < end:
            return None
        blocks, rows_of_all = list(RECORD.iter_unpack(body[:end])), 0
        for wanted, (number, first, _, _, rows, *_) in enumerate(blocks, sequence):
            if number != wanted or not rows or first + rows > SAMPLES_END:
                return None
            rows_of_all += rows
        is_whole = len(body) - end == rows_of_all * self._row_bytes
        return blocks if is_whole else None

    def _take_piece(self, blocks: list[Any], body: Any, taken: list[Taken]) -> None:
        end = len(blocks) * RECORD.size
        _, first, _, _, _, epoch, _, _ = blocks[0]
        run = self._run_at(first, epoch, taken)
        run.add(body[:end], body[end:], (len(body) - end) // self._row_bytes)
        run.blocks += len(blocks) - 1

    def _take_singly(
        self, blocks: list[Any], body: Any, known: int, taken: list[Taken]
    ) -> None:
        start = len(blocks) * RECORD.size
        for number, (_, first, _, _, rows, epoch, _, _) in enumerate(blocks):
            stop = start + rows * self._row_bytes
            if number >= known:
                record = body[number * RECORD.size : (number + 1) * RECORD.size]
                run = self._run_at(first, epoch, taken)
                run.add(bytes(record), body[start:stop], rows)
            start = stop

    def _run_at(self, first: int, epoch: int, taken: list[Taken]) -> Run:
        """Return the run that goes on at sample `first`; a new one if none does."""
        run = self._run
        if run is None or first != run.first + run.rows or epoch != run.epoch:
            self._run = run = Run(first, 0, epoch)
            taken.append(run)
            self._epoch = max(self._epoch, epoch)
        return run

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

    def _malformed(self, what: str) -> Malformed:
        what = (
            f"{what}, a row has {self._row_bytes} bytes "
            f"({self._format.dtype}, shape {list(self._format.shape)})"
        )
        self._run = None
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
        elif header.kind is Kind.MEMORY:
            self._see_memory(bytes(body))
        elif header.kind not in NUMBERED:
            self._reject(f"kind {header.kind.name} is not for a writer")
        elif header.sequence != self.wanted:
            self._out_of_sequence(header.sequence)
        elif header.kind in SAMPLES:
            self.wanted += 1
            taken.append(self._malformed("flags are not 0"))
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
        self._ask(self.wanted)

    def _ask(self, sequence: int) -> None:
        """Ask the sender for something, not too often."""
        asked, when = self._asked
        now = time.monotonic()
        if asked != sequence or now - when >= RESEND_EVERY:
            self._asked = (sequence, now)
            self._answer(Kind.RESEND, sequence)

    def _see_memory(self, place: bytes) -> None:
        """Look at the memory where the sender keeps large blocks; say if that works."""
        if len(place) != MEMORY_PLACE.size:
            self._reject(f"{len(place)} bytes in a MEMORY message")
            return
        try:
            self._memory = open_memory(place, self.sender)
        except UnseenError as error:
            self._complain(f"{error}; large blocks travel through the socket")
            return
        self._answer(Kind.MEMORY, 0)

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
            self.wanted = self._kept = 0
            self._follow(header.sender)
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

    def _follow(self, sender: int) -> None:
        """Take samples of this sender from now on: what its messages begin with."""
        self.sender, self._memory = sender, None
        prefix = self._address(sender).prefix
        self._prefixes = (
            prefix(Kind.DATA),
            prefix(Kind.BLOCKS),
            prefix(Kind.SHARED),
            prefix(Kind.SHARED_BLOCKS),
        )

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
