"""Cuts the power of a real file system under a live writer."""

import random
import shutil
from pathlib import Path

from tests.faults.judge import Case, Judge
from tests.faults.kill_bench import WITHOUT_END
from tests.faults.power_bench import temporary_folder
from tests.faults.report import Row
from tests.faults.session import Session
from tests.faults.stream_kinds import KINDS, StreamKind
from tests.support.cuttable_disk import CuttableDisk, writing_back
from tests.support.small_disk import why_not


def cut_once(
    folder: Path, file_system: str, kind: StreamKind, seed: int, sabotage: str
) -> Case:
    """Record until the power goes; return what the disk holds, and what was sent.

    What counts as acknowledged is what the sender knew before the cut.
    """
    chance = random.Random(seed)
    environment = {"RIGD_SABOTAGE": sabotage}
    disk = CuttableDisk(folder, file_system)
    try:
        with Session(disk.path, kind, seed, environment, sockets=folder) as session:
            disk.sync()
            session.wait_until_ready()
            with writing_back(session.folder, seed):
                burst = chance.choice((1, 1, 4))
                session.run(
                    chance.uniform(0.05, 1.5), messages=WITHOUT_END, burst=burst
                )
                sent = session.case.sent
                disk.cut()
            session.kill()
        disk.power_on()
        found = folder / "found"
        shutil.copytree(session.folder, found)
    finally:
        disk.close()
    return Case(kind.name, found / session.writer.path.name, sent)


def bench(file_system: str, *, cuts: int, seed: int, sabotage: str = "") -> Row:
    """Cut the power so often, under streams of all kinds."""
    row = Row(
        f"real power cut, {file_system}",
        "0 acknowledged rows lost, 0 wrong, 0 unreadable",
        skipped=why_not(file_system),
    )
    kinds = list(KINDS.values())
    with Judge(sabotage) as judge:
        for number in range(0 if row.skipped else cuts):
            kind = kinds[number % len(kinds)]
            with temporary_folder() as folder:
                case = cut_once(folder, file_system, kind, seed + number, sabotage)
                judgement = judge.ask(case)
            acknowledged = sum(sent.acknowledged for sent in case.sent)
            row.count("with acknowledged rows", acknowledged > 0)
            row.count("acknowledged messages", acknowledged)
            row.count("with reported damage", judgement.reported)
            unneeded = judgement.refused and not acknowledged
            fault = "" if unneeded else judgement.fault()
            row.take(f"{seed + number} ({kind.name})", fault)
    return row
