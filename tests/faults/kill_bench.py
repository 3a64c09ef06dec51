"""Kills writers at random moments of a live stream."""

import random
import time
from pathlib import Path

from tests.faults.disk_record import (
    DiskFault,
    build_recorder,
    faults_fired,
    has_compiler,
    recorder_environment,
)
from tests.faults.judge import Judge, Judgement
from tests.faults.power_bench import temporary_folder
from tests.faults.report import Row
from tests.faults.session import Session
from tests.faults.stream_kinds import KINDS, StreamKind

WITHOUT_END = 10**9


def kill_once(
    folder: Path, kind: StreamKind, seed: int, sabotage: str, row: Row
) -> Session:
    """Let a writer be killed at a random moment and not be started again."""
    chance = random.Random(seed)
    session = Session(folder, kind, seed, {"RIGD_SABOTAGE": sabotage})
    with session:
        session.wait_until_ready()
        session.run(chance.uniform(0.0, 1.0), messages=WITHOUT_END)
        session.kill()
        row.count("kills")
    return session


def kill_and_go_on(
    folder: Path, kind: StreamKind, seed: int, sabotage: str, row: Row
) -> tuple[Session, str]:
    """Kill and restart a few times, then end the stream; return what is wrong.

    Some kills come while the writer starts. Once the source is new as well.
    """
    chance = random.Random(seed)
    session = Session(folder, kind, seed, {"RIGD_SABOTAGE": sabotage})
    with session:
        for _ in range(chance.randint(1, 4)):
            if chance.random() < 0.8:
                session.wait_until_ready()
                session.run(chance.uniform(0.0, 0.5), messages=WITHOUT_END)
            else:
                time.sleep(chance.uniform(0.0, 0.4))
                row.count("kills while starting")
            session.kill()
            row.count("kills")
            if chance.random() < 0.15:
                session.new_sender()
                row.count("sources that died along with their writer")
            session.writer.restart()
        return session, end_stream(session)


def kill_at_call(
    folder: Path, kind: StreamKind, seed: int, library: Path, sabotage: str, row: Row
) -> tuple[Session, str]:
    """Let the writer be killed at its n-th call to the disk, then go on without kills.

    So every moment is met in which something is half done.
    """
    chance = random.Random(seed)
    number = int(2 ** chance.uniform(0, 9)) - 1
    log = folder / "log"
    environment = {
        "RIGD_SABOTAGE": sabotage,
        **recorder_environment(library, folder / "streams", log),
        **DiskFault("KILL", "a", number, 1, "").environment(),
    }
    with Session(folder, kind, seed, environment) as session:
        session.wait_until_ready()
        session.run(2.0, messages=300)
        if faults_fired(log):
            row.count("kills")
            row.count("kills at a chosen call")
        session.kill()
        session.writer.restart({"RIGD_SABOTAGE": sabotage})
        return session, end_stream(session)


def end_stream(session: Session) -> str:
    """Let the stream come to its end; return what is wrong."""
    session.wait_until_ready()
    session.run(0.1, messages=WITHOUT_END)
    if not session.finish():
        return f"the writer did not come to its end: {session.writer.causes}"
    delivery = session.delivery
    lost = delivery.offered - delivery.acknowledged
    return f"{lost} messages were not acknowledged at the end" if lost else ""


def bench(
    *,
    kills: int,
    seed: int,
    sabotage: str = "",
    kinds: tuple[str, ...] = (),
) -> Row:
    """Kill writers of all kinds, most with a restart, until `kills` are done."""
    row = Row("kill -9 of writers", "0 acknowledged rows lost; 0 lost after a restart")
    names = kinds or tuple(KINDS)
    with temporary_folder() as tools, Judge(sabotage) as judge:
        library = build_recorder(tools) if has_compiler() else None
        while row.seen["kills"] < kills:
            trial = seed + row.cases
            kind = KINDS[names[(row.cases // 3) % len(names)]]
            with temporary_folder() as folder:
                fault = ""
                if row.cases % 3 == 0:
                    session, fault = kill_and_go_on(folder, kind, trial, sabotage, row)
                elif row.cases % 3 == 1 and library is not None:
                    session, fault = kill_at_call(
                        folder, kind, trial, library, sabotage, row
                    )
                else:
                    session = kill_once(folder, kind, trial, sabotage, row)
                judgement = judge.ask(session.case)
            acknowledged = sum(s.acknowledged for s in session.case.sent)
            row.count("acknowledged messages", acknowledged)
            seed_text = f"{trial} ({kind.name})"
            row.take(seed_text, fault or _fault(judgement, acknowledged))
    return row


def _fault(judgement: Judgement, acknowledged: int) -> str:
    """A stream that has acknowledged nothing may have no journal yet."""
    return "" if judgement.refused and not acknowledged else judgement.fault()
