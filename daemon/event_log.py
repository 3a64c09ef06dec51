"""Which events of a session are logged, and how often, wherever the log goes."""

import time
from collections import Counter

from structlog.typing import FilteringBoundLogger

from rigd.daemon.session_events import Output, Progress, SessionEvent
from rigd.streams.messages import Notice

MOST_LINES = 5000
"""Lines of standard error that are logged of one process."""

PROGRESS_EVERY = 60.0
"""Seconds between two entries of progress."""

LEVELS = {"info": 20, "warning": 30, "error": 40}
"""Levels of the standard library's logging."""


class EventLog:
    """Logs every event of a session; progress once a minute."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        """Log to `log`."""
        self._log = log
        self._lines: Counter[str] = Counter()
        self._progress = float("-inf")

    def observe(self, event: SessionEvent) -> None:
        """Log an event.

        A disk that does not take the entry is noticed by the writers, which stop in
        good order; the log must not stop the session.
        """
        try:
            self._write(event)
        except OSError:
            return

    def _write(self, event: SessionEvent) -> None:
        if isinstance(event, Progress) and not self._is_time_for_progress():
            return
        if isinstance(event, Output) and not self._has_room(event.process):
            return
        fields = event.model_dump(mode="json", exclude={"event", "level"})
        level = event.level if isinstance(event, Notice) else "info"
        self._log.log(LEVELS[level], event.event, **fields)

    def _is_time_for_progress(self) -> bool:
        now = time.monotonic()
        if now - self._progress < PROGRESS_EVERY:
            return False
        self._progress = now
        return True

    def _has_room(self, process: str) -> bool:
        """Whether another line of a process is logged; say it when that ends."""
        self._lines[process] += 1
        if self._lines[process] == MOST_LINES + 1:
            self._log.warning("output", process=process, line="(more is not logged)")
        return self._lines[process] <= MOST_LINES

    def say_what_was_left_out(self) -> None:
        """Log how many lines of each process were not."""
        for process, lines in self._lines.items():
            if lines > MOST_LINES:
                self._log.warning(
                    "output left out", process=process, lines=lines - MOST_LINES
                )
