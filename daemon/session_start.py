"""What is fixed when a session starts: its clock, the keys of its streams, versions."""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from importlib.metadata import version

import zmq

TRIES = 50
"""Pairs of clock readings, the narrowest of which counts."""

PACKAGES = ("rigd", "numpy", "h5py", "hdmf", "pynwb", "pyzmq", "pydantic")


@dataclass(frozen=True, slots=True)
class ClockPair:
    """The same moment on the wall clock and on CLOCK_MONOTONIC."""

    utc: datetime
    monotonic_ns: int


def read_clocks(
    monotonic_ns: Callable[[], int] = time.monotonic_ns,
    wall_ns: Callable[[], int] = time.time_ns,
) -> ClockPair:
    """Read both clocks together.

    The wall clock is read between two readings of the other; the pair with the least
    time between those two counts, with the middle of them.
    """
    readings = [(monotonic_ns(), wall_ns(), monotonic_ns()) for _ in range(TRIES)]
    before, wall, after = min(readings, key=lambda reading: reading[2] - reading[0])
    # A datetime holds whole microseconds: move both clocks back to the last one.
    microseconds, rest = divmod(wall, 1000)
    utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    return ClockPair(utc, (before + after) // 2 - rest)


def stream_key(identifier: str, stream: str) -> int:
    """64 bits that name a stream of this session on the wire; never 0."""
    digest = blake2b(f"{identifier}{stream}".encode()).digest()[:8]
    return int.from_bytes(digest, "little") or 1


def software_versions() -> dict[str, str]:
    """Versions of Python, rigd and what it stands on."""
    versions = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **versions, "zmq": zmq.zmq_version()}
