"""Kills one process of a whole session, or all of them, and judges what is left.

A source or a writer is killed while the session runs, which goes on to its end. The
finalizer is killed after it; the daemon, or everything at once, in any state; then the
folder is recovered, twice.
"""

import json
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import psutil
from pynwb import NWBHDF5IO

from rigd.config.paths import SessionPaths
from rigd.daemon.manifest import Manifest
from rigd.daemon.recovering import NOTHING_TO_DO
from rigd.daemon.verify import verify
from rigd.streams.ledger import Ledger
from tests.faults.report import Row
from tests.support.account import account
from tests.support.laboratory import Laboratory, Run, temporary_laboratory

Target = Literal["source", "writer", "finalizer", "daemon", "everything"]

MODULES = {"source": "rigd.streams.source", "writer": "rigd.streams.writer"}
FINALIZER = "rigd.daemon.finalizer"

NOT_FINALIZED = "the data stand, but could not be finalized: SIGKILL\ntry again: "
"""What the daemon says when its finalizer was killed."""

RING = "60 s"
"""Longer than usual: a busy machine takes seconds to start a writer, and the next kill
may come before it has caught up."""

LEAVE_LIMIT = 30.0
"""Seconds that sources and writers have to end when the daemon is gone."""


def stream(signal_name: str, compression: str = "none", **options: Any) -> Any:
    """Settings of one simulated stream."""
    return {
        "options": {"signal": signal_name, **options},
        "storage": {"compression": compression},
        "ring": {"time": RING},
    }


DEVICES: dict[str, Any] = {
    "amplifier": {
        "driver": "simulated",
        "options": {},
        "streams": {
            "channels": stream("counter", rate=1000, channels=16),
            "packed": stream("counter", "gzip", rate=500, channels=8, dtype="int32"),
        },
    },
    "behaviour": {
        "driver": "simulated",
        "options": {},
        "streams": {
            "wheel": stream("encoder", rate=100),
            "camera": stream("camera", rate=30, height=24, width=32),
        },
    },
}
"""Regular and event-like streams, compressed and not, slow and fast."""

STREAMS = {name: device for device, d in DEVICES.items() for name in d["streams"]}
"""Device of each stream."""

MOMENTS = {
    "arming": 2.0,
    "recording": 3.0,
    "draining": 0.4,
    "finalizing": 2.0,
}
"""States in which the daemon is killed, and the most seconds after they begin."""


@dataclass(frozen=True)
class Session:
    """A session that was killed, or a part of it.

    Attributes:
        seed: What repeats it.
        laboratory: Where it was.
        run: The daemon's process and what it said.
        killed: Device or stream whose process was killed; empty: the daemon.
        kills: How often.

    """

    seed: int
    laboratory: Laboratory
    run: Run
    killed: str = ""
    kills: int = 1

    @property
    def paths(self) -> SessionPaths:
        """Where its files lie."""
        return SessionPaths(self.laboratory.data / "s1", "m7", "s1")

    def safe_rows(self) -> dict[str, int]:
        """Rows that the daemon has said to be on the disk, by stream."""
        safe = dict.fromkeys(STREAMS, 0)
        for event in self.run.events():
            if event["event"] == "progress":
                safe |= {s["stream"]: s["safe_rows"] for s in event["streams"]}
        return safe

    def is_hit(self, name: str) -> bool:
        """Whether the device of a stream lost its process."""
        return STREAMS[name] == self.killed


# --- killing --------------------------------------------------------------------------


def kill_in_session(
    laboratory: Laboratory, target: Literal["source", "writer"], seed: int, row: Row
) -> Session:
    """Kill a source or writer, let it come back, and end the session in good order."""
    chance = random.Random(seed)
    killed = chance.choice(sorted(DEVICES if target == "source" else STREAMS))
    back = {
        "source": f"source `{killed}` samples again",
        "writer": f"writer of `{killed}` goes on",
    }[target]
    run = laboratory.record(DEVICES)
    run.wait_for(event="state", state="recording")
    kills = chance.randint(1, 4)
    for _ in range(kills):
        time.sleep(chance.uniform(0.0, 2.0))
        run.child(MODULES[target], killed).kill()
        row.count("kills")
        run.wait_for(event="notice", text=back)
    time.sleep(chance.uniform(0.5, 1.5))
    run.signal(signal.SIGINT)
    run.finish()
    return Session(seed, laboratory, run, killed, kills)


