"""Tries a stream file that no journal proves, in a process of its own.

Damaged metadata can make libhdf5 loop without end or crash. Who is to read the file
would not come back; so something reads all of its metadata first that may be lost.

    python -m rigd.streams.unproven_file FILE
"""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py

from rigd.streams.durable_stream import HDF5_ERRORS

TRIAL_SECONDS = 30.0
"""Seconds that reading the metadata of a file may take: it takes less than one."""


def why_unusable(path: Path) -> str:
    """Say what the file does to its reader; empty: nothing worse than an error."""
    if not path.exists():
        return ""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "rigd.streams.unproven_file", str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=TRIAL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return (
            f"its file is so damaged that HDF5 did not get through it in "
            f"{TRIAL_SECONDS:.0f} s"
        )
    if done.returncode < 0:
        died_of = signal.Signals(-done.returncode).name
        return f"its file is so damaged that HDF5 dies of it ({died_of})"
    return ""


def read_metadata(path: Path) -> None:
    """Read all attributes, and what each dataset says of itself.

    Raises:
        OSError, RuntimeError, ValueError, KeyError: Something is damaged.

    """
    with h5py.File(path, "r") as file:
        _read(file)
        file.visititems(lambda name, found: _read(found))


def _read(found: Any) -> None:
    """Let HDF5 read what an object says of itself."""
    for name in found.attrs:
        found.attrs[name]
    if isinstance(found, h5py.Dataset):
        _ = found.shape, found.dtype, found.chunks


def main() -> None:
    """Try the file that is named; an error is told by who reads it later."""
    try:
        read_metadata(Path(sys.argv[1]))
    except HDF5_ERRORS:
        sys.exit(1)


if __name__ == "__main__":
    main()
