"""How fast the disk takes data, tried with a short file that nobody ever sees.

Run as a process of its own, for a disk may hang: prints a `WriteSpeed` as JSON.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rigd.daemon.host_state import WriteSpeed
from rigd.streams.quick_process import end_quickly

BLOCK = 4 * 2**20
"""Bytes of one write."""

TRIES = 3
"""The best of so many counts: another program may write just then."""

LONGEST = 0.5
"""Seconds that one of them may take, and little more."""

MOST = 32 * 2**20
"""Bytes that it writes at most."""


def try_to_write(folder: Path) -> WriteSpeed:
    """Write a little to the disk of `folder`, a quarter of its room at most.

    The bytes can't be compressed, so that a file system that does so tells no tale.

    Raises:
        OSError: The disk does not take it.

    """
    most = min(MOST, shutil.disk_usage(folder).free // 4)
    block = os.urandom(min(BLOCK, max(most, 1)))
    tries = [_write(folder, block, most) for _ in range(TRIES)]
    return max(tries, key=lambda speed: speed.bytes_per_second)


def _write(folder: Path, block: bytes, most: int) -> WriteSpeed:
    """Write blocks, and bring each to the disk, until it is enough."""
    written = 0
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        started = time.monotonic()
        while True:
            written += os.write(file.fileno(), block)
            os.fdatasync(file.fileno())
            seconds = time.monotonic() - started
            if written + len(block) > most or seconds > LONGEST:
                break
    return WriteSpeed(bytes=written, seconds=seconds)


def main() -> int:
    """Try the folder named on the command line; exit code 1: it does not take it."""
    try:
        print(try_to_write(Path(sys.argv[1])).model_dump_json(), flush=True)
    except OSError as error:
        print(error.strerror or error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    end_quickly()
    sys.exit(main())
