"""From one stream file to the times of its rows: reads, lets `alignment` think."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rigd.daemon.stream_entry import LostTime
from rigd.daemon.stream_record import StreamRecord
from rigd.streams.clock_evidence import (
    Anchors,
    device_anchors,
    sample_anchors,
    window_ns,
)
from rigd.streams.clock_map import Axis, ClockMap, Floats, arrival_map
from rigd.streams.host_line import fit_host_clock
from rigd.streams.ledger import LostInterval
from rigd.streams.row_times import row_times, times_at
from rigd.streams.stream_layout import StreamLayout
from rigd.streams.stream_reader import StreamReader

DEVICE_TICKS = 1e9
"""Units of a device time in one second."""


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


def stream_clock(reader: StreamReader, record: StreamRecord, start_ns: int) -> ClockMap:
    """Align a stream to the host's clock.

    By the rows' device times where it has any; else by the sample index where it has a
    rate; else its rows have the host times of their blocks.
    """
    stream = record.stream_format
    span = reader.block_span()
    if span is None:
        return ClockMap(Axis.DEVICE if stream.row_times else Axis.SAMPLE)
    if stream.row_times:
        clock = fit_host_clock(
            _device_anchors(reader),
            axis=Axis.DEVICE,
            per_second=DEVICE_TICKS,
            start_ns=start_ns,
            width_ns=window_ns(*span),
        )
        if clock.segments:
            return clock
    if stream.rate is None:
        return arrival_map(sum(map(len, reader.blocks())))
    return fit_host_clock(
        map(sample_anchors, reader.blocks()),
        axis=Axis.SAMPLE,
        per_second=stream.rate,
        start_ns=start_ns,
        width_ns=window_ns(*span),
    )


def _device_anchors(reader: StreamReader) -> Iterator[Anchors]:
    for blocks, last_row_ns in reader.blocks_with_last_row_ns():
        yield device_anchors(blocks, last_row_ns)
