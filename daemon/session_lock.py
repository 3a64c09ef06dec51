"""Keeps two processes from working on one session folder.

Whoever records or finalizes holds `.lock` in the folder for as long as it lives; the
kernel knows who does. A file that a dead process has left is no lock.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType

from rigd.daemon.lock_file import HeldError, LockFile
from rigd.streams.file_lock import holder, process_text
from rigd.streams.process import die_with_parent

LOCK_NAME = ".lock"


class SessionBusyError(Exception):
    """Another process works on the folder: which."""


class SessionLock:
    """Holds a session folder until `release`, or for a `with` block."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            SessionBusyError: Another process holds it.
            OSError: The folder can't be written.

        """
        try:
            self._file = LockFile(folder / LOCK_NAME)
        except HeldError as error:
            raise SessionBusyError(
                f"{folder} is in use by {process_text(error.pid)}, which records or "
                "finalizes it; stop that first, or wait for its end"
            ) from None

    def release(self) -> None:
        """Give the lock back."""
        self._file.release()

    def __enter__(self) -> "SessionLock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def lock_as_helper(folder: Path) -> AbstractContextManager[object]:
    """Take the lock, unless the parent of this process holds it: it asked for this.

    Then this process ends with its parent.

    Raises:
        SessionBusyError: A third process holds it.
        OSError: The folder can't be written.

    """
    parent = os.getppid()
    path = folder / LOCK_NAME
    if path.exists() and holder(path) == parent:
        die_with_parent(parent)
        return nullcontext()
    return SessionLock(folder)
