"""What a writer must make of any message: the wire protocol's text as a model.

Written from `docs/wire-protocol.md` and the words of the ledger, message by message,
with nothing of the receiver or writer in it.
"""

import struct
from dataclasses import dataclass, field
from enum import Enum

from rigd.streams.ledger import CAUSES, LostInterval
from tests.faults.stream_kinds import STREAM, StreamKind
from tests.support.writer_process import KEY

HEADER = struct.Struct("<4sBBHQQQQQqqIIII")
RECORD = struct.Struct("<QQqqIIII")
COUNT = struct.Struct("<Q")
OFFSET = struct.Struct("<Q")
PLACE_BYTES = 16
HELLO, DATA, LOST, CLOCK, END, BLOCKS, MEMORY, SHARED = 1, 3, 4, 5, 6, 11, 12, 13
SHARED_BLOCKS = 14
IN_MEMORY = {SHARED: DATA, SHARED_BLOCKS: BLOCKS}
"""Kinds whose body lies in the sender's memory, and what they are otherwise."""

SAMPLES = (DATA, BLOCKS, *IN_MEMORY)
NUMBERED = (*SAMPLES, LOST, CLOCK, END)
MOST_BLOCKS = 4096
SAMPLES_END = 2**48


class Fate(Enum):
    """What becomes of a message; each has exactly one."""

    KEPT = "kept"
    LATE = "late"
    REPEATED = "repeated"
    REJECTED = "rejected"
    ASKED_AGAIN = "asked for again"
    ANSWERED = "answered"
    SEEN = "memory seen"
    UNSEEN = "memory not seen"


def place(header: bytes) -> tuple[int, int, int]:
    """First sample, rows and epoch of a header."""
    return place_of_record(header[32:])


def place_of_record(record: bytes) -> tuple[int, int, int]:
    """First sample, rows and epoch of a block."""
    _, first, _, _, rows, epoch, _, _ = RECORD.unpack(record)
    return first, rows, epoch


def blocks_in(header: bytes) -> int:
    """How many numbers a message takes."""
    kind, count = header[5], int.from_bytes(header[76:80], "little")
    has_several = kind in (BLOCKS, SHARED_BLOCKS)
    return max(1, min(count, MOST_BLOCKS)) if has_several else 1


