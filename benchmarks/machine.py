"""The machine that is measured: what it is, what it can, how busy others keep it."""

import mmap
import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType

import numpy as np
import psutil
import zmq

MIB = 2**20
PIECE = MIB
"""Bytes of one write: larger ones meet memory that the kernel has not touched yet."""

SYNC_BYTES = 64 * MIB
"""Bytes between two syncs of `write_synced`, as in `WriterSpec`."""


@dataclass(frozen=True, slots=True)
class Written:
    """Wall and CPU seconds that it took to write so many bytes."""

    size: int
    wall: float
    cpu: float

    @property
    def rate(self) -> float:
        """MB/s."""
        return self.size / 1e6 / self.wall

    @property
    def cost(self) -> float:
        """CPU seconds per GB."""
        return self.cpu / (self.size / 1e9)


class ForeignLoad:
    """Cores that other processes took while a `with` block ran."""

    def __init__(self) -> None:
        self.cores = 0.0

    def __enter__(self) -> "ForeignLoad":
        self._wall, self._busy, self._own = _clocks()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        wall, busy, own = _clocks()
        foreign = (busy - self._busy) - (own - self._own)
        self.cores = max(0.0, foreign / (wall - self._wall))


def _clocks() -> tuple[float, float, float]:
    """Wall clock; CPU seconds of all processes; of this one and its ended children."""
    times = psutil.cpu_times()
    busy = times.user + times.nice + times.system + times.irq + times.softirq
    return time.monotonic(), busy, sum(os.times()[:4])


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a running process so far, with a resolution of ns.

    See clock_getcpuclockid(3); the clock's id is what the C library makes of a pid.
    """
    return time.clock_gettime((~pid << 3) | 2)


def proportional_megabytes(pid: int) -> float:
    """PSS of a process in MB: its own memory and its share of what is shared."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = {words[0]: words[1] for line in lines if len(words := line.split()) == 3}
    return int(sizes["Pss:"]) * 1024 / 1e6


# --- what the disk can do -------------------------------------------------------------


def _noise(size: int) -> memoryview:
    return memoryview(np.random.default_rng(1).bytes(size))


def write_cached(path: Path, size: int) -> Written:
    """Write into the page cache with plain `os.write`; delete the file."""
    return _write(path, size, os.O_WRONLY, _noise(PIECE), sync_bytes=None)


def write_synced(path: Path, size: int) -> Written:
    """The same with fdatasync each `SYNC_BYTES` and at the end."""
    return _write(path, size, os.O_WRONLY, _noise(PIECE), sync_bytes=SYNC_BYTES)


def write_direct(path: Path, size: int) -> Written:
    """Write past the page cache: O_DIRECT, 4 MiB at a time; delete the file."""
    with mmap.mmap(-1, 4 * PIECE) as pages:
        pages.write(_noise(4 * PIECE))
        with memoryview(pages) as piece:
            flags = os.O_WRONLY | os.O_DIRECT
            return _write(path, size, flags, piece, sync_bytes=size)


def _write(
    path: Path, size: int, flags: int, piece: memoryview, *, sync_bytes: int | None
) -> Written:
    wall, cpu = time.monotonic(), time.process_time()
    descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL)
    try:
        done = synced = 0
        while done < size:
            done += os.write(descriptor, piece)
            if sync_bytes is not None and (done - synced >= sync_bytes or done >= size):
                os.fdatasync(descriptor)
                synced = done
    finally:
        os.close(descriptor)
        path.unlink()
    return Written(done, time.monotonic() - wall, time.process_time() - cpu)


# --- what it is -----------------------------------------------------------------------


def description(folder: Path) -> str:
    """Processor, memory, system, file system and versions, in one sentence."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("pyzmq", "h5py"))
    return (
        f"{os.cpu_count()} x {_processor()}, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB, "
        f"Linux {platform.release()}, {file_system(folder)}; "
        f"Python {platform.python_version()}, {libraries}, libzmq {zmq.zmq_version()}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def file_system(folder: Path) -> str:
    """Type of the file system that holds a folder."""
    mounts = [
        mount
        for mount in psutil.disk_partitions(all=True)
        if folder.resolve().is_relative_to(mount.mountpoint)
    ]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype
