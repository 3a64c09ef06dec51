"""Whole sessions on small file systems that run full, and what must be true after.

Six streams and a foreign program fill the disk at once.
"""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rigd.daemon.disk import UNPLANNED, StreamNeed, stream_need
from rigd.daemon.manifest import Manifest, StreamManifest
from rigd.daemon.stream_record import StreamRecord
from rigd.daemon.verify import verify
from rigd.streams.block import StreamFormat
from tests.support.laboratory import Laboratory, Run
from tests.support.small_disk import small_disk

MIB = 2**20
STREAMS = 6
RESERVE = 2 * MIB

OWN_USE = 10 * MIB
"""Bytes that a file system may take for itself, and for what is there at the start."""


@dataclass(frozen=True)
class CaseStream:
    """One stream of a case: rows of `channels` int16 at `rate` Hz."""

    rate: int
    channels: int
    compression: str
    priority: int


@dataclass(frozen=True)
class DiskCase:
    """A session and its disk.

    Attributes:
        kind, size: File system and its bytes.
        streams: Streams, one device each.
        is_paced: The streams come at their rate; else as fast as they are taken, so
            that they fill the disk as much as the foreign program does.

    """

    seed: int
    kind: str
    size: int
    streams: tuple[CaseStream, ...]
    is_paced: bool


@dataclass
class Outcome:
    """What became of a case; no faults: all is as it must be."""

    case: DiskCase
    verdict: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    ends: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def random_case(seed: int, kinds: tuple[str, ...] = ("tmpfs", "ext4")) -> DiskCase:
    """Draw a case; the same for the same seed."""
    chance = random.Random(seed)
    streams = tuple(
        CaseStream(
            rate=chance.choice([100, 200, 1000]),
            channels=chance.choice([4, 16, 64]),
            compression=chance.choice(["none", "none", "gzip"]),
            priority=chance.choice([-1, 0, 0, 5]),
        )
        for _ in range(STREAMS)
    )
    size = least_size(streams) + chance.randrange(0, 12 * MIB, 4096)
    return DiskCase(seed, chance.choice(kinds), size, streams, seed % 2 == 0)


def least_size(streams: tuple[CaseStream, ...]) -> int:
    """Bytes of a disk that is large enough for such a session to start."""
    needs = (need_of(number, stream) for number, stream in enumerate(streams))
    return OWN_USE + RESERVE + sum(need.bytes(UNPLANNED) for need in needs)


def need_of(number: int, stream: CaseStream) -> StreamNeed:
    """What the session will ask for at its start."""
    form = StreamFormat(np.dtype("<i2"), (stream.channels,), float(stream.rate))
    record = StreamRecord(
        device="d", file="", key=1, format=form.to_json(), nwb_type="TimeSeries"
    )
    return stream_need(f"s{number}", record)


def devices(case: DiskCase) -> dict[str, Any]:
    """Settings of the devices of a case."""
    return {
        f"d{number}": {
            "driver": "simulated",
            "options": {"realtime": case.is_paced},
            "streams": {
                f"s{number}": {
                    "options": {
                        "signal": "counter",
                        "rate": stream.rate,
                        "channels": stream.channels,
                    },
                    "storage": {"compression": stream.compression},
                    "ring": {"time": "10 s" if case.is_paced else "10 min"},
                    "priority": stream.priority,
                }
            },
        }
        for number, stream in enumerate(case.streams)
    }


def run_case(case: DiskCase, laboratory: Laboratory, folder: Path) -> Outcome:
    """Record until the disk is full; judge what is there."""
    with small_disk(folder, case.size, case.kind) as disk:
        (disk / "data").mkdir()
        rig = {
            "name": "bench",
            "data_root": str(disk / "data"),
            "check": {"trial": 0},
            "devices": devices(case),
            "disk": {"reserve": RESERVE},
        }
        run = laboratory.record({}, rig=rig)
        run.wait_for(event="state", state="recording")
        with filling(disk):
            run.wait_for(event="state", state="draining")
        code, errors = run.finish()
        return judge(case, disk / "data" / "s1", run, code, errors)


