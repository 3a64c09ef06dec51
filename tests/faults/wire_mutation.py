"""Messages of a sender that has gone mad: valid ones, and what can become of them.

The mutations know the structure of a message: fields, lengths, frames, body, order.
Everything follows from a `random.Random`.
"""

import random
from collections import deque
from dataclasses import dataclass

from rigd.streams.free_space import Place
from rigd.streams.ledger import CAUSES
from rigd.streams.shared_memory import FIRST, SharedMemory
from tests.faults.stream_kinds import STREAM
from tests.faults.wire_model import (
    BLOCKS,
    CLOCK,
    COUNT,
    DATA,
    HEADER,
    HELLO,
    LOST,
    MEMORY,
    OFFSET,
    RECORD,
    SAMPLES_END,
    SHARED,
    SHARED_BLOCKS,
    WireModel,
)
from tests.support.writer_process import KEY

Message = list[bytes]
"""The frames of one message."""

VALID_PART = 0.4
"""Messages that are left as they are: else nothing would be written any more."""

FIELDS = (
    "magic", "version", "kind", "flags", "key", "digest", "sender", "sequence",
    "first", "device_ns", "host_ns", "rows", "epoch", "batch", "reserved",
)  # fmt: skip
"""The fields of a header in their order."""

BYTES = (4, 1, 1, 2, 8, 8, 8, 8, 8, 8, 8, 4, 4, 4, 4)
"""Their sizes."""

OFFSETS = tuple(sum(BYTES[:number]) for number in range(len(BYTES)))

BEFORE = 64
"""Earlier messages that may come again."""


