"""Lines for a reader who may not read: a full pipe, a terminal that was stopped.

Whoever writes never waits. What the reader has no room for is left out, and said when
it reads again.
"""

import os
import queue
import threading

MOST_LINES = 10_000
"""Lines that wait for the reader."""

LAST_WAIT = 2.0
"""Seconds that the reader has to take what is left at the end."""


class PatientOutput:
    """A text file that only ever appends, by a thread of its own."""

    def __init__(self, descriptor: int, most_lines: int = MOST_LINES) -> None:
        """Write to a file `descriptor`; it stays open."""
        self._descriptor = descriptor
        self._lines: queue.Queue[str | threading.Event] = queue.Queue(most_lines)
        self._left_out = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Take a text; returns at once."""
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._left_out += 1
        return len(text)

    def flush(self) -> None:
        """Let what waits be written, if the reader takes it within a moment."""
        is_written = threading.Event()
        try:
            self._lines.put(is_written, timeout=LAST_WAIT)
        except queue.Full:
            return
        is_written.wait(LAST_WAIT)

    def _run(self) -> None:
        while True:
            text = self._lines.get()
            if isinstance(text, threading.Event):
                text.set()
                continue
            self._write(text)
            if self._left_out and self._lines.empty():
                self._write(f"{self._left_out} lines are left out: nobody read them\n")
                self._left_out = 0

    def _write(self, text: str) -> None:
        """Write it all, however long that takes; for nobody if the reader is gone."""
        data = text.encode(errors="replace")
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            return
