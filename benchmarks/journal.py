"""What the journal costs: rigd's stream file against plain appends under SWMR.

One process appends blocks of 10 ms of 384 channels; no wire, so that nothing hides the
difference. "swmr" writes whole chunks with h5py and syncs nothing; "swmr, synced" calls
fdatasync as often as the journaled file does: each 64 MiB as fast as it goes, each
second at 23 MB/s. "Longest stall" is the longest time that one block took, with the
sync that fell on it. The journal's share of the CPU is what the journaled file takes
more than "swmr, synced", which has no reserve on the disk and no checksums either.
"""

import random
from dataclasses import dataclass

import h5py

from benchmarks.append import AppendReport, AppendSpec, AppendWay
from benchmarks.bench import Bench
from benchmarks.machine import SYNC_BYTES
from benchmarks.pipeline import ratios
from benchmarks.processes import ChildError, Children
from benchmarks.report import Row, at_least, at_most
from benchmarks.workload import STREAM, Workload, filling, lasting
from rigd.streams.stream_layout import stream_layout
from tests.support.stream_files import make_stream_file


@dataclass(frozen=True, slots=True)
class Appended:
    """A workload that was appended in one way."""

    workload: Workload
    report: AppendReport
    cpu: float
    """CPU seconds of all of it."""

    @property
    def rate(self) -> float:
        """MB/s."""
        return self.workload.size / 1e6 / self.report.wall

    @property
    def cost(self) -> float:
        """CPU seconds per GB."""
        return self.cpu / (self.workload.size / 1e9)

    @property
    def share(self) -> float:
        """CPU in % of a core."""
        return 100 * self.cpu / self.report.wall

    @property
    def journal_share(self) -> float:
        """Bytes of the journal in % of those of the rows."""
        return 100 * self.report.journal_bytes / self.workload.size


Appendings = dict[AppendWay, list[Appended]]


def append(
    bench: Bench, way: AppendWay, workload: Workload, sync_blocks: int
) -> Appended:
    """Append a workload in a process of its own; all of it must be in the file.

    Raises:
        ChildError: Rows are missing, so nothing that was measured counts.

    """
    layout = stream_layout(STREAM, workload.stream_format)
    with bench.place() as place, Children() as children:
        path = place / "stream.nwb"
        make_stream_file(path, layout)
        spec = AppendSpec(
            way=way, path=path, workload=workload, sync_blocks=sync_blocks
        )
        child = children.start("benchmarks.append", spec)
        child.go()
        report = child.answer(AppendReport)
        cpu = child.end()
        with h5py.File(path) as file:
            rows = len(file[layout.data[0].path])
    if rows != workload.blocks * workload.rows:
        raise ChildError(f"{rows} rows are in the file ({way})")
    return Appended(workload, report, cpu)


def measure_rounds(bench: Bench, workload: Workload, sync_blocks: int) -> Appendings:
    """Append in all ways in each round, in an order of chance."""
    found: Appendings = {way: [] for way in AppendWay}
    for number in range(bench.rounds):
        bench.write_warm(workload.size)
        ways = list(AppendWay)
        random.Random(number).shuffle(ways)
        for way in ways:
            found[way].append(append(bench, way, workload, sync_blocks))
    return found


def fast_rows(found: Appendings) -> list[Row]:
    """Report what was appended as fast as it goes."""
    title = "journal, as fast as it goes"
    rates = {way: [one.rate for one in runs] for way, runs in found.items()}
    journaled = rates[AppendWay.JOURNALED]
    return [
        Row(
            title,
            "journaled / swmr, synced",
            "",
            ratios(journaled, rates[AppendWay.SYNCED]),
            at_least(0.7),
        ),
        Row(title, "journaled / swmr", "", ratios(journaled, rates[AppendWay.SWMR])),
        *(Row(title, way, "MB/s", rates[way]) for way in found),
        *(Row(title, w, "CPU s/GB", [r.cost for r in found[w]]) for w in found),
        *stall_rows(title, found),
    ]


def stall_rows(title: str, found: Appendings) -> list[Row]:
    """Report the longest stalls."""
    return [
        Row(title, f"{way}, longest stall", "s", [r.report.longest_stall for r in runs])
        for way, runs in found.items()
    ]


def paced_rows(found: Appendings) -> list[Row]:
    """Report what was appended at 23 MB/s."""
    title = "journal, 23 MB/s"
    journaled, synced = found[AppendWay.JOURNALED], found[AppendWay.SYNCED]
    more = [
        100 * (1 - without.cpu / with_journal.cpu)
        for with_journal, without in zip(journaled, synced, strict=True)
    ]
    bytes_share = [one.journal_share for one in journaled]
    return [
        *(Row(title, w, "% of a core", [r.share for r in found[w]]) for w in found),
        Row(title, "journal's share of the CPU", "%", more),
        Row(title, "journal's share of the bytes", "%", bytes_share, at_most(0.1)),
        *stall_rows(title, found),
    ]


def measure(bench: Bench) -> list[Row]:
    """Append 1 GB as fast as it goes, and 20 s at 23 MB/s."""
    fast = filling(384, 30_000.0, 300, bench.size(1e9))
    paced = lasting(384, 30_000.0, 300, bench.seconds(20))
    each_second = round(1 / paced.period)
    return [
        *fast_rows(measure_rounds(bench, fast, SYNC_BYTES // fast.block_bytes)),
        *paced_rows(measure_rounds(bench, paced, each_second)),
    ]
