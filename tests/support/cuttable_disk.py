"""Real file systems whose power can be cut: what they have not kept yet is gone.

The cut is the kernel's own: an ioctl shuts a mounted file system down without writing
its log, and drops all dirty pages. Mounted again, it holds what a disk would hold.
"""

import ctypes
import fcntl
import os
import random
import shlex
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.small_disk import UNSHARE

GOING_DOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN and F2FS_IOC_SHUTDOWN are the same number."""

WITHOUT_LOG = struct.pack("I", 2)
"""Flag of all three: leave the log as it is."""

SIZES = {"ext4": 128 * 2**20, "xfs": 320 * 2**20}
"""Bytes of each kind of file system; xfs takes no less."""

SHELL = 'while read -r line; do eval "$line" && echo done || echo failed; done'
"""Does what it is told, line by line, in its own mount namespace."""


class CuttableDisk:
    """A new file system in a file, mounted where nobody else sees it."""

    def __init__(self, folder: Path, kind: str) -> None:
        """Make and mount it; `folder` must be on another file system."""
        self._image = shlex.quote(str(folder / "disk.img"))
        self._place = folder / "disk"
        self._place.mkdir()
        self._shell = subprocess.Popen(
            [*UNSHARE, "sh", "-c", SHELL],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.path = Path(f"/proc/{self._shell.pid}/root{self._place}")
        self._do(f"truncate -s {SIZES[kind]} {self._image}")
        self._do(f"mkfs.{kind} -q {self._image}")
        self._mount()

    def _do(self, command: str) -> None:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{command}\n")
        self._shell.stdin.flush()
        said = self._shell.stdout.readline()
        assert said == "done\n", f"{command}: {said}"

    def _mount(self) -> None:
        self._do(f"mount -o loop {self._image} {shlex.quote(str(self._place))}")

    def sync(self) -> None:
        """Bring all of it to the disk."""
        self._do(f"sync -f {shlex.quote(str(self._place))}")

    def cut(self) -> None:
        """Cut the power: from now on every call on this file system fails."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, GOING_DOWN, WITHOUT_LOG)
        finally:
            os.close(descriptor)

    def power_on(self) -> None:
        """Mount it again as it is; nobody may have a file of it open."""
        self._do(f"umount {shlex.quote(str(self._place))}")
        self._mount()

    def close(self) -> None:
        """Give it back; with the namespace the mount goes, too."""
        assert self._shell.stdin is not None
        self._shell.communicate()


@contextmanager
def writing_back(folder: Path, seed: int) -> Iterator[None]:
    """Let the kernel write back any dirty pages of files meanwhile, as it may do."""
    over = threading.Event()
    thread = threading.Thread(target=_write_back, args=(folder, seed, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _write_back(folder: Path, seed: int, over: threading.Event) -> None:
    chance = random.Random(seed)
    while not over.wait(chance.uniform(0.005, 0.05)):
        with suppress(OSError):  # the file may be gone, or the power
            for path in folder.iterdir():
                if path.is_file():
                    _write_back_some(path, chance)


def _write_back_some(path: Path, chance: random.Random) -> None:
    libc = ctypes.CDLL(None)
    libc.sync_file_range.argtypes = (
        ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint
    )  # fmt: skip
    start_writing = 2
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for _ in range(3):
            offset = chance.randrange(0, size + 1) & ~4095
            length = chance.choice((4096, 16384, 2**20))
            libc.sync_file_range(file.fileno(), offset, length, start_writing)
