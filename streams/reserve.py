"""Space set aside on the disk, so that what has begun can be brought to a good end.

Behind the end of a growing file (fallocate(2), without a change of its size: HDF5 and
live readers see nothing of it), and as a file of its own for what is still to be
written at the end of the session. Where a file system can't do that there is no
reserve; who asks is told.
"""

import ctypes
import errno
import os
from pathlib import Path

KEEP_SIZE = 1
"""FALLOC_FL_KEEP_SIZE of <linux/falloc.h>."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the kernel says when there is no room, on the disk or in the quota."""

UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
"""What it says when the file system can't set space aside."""

SUFFIX = ".reserve"
"""End of the name of files that hold space for the end of the session."""


_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (
    ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64
)  # fmt: skip


class DiskFullError(Exception):
    """The disk has no room for what should be kept free: how much was asked."""


def set_aside(descriptor: int, start: int, size: int) -> None:
    """Have the kernel allocate [start, start + size) of a file; its size stays.

    Raises:
        OSError: It does not.

    """
    while _libc.fallocate(descriptor, KEEP_SIZE, start, size) != 0:
        code = ctypes.get_errno()
        if code != errno.EINTR:
            raise OSError(code, os.strerror(code))


class Reserve:
    """Space behind the end of one growing file."""

    def __init__(self, path: Path, step: int) -> None:
        """Set nothing aside yet.

        Args:
            path: The file.
            step: Bytes by which to set aside more than asked, where there is room.

        Raises:
            OSError: It can't be opened.

        """
        self._path = path
        self._step = step
        self._end = 0
        self.is_supported = True
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def hold(self, size: int) -> None:
        """Have at least `size` bytes behind the end of the file.

        Raises:
            DiskFullError: There is no room.
            OSError: The disk fails.

        """
        end = os.fstat(self._descriptor).st_size
        if end + size <= self._end or not self.is_supported:
            return
        if self._take(end, size + self._step) or self._take(end, size):
            return
        raise DiskFullError(
            f"the disk is full: {self._path.name} can't keep {size} bytes for its end"
        )

    def _take(self, start: int, size: int) -> bool:
        """Try to set aside; say whether that is settled."""
        try:
            set_aside(self._descriptor, start, size)
        except OSError as error:
            if error.errno in FULL:
                return False
            if error.errno not in UNSUPPORTED:
                raise
            self.is_supported = False
        self._end = start + size
        return True

    def give_back(self) -> None:
        """Let go of what is set aside, and of the file.

        Raises:
            OSError: The disk fails.

        """
        try:
            if self._end:
                os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size)
        finally:
            os.close(self._descriptor)


class HeldSpace:
    """A file that holds space for what is to be written at the end of the session."""

    def __init__(self, path: Path) -> None:
        """Begin, or go on with, a file.

        Raises:
            DiskFullError: There is no room for it.
            OSError: It can't be made.

        """
        self.path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        try:
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            if error.errno in FULL:
                raise DiskFullError(
                    f"the disk is full: no room for {path.name}"
                ) from error
            raise
        self._size = os.fstat(self._descriptor).st_size
        self.is_supported = True

    def grow(self, size: int) -> None:
        """Hold at least `size` bytes.

        Raises:
            DiskFullError: There is no room.
            OSError: The disk fails.

        """
        if size <= self._size or not self.is_supported:
            return
        try:
            set_aside(self._descriptor, 0, size)
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            if error.errno in FULL:
                raise DiskFullError(
                    f"the disk is full: no room for {size} bytes that the session "
                    f"file may need ({self.path.name})"
                ) from error
            if error.errno not in UNSUPPORTED:
                raise
            self.is_supported = False
        self._size = size

    def close(self) -> None:
        """Close the file; it goes on holding its space."""
        os.close(self._descriptor)


def give_back_held_space(folder: Path) -> None:
    """Remove the files that hold space, in a session folder.

    Raises:
        OSError: The disk refuses.

    """
    for path in (*folder.glob(f"*{SUFFIX}"), *folder.glob(f"streams/*{SUFFIX}")):
        path.unlink(missing_ok=True)
