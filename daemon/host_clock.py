"""The computer's own clocks while a session is recorded: `host_clock.jsonl`.

The session's times count from CLOCK_MONOTONIC, which a time service slews. What wall
clock, TAI and an unslewed clock showed at the same moment, and who disciplined them, is
kept at the start, every minute and at the end, so that times can be judged later.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from rigd.config.base import Model
from rigd.daemon.clock_discipline import read_clock_discipline
from rigd.daemon.host_state import ClockDiscipline
from rigd.daemon.seal import SEALED_MODE
from rigd.daemon.session_events import Progress, SessionEvent, StateChanged
from rigd.daemon.session_record import sync_to_disk
from rigd.daemon.session_state import State
from rigd.streams.clock_evidence import WallClock

EVERY = 60.0
"""Seconds between two readings."""

TRIES = 20
"""Readings of all clocks, the narrowest of which counts."""

CLOCKS = (
    time.CLOCK_MONOTONIC,
    time.CLOCK_REALTIME,
    time.CLOCK_TAI,
    time.CLOCK_MONOTONIC_RAW,
    time.CLOCK_MONOTONIC,
)


OVER = frozenset({State.FINALIZING, State.FAILED})
"""States in which nothing is recorded any more."""


class HostClockReading(Model):
    """All clocks of the host at one moment."""

    monotonic_ns: int
    """CLOCK_MONOTONIC, in the middle of the reading."""
    wall_ns: int
    """CLOCK_REALTIME: UTC, ns since 1970."""
    tai_ns: int
    """CLOCK_TAI: as `wall_ns` where nobody has told the kernel the difference."""
    raw_ns: int
    """CLOCK_MONOTONIC_RAW, which nobody slews."""
    uncertainty_ns: int
    """Half the time that the reading took."""
    discipline: ClockDiscipline | None
    """What the kernel says of the wall clock; none: it may not be asked."""


def read_host_clock() -> HostClockReading:
    """Read all clocks as closely together as can be."""
    readings = [list(map(time.clock_gettime_ns, CLOCKS)) for _ in range(TRIES)]
    before, wall, tai, raw, after = min(readings, key=lambda one: one[-1] - one[0])
    return HostClockReading(
        monotonic_ns=(before + after) // 2,
        wall_ns=wall,
        tai_ns=tai,
        raw_ns=raw,
        uncertainty_ns=(after - before + 1) // 2,
        discipline=_discipline(),
    )


def _discipline() -> ClockDiscipline | None:
    try:
        return read_clock_discipline()
    except OSError:
        return None


class HostClockLog:
    """Reads the clocks when the recording begins, every minute, and when it is over.

    A disk that does not take a reading is noticed by the writers, which stop in good
    order; these readings must not stop the session.
    """

    def __init__(self, path: Path) -> None:
        """Keep the readings at `path`; the file is made by the first one."""
        self._path = path
        self._read_at: float | None = None
        self._is_over = False
        # An observer must not wait, and a sync does where the disk is busy.
        self._syncs = ThreadPoolExecutor(1, "host clock")

    def observe(self, event: SessionEvent) -> None:
        """Read the clocks if it is time to."""
        if self._is_over or not self._is_due(event):
            return
        self._read()
        if isinstance(event, StateChanged) and event.state in OVER:
            self._close()

    def _is_due(self, event: SessionEvent) -> bool:
        if isinstance(event, StateChanged) and event.state is State.RECORDING:
            return True
        if self._read_at is None:
            return False
        if isinstance(event, StateChanged):
            return event.state in OVER
        return isinstance(event, Progress) and time.monotonic() - self._read_at >= EVERY

    def _read(self) -> None:
        self._read_at = time.monotonic()
        line = read_host_clock().model_dump_json() + "\n"
        try:
            with self._path.open("ab", buffering=0) as file:
                file.write(line.encode())
        except OSError:
            return
        self._syncs.submit(_sync, self._path)

    def _close(self) -> None:
        """Wait until all is on the disk; the file is read-only from then on."""
        self._is_over = True
        self._syncs.shutdown()
        if self._path.is_file():
            self._path.chmod(SEALED_MODE)


def _sync(path: Path) -> None:
    sync_to_disk(path)
    sync_to_disk(path.parent)


def tai_offset_ns(readings: Sequence[HostClockReading]) -> int | None:
    """TAI minus UTC as the kernel was told; None where it was not."""
    told = [one.discipline.tai_offset_seconds for one in readings if one.discipline]
    return max(told, default=0) * 10**9 or None


def wall_clock(readings: Sequence[HostClockReading]) -> WallClock | None:
    """The wall clock beside CLOCK_MONOTONIC; None without readings."""
    if not readings:
        return None
    bounds = [
        one.discipline.maximum_error_seconds
        for one in readings
        if one.discipline and one.discipline.synchronized
    ]
    return WallClock(
        host_ns=np.array([one.monotonic_ns for one in readings], np.int64),
        utc_ns=np.array([one.wall_ns for one in readings], np.int64),
        uncertainty=max(bounds) if len(bounds) == len(readings) else None,
    )


def load_host_clock(path: Path) -> list[HostClockReading]:
    """Read what was kept; a line that a crash has cut is left out, and what is none."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    readings = []
    for line in lines:
        try:
            readings.append(HostClockReading.model_validate_json(line))
        except ValidationError:
            continue
    return readings
