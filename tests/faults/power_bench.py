"""Recovers what a disk may hold when the power of a recorded writer is cut."""

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.comparison import Sent
from tests.faults.disk_record import (
    DiskFault,
    build_recorder,
    read_entries,
    recorder_environment,
)
from tests.faults.judge import Case, Judge, Judgement
from tests.faults.power_cut import DiskHistory, Image, image
from tests.faults.report import Row
from tests.faults.script import Script
from tests.faults.session import Session
from tests.faults.stream_kinds import KINDS, StreamKind

SYNC_MICROSECONDS = 4000
"""Time that a recorded fsync takes, so that writes fall into it."""

LONG = 2600
"""Messages of a session in which the dataset of blocks fills chunks too."""


@dataclass(frozen=True)
class Recording:
    """A writer's session as its disk saw it."""

    kind: StreamKind
    seed: int
    history: DiskHistory
    offered: int

    def image(self, number: int) -> Image:
        """Make image `number`."""
        return image(self.history, f"{self.seed} {number}")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rigd-faults-") as folder:
        yield Path(folder)


def length_of(kind: StreamKind, chance: random.Random) -> int:
    """Draw how many messages a session has."""
    if kind.format.row_bytes > 10_000:
        return 60
    return LONG if chance.random() < 0.15 else chance.randint(150, 500)


def record(library: Path, kind: StreamKind, seed: int, sabotage: str = "") -> Recording:
    """Run a writer with the recorder; in some sessions its HDF5 file fails once.

    In some the stream is ended, in the others it is cut off.
    """
    chance = random.Random(seed)
    messages = length_of(kind, chance)
    with temporary_folder() as folder:
        log, root = folder / "log", folder / "streams"
        environment = recorder_environment(
            library, root, log, sync_microseconds=SYNC_MICROSECONDS
        )
        environment["RIGD_SABOTAGE"] = sabotage
        if not sabotage and chance.random() < 0.3:
            fault = DiskFault("EIO", "w", chance.randrange(60, 300), 1, ".nwb")
            environment |= fault.environment()
        with Session(folder, kind, seed, environment) as session:
            session.wait_until_ready()
            burst = 8 if messages == LONG else chance.randint(1, 3)
            session.run(chance.uniform(0.8, 1.6), messages=messages, burst=burst)
            if chance.random() < 0.4:
                session.finish(10.0)
            offered = session.delivery.offered
            initial = session.writer.initial
        entries = list(read_entries(log))
        return Recording(kind, seed, DiskHistory(entries, root, initial), offered)


def judge_image(
    recording: Recording, number: int, judge: Judge, place: Path
) -> tuple[Image, Judgement]:
    """Lay an image down, recover it and compare."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    found = recording.image(number)
    found.write(place)
    script = Script(recording.kind, recording.seed)
    sent = Sent(script, recording.offered, min(found.acknowledged, recording.offered))
    return found, judge.ask(Case(recording.kind.name, place / "s.nwb", [sent]))


def fault_of(found: Image, judgement: Judgement) -> str:
    """Say what breaks the promise; what has acknowledged nothing may be gone."""
    if judgement.refused and not found.acknowledged:
        return ""
    return judgement.fault()


def bench(
    *,
    images: int,
    recordings: int,
    seed: int,
    sabotage: str = "",
    kinds: tuple[str, ...] = (),
    stop_at_first: bool = False,
) -> Row:
    """Judge so many images in all, the same number of each recording."""
    row = Row("power cut", "0 acknowledged rows lost, 0 wrong, 0 unreadable")
    names = kinds or tuple(KINDS)
    with temporary_folder() as folder, Judge(sabotage) as judge:
        library = build_recorder(folder)
        for number in range(recordings):
            kind = KINDS[names[number % len(names)]]
            recording = record(library, kind, seed + number, sabotage)
            for each in range(images // recordings):
                found, judgement = judge_image(recording, each, judge, folder / "cut")
                fault = fault_of(found, judgement)
                row.count("with acknowledged rows", found.acknowledged > 0)
                row.count("rebuilt from several parts", judgement.parts > 1)
                row.count("with reported damage", judgement.reported)
                row.count("refused, nothing acknowledged yet", bool(judgement.refused))
                row.take(f"{seed + number} ({kind.name}) image {each}", fault)
                if fault and stop_at_first:
                    return row
    return row
