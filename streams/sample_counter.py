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

MOST_RUNS = 20
BLOCKS_A_RUN = 100
"""Device times with more runs than this, and more than one in so many blocks, are not
those of a counter: they scatter, or come at another rate than the nominal one."""


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
        rate: Samples per second of device time; the nominal rate, unless the device
            times do not follow it.
        runs: In order. Where one follows another in the same epoch, the device's time
            went on without the count: samples were lost that nobody counted.
        scatter: Largest distance of a block's device time from its run, s; infinite
            where device times went back and were not used.

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
    """Find the runs of a stream from all its blocks, in any number of pieces.

    Device times that scatter, or come at another rate than the nominal one, are
    replaced by a line through them; of such that go back only the first one of an epoch
    counts, and the stream's own count from there on.
    """
    finder = _RunFinder(rate)
    for blocks in pieces:
        finder.add(blocks[blocks["rows"] > 0])
    return finder.counter()


class _RunFinder:
    """Holds the runs that were found so far, and a line through each epoch."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.runs: list[Run] = []
        self.lines: dict[int, _Line] = {}
        self.scatter = 0.0
        self.blocks = 0
        self.goes_back = False

    def add(self, blocks: Records) -> None:
        """Go on with the next blocks."""
        first = blocks["first_sample"].astype(np.int64)
        epoch = blocks["epoch"].astype(np.int64)
        device = blocks["device_ns"].astype(np.int64)
        device = np.where(device == NO_TIME, counter_ns(first, self.rate), device)
        self.blocks += len(blocks)
        for number in np.unique(epoch).tolist():
            mine = epoch == number
            line = self.lines.setdefault(number, _Line())
            line.add(first[mine], device[mine])
        start = 0
        while start < len(blocks) and not self.is_scattered:
            start += self._extend(epoch[start:], first[start:], device[start:])

    def _extend(self, epoch: Integers, first: Integers, device: Integers) -> int:
        """Take the blocks that go on with the last run, or begin one; how many."""
        run = self._run_at(int(epoch[0]), int(first[0]), int(device[0]))
        away = self._distance(run, epoch, first, device)
        beyond = np.flatnonzero(np.abs(away) > SAME * 1e9 / self.rate)
        length = int(beyond[0]) if len(beyond) else len(away)
        near = np.abs(away[:length])
        self.scatter = max(self.scatter, float(np.max(near, initial=0.0)))
        if length == 0:
            self.goes_back |= bool(away[0] < 0)
            self.runs.append(Run(int(epoch[0]), int(first[0]), int(device[0])))
        return length

    @property
    def is_scattered(self) -> bool:
        """Say whether there are more runs than losses can explain."""
        return len(self.runs) > MOST_RUNS + self.blocks // BLOCKS_A_RUN

    def counter(self) -> SampleCounter:
        """What was found."""
        if self.is_scattered:
            return self._by_lines()
        if self.goes_back:
            firsts = {run.epoch: run for run in reversed(self.runs)}
            runs = tuple(sorted(firsts.values(), key=lambda run: run.epoch))
            return SampleCounter(self.rate, runs, np.inf)
        return SampleCounter(self.rate, tuple(self.runs), self.scatter * 1e-9)

    def _by_lines(self) -> SampleCounter:
        longest = max(self.lines.values(), key=lambda line: line.count)
        slope = longest.slope or 1e9 / self.rate
        runs = (
            Run(epoch, line.first, line.first_ns + line.at_first(slope))
            for epoch, line in sorted(self.lines.items())
        )
        scatter = max(line.scatter(slope) for line in self.lines.values())
        return SampleCounter(1e9 / slope, tuple(runs), scatter * 1e-9)

    def _run_at(self, epoch: int, first: int, device_ns: int) -> Run:
        if not self.runs or self.runs[-1].epoch != epoch:
            self.runs.append(Run(epoch, first, device_ns))
        return self.runs[-1]

    def _distance(
        self, run: Run, epoch: Integers, first: Integers, device: Integers
    ) -> Floats:
        """Device times minus those by the run, ns; infinite in another epoch."""
        expected = round(run.device_ns) + counter_ns(first - run.first, self.rate)
        away = (device - expected).astype(np.float64)
        away[epoch != run.epoch] = np.inf
        return away


class _Line:
    """Sums of a least-squares line of device times over sample indices."""

    def __init__(self) -> None:
        self.count = 0
        self.first = self.first_ns = 0
        self._sums = np.zeros(5)

    def add(self, samples: Integers, device_ns: Integers) -> None:
        """Go on with more points."""
        if self.count == 0:
            self.first, self.first_ns = int(samples[0]), int(device_ns[0])
        x = (samples - self.first).astype(np.float64)
        y = (device_ns - self.first_ns).astype(np.float64)
        self.count += len(x)
        self._sums += [x.sum(), y.sum(), (x * x).sum(), (x * y).sum(), (y * y).sum()]

    @property
    def slope(self) -> float | None:
        """Nanoseconds a sample; None if all samples are one."""
        x, y, xx, xy, _ = self._sums / max(self.count, 1)
        spread = xx - x * x
        return float((xy - x * y) / spread) if spread > 0 else None

    def at_first(self, slope: float) -> float:
        """Height of a line of this slope at the first sample, ns above its time."""
        x, y = self._sums[:2] / max(self.count, 1)
        return float(y - slope * x)

    def scatter(self, slope: float) -> float:
        """Three standard deviations of the points from the line, ns."""
        x, y, xx, xy, yy = self._sums / max(self.count, 1)
        variance = (yy - y * y) - 2 * slope * (xy - x * y) + slope**2 * (xx - x * x)
        return 3 * float(np.sqrt(max(variance, 0.0)))


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