def kill_daemon(
    laboratory: Laboratory, target: Literal["daemon", "everything"], seed: int, row: Row
) -> Session:
    """Kill the daemon, alone or with all of its children, some time into a state."""
    chance = random.Random(seed)
    laboratory.was_killed = True
    state = chance.choice(["recording", *MOMENTS])  # twice as often as the others
    run = laboratory.record(DEVICES, "--duration", f"{chance.uniform(1, 4):.2f} s")
    run.wait_for(event="state", state=state)
    time.sleep(chance.uniform(0.0, MOMENTS[state]))
    row.count("kills", run.popen.poll() is None)
    kill(run, alone=target == "daemon")
    run.finish()
    last = [e["state"] for e in run.events() if e["event"] == "state"][-1]
    row.count(f"while {last}")
    return Session(seed, laboratory, run)


def kill_finalizer(laboratory: Laboratory, seed: int, row: Row) -> Session:
    """Kill the finalizer some time after its start."""
    chance = random.Random(seed)
    run = laboratory.record(DEVICES, "--duration", "1 s")
    run.wait_for(event="state", state="finalizing")
    session = Session(seed, laboratory, run)
    time.sleep(chance.uniform(0.0, MOMENTS["finalizing"]))
    with suppress(psutil.NoSuchProcess):  # all may have come to its end
        for process in run.children(FINALIZER, str(session.paths.folder)):
            process.kill()
            row.count("kills")
    return session


def kill(run: Run, *, alone: bool) -> None:
    """Kill a daemon; not `alone`: all of its processes as well, at once."""
    with suppress(psutil.NoSuchProcess):  # it may have come to its end
        daemon = psutil.Process(run.popen.pid)
        daemon.suspend()
        everyone = [daemon] if alone else [daemon, *daemon.children(recursive=True)]
        for process in everyone:
            process.suspend()
        for process in everyone:
            process.kill()


# --- judging --------------------------------------------------------------------------


def judge_survivor(session: Session) -> Iterator[str]:
    """Say what is wrong with a session that went on when a process was killed."""
    yield from faults_of_folder(session)
    verdict = Manifest.load(session.paths.manifest).verdict
    is_source = session.killed in DEVICES
    if verdict != ("degraded" if is_source else "complete"):
        yield f"verdict {verdict}"
    yield from (f"verify: {problem}" for problem in verify(session.paths.folder))


def judge_unfinished(session: Session, row: Row) -> Iterator[str]:
    """Say what is wrong when the finalizer was killed: its daemon lives and tells."""
    code, errors = session.run.finish()
    is_done = session.run.events()[-1]["event"] == "summary"
    row.count("after the manifest was there", is_done)
    if not is_done and (code, NOT_FINALIZED in errors) != (1, True):
        yield f"exit code {code}: {errors}"
    yield from judge_folder(session, row)
    verdict = Manifest.load(session.paths.manifest).verdict
    if verdict != "complete":
        yield f"verdict {verdict}"


def judge_folder(session: Session, row: Row) -> Iterator[str]:
    """Recover what a dead daemon has left; say what is wrong."""
    if left := session.laboratory.wait_for_processes_to_end(LEAVE_LIMIT):
        yield f"{len(left)} processes outlive the daemon by {LEAVE_LIMIT:.0f} s"
        return
    if not session.paths.record.exists():
        row.count("before anything was begun")
        yield from faults_of_refusal(session)
        return
    code, events = run_on_folder(session, "recover")
    row.count(
        "complete all the same", any(e.get("verdict") == "complete" for e in events)
    )
    row.count("streams rebuilt", sum(bool(e.get("changed")) for e in events))
    has_files = all(session.paths.stream_file(name).exists() for name in STREAMS)
    if not has_files:
        row.count("before the stream files were there")
        yield from (f"{n} rows of {name} gone" for name, n in safe_rows_of(session))
        return
    if code != 0:
        yield f"recover: exit code {code}, {events[-2:]}"
    yield from (
        f"verify: {problem}"
        for problem in verify(session.paths.folder)
        if problem.level != "note"
    )
    yield from faults_of_folder(session)
    yield from faults_of_repeats(session)


