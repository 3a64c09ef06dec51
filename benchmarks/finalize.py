"""From a recorded folder to a session file: how long each step takes.

The folder is prepared, recorded by the real writer, then finalized, all by the
processes that a session runs; the data are in the page cache, as after a recording.
"""

import json
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.feed import Way
from benchmarks.pipeline import ratios, through_rigd
from benchmarks.processes import ChildError
from benchmarks.report import Row, at_most
from benchmarks.workload import KEY, STREAM, Workload, filling
from rigd.config.dump import dump_session
from rigd.config.paths import SessionPaths
from rigd.config.session import Session
from rigd.daemon.session_record import SessionRecord
from rigd.daemon.stream_record import StreamRecord

TITLE = "finalize, 2 GB"

SETTINGS = {
    "id": "benchmark",
    "description": "One stream, to be finalized",
    "subject": {"id": "none", "species": "Mus musculus"},
    "rig": {"devices": {"probe": {"driver": "simulated", "streams": {STREAM: {}}}}},
}

BEGIN = "start of Python and imports"
LEAVING = "leaving"


def record(folder: Path, workload: Workload) -> SessionPaths:
    """Make a session folder whose one stream was recorded by the real writer."""
    session = Session.model_validate(SETTINGS)
    paths = SessionPaths(folder, session.subject.id, session.id)
    paths.streams.mkdir(parents=True)
    paths.settings.write_text(dump_session(session))
    start = SessionRecord(
        identifier=str(uuid.uuid4()),
        session=session.id,
        subject=session.subject.id,
        start_utc=datetime.now(UTC),
        start_monotonic_ns=time.monotonic_ns(),
        software={},
        streams={STREAM: stream_record(paths, workload)},
    )
    start.save(paths.record)
    subprocess.run([sys.executable, "-m", "rigd.daemon.prepare", folder], check=True)
    prepared = paths.stream_file(STREAM)
    through_rigd(folder, workload, Way.SENDER, durable=True, prepared=prepared)
    return paths


def stream_record(paths: SessionPaths, workload: Workload) -> StreamRecord:
    """Describe the stream as the session's start would."""
    return StreamRecord(
        device="probe",
        file=paths.stream_file(STREAM).relative_to(paths.folder).as_posix(),
        key=KEY,
        format=workload.stream_format.to_json(),
        nwb_type="TimeSeries",
    )


def finalize(paths: SessionPaths) -> dict[str, float]:
    """Run the finalizer; return the seconds from each step to the next.

    Raises:
        ChildError: It finds the session less than complete.

    """
    command = [sys.executable, "-m", "rigd.daemon.finalizer", str(paths.folder)]
    steps: dict[str, float] = {}
    step, since = BEGIN, time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            now, said = time.monotonic(), json.loads(line)
            steps[step] = steps.get(step, 0.0) + now - since
            step, since = said.get("step", LEAVING), now
    steps[step] = time.monotonic() - since
    if process.returncode != 0:
        raise ChildError(f"the finalizer ended with {process.returncode}: {said}")
    return steps


def copy(path: Path, target: Path) -> float:
    """Copy a file as `cp` does; return the seconds."""
    begin = time.monotonic()
    subprocess.run(["cp", path, target], check=True)
    return time.monotonic() - begin


def measure(bench: Bench) -> list[Row]:
    """Finalize 2 GB that were just recorded, beside a plain copy of them."""
    workload = filling(384, 30_000.0, 300, bench.size(2.07e9))
    runs: list[dict[str, float]] = []
    copies: list[float] = []
    for _ in range(bench.rounds):
        bench.write_warm(2 * workload.size)  # the copy needs memory of its own
        with bench.place() as place:
            paths = record(place / "session", workload)
            copies.append(copy(paths.stream_file(STREAM), place / "copy"))
            runs.append(finalize(paths))
    totals = [sum(run.values()) for run in runs]
    steps = [Row(TITLE, step, "s", [run[step] for run in runs]) for step in runs[0]]
    work = [total - run[BEGIN] for total, run in zip(totals, runs, strict=True)]
    return [
        Row(TITLE, "all after the imports", "s", work, at_most(0.2)),
        Row(TITLE, "all after the imports / cp", "", ratios(work, copies), at_most(1)),
        Row(TITLE, "all", "s", totals),
        *steps,
        Row(TITLE, "cp of the stream file", "s", copies),
    ]
