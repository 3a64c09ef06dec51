"""The source's bounded memory of messages that are not acknowledged yet.

No I/O. Numbers are given from 0 without holes; a message carries one or several of
them. What does not fit is refused, never pushed out: the writer can always be sent
again what it has not acknowledged.
"""

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rigd.streams.free_space import Place


@dataclass(slots=True)
class Message:
    """Its frames, its size, how many rows and how many numbers it carries.

    If its body lies in shared memory, `place` is where, and `brief` the one frame that
    says so to a writer who sees that memory.
    """

    frames: tuple[Any, ...]
    size: int
    rows: int
    count: int = 1
    place: Place | None = None
    brief: bytes = b""


class Ring:
    """Everything from number `first` (the oldest kept) up to `next` (not yet given).

    `size` is the most bytes it holds; `cursor` is the number of the next message to
    send; `used` and `used_rows` are the bytes and rows of all that has a number and is
    not released.
    """

    def __init__(self, size: int, rows: int | None = None) -> None:
        """Hold at most `size` bytes and, where given, `rows` rows."""
        self.size = size
        self._rows = rows
        self._messages: deque[Message] = deque()
        self._unsent: deque[Message] = deque()
        self.first = 0
        self.cursor = 0
        self.next = 0
        self.used = 0
        self.used_rows = 0

    @property
    def fill(self) -> float:
        """Used part, 0 to 1."""
        by_size = self.used / self.size
        return max(by_size, self.used_rows / self._rows) if self._rows else by_size

    def has_room(self, size: int, rows: int) -> bool:
        """Say whether something of that size fits. An empty ring takes any."""
        if self.first == self.next:
            return True
        return self.used + size <= self.size and (
            self._rows is None or self.used_rows + rows <= self._rows
        )

    def number(self, size: int, rows: int) -> int:
        """Give something of that size its number; `keep` its message later."""
        number = self.next
        self.next = number + 1
        self.used += size
        self.used_rows += rows
        return number

    def keep(self, message: Message) -> None:
        """Keep the message that carries the oldest numbers without one."""
        self._messages.append(message)
        self._unsent.append(message)

    def push(self, message: Message) -> None:
        """Keep a message as number `next`; ask `has_room` first where it matters."""
        self.number(message.size, message.rows)
        self.keep(message)

    def release(self, sequence: int) -> list[Message]:
        """Forget all messages below `sequence`, and return them.

        The writer has them for good.
        """
        messages, released = self._messages, []
        while messages and self.first + messages[0].count <= sequence:
            message = messages.popleft()
            self.used -= message.size
            self.used_rows -= message.rows
            self.first += message.count
            released.append(message)
        while self.cursor < self.first:
            self.mark_sent()
        return released

    def rewind(self, sequence: int) -> None:
        """Send again from `sequence`, or from the oldest that is still kept.

        From the beginning of the message that carries it: the writer drops what it has.
        """
        self.cursor, before = self.first, 0
        for message in self._messages:
            if self.cursor + message.count > sequence:
                break
            self.cursor += message.count
            before += 1
        self._unsent = deque(islice(self._messages, before, None))

    def unsent(self) -> Message | None:
        """Return the next message to send; None when all are sent."""
        return self._unsent[0] if self._unsent else None

    def mark_sent(self) -> None:
        """Go on to the message after the one that `unsent` returns."""
        self.cursor += self._unsent.popleft().count
