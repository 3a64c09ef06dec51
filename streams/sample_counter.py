"""Where a stream's sample indices lie on its device's time: the inner of two maps.

Streams of one device share one clock, but each has a counter of its own. A stream whose
blocks carry device times is laid onto these; one without lies at its nominal rate.
`through_counter` makes of both maps one from sample index to session seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from rigd.streams.block import NO_TIME
from rigd.streams.clock_evidence import Anchors, Records, counter_ns
from rigd.streams.clock_map import Axis, ClockMap, Floats, Integers, Segment

SAME = 0.5
"""Device times that differ from the count by less than this part of a sample agree."""


@dataclass(frozen=True, slots=True)
class Run:
    """Samples that follow each other at the nominal rate.

    Attributes:
        epoch: Number of times the counter had started anew.
        first: First sample of the run.
        device_ns: Device time of this sample, ns.

    """

    epoch: int
    first: int
    device_ns: float


@dataclass(frozen=True, slots=True)
class SampleCounter:
    """The counter of one stream on the device's time.

    Attributes:
        rate: Samples per second of device time.
        runs: In order. Where one follows another in the same epoch, the device's time
            went on without the count: samples were lost that nobody counted.
        scatter: Largest distance of a block's device time from its run, s.

    """

    rate: float
    runs: tuple[Run, ...] = ()
    scatter: float = 0.0

    def device_ns(self, samples: Integers, epoch: Integers | int) -> Integers:
        """Device time of samples, ns; NO_TIME in an epoch without blocks."""
        found = np.full(len(samples), NO_TIME, np.int64)
        for run in self.runs:
            mine = (np.asarray(epoch) == run.epoch) & (
                (samples >= run.first) | (found == NO_TIME)
            )
            since = counter_ns(samples[mine] - run.first, self.rate)
            found[mine] = round(run.device_ns) + since
        return found

    def anchors(self, blocks: Records) -> Anchors:
        """Tie the last sample of each block to the block's host time."""
        filled = blocks[blocks["rows"] > 0]
        last = filled["first_sample"].astype(np.int64) + filled["rows"] - 1
        epoch = filled["epoch"].astype(np.int64)
        x = self.device_ns(last, epoch)
        anchors = Anchors(epoch, x, filled["host_ns"].astype(np.int64))
        return anchors.take(x != NO_TIME)


def follow_counter(pieces: Iterable[Records], rate: float) -> SampleCounter:
    """Find the runs of a stream from all its blocks, in any number of pieces."""
    finder = _RunFinder(rate)
    for blocks in pieces:
        finder.add(blocks[blocks["rows"] > 0])
    return SampleCounter(rate, tuple(finder.runs), finder.scatter * 1e-9)


class _RunFinder:
    """Holds the runs that were found so far."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.runs: list[Run] = []
        self.scatter = 0.0

    def add(self, blocks: Records) -> None:
        """Go on with the next blocks."""
        first = blocks["first_sample"].astype(np.int64)
        epoch = blocks["epoch"].astype(np.int64)
        device = blocks["device_ns"].astype(np.int64)
        device = np.where(device == NO_TIME, counter_ns(first, self.rate), device)
        start = 0
        while start < len(blocks):
            run = self._run_at(int(epoch[start]), int(first[start]), int(device[start]))
            away = self._distance(run, epoch[start:], first[start:], device[start:])
            beyond = np.flatnonzero(away > SAME * 1e9 / self.rate)
            length = int(beyond[0]) if len(beyond) else len(away)
            self.scatter = max(self.scatter, float(np.max(away[:length], initial=0.0)))
            if length == 0:
                self.runs.append(
                    Run(int(epoch[start]), int(first[start]), int(device[start]))
                )
            start += length

    def _run_at(self, epoch: int, first: int, device_ns: int) -> Run:
        if not self.runs or self.runs[-1].epoch != epoch:
            self.runs.append(Run(epoch, first, device_ns))
        return self.runs[-1]

    def _distance(
        self, run: Run, epoch: Integers, first: Integers, device: Integers
    ) -> Floats:
        """Distance of device times from the run, ns; infinite in another epoch."""
        expected = round(run.device_ns) + counter_ns(first - run.first, self.rate)
        away = np.abs((device - expected).astype(np.float64))
        away[epoch != run.epoch] = np.inf
        return away


def through_counter(clock: ClockMap, counter: SampleCounter) -> ClockMap:
    """Make a map from sample index of a map from device time.

    Args:
        clock: From device time to session seconds (axis DEVICE).
        counter: Where the samples lie on the device's time.

    """
    runs = counter.runs
    parts: list[Segment] = []
    for number, run in enumerate(runs):
        is_first = number == 0 or runs[number - 1].epoch != run.epoch
        begin = None if is_first else run.first
        parts += _through_run(clock, counter.rate, run, begin)
    return ClockMap(Axis.SAMPLE, tuple(parts))


def _through_run(
    clock: ClockMap, rate: float, run: Run, begin: int | None
) -> list[Segment]:
    """Segments of one run: the clock's segments, their knots in samples."""
    found = []
    for segment in clock.segments:
        if segment.epoch != run.epoch:
            continue
        shift = (run.device_ns - segment.origin) * (rate / 1e9)
        start = begin
        if segment.begin is not None:
            into = (segment.begin - run.device_ns) * (rate / 1e9)
            own = run.first + int(np.ceil(into - 1e-6))
            start = own if begin is None else max(begin, own)
        x = segment.x * (rate / 1e9) - shift
        found.append(replace(segment, origin=run.first, x=x, begin=start))
    return found
