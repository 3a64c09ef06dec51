"""Signals as bytes in a socket, so that one loop hears them with everything else."""

import signal
import socket
from collections.abc import Sequence
from types import FrameType, TracebackType


class Signals:
    """Catches signals while it is open; `fileno` can be read when one has come."""

    def __init__(self, numbers: Sequence[int]) -> None:
        """Catch the signals `numbers`. Main thread only."""
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._old_descriptor = signal.set_wakeup_fd(self._writer.fileno())
        self._old_handlers = {n: signal.signal(n, _do_nothing) for n in numbers}

    def fileno(self) -> int:
        """Descriptor, for a poller."""
        return self._reader.fileno()

    def take(self) -> list[int]:
        """Return the signals that have come, in order."""
        try:
            return [n for n in self._reader.recv(64) if n in self._old_handlers]
        except BlockingIOError:
            return []

    def __enter__(self) -> "Signals":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_descriptor)
        self._reader.close()
        self._writer.close()


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Python writes to the wakeup descriptor only for signals with a handler."""
