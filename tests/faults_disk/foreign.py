"""`python -m tests.faults_disk.foreign FILE`: a program that fills a disk, for ever.

It tries on when the disk is full: what becomes free is taken.
"""

import sys
import time
from contextlib import suppress
from pathlib import Path

AT_ONCE = bytes(64 * 1024)
PAUSE = 0.01
"""Seconds between writes."""


def main() -> None:
    """Fill the disk."""
    with Path(sys.argv[1]).open("wb", buffering=0) as file:
        while True:
            with suppress(OSError):
                file.write(AT_ONCE)
            time.sleep(PAUSE)


if __name__ == "__main__":
    main()
