"""Writes the times of an hour at 30 kHz to a session file: CPU, memory, size.

python -m tests.clock_sessions.many_times [ROWS]
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hdmf.backends.hdf5 import H5DataIO
from pynwb import NWBHDF5IO, NWBFile, TimeSeries

from rigd.daemon.own_data import OwnData
from rigd.daemon.regular_times import regular_times
from rigd.streams.clock_map import Axis, ClockMap, Fit, Floats, Mode, Segment
from rigd.streams.row_times import row_times
from rigd.streams.wire import RECORD_DTYPE

RATE = 30_000.0
HOUR = 108_000_000
BLOCK = 300
BLOCKS_AT_ONCE = 1 << 16


def peak_kilobytes() -> int:
    """Return the most memory that this program has had, of its own.

    (`ru_maxrss` begins with what the process had that started it.)
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0])


def drifting_clock(seconds: float) -> ClockMap:
    """A map with a knot each second: 20 ppm that wander like a crystal's."""
    knots = np.arange(0.0, seconds + 2)
    walk = np.cumsum(np.random.default_rng(0).normal(0, 1e-8, len(knots)))
    steps = 1 - (2e-5 + walk)
    t = 0.5 + np.concatenate([[0.0], np.cumsum(steps[:-1])])
    fit = Fit(Mode.SYNC_LINE, len(knots), 20.0, 1e-6, 1e-5, 1e-5)
    return ClockMap(Axis.SAMPLE, (Segment(0, 0, knots * RATE, t, fit),))


def blocks(rows: int) -> Iterator[np.ndarray[Any, Any]]:
    """Entries of `sync/blocks`: 10 ms each."""
    for start in range(0, rows, BLOCK * BLOCKS_AT_ONCE):
        count = min(rows - start, BLOCK * BLOCKS_AT_ONCE) // BLOCK
        piece = np.zeros(count, RECORD_DTYPE)
        piece["rows"] = BLOCK
        piece["first_sample"] = start + np.arange(count) * BLOCK
        yield piece


def checked(arrays: Iterator[Floats]) -> Iterator[Floats]:
    """Refuse times that do not rise strictly."""
    last = -np.inf
    for times in arrays:
        if times[0] <= last or np.any(np.diff(times) <= 0):
            raise ValueError("times do not rise strictly")
        last = times[-1]
        yield times


def write(path: Path, rows: int) -> None:
    """Write the times beside data of one byte a row."""
    clock = drifting_clock(rows / RATE)
    own = OwnData()
    times = own.add(
        "times", checked(row_times(blocks(rows), clock, start_ns=0)), (rows,)
    )
    data = H5DataIO(shape=(rows,), dtype=np.dtype("u1"), chunks=(1 << 16,))
    with h5py.File(path, "w") as file, NWBHDF5IO(file=file, mode="w") as writer:
        nwb = NWBFile("many times", "many", datetime.now(UTC))
        nwb.add_acquisition(
            TimeSeries(name="ap", unit="n/a", data=data, timestamps=times)
        )
        writer.write(nwb)
        own.fill()


def main() -> None:
    """Measure, and say it as JSON."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else HOUR
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.nwb"
        cpu, wall = time.process_time(), time.monotonic()
        write(path, rows)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        with h5py.File(path) as file:
            dataset = file["acquisition/ap/timestamps"]
            first, last = float(dataset[0]), float(dataset[-1])
            packing = [dataset.compression, dataset.shuffle]
            size = dataset.id.get_storage_size()
    clock = drifting_clock(rows / RATE)
    line = regular_times(
        lambda: row_times(blocks(rows), clock, start_ns=0),
        rows=rows, first=first, last=last,
    )  # fmt: skip
    peak = peak_kilobytes() / 1024
    told = {
        "rows": rows, "cpu_s": round(cpu, 2), "wall_s": round(wall, 2),
        "peak_mb": round(peak), "bytes_per_row": round(size / rows, 3),
        "packing": packing, "from_line_ms": line and round(line.deviation * 1e3, 3),
    }  # fmt: skip
    print(json.dumps(told))


if __name__ == "__main__":
    main()
