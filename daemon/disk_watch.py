"""Looks after the disk of a running session: sets aside, measures, warns, ends streams.

What is decided is in `rigd.daemon.disk`.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from rigd.config.session import Session
from rigd.daemon.crew import Crew
from rigd.daemon.disk import (
    DiskReading,
    Forecast,
    StreamNeed,
    Thresholds,
    first_to_stop,
    shortage,
    stream_need,
)
from rigd.daemon.quantities import size_text, time_text
from rigd.daemon.session_events import Audience
from rigd.daemon.session_record import SessionRecord
from rigd.streams.reserve import SUFFIX, DiskFullError, HeldSpace

STOP_LIMIT = 10.0
"""Seconds to wait for streams that are to end before others are ended."""

DISK_FULL = "the disk is full: streams of priority {priority} and below have ended"
"""Reason of a stream that was ended; stands in its file."""


class DiskWatch:
    """The disk that holds one session folder."""

    def __init__(
        self, folder: Path, session: Session, crew: Crew, audience: Audience
    ) -> None:
        """Watch the disk of `folder`; nothing is touched yet."""
        self._folder = folder
        self._limits = session.rig.disk
        self._duration = session.duration
        self._priorities = {n: s.priority for n, s in session.rig.streams.items()}
        self._crew = crew
        self._audience = audience
        self._needs: dict[str, StreamNeed] = {}
        self._forecast = Forecast(0.0)
        self._thresholds = Thresholds(self._limits.warn_at)
        self._stopping: list[str] = []
        self._stopped_at = 0.0

    def set_aside(self, record: SessionRecord) -> Sequence[str]:
        """Keep the reserve for finalizing; say what is missing for the session."""
        self._needs = {n: stream_need(n, s) for n, s in record.streams.items()}
        needs = list(self._needs.values())
        self._forecast = Forecast(sum(need.per_second for need in needs))
        free = self._free()
        if free is None:
            return [f"the free space of {self._folder} can't be read"]
        missing = shortage(needs, free, self._limits.reserve, self._duration)
        return [*([missing] if missing else []), *self._hold_reserve()]

    def _hold_reserve(self) -> list[str]:
        try:
            held = HeldSpace(self._folder / f"session{SUFFIX}")
            held.grow(self._limits.reserve)
            held.close()
        except DiskFullError as error:
            return [f"disk: {error}"]
        if not held.is_supported:
            text = "the file system can't set space aside: there is no reserve"
            self._audience.say("warning", f"disk: {text} for finalizing")
        return []

    def _free(self) -> int | None:
        try:
            return shutil.disk_usage(self._folder).free
        except OSError:
            return None

    def look(
        self, now: float, remaining: float | None, *, is_recording: bool
    ) -> DiskReading:
        """Measure; while recording warn, and end streams when it is time.

        Args:
            now: CLOCK_MONOTONIC, s.
            remaining: Seconds of the planned duration that are left, if any is planned.
            is_recording: False: streams come to their end anyway.

        """
        free = self._free()
        if free is None:
            return DiskReading(None, None)
        self._forecast.read(now, free)
        if is_recording:
            self._warn(free, remaining)
            self._end_streams(now)
        return DiskReading(free, self._forecast.seconds_left)

    def _warn(self, free: int, remaining: float | None) -> None:
        left = self._forecast.seconds_left
        if left is None or (remaining is not None and left > remaining + STOP_LIMIT):
            return
        if self._thresholds.reached(left):
            text = f"the disk is full in {time_text(left)}: {size_text(free)} free"
            self._audience.say("warning", text)

    def _end_streams(self, now: float) -> None:
        live = self._crew.live_streams
        waits = any(stream in live for stream in self._stopping)
        if not self._forecast.is_over or (
            waits and now - self._stopped_at < STOP_LIMIT
        ):
            return
        going = {s: self._priorities[s] for s in live if s not in self._stopping}
        self._stopping = first_to_stop(going)
        self._stopped_at = now
        if self._stopping:
            self._stop(going, now)

    def _stop(self, going: dict[str, int], now: float) -> None:
        rest = [stream for stream in going if stream not in self._stopping]
        text = f"the disk runs full: ending {_named(self._stopping)}"
        going_on = f"; going on with {_named(rest)}" if rest else ""
        self._audience.say("error", text + going_on)
        reason = DISK_FULL.format(priority=going[self._stopping[0]])
        self._crew.stop_streams(self._stopping, reason, now)
        self._forecast.relieve(sum(self._needs[s].per_second for s in self._stopping))


def _named(streams: Sequence[str]) -> str:
    return ", ".join(f"`{stream}`" for stream in streams)
