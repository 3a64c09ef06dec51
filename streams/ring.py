"""The source's bounded memory of messages that are not acknowledged yet.

No I/O. Messages are numbered from 0 without holes. What does not fit is refused, never
pushed out: the writer can always be sent again what it has not acknowledged.
"""

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Any


@dataclass(slots=True)
class Message:
    """One numbered message: its frames, its size and how many rows it carries."""

    frames: tuple[Any, ...]
    size: int
    rows: int


class Ring:
    """Numbered messages from `first` (the oldest kept) up to `next` (not yet made)."""

    def __init__(self, size: int, rows: int | None = None) -> None:
        """Hold at most `size` bytes and, where given, `rows` rows."""
        self._size = size
        self._rows = rows
        self._messages: deque[Message] = deque()
        self._unsent: deque[Message] = deque()
        self.first = 0
        self.next = 0
        self.used = 0
        self.used_rows = 0

    @property
    def cursor(self) -> int:
        """Sequence number of the next message to send."""
        return self.next - len(self._unsent)

    @property
    def fill(self) -> float:
        """Used part, 0 to 1."""
        by_size = self.used / self._size
        return max(by_size, self.used_rows / self._rows) if self._rows else by_size

    def has_room(self, size: int, rows: int) -> bool:
        """Say whether a message of that size fits. An empty ring takes any."""
        if not self._messages:
            return True
        return self.used + size <= self._size and (
            self._rows is None or self.used_rows + rows <= self._rows
        )

    def push(self, message: Message) -> None:
        """Keep a message as number `next`; ask `has_room` first where it matters."""
        self._messages.append(message)
        self._unsent.append(message)
        self.next += 1
        self.used += message.size
        self.used_rows += message.rows

    def release(self, sequence: int) -> None:
        """Forget all messages below `sequence`: the writer has them for good."""
        for _ in range(min(sequence, self.next) - self.first):
            message = self._messages.popleft()
            self.used -= message.size
            self.used_rows -= message.rows
            self.first += 1
        while self.cursor < self.first:
            self._unsent.popleft()

    def rewind(self, sequence: int) -> None:
        """Send again from `sequence`, or from the oldest that is still kept."""
        start = max(0, sequence - self.first)
        self._unsent = deque(islice(self._messages, start, None))

    def unsent(self) -> Message | None:
        """Return the next message to send; None when all are sent."""
        return self._unsent[0] if self._unsent else None

    def mark_sent(self) -> None:
        """Go on to the message after the one that `unsent` returns."""
        self._unsent.popleft()
