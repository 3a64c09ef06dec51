"""Real small file systems, in a mount namespace that nobody else sees.

The mount lives in a child of `unshare`; tests reach it through the child's root folder
under /proc, so that nothing is mounted for the test process itself.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest

UNSHARE = ("unshare", "--mount", "--propagation", "private")

SCRIPTS = {
    "tmpfs": 'mount -t tmpfs -o size="$2" none "$1"',
    "ext4": 'truncate -s "$2" "$1.img" && mkfs.ext4 -q -m 0 "$1.img" && '
    'mount -o loop "$1.img" "$1"',
    "ext2": 'truncate -s "$2" "$1.img" && mkfs.ext2 -q -m 0 "$1.img" && '
    'mount -t ext4 -o loop "$1.img" "$1"',
    "xfs": 'truncate -s "$2" "$1.img" && mkfs.xfs -q "$1.img" && '
    'mount -o loop "$1.img" "$1"',
}
"""How to make and mount a file system of `$2` bytes at the folder `$1`."""


@cache
def why_not(kind: str) -> str:
    """Say why a file system of this kind can't be mounted here; empty: it can."""
    if os.geteuid() != 0:
        return "mounting takes root"
    tools = ["unshare", "mount"] + ([] if kind == "tmpfs" else [f"mkfs.{kind}"])
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} is not installed"
    tried = subprocess.run(
        [*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True
    )
    return "" if tried.returncode == 0 else f"mount: {tried.stderr.decode().strip()}"


@contextmanager
def small_disk(folder: Path, size: int, kind: str = "tmpfs") -> Iterator[Path]:
    """Mount a new file system of `size` bytes; skip the test where that can't be."""
    if reason := why_not(kind):
        pytest.skip(f"no small {kind}: {reason}")
    place = folder / "disk"
    place.mkdir()
    script = f"set -e; {SCRIPTS[kind]}; echo mounted; exec cat"
    with subprocess.Popen(
        [*UNSHARE, "sh", "-c", script, "sh", str(place), str(size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as keeper:
        assert keeper.stdout is not None
        assert keeper.stdin is not None
        try:
            assert keeper.stdout.readline() == "mounted\n", f"no {kind} can be mounted"
            yield Path(f"/proc/{keeper.pid}/root{place}")
        finally:
            keeper.stdin.close()


def fill(place: Path) -> Path:
    """Write until there is no room, as a foreign program would; return the file."""
    path = place / "filler"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(16 * 1024))
    return path
