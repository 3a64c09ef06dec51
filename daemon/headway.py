"""Whether the ends of sessions get on: only then systemd is asked for more time.

Time that passes is no progress: a finalizer that hangs would be waited for for ever.
What counts is what its processes read and write, and that sources and writers are
there, which have time limits of their own.
"""

import time
from collections.abc import Callable

from rigd.daemon.process_usage import moved_by_children

PATIENCE = 300.0
"""Seconds without a byte read or written after which nothing gets on any more."""


class Headway:
    """Looks at the processes of this service, again and again."""

    def __init__(
        self,
        moved: Callable[[], int | None] = moved_by_children,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin now.

        Args:
            moved: Says how many bytes have been read and written; any other number than
                before is progress. None: it can't be known.
            clock: CLOCK_MONOTONIC, s.

        """
        self._moved = moved
        self._clock = clock
        self._seen: int | None = None
        self._since = clock()

    @property
    def is_made(self) -> bool:
        """Whether anything got on in the last minutes; to be asked again and again."""
        moved = self._moved()
        if moved is None or moved != self._seen:
            self._seen, self._since = moved, self._clock()
        return self._clock() - self._since < PATIENCE
