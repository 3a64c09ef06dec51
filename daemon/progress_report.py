"""Where all streams stand: what the processes said, and rates made of it."""

from collections.abc import Mapping

from rigd.daemon.disk import DiskReading
from rigd.daemon.participants import Writer, expected_pulses
from rigd.daemon.rate_meter import RateMeter
from rigd.daemon.session_events import Progress, StreamProgress

LONG_WINDOW = 600.0
"""Seconds over which a rate is compared with the declared one."""

LEAST_WINDOW = 60.0
"""... once there are so many: rows come in bursts of up to 0.1 s, 1700 ppm of it."""

STALE = 3.0
"""Seconds without a word of a writer after which its rate counts as unknown."""


class ProgressReport:
    """Makes `Progress` events; keeps the readings that rates are measured from."""

    def __init__(self, writers: Mapping[str, Writer], duration: float | None) -> None:
        """Report on `writers`; `duration` is the planned length in seconds."""
        self._writers = writers
        self._duration = duration
        self._rows: dict[str, RateMeter] = {}
        self._long: dict[str, RateMeter] = {}
        self._bytes: dict[str, RateMeter] = {}
        self.is_measuring = True
        """False: the recording is over, rates stay what they were."""

    def make(self, now: float, seconds: float, disk: DiskReading) -> Progress:
        """Report at the time `now`, `seconds` after the start of the recording."""
        streams = [self._stream(writer, now) for writer in self._writers.values()]
        expected = expected_pulses(self._writers.values(), seconds)
        streams = [
            stream.model_copy(update={"pulses_expected": expected.get(stream.stream)})
            for stream in streams
        ]
        return Progress(
            seconds=max(0.0, seconds),
            duration=self._duration,
            streams=streams,
            free_bytes=disk.free,
            seconds_left=disk.seconds_left,
        )

    def _stream(self, writer: Writer, now: float) -> StreamProgress:
        name, written = writer.stream, writer.written
        size = written.bytes if written else 0
        rows = self._rows.setdefault(name, RateMeter())
        long = self._long.setdefault(name, RateMeter(LONG_WINDOW))
        volume = self._bytes.setdefault(name, RateMeter())
        if written is not None and self.is_measuring:
            rows.read(writer.written_at, writer.rows)
            # Rows come in bursts: how old the newest is tells when it was sampled.
            newest = writer.written_at - (written.lag_seconds or 0.0)
            long.read(newest, writer.rows)
            volume.read(writer.written_at, size)
        is_stale = self.is_measuring and now - writer.written_at > STALE
        return StreamProgress(
            stream=name,
            device=writer.device,
            rows=writer.rows,
            safe_rows=written.acknowledged_rows if written else 0,
            bytes=size,
            rate=None if is_stale else rows.rate,
            bytes_per_second=None if is_stale else volume.rate,
            nominal_rate=writer.rate,
            rate_ppm=None if is_stale else _deviation(long, writer.rate),
            lost=writer.lost,
            lost_by_cause=writer.lost_by_cause,
            lost_intervals=list(writer.losses),
            lag_seconds=written.lag_seconds if written else None,
            ring_fill=writer.sent.ring_fill if writer.sent else 0.0,
            clock=written.clock if written else None,
        )


def _deviation(meter: RateMeter, nominal: float | None) -> float | None:
    """How much faster than `nominal` a count grew, in parts per million."""
    rate = meter.rate
    if nominal is None or rate is None or meter.seconds < LEAST_WINDOW:
        return None
    return (rate / nominal - 1) * 1e6
