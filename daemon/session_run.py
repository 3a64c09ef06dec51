"""One session of the service, in a thread of its own.

The thread runs what `rigd record` runs (`Recording`), with processes and sockets of its
own, so that no session waits for another. It hears of the main thread by two flags of
the recording, and tells it everything by an inbox.
"""

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rigd.config.faults import ConfigurationError
from rigd.config.paths import SessionPaths
from rigd.config.session import Session
from rigd.daemon.armed_devices import Held
from rigd.daemon.inbox import Inbox
from rigd.daemon.logs import JournalLog
from rigd.daemon.marks import MarkSender, with_marks
from rigd.daemon.processes import Processes
from rigd.daemon.pulse import SessionPulse
from rigd.daemon.recording import (
    AbortedError,
    NotFinalizedError,
    NotStartedError,
    Recording,
    SettingsError,
)
from rigd.daemon.runtime_folder import RuntimeFolder, RuntimeFolderError
from rigd.daemon.session_events import SessionEvent, Summary
from rigd.daemon.session_folder import DataRootError, SessionFolderError
from rigd.daemon.session_record import Follows
from rigd.streams.drivers.marks import Mark

EXPECTED = (
    AbortedError,
    ConfigurationError,
    DataRootError,
    NotFinalizedError,
    NotStartedError,
    RuntimeFolderError,
    SessionFolderError,
    SettingsError,
    OSError,
)
"""What can go wrong with a session; each says what to do."""


@dataclass(frozen=True, slots=True)
class Over:
    """The thread of a session is at its end."""

    summary: Summary | None
    """What became of the session; None: it was not finalized."""
    error: Exception | None
    """Why not."""


News = tuple["SessionRun", SessionEvent | Over]
"""Something a session says, and which one."""


class SessionRun:
    """A session that runs."""

    def __init__(
        self,
        session: Session,
        runtime: Path,
        inbox: Inbox[News],
        *,
        force: bool = False,
        follows: Follows | None = None,
    ) -> None:
        """Plan the session; `start` starts it.

        Args:
            session: The checked settings; placeholders of the id are filled in.
            runtime: Runtime directory of the service; its sockets go to a new folder.
            inbox: Takes all that it says.
            force: Start although the check of the rig fails.
            follows: The session that was cut off, and that this one goes on with.

        Raises:
            RuntimeFolderError: There is no room for its sockets.

        """
        self._folder = RuntimeFolder({"RUNTIME_DIRECTORY": str(runtime)})
        root = session.data_root or session.rig.data_root
        self.devices = list(session.rig.devices)
        self.session = with_marks(session, f"ipc://{self._folder.socket('_marks')}")
        self.paths = SessionPaths(root / session.id, session.subject.id, session.id)
        self.started = datetime.now(UTC)
        self.stop_reason: str | None = None
        self._marks = MarkSender(self.session)
        self._inbox = inbox
        self._force = force
        self._follows = follows
        self._pulse = SessionPulse(time.monotonic)
        self._log = JournalLog()
        self._held: Mapping[str, Held] = {}
        self._recording: Recording | None = None
        self._abort = False
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=session.id)

    @property
    def turned(self) -> float:
        """CLOCK_MONOTONIC (s) at which its loop last went round."""
        return self._began if self._recording is None else self._recording.turned

    @property
    def is_alive(self) -> bool:
        """Whether its samples can come to the disk."""
        return self._pulse.is_alive

    def start(self, held: Mapping[str, Held]) -> None:
        """Begin; returns at once. `held` are devices that were held ready."""
        self._held = held
        self._thread.start()

    def stop(self, reason: str, *, abort: bool = False) -> None:
        """Let it come to its orderly end, or to any end; returns at once."""
        self.stop_reason = self.stop_reason or reason
        self._abort = self._abort or abort
        if self._recording is not None:
            self._pass_on_orders(self._recording)

    def _pass_on_orders(self, recording: Recording) -> None:
        if self.stop_reason is not None:
            recording.stop(self.stop_reason)
        if self._abort:
            recording.abort()

    def mark(self, mark: Mark) -> bool:
        """Note a moment; False: its source does not take any more."""
        return self._marks.send(mark)

    def join(self) -> None:
        """Wait for the end of its thread, and give everything back."""
        self._thread.join()
        self._marks.close()
        self._folder.remove()

    def observe(self, event: SessionEvent) -> None:
        """Pass on what the session says."""
        self._pulse.observe(event)
        self._log.observe(event)
        self._inbox.put((self, event))

    def _run(self) -> None:
        """Run, and tell of the end whatever it is: the thread's outermost edge."""
        summary: Summary | None = None
        error: Exception | None = None
        try:
            summary = self._record()
        except EXPECTED as expected:
            error = expected
        except Exception as fault:
            logging.getLogger(__name__).exception("session %s", self.session.id)
            error = fault
        finally:
            for held in self._held.values():
                held.child.kill()  # it has ended, unless the session never began
            self._inbox.put((self, Over(summary, error)))

    def _record(self) -> Summary:
        with closing(Processes(self._folder.socket("_control"))) as processes:
            recording = Recording(
                self.session,
                runtime=self._folder,
                processes=processes,
                observers=[self],
                force=self._force,
                follows=self._follows,
                held=self._held,
            )
            self._recording = recording
            self._pass_on_orders(recording)
            return recording.run()
