"""Whether the data path is alive, and what a session is doing in words. No I/O.

The watchdog of the service is fed by its main loop, but only while this says so: a
service whose loop turns and whose streams stand still is not alive.
"""

from collections.abc import Callable, Iterable

from rigd.daemon.quantities import clock_text, count_text, time_text
from rigd.daemon.session_events import (
    FolderMade,
    Progress,
    SessionEvent,
    StateChanged,
    Summary,
)
from rigd.daemon.session_state import LAST, State

SILENT = 10.0
"""Seconds without a word of any writer after which a recording counts as dead."""

WORDS = {
    State.IDLE: "beginning",
    State.CHECKING: "checking",
    State.ARMING: "opening the devices of",
    State.DRAINING: "bringing to the disk",
    State.FINALIZING: "finalizing",
}


class SessionPulse:
    """What one session is doing; an observer of its events."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin now; `clock` tells CLOCK_MONOTONIC, s."""
        self._clock = clock
        self.state = State.IDLE
        self.progress: Progress | None = None
        self.summary: Summary | None = None
        self._session = ""
        self._heard = clock()

    def observe(self, event: SessionEvent) -> None:
        """Take an event of the session."""
        if isinstance(event, StateChanged):
            self.state, self._heard = event.state, self._clock()
        elif isinstance(event, FolderMade):
            self._session = event.session
        elif isinstance(event, Progress):
            self._take_progress(event)
        elif isinstance(event, Summary):
            self.summary = event

    def _take_progress(self, progress: Progress) -> None:
        """A rate is known of streams whose writer has spoken in the last seconds."""
        self.progress = progress
        if any(stream.rate is not None for stream in progress.streams):
            self._heard = self._clock()

    @property
    def is_over(self) -> bool:
        """Whether the session has come to its end."""
        return self.state in LAST

    @property
    def is_alive(self) -> bool:
        """Whether samples can come to the disk; what is not recording is alive."""
        if self.state is not State.RECORDING:
            return True
        return self._clock() - self._heard < SILENT

    @property
    def in_words(self) -> str:
        """Say what goes on, in one line."""
        if self.state is State.RECORDING and self.progress is not None:
            return recording_in_words(self._session, self.progress)
        if self.state is State.RECORDING:
            return f"recording {self._session}"
        if self.summary is not None:
            return f"{self._session} is {self.summary.verdict}"
        if self.state is State.FAILED:
            return f"{self._session} has failed".strip()
        return f"{WORDS.get(self.state, self.state)} {self._session}".strip()


def recording_in_words(session: str, progress: Progress) -> str:
    """`recording M042, 6 streams, 00:12:31, 0 lost, 3 h 10 min of disk left`."""
    count = len(progress.streams)
    lost = sum(stream.lost for stream in progress.streams)
    parts = [
        f"recording {session}",
        f"{count} stream{'' if count == 1 else 's'}",
        clock_text(progress.seconds),
        f"{count_text(lost)} lost",
    ]
    if progress.seconds_left is not None:
        parts.append(f"{time_text(progress.seconds_left)} of disk left")
    return ", ".join(parts)


def all_in_words(sessions: Iterable[SessionPulse]) -> str:
    """Say what a service does that runs these sessions."""
    return "; ".join(one.in_words for one in sessions) or "ready"