@dataclass
class MadSender:
    """Draws the next message for a stream that stands where the model says."""

    model: WireModel
    chance: random.Random

    def __post_init__(self) -> None:
        form = self.model.kind.format
        self._digest = form.digest
        self._row_bytes = form.row_bytes + 8 * form.row_times
        self._noise = self.chance.randbytes(
            4 * self.model.kind.block_rows * self._row_bytes + 4096
        )
        self._sent: deque[Message] = deque(maxlen=BEFORE)
        self._memories: list[SharedMemory] = []
        self._next: Message | None = None

    def close(self) -> None:
        """Give back what was shared."""
        for memory in self._memories:
            memory.close()

    # --- valid messages -----------------------------------------------------------

    def hello(self, sender: int | None = None) -> Message:
        """Make an introduction, of the same sender if none is given."""
        sender = self.model.sender if sender is None else sender
        return [self._header(HELLO, sender=sender) + STREAM.encode()]

    def unknown(self) -> Message:
        """Make a message of another sender, which has not said HELLO on its connection.

        (A mutated HELLO can have made any number the sender's.)
        """
        other = 2**64 - 1 - (self.model.sender == 2**64 - 1)
        return [self._header(CLOCK, sender=other)]

    def end(self, reason: str = "") -> Message:
        """Make the message after which nothing follows."""
        return [self._header(6) + reason.encode()]

    def valid(self) -> Message:
        """Draw a message as a good sender may send it now."""
        following, self._next = self._next, None
        if following is not None:
            return following
        drawn = self.chance.random()
        if drawn < 0.05:
            readings = 24 * self.chance.randrange(4)
            return [self._header(CLOCK) + self._bytes(readings)]
        if drawn < 0.10:
            count = COUNT.pack(self.chance.randint(1, 50))
            cause = self.chance.choice(CAUSES).encode()
            return [self._header(LOST, **self._place()) + count + cause]
        if drawn < 0.11:
            new = self.chance.randrange(1, 2**63)
            return self.hello(self.chance.choice((self.model.sender, new)))
        if drawn < 0.115 or (drawn < 0.3 and self.model.memory is None):
            return self._show_memory()
        if drawn < 0.13:
            return self._shared_blocks(self.chance.randint(1, 5))
        if drawn < 0.3:
            return self._shared()
        if drawn < 0.45:
            header, body = self._blocks(self.chance.randint(1, 5))
        else:
            rows = self.chance.randint(1, self.model.kind.block_rows)
            header = self._header(DATA, rows=rows, **self._place())
            body = self._bytes(rows * self._row_bytes)
        return [header, body] if self.chance.random() < 0.2 else [header + body]

    def _show_memory(self, body: bytes = b"") -> Message:
        """Make memory with a body and noise in it, and tell of it."""
        content = body + self._noise
        memory = SharedMemory(len(content), self.model.sender)
        self._memories.append(memory)
        memory.put([memoryview(content)], len(content))
        content = bytes(memory.view(Place(0, FIRST + len(content))))
        self.model.memories[memory.where] = (self.model.sender, content)
        return [self._header(MEMORY) + memory.where]

    def _shared(self) -> Message:
        """Draw a block in memory; now and then one that ends behind it."""
        rows = self.chance.randint(1, self.model.kind.block_rows)
        end = len(self.model.memory or b"") - rows * self._row_bytes
        start = self.chance.randint(0, end) + (self.chance.random() < 0.03) * end
        header = self._header(SHARED, rows=rows, **self._place())
        return [header + OFFSET.pack(start)]

    def _shared_blocks(self, count: int) -> Message:
        """Draw several blocks in memory: show that now, let their message follow."""
        header, body = self._blocks(count, SHARED_BLOCKS)
        self._next = [header + OFFSET.pack(FIRST)]
        return self._show_memory(body)

    def _blocks(self, count: int, kind: int = BLOCKS) -> tuple[bytes, bytes]:
        """Draw several blocks that travel together, with a gap now and then."""
        sequence, place = self.model.wanted, self._place()
        records, rows_of_all, first = b"", 0, place["first"]
        for number in range(count):
            rows = self.chance.randint(1, max(1, self.model.kind.block_rows // 2))
            times = self.chance.randrange(2**40), self.chance.randrange(2**40)
            records += RECORD.pack(
                sequence + number, first, *times, rows, place["epoch"], 0, 0
            )
            rows_of_all += rows
            first += rows + (self.chance.random() < 0.02)
        header = self._header(kind, rows=rows_of_all, **place)[:76]
        body = records + self._bytes(rows_of_all * self._row_bytes)
        return header + count.to_bytes(4, "little"), body

    def _place(self) -> dict[str, int]:
        """Where the stream goes on; now and then after a gap, or in a new epoch."""
        model, drawn = self.model, self.chance.random()
        is_used_up = model.next > SAMPLES_END // 2
        if (drawn < 0.01 or is_used_up) and model.epoch < 2**32 - 1:
            return {"epoch": model.epoch + 1, "first": self.chance.randrange(3)}
        gap = self.chance.randint(1, 99) if drawn < 0.05 else 0
        return {"epoch": model.epoch, "first": model.next + gap}

    def _header(
        self,
        kind: int,
        *,
        sender: int | None = None,
        first: int = 0,
        rows: int = 0,
        epoch: int = 0,
    ) -> bytes:
        times = self.chance.randrange(2**40), self.chance.randrange(2**40)
        return HEADER.pack(
            b"RIGD", 1, kind, 0, KEY, self._digest,
            self.model.sender if sender is None else sender,
            self.model.wanted, first, *times, rows, epoch, 0, 0,
        )  # fmt: skip

    def _bytes(self, size: int) -> bytes:
        start = self.chance.randrange(len(self._noise) - size)
        return self._noise[start : start + size]

    # --- what becomes of them -----------------------------------------------------

    def draw(self) -> Message:
        """Draw the next message, as it comes to the writer."""
        message = self.valid()
        self._sent.append(message)
        if self.chance.random() < VALID_PART:
            return message
        for _ in range(self.chance.choice((1, 1, 1, 2, 3))):
            message = self.chance.choice(MUTATIONS)(self, message)
        return message

    def set_field(self, message: Message) -> Message:
        """Put another number into a field of the header."""
        number = self.chance.randrange(len(FIELDS))
        size, start = BYTES[number], OFFSETS[number]
        frame = bytearray(message[0])
        was = int.from_bytes(frame[start : start + size], "little")
        value = self._number(was, 8 * size) % 2 ** (8 * size)
        frame[start : start + size] = value.to_bytes(size, "little")
        return [bytes(frame), *message[1:]]

    def _number(self, was: int, bits: int) -> int:
        return self.chance.choice(
            (
                0, 1, 2**bits - 1, 2 ** (bits - 1), was + 1, was - 1,
                was + self.chance.randint(-100, 100),
                was ^ (1 << self.chance.randrange(bits)),
                self.chance.getrandbits(self.chance.randint(1, bits)),
            )
        )  # fmt: skip

    def flip_bits(self, message: Message) -> Message:
        """Change some bits anywhere."""
        frames = [bytearray(frame) for frame in message]
        frame = self.chance.choice(frames)
        for _ in range(self.chance.choice((1, 1, 2, 8)) if frame else 0):
            frame[self.chance.randrange(len(frame))] ^= 1 << self.chance.randrange(8)
        return [bytes(frame) for frame in frames]

    def cut(self, message: Message) -> Message:
        """Leave out the end, or some bytes in between."""
        whole = b"".join(message)
        start = self.chance.randint(0, len(whole))
        return [whole[:start] + whole[start + self.chance.choice((1, 8, 10**9)) :]]

    def lengthen(self, message: Message) -> Message:
        """Put bytes after the end, or in between."""
        whole = b"".join(message)
        start = self.chance.choice((len(whole), self.chance.randint(0, len(whole))))
        more = self._bytes(self.chance.choice((1, 8, self._row_bytes)))
        return [whole[:start] + more + whole[start:]]

    def cut_frames(self, message: Message) -> Message:
        """Cut into two frames anywhere, or let more of them follow."""
        whole = b"".join(message)
        if self.chance.random() < 0.5:
            start = self.chance.randint(0, len(whole))
            return [whole[:start], whole[start:]]
        more = (b"", self._bytes(5), self._bytes(200))
        return [*message, *self.chance.sample(more, self.chance.randint(1, 3))]

    def change_body(self, message: Message) -> Message:
        """Let other bytes stand behind the header."""
        whole = b"".join(message)
        body = self._bytes(len(whole[HEADER.size :]))
        return [whole[: HEADER.size] + body]

    def come_again(self, message: Message) -> Message:
        """Let an earlier message come again."""
        return self.chance.choice(self._sent)

    def splice(self, message: Message) -> Message:
        """Join the header of one message with the body of another."""
        other = b"".join(self.chance.choice(self._sent))
        return [message[0][: HEADER.size] + other[HEADER.size :]]

    def be_noise(self, message: Message) -> Message:
        """Be no message at all."""
        return [self._bytes(self.chance.randrange(300))]


MUTATIONS = (
    MadSender.set_field,
    MadSender.set_field,
    MadSender.set_field,
    MadSender.flip_bits,
    MadSender.cut,
    MadSender.lengthen,
    MadSender.cut_frames,
    MadSender.change_body,
    MadSender.come_again,
    MadSender.splice,
    MadSender.be_noise,
)
