"""A link that can be cut in the middle of a byte stream, and be there again."""

import select
import socket
import threading
from contextlib import suppress
from pathlib import Path

PIECE = 1 << 16

FULL = 0.5
"""Seconds that an end may take nothing; then its connection is let go of."""


class BreakableLink:
    """Passes bytes on between a socket file and another, in a thread of its own.

    ZeroMQ on both sides sees what it sees when a cable is pulled: half a message, then
    nothing, and nobody who answers. Use it with `with`.
    """

    def __init__(self, front: Path, back: Path) -> None:
        self._back = back
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(front))
        self._listener.listen(8)
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._is_up = True
        self._is_over = False
        self._lock = threading.Lock()
        self.passed = 0
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "BreakableLink":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._thread.join()
        self.cut()
        self._listener.close()

    def cut(self) -> None:
        """Let go of all connections; nobody is let in until `restore`."""
        with self._lock:
            self._is_up = False
            for end in self._pairs:
                end.close()
            self._pairs.clear()

    def restore(self) -> None:
        """Let connections in again."""
        self._is_up = True

    def _run(self) -> None:
        while not self._is_over:
            with self._lock:
                waiting = [*self._pairs, *([self._listener] if self._is_up else [])]
                for end in select.select(waiting, [], [], 0.005)[0]:
                    self._take(end)
            threading.Event().wait(0.001)

    def _take(self, end: socket.socket) -> None:
        if end is self._listener:
            self._let_in()
        elif end in self._pairs:
            self._pass(end)

    def _let_in(self) -> None:
        front, _ = self._listener.accept()
        back = socket.socket(socket.AF_UNIX)
        try:
            back.connect(str(self._back))
        except OSError:  # nobody listens there now
            front.close()
            back.close()
            return
        for end in (front, back):
            end.settimeout(FULL)
        self._pairs |= {front: back, back: front}

    def _pass(self, end: socket.socket) -> None:
        other = self._pairs[end]
        with suppress(OSError):
            piece = end.recv(PIECE)
            if piece:
                other.sendall(piece)
                self.passed += len(piece)
                return
        for one in (end, other):
            del self._pairs[one]
            one.close()
