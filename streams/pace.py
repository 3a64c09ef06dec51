"""How long a writer lets messages gather before it takes them together.

Waking up costs more than writing when messages are small and slow: a short rest after
each look at the socket makes many small streams cheap. The faster a stream, the shorter
the rest: what gathers has to fit into the processor's cache, and must not fill the
queue of the socket, since a full queue would hold up the sender.
"""

import time
from collections.abc import Callable

GATHER_BYTES = 2**20
"""Bytes that may gather during a rest."""

GATHER_PART = 0.25
"""Part of the socket's queue that may gather during a rest."""

SHORTEST = 0.001
"""Seconds below which a rest is not worth its trouble."""

WORTH_GATHERING = 1.35
"""Messages below which a rest saves nothing."""

WINDOW = 0.5
"""Seconds over which the rate is measured."""


class Pace:
    """Rests after each look at the socket, at most `longest` seconds."""

    def __init__(
        self,
        longest: float,
        queue: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Begin without rests, until the rate is known.

        `queue` is how many messages may wait.
        """
        self._longest = longest
        self._queue = queue
        self._clock = clock
        self._sleep = sleep
        self._since = clock()
        self._bytes = 0
        self._messages = 0
        self._seconds = 0.0

    def rest(self, size: int, messages: int, *, is_empty: bool) -> None:
        """Sleep for as long as the rate of the last window allows.

        Args:
            size: Bytes taken since the last rest.
            messages: Messages taken since the last rest.
            is_empty: Nothing more was waiting; else there is no rest.

        """
        self._bytes += size
        self._messages += messages
        elapsed = self._clock() - self._since
        if elapsed >= WINDOW:
            self._seconds = self._allowed(elapsed)
            self._since += elapsed
            self._bytes = self._messages = 0
        if is_empty and self._seconds >= SHORTEST:
            self._sleep(self._seconds)

    def _allowed(self, elapsed: float) -> float:
        """Return the seconds in which not too much gathers, at the rate measured.

        None at all where hardly more than one message would gather: to wait for it
        costs the same, and it is seen sooner.

        A rest that is too long slows the sender, and so what is measured. As more than
        the allowed part is taken then, the next rest is shorter nevertheless.
        """
        if self._messages * self._longest < WORTH_GATHERING * elapsed:
            return 0.0
        by_bytes = GATHER_BYTES / max(1, self._bytes)
        by_messages = GATHER_PART * self._queue / max(1, self._messages)
        return min(self._longest, elapsed * min(by_bytes, by_messages))
