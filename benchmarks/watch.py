"""A live reader of a stream file being written: `python -m benchmarks.watch`.

Looks each few milliseconds, and notes for each block how old its last row was when it
could be read.
"""

import signal
import sys
import time
from pathlib import Path

import h5py

from benchmarks.processes import LIFETIME
from rigd.config.base import Model

LOOK_EVERY = 0.005


class WatchSpec(Model):
    """The file, its datasets, and for how long to look."""

    path: Path
    data: str
    blocks: str
    seconds: float


class WatchReport(Model):
    """Age of each block's last row at first sight, seconds."""

    ages: list[float]


def watch(spec: WatchSpec) -> WatchReport:
    """Look at the file for so many seconds.

    Raises:
        ValueError: A block could be seen before its rows.

    """
    ages: list[float] = []
    end = time.monotonic() + spec.seconds
    with h5py.File(spec.path, "r", swmr=True) as file:
        data, blocks = file[spec.data], file[spec.blocks]
        seen = rows = 0
        while time.monotonic() < end:
            time.sleep(LOOK_EVERY)
            blocks.refresh()
            if len(blocks) == seen:
                continue
            new = blocks[seen:]
            data.refresh()
            rows += int(new["rows"].sum())
            if len(data) < rows:
                raise ValueError(f"blocks of {rows} rows, but only {len(data)} rows")
            data[rows - 1]
            ages += ((time.monotonic_ns() - new["host_ns"]) / 1e9).tolist()
            seen += len(new)
    return WatchReport(ages=ages)


def main() -> int:
    """Watch by the specification on standard input; report on standard output."""
    signal.alarm(LIFETIME)
    spec = WatchSpec.model_validate_json(sys.stdin.readline())
    print("ready", flush=True)
    sys.stdin.readline()
    print(watch(spec).model_dump_json(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