def safe_rows_of(session: Session) -> list[tuple[str, int]]:
    """Streams of which something was said to be on the disk, and how many rows."""
    return [(name, rows) for name, rows in session.safe_rows().items() if rows]


def run_on_folder(session: Session, verb: str) -> tuple[int, list[dict[str, Any]]]:
    """Run `rigd VERB` on the folder; return its exit code and what it said."""
    run = session.laboratory.start(verb, session.paths.folder, "--json")
    code, errors = run.finish()
    return code, [*run.events(), {"event": "errors", "text": errors}]


def faults_of_refusal(session: Session) -> Iterator[str]:
    """Say what is wrong when a folder holds no session yet."""
    run = session.laboratory.start("recover", session.paths.folder)
    code, errors = run.finish()
    if code != 1 or "no record.json" not in errors:
        yield f"recover: exit code {code}: {errors}"
    if list(session.paths.streams.glob("*.nwb")):
        yield "there are stream files without a record of the session"


def faults_of_repeats(session: Session) -> Iterator[str]:
    """Say what changes when the folder is recovered, or finalized, once more."""
    before = facts(session.paths)
    code, events = run_on_folder(session, "recover")
    if code != 0 or events[0].get("step") != NOTHING_TO_DO:
        yield f"recovering again: exit code {code}, {events}"
    run_on_folder(session, "finalize")
    if facts(session.paths) != before:
        yield "finalizing again gives another result"


def facts(paths: SessionPaths) -> dict[str, Any]:
    """The manifest, without the digest of the session file, which is made anew."""
    manifest: dict[str, Any] = json.loads(paths.manifest.read_text())
    for file in manifest["files"]:
        if file["path"] == paths.session_file.name:
            file["sha256"] = file["size"] = None
    return manifest


def faults_of_folder(session: Session) -> Iterator[str]:
    """Compare each stream with what its device sends and what was acknowledged."""
    for name, safe in session.safe_rows().items():
        try:
            found = account(session.paths, name, DEVICES[STREAMS[name]])
        except AssertionError as error:
            yield f"{name}: {' '.join(str(error).split())}"
            continue
        if found.ledger.received < safe:
            yield f"{name}: {safe} rows were safe, {found.ledger.received} are there"
        yield from (
            f"{name}: {f}" for f in faults_of_ledger(session, name, found.ledger)
        )
    yield from faults_of_session_file(session.paths)


def faults_of_ledger(session: Session, name: str, ledger: Ledger) -> Iterator[str]:
    """No rows may be missing; an outage belongs to each source that died."""
    outages = len(ledger.outages)
    if ledger.lost:
        yield f"lost {ledger.by_cause}"
    if session.is_hit(name) and not 1 <= outages <= session.kills:
        yield f"{outages} outages after {session.kills} deaths of its source"
    if not session.is_hit(name) and outages:
        yield f"{outages} outages though its source lived"


def faults_of_session_file(paths: SessionPaths) -> Iterator[str]:
    """Open the session file as its users do."""
    streams = Manifest.load(paths.manifest).streams
    with NWBHDF5IO(paths.session_file, "r") as reader:
        found = {n: len(one.data) for n, one in reader.read().acquisition.items()}
    rows = {name: entry.rows for name, entry in streams.items()}
    if found != rows:
        yield f"the session file has {found}, the manifest {rows}"


# --- the bench ------------------------------------------------------------------------


def judge_once(target: Target, seed: int, row: Row) -> list[str]:
    """Run one session with its kill; return what is wrong."""
    with temporary_laboratory() as laboratory:
        if target == "source" or target == "writer":
            session = kill_in_session(laboratory, target, seed, row)
            return list(judge_survivor(session))
        if target == "finalizer":
            return list(judge_unfinished(kill_finalizer(laboratory, seed, row), row))
        session = kill_daemon(laboratory, target, seed, row)
        return list(judge_folder(session, row))


def bench(target: Target, *, kills: int, seed: int) -> Row:
    """Run sessions in which the target is killed, until there were so many kills."""
    row = Row(
        f"kill -9 of {target} in a session",
        "0 acknowledged rows lost, ledger exact, session file opens",
    )
    while row.seen["kills"] < kills:
        trial = seed + row.cases
        row.take(f"{trial}", "; ".join(judge_once(target, trial, row)))
    return row
