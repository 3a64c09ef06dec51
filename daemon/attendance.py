"""Tells the system of a session in the foreground, e.g. of the unit `rigd@.service`.

Ready when it records; alive while its data path is; more time as long as it gets on;
no sleep of the machine meanwhile.
"""

import time
from collections.abc import Callable

from rigd.daemon.headway import Headway
from rigd.daemon.pulse import SessionPulse
from rigd.daemon.service_manager import ServiceManager
from rigd.daemon.session_events import Progress, SessionEvent, StateChanged
from rigd.daemon.session_state import State
from rigd.daemon.staying_awake import StayingAwake

EXTENSION = 30.0
"""Seconds that starting or stopping may take from each request on."""

EXTEND_EVERY = 1.0
"""Seconds between two requests."""

STARTING = frozenset({State.IDLE, State.CHECKING, State.ARMING})
STOPPING = frozenset({State.DRAINING, State.FINALIZING})


class Attendance:
    """An observer of the session; `turn` is called whenever its loop goes round."""

    def __init__(
        self,
        manager: ServiceManager,
        awake: StayingAwake,
        clock: Callable[[], float] = time.monotonic,
        headway: Headway | None = None,
    ) -> None:
        """Tell `manager`; keep the machine `awake`; `headway` says if it gets on."""
        self._manager = manager
        self._awake = awake
        self._clock = clock
        self._pulse = SessionPulse(clock)
        self._extended = float("-inf")
        self._headway = headway or Headway(clock=clock)

    def observe(self, event: SessionEvent) -> None:
        """Tell of an event."""
        self._pulse.observe(event)
        words = self._pulse.in_words
        if isinstance(event, StateChanged) and event.state is State.RECORDING:
            self._manager.ready(words)
        elif isinstance(event, StateChanged) and event.state is State.DRAINING:
            self._manager.stopping(words)
        elif isinstance(event, StateChanged | Progress):
            self._manager.status(words)

    def turn(self) -> None:
        """Give the signs of life that are due."""
        self._awake.hold(True)
        if self._pulse.is_alive:
            self._manager.alive()
        now = self._clock()
        is_due = now - self._extended >= EXTEND_EVERY
        if is_due and self._pulse.state in STARTING | STOPPING:
            self._extended = now
            if self._headway.is_made:
                self._manager.extend(EXTENSION)