@dataclass
class WireModel:
    """The state of one stream after some messages.

    Attributes:
        wanted, sender: The next message that counts, and of whom.
        next, epoch: Where the stream stands.
        records, bodies, clocks, lost: What the file must hold.
        memories: All memories of senders, by the MEMORY message's body: whose it is,
            and what it holds.
        memory: What the writer sees.

    """

    kind: StreamKind
    wanted: int = 0
    sender: int = 0
    next: int = 0
    epoch: int = 0
    rows: int = 0
    repeated: int = 0
    rejected: int = 0
    end: str | None = None
    records: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    clocks: list[bytes] = field(default_factory=list)
    lost: list[LostInterval] = field(default_factory=list)
    memories: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    memory: bytes | None = None
    _replaced: set[int] = field(default_factory=set)
    _suspect: str = "device"
    _is_taken_over: bool = False

    def __post_init__(self) -> None:
        form = self.kind.format
        self._digest = form.digest
        self._row_bytes = form.row_bytes + 8 * form.row_times

    def take(self, frames: list[bytes], *, is_new_connection: bool = False) -> Fate:
        """Take a message that comes next; say what becomes of it."""
        first, *more = frames
        header, body = first[: HEADER.size], first[HEADER.size :]
        surplus = more
        if len(first) == HEADER.size and more:
            body, *surplus = more
        is_plain = self._is_plain(header) and not is_new_connection
        if surplus and is_plain and len(first) > HEADER.size:
            self.rejected += 1  # what is too much of it is one of its own
            surplus = []
        if surplus:
            body = b""
        return self._take(header, body, is_new_connection, is_whole=not surplus)

    def _is_plain(self, header: bytes) -> bool:
        """Whether it is a message of samples of the sender, as most are."""
        if not self._is_addressed(header, b""):
            return False
        _, _, kind, _, _, _, sender, *_ = HEADER.unpack(header)
        return bool(kind in SAMPLES and sender == self.sender)

    def _take(
        self, header: bytes, body: bytes, is_new_connection: bool, *, is_whole: bool
    ) -> Fate:
        if not self._is_addressed(header, body):
            return self._reject()
        _, _, kind, _, _, _, sender, sequence, *_ = HEADER.unpack(header)
        if sender in self._replaced:
            return self._reject()
        if kind == HELLO:
            self._meet(sender)
            return Fate.ANSWERED
        if is_new_connection or sender != self.sender:
            return Fate.ASKED_AGAIN
        if kind == MEMORY:
            return self._see_memory(body)
        if kind not in NUMBERED:
            return self._reject()
        if kind in IN_MEMORY and self.memory is None:
            return Fate.ASKED_AGAIN
        if sequence > self.wanted:
            return Fate.ASKED_AGAIN
        after = sequence + blocks_in(header)
        known = min(after, self.wanted) - sequence
        self.repeated += known
        if after <= self.wanted:
            return Fate.REPEATED
        self.wanted = after
        if kind in IN_MEMORY:
            body = self._shared(kind, header, body)
            kind = IN_MEMORY[kind]
        if not (is_whole and self._is_well_formed(kind, header, body)):
            self._suspect = "rejected"
            return self._reject()
        if kind == BLOCKS:
            return self._take_blocks(blocks_in(header), known, body)
        return self._take_numbered(kind, header, body)

    def _take_blocks(self, count: int, known: int, body: bytes) -> Fate:
        start, fate = count * RECORD.size, Fate.KEPT
        for number in range(count):
            record = body[number * RECORD.size : (number + 1) * RECORD.size]
            first, rows, epoch = place_of_record(record)
            stop = start + rows * self._row_bytes
            if number >= known:
                fate = self._keep(first, rows, epoch, record, body[start:stop])
            start = stop
        return fate

    def _is_addressed(self, header: bytes, body: bytes) -> bool:
        if len(header) < HEADER.size:
            return False
        magic, version, kind, flags, key, digest, sender, *_ = HEADER.unpack(header)
        if (magic, version, flags) != (b"RIGD", 1, 0) or kind not in range(1, 15):
            return False
        if kind == HELLO:
            known = key in (0, KEY) and digest in (0, self._digest)
            return known and sender != 0 and body == STREAM.encode()
        return (key, digest) == (KEY, self._digest) and sender != 0

    def _is_well_formed(self, kind: int, header: bytes, body: bytes) -> bool:
        first, rows, _ = place(header)
        if kind == DATA:
            size = rows * self._row_bytes
            return rows > 0 and len(body) == size and first + rows <= SAMPLES_END
        if kind == BLOCKS:
            return self._are_well_formed(header, body)
        if kind == LOST:
            if len(body) < COUNT.size:
                return False
            (count,) = COUNT.unpack_from(body)
            is_cause = body[COUNT.size :] in [word.encode() for word in CAUSES]
            return is_cause and 0 < count <= SAMPLES_END - first
        return kind != CLOCK or len(body) % 24 == 0

    def _are_well_formed(self, header: bytes, body: bytes) -> bool:
        sequence, *_, count = RECORD.unpack(header[32:])
        end = count * RECORD.size
        if not 1 <= count <= MOST_BLOCKS or len(body) < end:
            return False
        records = list(RECORD.iter_unpack(body[:end]))
        size = sum(record[4] for record in records) * self._row_bytes
        are_sound = all(
            record[0] == number and record[4] and record[1] + record[4] <= SAMPLES_END
            for number, record in enumerate(records, sequence)
        )
        return are_sound and len(body) - end == size

    def _take_numbered(self, kind: int, header: bytes, body: bytes) -> Fate:
        first, rows, epoch = place(header)
        if kind == END:
            text = body.decode(errors="replace")
            self.end = "".join(
                c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text
            )
        elif kind == CLOCK:
            self.clocks.append(body)
        elif kind == LOST:
            cause = body[COUNT.size :].decode()
            (count,) = COUNT.unpack_from(body)
            return self._lose(first, count, epoch, cause)
        else:
            return self._keep(first, rows, epoch, header[32:], body)
        return Fate.KEPT

    def _see_memory(self, where: bytes) -> Fate:
        """A sender's memory is seen if it is there and marked as the sender's."""
        if len(where) != PLACE_BYTES:
            return self._reject()
        owner, content = self.memories.get(where, (0, b""))
        if owner != self.sender:
            return Fate.UNSEEN
        self.memory = content
        return Fate.SEEN

    def _shared(self, kind: int, header: bytes, body: bytes) -> bytes:
        """What lies in the memory; nothing where the body is no place in it."""
        if len(body) != OFFSET.size:
            return b""
        (start,) = OFFSET.unpack(body)
        size = place(header)[1] * self._row_bytes
        if kind == SHARED_BLOCKS:
            size += RECORD.size * int.from_bytes(header[76:80], "little")
        return (self.memory or b"")[start : start + size]

    def _meet(self, sender: int) -> None:
        """A new sender counts its messages from 0; what was before it is an outage."""
        if sender == self.sender:
            return
        if self.sender:
            self._note(self.next, 0, self.epoch, "source down")
            self._is_taken_over, self._suspect = True, "source down"
            self._replaced.add(self.sender)
        self.sender, self.wanted, self.memory = sender, 0, None

    def _keep(
        self, first: int, rows: int, epoch: int, record: bytes, body: bytes
    ) -> Fate:
        if epoch < self.epoch:
            self._note(first, rows, epoch, "late")
            return Fate.LATE
        if epoch == self.epoch and first < self.next:
            # A block that begins with rows that are there is not cut: it is dropped.
            self.repeated += not self._is_taken_over
            fate = Fate.LATE if self._is_taken_over else Fate.REPEATED
            self._lose(first, rows, epoch, "rejected")
            return fate
        self._jump(first, epoch)
        self.records.append(record)
        self.bodies.append(body)
        self.rows += rows
        self.next = first + rows
        self._is_taken_over, self._suspect = False, "device"
        return Fate.KEPT

    def _lose(self, first: int, count: int, epoch: int, cause: str) -> Fate:
        if epoch < self.epoch:
            self._note(first, count, epoch, "late")
            return Fate.LATE
        self._jump(first, epoch)
        there = min(count, self.next - first)
        if there and self._is_taken_over:
            self._note(first, there, epoch, "late")
        if count > there:
            self._note(self.next, count - there, epoch, cause)
            self.next = first + count
        return Fate.KEPT

    def _jump(self, first: int, epoch: int) -> None:
        if epoch > self.epoch:
            self.epoch, self.next = epoch, 0
            if self._suspect == "source down":
                self._suspect = "device"
        if first > self.next:
            self._note(self.next, first - self.next, epoch, self._suspect)
            self.next, self._suspect = first, "device"

    def _note(self, first: int, count: int, epoch: int, cause: str) -> None:
        self.lost.append(LostInterval(first, count, self.rows, epoch, cause))

    def _reject(self) -> Fate:
        self.rejected += 1
        return Fate.REJECTED
