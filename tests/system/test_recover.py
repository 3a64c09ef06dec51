"""`rigd recover` after kill -9 of everything, and after kill -9 of itself."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest
from pynwb import NWBHDF5IO

from rigd.config.paths import SessionPaths
from rigd.daemon.manifest import Manifest
from rigd.daemon.verify import verify
from tests.support.crashed_folder import crashed_folder
from tests.support.laboratory import Laboratory, Run
from tests.support.nwb_session import FORMATS, session_paths

COUNTER = {"signal": "counter", "channels": 4, "rate": 1000, "dtype": "int32"}
BOX = {"box": {"driver": "simulated", "streams": {"count": {"options": COUNTER}}}}


def paths_of(laboratory: Laboratory) -> SessionPaths:
    return SessionPaths(laboratory.data / "s1", "m7", "s1")


def record_for(laboratory: Laboratory, safe_rows: int) -> tuple[Run, int]:
    """Record until so many rows are on the disk; return how many are."""
    run = laboratory.record(BOX)
    while True:
        (stream,) = run.wait_for(event="progress")["streams"]
        if stream["safe_rows"] >= safe_rows:
            return run, stream["safe_rows"]


def kill_everything(run: Run) -> None:
    """End the daemon and its children at once."""
    daemon = psutil.Process(run.popen.pid)
    everyone = [daemon, *daemon.children(recursive=True)]
    for process in everyone:
        process.suspend()
    for process in everyone:
        process.kill()
    psutil.wait_procs(everyone)


def test_everything_killed_at_once(laboratory: Laboratory) -> None:
    laboratory.was_killed = True
    run, safe = record_for(laboratory, 2000)
    kill_everything(run)
    paths = paths_of(laboratory)
    recovery = laboratory.start("recover", paths.folder, "--json")
    code, errors = recovery.finish()
    assert (code, errors) == (0, "")
    events = recovery.events()
    (told,) = [event for event in events if event["event"] == "recovery"]
    assert (told["stream"], told["rows_lost"], told["changed"]) == ("count", 0, True)
    assert told["rows"] >= safe
    assert events[-1]["verdict"] == "incomplete"
    with h5py.File(paths.stream_file("count"), "r") as file:
        data = file["acquisition/count/data"][()]
    np.testing.assert_array_equal(data.ravel(), np.arange(data.size))
    assert len(data) == told["rows"]
    with NWBHDF5IO(paths.session_file, "r") as reader:
        assert len(reader.read().acquisition["count"].data) == len(data)
    assert {problem.level for problem in verify(paths.folder)} == {"note"}


def test_a_session_that_is_recorded_is_left_alone(laboratory: Laboratory) -> None:
    run, _ = record_for(laboratory, 100)
    folder = paths_of(laboratory).folder
    for command in ("recover", "finalize"):
        code, errors = laboratory.start(command, folder).finish()
        assert code == 1
        assert f"in use by process {run.popen.pid}" in errors
    run.signal(signal.SIGINT)
    code, errors = run.finish()
    assert (code, errors) == (0, "")
    assert verify(folder) == []
    again = laboratory.start("recover", folder)
    code, _ = again.finish()
    assert code == 0
    assert "nothing to do" in again.lines[0]


def test_only_who_may_write_may_recover() -> None:
    """As a user without rights: for root there is no folder that can't be written."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    code = """if True:
        import os, sys
        from pathlib import Path
        from rigd.config.paths import SessionPaths
        from rigd.daemon import recovering
        os.setuid(65534)
        recovering._refuse_read_only(SessionPaths(Path("/usr"), "a", "b"))
    """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "/usr can't be written by user id 65534" in done.stderr


@pytest.mark.parametrize("command", ["recover", "finalize", "realign"])
def test_ctrl_c_says_that_it_can_be_run_again(
    laboratory: Laboratory, tmp_path: Path, command: str
) -> None:
    folder = crashed_folder(tmp_path / "session").folder
    if command == "realign":
        laboratory.start("finalize", folder).finish()
    run = laboratory.start(command, folder)
    assert run.popen.stdout is not None
    run.popen.stdout.readline()  # it has begun
    for process in (psutil.Process(run.popen.pid), *children(run)):
        process.send_signal(signal.SIGINT)  # as a terminal does
    code, errors = run.finish()
    assert code == 1
    assert errors == "rigd: interrupted; nothing is lost, run it again\n"
    code, errors = laboratory.start(command, folder).finish()
    assert errors == ""


def children(run: Run) -> list[psutil.Process]:
    return psutil.Process(run.popen.pid).children()


# --- kill -9 of the recovery itself ---------------------------------------------------

SERVER = """if True:
    import os, sys
    from rigd.daemon.recovering import main
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os._exit(main([line.strip()]))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Recovers each folder that it is told, in a child: libraries are imported once."""


class Recoveries:
    """Starts recoveries, and kills them."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, folder: Path, kill_after: float | None = None) -> int:
        """Recover a folder; return the exit code, -9 for one that was killed."""
        assert self._server.stdin is not None
        self._server.stdin.write(f"{folder}\n")
        self._server.stdin.flush()
        child = self._answer()
        if kill_after is not None:
            time.sleep(kill_after)
            with suppress(ProcessLookupError):  # it may have come to its end
                os.kill(child, signal.SIGKILL)
        return self._answer()

    def _answer(self) -> int:
        assert self._server.stdout is not None
        return int(self._server.stdout.readline())

    def close(self) -> None:
        self._server.communicate()


@pytest.fixture
def recoveries() -> Iterator[Recoveries]:
    server = Recoveries()
    yield server
    server.close()


def facts(paths: SessionPaths) -> dict[str, object]:
    """What a recovery came to, without what tells of the moment it was done."""
    manifest = json.loads(paths.manifest.read_text())
    digests = {
        file["path"]: file["sha256"]
        for file in manifest.pop("files")
        if file["stream"] is not None
    }
    kept = sorted(
        (path.relative_to(paths.folder).as_posix(), path.stat().st_size)
        for path in (paths.streams / "crashed").rglob("*.*")
    )
    return {"manifest": manifest, "digests": digests, "kept": kept}


@pytest.mark.timeout(300)
def test_killed_twenty_times_and_run_again(
    tmp_path: Path, recoveries: Recoveries
) -> None:
    crashed_folder(tmp_path / "original")
    shutil.copytree(tmp_path / "original", tmp_path / "calm")
    assert recoveries.run(tmp_path / "calm") == 0
    calm = session_paths(tmp_path / "calm")
    shutil.copytree(tmp_path / "original", tmp_path / "timed")
    began = time.monotonic()
    assert recoveries.run(tmp_path / "timed") == 0
    length = time.monotonic() - began
    chance, killed, seed = random.Random(20), 0, 0
    while killed < 20:
        folder = tmp_path / f"killed{seed}"
        shutil.copytree(tmp_path / "original", folder)
        seed += 1
        for _ in range(5):  # each goes on where the one before was killed
            killed += recoveries.run(folder, chance.uniform(0, 0.7 * length)) == -9
        assert recoveries.run(folder) == 0
        paths = session_paths(folder)
        assert facts(paths) == facts(calm)
        assert {problem.level for problem in verify(folder)} == {"note"}
        assert not list(paths.streams.glob(".recovering"))
    assert set(Manifest.load(calm.manifest).streams) == set(FORMATS)
