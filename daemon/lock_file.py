"""A file that a process holds for as long as it lives; the kernel knows who does.

A file that a dead process has left is no lock.
"""

import os
from pathlib import Path
from types import TracebackType

from rigd.streams.file_lock import hold, holder


class HeldError(Exception):
    """Another process holds the file.

    Attributes:
        pid: Its process id; 0: it can't be named.

    """

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self.pid = pid


class LockFile:
    """Holds a file, made if it is missing, until `release`."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            HeldError: Another process holds it.
            OSError: The file can't be written, or the file system has no locks.

        """
        self._path = path
        self._descriptor = _take(path)

    def __enter__(self) -> "LockFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    @property
    def is_there(self) -> bool:
        """Whether the file that is held is the one at its path.

        False where its disk has been unmounted, or another is mounted there now.
        """
        return _is_at(self._path, self._descriptor)

    def release(self) -> None:
        """Give the lock back; the file goes, if it is the one that was held."""
        if self.is_there:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def _take(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not hold(descriptor):
            os.close(descriptor)
            raise HeldError(holder(path) or 0)
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the file was not removed by its last holder in the meantime."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False
