"""As fast as it goes: rigd against a bare receiver and against `os.write`.

"rigd" is its sender with its ring, its writer process with journal and HDF5, and no
sync to the disk (`durable: false`), since the bare receiver does none either. "bare" is
a loop that sends the same messages over PUSH, and a PULL that writes each with one
system call: no ring, no acknowledgement, no check, no HDF5. The two mixed pairs show on
which side the time goes. Ratios are of the same round; CPU counts from the moment a
process is ready.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bare import BareReport, BareSpec, BareWay
from benchmarks.bench import Bench
from benchmarks.feed import FeedReport, FeedSpec, Way
from benchmarks.machine import Written
from benchmarks.processes import ChildError, Children
from benchmarks.report import Goal, Row, at_least, at_most
from benchmarks.workload import Workload, filling
from benchmarks.writers import Writer


@dataclass(frozen=True, slots=True)
class Passage:
    """All of a workload, from one process through another to a file."""

    receiving: Written
    sending_cost: float
    """CPU seconds of the sender per GB."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Who sends, and who receives: a bare receiver, or rigd's writer."""

    way: Way
    bare: BareWay | None = None
    durable: bool = False

    def run(self, place: Path, workload: Workload) -> Passage:
        """Send and receive a workload once."""
        if self.bare is None:
            return through_rigd(place, workload, self.way, durable=self.durable)
        return through_bare(place, workload, self.way, self.bare)


ARMS = {
    "rigd": Arm(Way.SENDER),
    "rigd, synced": Arm(Way.SENDER, durable=True),
    "bare": Arm(Way.PUSH, BareWay.PULL),
    "plain sender, rigd writer": Arm(Way.PLAIN),
    "rigd sender, bare receiver": Arm(Way.SENDER, BareWay.ANSWER),
}


def through_rigd(
    place: Path,
    workload: Workload,
    way: Way,
    *,
    durable: bool,
    prepared: Path | None = None,
) -> Passage:
    """Send through rigd's writer; up to the acknowledgement of the end."""
    with Children() as children:
        writer = Writer(children, place, workload, prepared=prepared, durable=durable)
        writer.wait_until_ready()
        spec = FeedSpec(way=way, endpoints=[writer.endpoint], workload=workload)
        feeder = children.start("benchmarks.feed", spec)
        feeder.go()
        report = feeder.answer(FeedReport)
        wall = report.finished - report.started
        receiving = Written(workload.size, wall, writer.child.end())
        writer.check_complete(workload)
        return Passage(receiving, feeder.end() / (workload.size / 1e9))


def through_bare(
    place: Path, workload: Workload, way: Way, receiving_way: BareWay
) -> Passage:
    """Send through a bare receiver; up to its last `os.write`."""
    with Children() as children:
        endpoint, path = f"ipc://{place}/data", place / "bare"
        spec = BareSpec(
            way=receiving_way, endpoint=endpoint, path=path, workload=workload
        )
        receiver = children.start("benchmarks.bare", spec)
        feeder = children.start(
            "benchmarks.feed",
            FeedSpec(way=way, endpoints=[endpoint], workload=workload),
        )
        feeder.go()
        done = receiver.answer(BareReport)
        feeder.go()
        wall = done.finished - feeder.answer(FeedReport).started
        receiving = Written(workload.size, wall, receiver.end())
        check_bare(path, workload)
        return Passage(receiving, feeder.end() / (workload.size / 1e9))


def check_bare(path: Path, workload: Workload) -> None:
    """Check that a bare receiver has written all messages.

    Raises:
        ChildError: It has not, so nothing that was measured counts.

    """
    if path.stat().st_size < workload.size:
        raise ChildError(f"{path.stat().st_size} of {workload.size} bytes are there")


@dataclass(slots=True)
class Rounds:
    """What was measured in each round: plain writes, and every arm."""

    raw: list[Written] = field(default_factory=list)
    passages: dict[str, list[Passage]] = field(default_factory=dict)

    def rates(self, arm: str) -> list[float]:
        """MB/s of an arm in each round."""
        return [passage.receiving.rate for passage in self.passages[arm]]

    def costs(self, arm: str) -> list[float]:
        """CPU seconds per GB of an arm's receiver in each round."""
        return [passage.receiving.cost for passage in self.passages[arm]]

    def sending_costs(self, arm: str) -> list[float]:
        """CPU seconds per GB of an arm's sender in each round."""
        return [passage.sending_cost for passage in self.passages[arm]]


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Quotients within the rounds."""
    return [a / b for a, b in zip(above, below, strict=True)]


def measure_rounds(bench: Bench, workload: Workload) -> Rounds:
    """Run all arms in each round, in an order of chance."""
    rounds = Rounds(passages={name: [] for name in ARMS})
    for number in range(bench.rounds):
        rounds.raw.append(bench.write_warm(workload.size))
        names = list(ARMS)
        random.Random(number).shuffle(names)
        for name in names:
            with bench.place() as place:
                rounds.passages[name].append(ARMS[name].run(place, workload))
    return rounds


def rows(title: str, rounds: Rounds, writer_cost: Goal | None) -> list[Row]:
    """Make the report of one workload."""
    raw = [written.rate for written in rounds.raw]
    rigd, bare = rounds.rates("rigd"), rounds.rates("bare")

    def row(what: str, unit: str, values: list[float], goal: Goal | None = None) -> Row:
        return Row(title, what, unit, values, goal)

    return [
        row("rigd / bare", "", ratios(rigd, bare), at_least(0.8)),
        row("rigd / os.write", "", ratios(rigd, raw)),
        row("rigd, synced / bare", "", ratios(rounds.rates("rigd, synced"), bare)),
        *(row(name, "MB/s", rounds.rates(name)) for name in ARMS),
        row("os.write", "MB/s", raw),
        row("rigd writer", "CPU s/GB", rounds.costs("rigd"), writer_cost),
        row("bare receiver", "CPU s/GB", rounds.costs("bare")),
        row("os.write", "CPU s/GB", [written.cost for written in rounds.raw]),
        row("rigd sender", "CPU s/GB", rounds.sending_costs("rigd")),
        row("bare sender", "CPU s/GB", rounds.sending_costs("bare")),
    ]


def measure(bench: Bench) -> list[Row]:
    """Measure blocks of 10 ms of a probe, 1 ms of 32 channels, and single samples."""
    big = measure_rounds(bench, filling(384, 30_000.0, 300, bench.size(1e9)))
    small = measure_rounds(bench, filling(32, 30_000.0, 30, bench.size(4e8)))
    single = measure_rounds(bench, filling(1, 30_000.0, 1, bench.size(4e6), "<f8"))
    return [
        *rows("pipeline, 230 KB blocks", big, at_most(0.6)),
        *rows("pipeline, 1.9 KB blocks", small, None),
        *rows("pipeline, single float64", single, None),
    ]
