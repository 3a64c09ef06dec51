"""Brings cut-off sessions to their end, one after another, in a thread of its own.

Each is recovered and finalized by the helper that `rigd recover` runs. It can be
interrupted at any moment: what is left is found at the next start.
"""

import queue
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from rigd.daemon.inbox import Inbox
from rigd.daemon.manifest import ManifestError
from rigd.daemon.session_events import Summary
from rigd.daemon.session_lock import SessionBusyError, SessionLock
from rigd.daemon.session_summary import read_summary
from rigd.daemon.unfinished import Unfinished

HELPER = "rigd.daemon.recovering"

WRITERS_END = 60.0
"""Seconds that writers of a service that was killed have to close their files."""

LOOK_EVERY = 0.2
"""Seconds between two looks at whether they have."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a session that had been cut off."""

    unfinished: Unfinished
    summary: Summary | None = None
    """None: it had not begun, somebody else works on it, or `error` says why."""
    error: str = ""


class Finisher:
    """Takes folders, and tells of each what became of it."""

    def __init__(self) -> None:
        self.inbox: Inbox[Finished] = Inbox()
        self.pending: list[Path] = []
        """Folders that are not finished yet; the caller takes them off."""
        self._todo: queue.SimpleQueue[Unfinished | None] = queue.SimpleQueue()
        self._helper: subprocess.Popen[str] | None = None
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="finisher")
        self._thread.start()

    def add(self, unfinished: Unfinished) -> None:
        """Finish a session, after those that were added before."""
        if unfinished.folder not in self.pending:
            self.pending.append(unfinished.folder)
            self._todo.put(unfinished)

    def close(self) -> None:
        """Stop where it is."""
        self._ends = True
        self._todo.put(None)
        if self._helper is not None and self._helper.poll() is None:
            self._helper.terminate()
        self._thread.join()
        self.inbox.close()

    def _run(self) -> None:
        while (unfinished := self._todo.get()) is not None and not self._ends:
            self.inbox.put(self._finish(unfinished))

    def _finish(self, unfinished: Unfinished) -> Finished:
        try:
            self._wait_for_writers(unfinished)
            with SessionLock(unfinished.folder):
                if unfinished.record is None:
                    return _discard(unfinished)
                return self._recover(unfinished)
        except SessionBusyError:
            return Finished(unfinished)  # `rigd record` runs it
        except OSError as error:
            return Finished(unfinished, error=str(error))

    def _wait_for_writers(self, unfinished: Unfinished) -> None:
        """Let processes of the dead service end; the helper refuses while they live."""
        deadline = time.monotonic() + WRITERS_END
        while unfinished.is_written and time.monotonic() < deadline and not self._ends:
            time.sleep(LOOK_EVERY)

    def _recover(self, unfinished: Unfinished) -> Finished:
        """Run the helper. It dies with this process, which holds the folder's lock."""
        with subprocess.Popen(
            [sys.executable, "-m", HELPER, str(unfinished.folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as helper:
            self._helper = helper
            if self._ends:
                helper.terminate()
            _, complaints = helper.communicate()
        if helper.returncode not in (0, 1):
            return Finished(unfinished, error=complaints.strip() or "it was ended")
        try:
            return Finished(unfinished, read_summary(unfinished.folder))
        except ManifestError as error:
            return Finished(unfinished, error=f"{complaints.strip()} {error}".strip())


def _discard(unfinished: Unfinished) -> Finished:
    """Remove what is left of a session that ended before its first sample."""
    streams = unfinished.folder / "streams"
    if (unfinished.folder / "record.json").exists() or any(streams.glob("*")):
        text = f"{unfinished.folder} has no usable record.json, and yet has data"
        return Finished(unfinished, error=text)
    shutil.rmtree(unfinished.folder)
    return Finished(unfinished)