@contextmanager
def filling(disk: Path) -> Iterator[None]:
    """Let a foreign program write into the disk, and try on when it is full."""
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.faults_disk.foreign", str(disk / "foreign")]
    )
    try:
        yield
    finally:
        program.kill()
        program.wait()


def judge(case: DiskCase, folder: Path, run: Run, code: int, errors: str) -> Outcome:
    """Compare the session with what was promised."""
    outcome = Outcome(case)
    faults = outcome.faults
    if not (folder / "manifest.json").is_file():
        faults.append(f"not finalized (exit code {code}): {errors[-500:]}")
        return outcome
    manifest = Manifest.load(folder / "manifest.json")
    outcome.verdict = manifest.verdict.value
    if code != 1 or outcome.verdict not in ("degraded", "incomplete"):
        faults.append(f"verdict {outcome.verdict}, exit code {code}")
    if not list(folder.glob("sub-*.nwb")):
        faults.append("no session file")
    faults += [f"verify: {problem}" for problem in verify(folder)]
    safe = last_safe_rows(run)
    for number, stream in enumerate(case.streams):
        name = f"s{number}"
        faults += [
            f"{name}: {fault}"
            for fault in stream_faults(
                folder, name, stream, manifest.streams[name], safe.get(name, 0), outcome
            )
        ]
    outcome.ends = ends_in_order(run)
    faults += order_faults(case, outcome.ends)
    return outcome


def last_safe_rows(run: Run) -> dict[str, int]:
    """Rows that were said to be safe, by stream."""
    safe: dict[str, int] = {}
    for event in run.events():
        if event["event"] == "progress":
            safe.update({s["stream"]: s["safe_rows"] for s in event["streams"]})
    return safe


def stream_faults(
    folder: Path,
    name: str,
    stream: CaseStream,
    entry: StreamManifest,
    safe: int,
    outcome: Outcome,
) -> Iterator[str]:
    """Say what is wrong with a stream."""
    ledger = entry.ledger
    if ledger is None or entry.file is None:
        yield f"no ledger: {entry.reasons}"
        return
    outcome.rows[name], outcome.lost[name] = ledger.received, ledger.lost
    if ledger.received < safe:
        yield f"{safe} rows were safe, {ledger.received} are there"
    if "disk" not in " ".join(entry.reasons):
        yield f"the disk is not named: {entry.reasons}"
    if sum(interval.count for interval in ledger.intervals) != ledger.lost:
        yield f"lost {ledger.lost}, intervals {ledger.intervals}"
    if not set(ledger.lost_by_cause) <= {"disk"}:
        yield f"lost by other causes: {ledger.lost_by_cause}"
    with h5py.File(folder / entry.file) as file:
        data = file[f"acquisition/{name}/data"][:].ravel()
        blocks = file[f"acquisition/{name}/sync/blocks"]["rows"].sum()
    expected = np.arange(ledger.received * stream.channels).astype(data.dtype)
    if not np.array_equal(data, expected):
        yield "values are not those that were sent"
    if blocks != ledger.received:
        yield f"blocks hold {blocks} rows, the data {ledger.received}"


def ends_in_order(run: Run) -> list[str]:
    """Streams in the order in which they ended."""
    return [
        event["stream"]
        for event in run.events()
        if event["event"] == "notice" and "ended early" in event["text"]
    ]


def order_faults(case: DiskCase, ends: list[str]) -> Iterator[str]:
    """Say which streams ended before one of lower priority did."""
    priorities = [case.streams[int(name[1:])].priority for name in ends]
    for place, priority in enumerate(priorities):
        if any(later < priority for later in priorities[place:]):
            yield f"{ends[place]} (priority {priority}) ended too early: {ends}"
