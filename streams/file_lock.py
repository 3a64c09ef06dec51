"""Says to other processes that a file is in use, and by whom.

POSIX record locks: they end with the process, and the kernel names who holds one. A
process loses its lock when it closes any descriptor of the same file.
"""

import fcntl
import os
import struct
from pathlib import Path

_FLOCK = struct.Struct("hhqqi")
"""struct flock of fcntl(2): type, whence, start, length, pid."""


def hold(descriptor: int) -> bool:
    """Lock the file for as long as `descriptor`, open for writing, is open.

    Returns False where another process holds it.

    Raises:
        OSError: The file system has no locks.

    """
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def holder(path: Path) -> int | None:
    """Return the process that holds the file; 0: one that can't be named; None: none.

    A lock of the asking process itself does not count.

    Raises:
        OSError: The file can't be opened, or the file system has no locks.

    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        found = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    finally:
        os.close(descriptor)
    return None if found[0] == fcntl.F_UNLCK else max(found[4], 0)


def process_text(pid: int) -> str:
    """Name a process to a person."""
    return f"process {pid}" if pid else "another process"
