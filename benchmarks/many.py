"""Sixteen slow streams: a process for each must stay cheap, and live to readers.

32 channels of int16 at 15.6 kHz each, synced each second, all from one sending process.
A reader looks at one of the files through SWMR each 5 ms and notes how long after the
reading of the device the last row of each block can be read.
"""

import statistics
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.feed import FeedReport, FeedSpec, Way
from benchmarks.machine import proportional_megabytes
from benchmarks.processes import Child, Children
from benchmarks.report import Row, at_most
from benchmarks.steady import SETTLING, cpu_share
from benchmarks.watch import WatchReport, WatchSpec
from benchmarks.workload import Workload, lasting
from benchmarks.writers import Writer

WRITERS = 16
RATE = 15_600.0
CHANNELS = 32


@dataclass(frozen=True, slots=True)
class Together:
    """CPU of all writers in % of a core, memory of the largest, age of rows, s."""

    share: float
    megabytes: float
    ages: list[float]
    report: FeedReport

    @property
    def late(self) -> float:
        """99th percentile of the ages, in ms."""
        return 1000 * statistics.quantiles(self.ages, n=100)[-1]


def record(place: Path, workload: Workload) -> Together:
    """Record with all writers, fed by one process; one live reader looks at one."""
    with Children() as children:
        writers = _start_writers(children, place, workload)
        feeder = children.start(
            "benchmarks.feed",
            FeedSpec(
                way=Way.SENDER,
                endpoints=[writer.endpoint for writer in writers],
                workload=workload,
                ring_bytes=16 * 2**20,
            ),
        )
        reader = _start_reader(children, writers[-1], workload)
        feeder.go()
        reader.go()
        pids = [writer.child.pid for writer in writers]
        share = cpu_share(pids, workload)
        megabytes = max(map(proportional_megabytes, pids))
        report = feeder.answer(FeedReport)
        ages = reader.answer(WatchReport).ages
        for child in (feeder, reader, *(writer.child for writer in writers)):
            child.end()
        for writer in writers:
            writer.check_complete(workload)
    return Together(share, megabytes, ages, report)


def _start_writers(children: Children, place: Path, workload: Workload) -> list[Writer]:
    writers = []
    for number in range(WRITERS):
        folder = place / str(number)
        folder.mkdir()
        writers.append(Writer(children, folder, workload))
    for writer in writers:
        writer.wait_until_ready()
    return writers


def _start_reader(children: Children, writer: Writer, workload: Workload) -> Child:
    spec = WatchSpec(
        path=writer.path,
        data=writer.layout.data[0].path,
        blocks=writer.layout.blocks.path,
        seconds=workload.blocks * workload.period - SETTLING,
    )
    return children.start("benchmarks.watch", spec)


def rows(title: str, runs: list[Together]) -> list[Row]:
    """Make the report of one workload."""
    shares = [run.share for run in runs]
    megabytes = [run.megabytes for run in runs]
    waits = [run.report.longest_wait for run in runs]
    lost = [float(run.report.lost) for run in runs]
    return [
        Row(title, "all writers", "% of a core", shares, at_most(12)),
        Row(title, "largest writer", "MB PSS", megabytes, at_most(60)),
        Row(title, "last row seen, p99", "ms", [r.late for r in runs], at_most(150)),
        Row(title, "longest wait for the disk", "s", waits),
        Row(title, "rows lost", "", lost, at_most(0)),
    ]


def measure(bench: Bench) -> list[Row]:
    """Measure 16 x 1 MB/s in blocks of 50 ms, as a patient source sends, and 10 ms."""
    seconds = bench.seconds(12)
    patient = lasting(CHANNELS, RATE, int(0.05 * RATE), seconds)
    eager = lasting(CHANNELS, RATE, int(0.01 * RATE), seconds)
    slow, fast = [], []
    for _ in range(bench.rounds):
        with bench.place() as place:
            slow.append(record(place, patient))
        with bench.place() as place:
            fast.append(record(place, eager))
    return [
        *rows("many, 16 x 1 MB/s, 50 ms blocks", slow),
        *rows("many, 16 x 1 MB/s, 10 ms blocks", fast),
    ]
