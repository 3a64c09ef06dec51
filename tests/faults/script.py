"""What a source says in a test, message by message, known by a seed alone."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from rigd.streams.block import Block, ClockReading, Lost
from rigd.streams.ledger import LostInterval
from rigd.streams.sender import Sender
from tests.faults.stream_kinds import STREAM, StreamKind, block_of

CLOCK_PART = 0.03
LOST_PART = 0.03
JUMP_PART = 0.03


@dataclass(frozen=True, slots=True)
class Message:
    """One numbered message: a block (`rows` > 0), a loss or a clock reading.

    `first` is the sample index of a block or loss, `count` the samples lost.
    """

    first: int
    rows: int = 0
    count: int = 0

    @property
    def is_clock(self) -> bool:
        """Whether it is a clock reading."""
        return not self.rows and not self.count


@dataclass(frozen=True)
class Script:
    """The messages of one sender: all of one epoch, without end."""

    kind: StreamKind
    seed: int
    epoch: int = 0

    def messages(self) -> Iterator[Message]:
        """Yield the messages; number n has the sequence number n.

        No loss follows another: a sender makes one message of two.
        """
        chance = random.Random(f"{self.seed} {self.epoch}")
        first = 0
        is_loss = False
        while True:
            drawn = chance.random()
            if drawn < CLOCK_PART:
                yield Message(first)
                continue
            was_loss, is_loss = is_loss, False
            if drawn < CLOCK_PART + LOST_PART and not was_loss:
                is_loss = True
                count = chance.randint(1, 30)
                yield Message(first, count=count)
                first += count
                continue
            if drawn > 1 - JUMP_PART:
                first += chance.randint(1, 30)
            rows = chance.randint(1, self.kind.block_rows)
            yield Message(first, rows=rows)
            first += rows

    def take(self, count: int) -> list[Message]:
        """Return the first messages."""
        return [m for m, _ in zip(self.messages(), range(count), strict=False)]

    def reading(self, sequence: int) -> ClockReading:
        """Return the clock reading of message `sequence`."""
        return ClockReading(STREAM, 10**6 + sequence, self.epoch, 3)

    def block(self, message: Message) -> Block:
        """Return the block of a message."""
        return block_of(self.kind, message.first, message.rows, self.epoch)

    def offer(self, sender: Sender, sequence: int, message: Message) -> None:
        """Hand message number `sequence` to a sender, whose next it is."""
        if message.is_clock:
            sender.read_clock(self.reading(sequence))
        elif message.count:
            lost = Lost(STREAM, message.first, message.count, "driver", self.epoch)
            sender.lose(lost)
        else:
            sender.offer(self.block(message))


def lost_intervals(
    script: Script, messages: list[Message], row: int
) -> list[LostInterval]:
    """Say which intervals these messages leave out; `row` rows stand before them."""
    following = 0
    found = []
    for message in messages:
        missing = message.first - following
        if missing > 0:
            found.append(LostInterval(following, missing, row, script.epoch, "device"))
        if message.count:
            found.append(
                LostInterval(message.first, message.count, row, script.epoch, "driver")
            )
        following = message.first + message.rows + message.count
        row += message.rows
    return found
