"""Makes the n-th call to the disk fail under a live writer."""

import random
from pathlib import Path

from rigd.streams.messages import Finished
from tests.faults.disk_record import (
    DiskFault,
    build_recorder,
    faults_fired,
    recorder_environment,
)
from tests.faults.judge import Judge
from tests.faults.kill_bench import end_stream
from tests.faults.power_bench import temporary_folder
from tests.faults.report import Row
from tests.faults.session import Session
from tests.faults.stream_kinds import KINDS, StreamKind

MESSAGES = 400
FOR_EVER = 10**6

FAULTS = (("EIO", "w"), ("ENOSPC", "w"), ("SHORT", "w"), ("EINTR", "w"), ("EIO", "s"))
HARMLESS = ("SHORT", "EINTR")
"""Kinds of faults that a writer may get over without a word."""


def draw_fault(chance: random.Random) -> DiskFault:
    """Draw what fails: early calls as often as late ones, on data file or journal."""
    kind, calls = chance.choice(FAULTS)
    named = chance.choice((".nwb", ".journal"))
    longest = 4.5 if calls == "s" else 8 if named == ".nwb" else 6
    first = int(2 ** chance.uniform(0, longest)) - 1
    return DiskFault(kind, calls, first, chance.choice((1, 1, 3, FOR_EVER)), named)


def fail_once(
    folder: Path, kind: StreamKind, seed: int, library: Path, sabotage: str, row: Row
) -> tuple[Session, str]:
    """Let a writer meet a fault; start it again if it gave up; end the stream.

    Returns the session and what is wrong.
    """
    fault = draw_fault(random.Random(seed))
    log = folder / "log"
    environment = {
        "RIGD_SABOTAGE": sabotage,
        **recorder_environment(library, folder / "streams", log),
        **fault.environment(),
    }
    with Session(folder, kind, seed, environment) as session:
        session.wait_until_ready()
        session.run(1.2, messages=MESSAGES, burst=2)
        fired = faults_fired(log)
        if not fired:
            row.count("faults that never came")
            return session, ""
        row.count(f"{fault.kind} ({fault.calls}) on {fault.named}")
        wrong = end_after(session, {"RIGD_SABOTAGE": sabotage}, row)
        if not wrong and not session.writer.causes and fault.kind not in HARMLESS:
            wrong = "passed over without a word"
        return session, f"{fault}: {wrong}" if wrong else ""


def end_after(session: Session, environment: dict[str, str], row: Row) -> str:
    """End the stream, starting its writer again when it gives up; say what is wrong.

    A writer may give its stream up for good: then it says so when it is started again.
    """
    if not session.writer.has_ended and not end_stream(session):
        row.count("writers that went on", bool(session.writer.causes))
        return ""
    row.count("writers that gave up")
    session.writer.hear()
    if not session.writer.causes:
        code = session.writer.process.returncode
        return f"it left with {code} and without a cause"
    session.kill()
    session.writer.restart(environment)
    wrong = end_stream(session)
    ends = [e for e in session.writer.events if isinstance(e, Finished)]
    if ends and ends[-1].reason:
        row.count("streams given up for good")
        return ""
    return wrong


def bench(
    *, faults: int, seed: int, sabotage: str = "", kinds: tuple[str, ...] = ()
) -> Row:
    """Let so many faults fire."""
    row = Row("I/O errors", "0 acknowledged rows lost, no stop without a cause")
    names = kinds or tuple(KINDS)
    trial = seed
    with temporary_folder() as tools, Judge(sabotage) as judge:
        library = build_recorder(tools)
        while row.cases < faults:
            kind = KINDS[names[trial % len(names)]]
            with temporary_folder() as folder:
                before = row.seen["faults that never came"]
                session, wrong = fail_once(folder, kind, trial, library, sabotage, row)
                if row.seen["faults that never came"] == before:
                    wrong = wrong or judge.ask(session.case).fault()
                    row.take(f"{trial} ({kind.name})", wrong)
            trial += 1
    return row
