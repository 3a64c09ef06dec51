"""How long a writer lets small messages gather before it takes them together.

Waking up costs more than writing when messages are small and slow: a short rest after
each look at the socket makes many small streams cheap. A fast stream is not made to
wait, since its queue would grow out of the processor's cache.
"""

import time
from collections.abc import Callable

FAST = 50e6
"""Bytes per second from which on there is no rest."""

WINDOW = 0.1
"""Seconds over which the rate is measured."""


class Pace:
    """Rests `seconds` after each look while the stream is slow."""

    def __init__(
        self,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._since = clock()
        self._bytes = 0
        self._fast = False

    def rest(self, size: int) -> None:
        """Note that `size` bytes were taken; sleep if the stream is slow."""
        self._bytes += size
        elapsed = self._clock() - self._since
        if elapsed >= WINDOW:
            self._fast = self._bytes / elapsed >= FAST
            self._since += elapsed
            self._bytes = 0
        if not self._fast:
            self._sleep(self._seconds)
