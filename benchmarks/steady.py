"""One probe for a while: what a writer costs, and how far behind the disk is.

384 channels of int16 at 30 kHz in blocks of 10 ms; CPU of the writer process alone,
without its start and end. "Longest wait" is from a block to its acknowledgement.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.feed import FeedReport, FeedSpec, Way
from benchmarks.machine import cpu_seconds
from benchmarks.processes import Children
from benchmarks.report import Row, at_most
from benchmarks.workload import Workload, lasting
from benchmarks.writers import Writer

SETTLING = 1.5
"""Seconds at the start that are not measured."""


@dataclass(frozen=True, slots=True)
class Steadily:
    """CPU of the writer in % of a core, and what its sender saw."""

    share: float
    report: FeedReport


def record(place: Path, workload: Workload, **settings: Any) -> Steadily:
    """Record a paced workload with one writer."""
    with Children() as children:
        writer = Writer(children, place, workload, **settings)
        writer.wait_until_ready()
        spec = FeedSpec(way=Way.SENDER, endpoints=[writer.endpoint], workload=workload)
        feeder = children.start("benchmarks.feed", spec)
        feeder.go()
        share = cpu_share([writer.child.pid], workload)
        report = feeder.answer(FeedReport)
        feeder.end()
        writer.child.end()
        writer.check_complete(workload)
    return Steadily(share, report)


def cpu_share(pids: list[int], workload: Workload) -> float:
    """CPU of processes together in % of a core, in the middle of a paced workload."""
    time.sleep(SETTLING)
    begin, before = time.monotonic(), sum(map(cpu_seconds, pids))
    time.sleep(workload.blocks * workload.period - 2 * SETTLING)
    used, wall = sum(map(cpu_seconds, pids)) - before, time.monotonic() - begin
    return 100 * used / wall


def measure(bench: Bench) -> list[Row]:
    """Measure 23 MB/s, with and without bringing it to the disk each second."""
    workload = lasting(384, 30_000.0, 300, bench.seconds(20))
    cached, synced = [], []
    for _ in range(bench.rounds):
        bench.write_warm(workload.size)
        with bench.place() as place:
            cached.append(record(place, workload, durable=False))
        with bench.place() as place:
            synced.append(record(place, workload))
    seen = [run.report for run in synced]
    waits = [report.longest_wait for report in seen]
    fills = [100 * report.ring_fill for report in seen]
    lost = [float(report.lost) for report in seen]

    def row(what: str, unit: str, values: list[float], limit: float | None) -> Row:
        goal = None if limit is None else at_most(limit)
        return Row("steady, 23 MB/s", what, unit, values, goal)

    return [
        row("writer", "% of a core", [run.share for run in cached], 5),
        row("writer, synced", "% of a core", [run.share for run in synced], 10),
        row("longest wait for the disk", "s", waits, None),
        row("fill of a ring of 256 MiB", "%", fills, None),
        row("rows lost", "", lost, 0),
    ]
