"""The times of the rows of one stream file, by a clock map that is made already."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rigd.daemon.stream_entry import LostTime
from rigd.streams.clock_map import Axis, ClockMap, Floats
from rigd.streams.ledger import LostInterval
from rigd.streams.row_times import row_times, times_at
from rigd.streams.stream_layout import StreamLayout
from rigd.streams.stream_reader import StreamReader


@dataclass(frozen=True, slots=True)
class StreamTimes:
    """How the times of a stream come about, without the times.

    Attributes:
        clock: From samples, device times or blocks to session seconds.
        start_ns: CLOCK_MONOTONIC at time 0 of the session.

    """

    path: Path
    layout: StreamLayout
    clock: ClockMap
    start_ns: int

    def all(self) -> Iterator[Floats]:
        """Session seconds of all rows, array by array; opens the file for it."""
        with StreamReader(self.path, self.layout) as reader:
            yield from row_times(
                reader.blocks(),
                self.clock,
                start_ns=self.start_ns,
                row_ns=reader.row_ns if self.clock.axis is Axis.DEVICE else None,
            )

    def at(self, reader: StreamReader, rows: list[int]) -> dict[int, float | None]:
        """Session seconds of single rows; None for one without a time."""
        wanted = np.unique(np.array(rows, np.int64))
        wanted = wanted[(wanted >= 0) & (wanted < reader.rows)]
        found = times_at(
            wanted,
            reader.blocks(),
            self.clock,
            start_ns=self.start_ns,
            row_ns=reader.row_ns if self.clock.axis is Axis.DEVICE else None,
        )
        return {
            row: None if np.isnan(time) else time
            for row, time in zip(wanted.tolist(), found.tolist(), strict=True)
        }

    def lost(
        self, reader: StreamReader, intervals: tuple[LostInterval, ...]
    ) -> list[LostTime]:
        """From when to when samples are missing.

        By sample index where times come from it; else, and where nobody counted what
        is missing, between the rows on both sides.
        """
        by_sample = self.clock.axis is Axis.SAMPLE
        between = [i for i in intervals if i.is_outage or not by_sample]
        rows = {row for interval in between for row in (interval.row - 1, interval.row)}
        times = self.at(reader, sorted(rows))
        spans = [
            self._lost_samples(interval)
            if by_sample and not interval.is_outage
            else (times.get(interval.row - 1), times.get(interval.row))
            for interval in intervals
        ]
        return [
            LostTime(interval, start, stop)
            if start is not None and stop is not None and start <= stop
            else LostTime(interval, None, None)
            for interval, (start, stop) in zip(intervals, spans, strict=True)
        ]

    def _lost_samples(self, lost: LostInterval) -> tuple[float | None, float | None]:
        ends = np.array([lost.first, lost.first + lost.count], np.int64)
        start, stop = self.clock.times(ends, lost.epoch).tolist()
        return (None, None) if np.isnan(start) else (start, stop)
