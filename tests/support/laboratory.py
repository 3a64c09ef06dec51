"""Runs of the real `rigd`, for system tests."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

MARK = "RIGD_TEST_RUN"
"""Environment variable by which a test finds the processes of its own runs."""


@dataclass
class Run:
    """One running `rigd`; its events are those of `--json`."""

    popen: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)

    def events(self) -> list[dict[str, Any]]:
        """All events so far that have been read."""
        return [json.loads(line) for line in self.lines]

    def wait_for(self, **wanted: object) -> dict[str, Any]:
        """Read events until one has all the values wanted."""
        for line in self.popen.stdout or ():
            self.lines.append(line)
            event: dict[str, Any] = json.loads(line)
            if all(event.get(key) == value for key, value in wanted.items()):
                return event
        raise AssertionError(f"no event with {wanted} in {self.lines}")

    def signal(self, number: int) -> None:
        """Send a signal to `rigd` itself."""
        self.popen.send_signal(number)

    def finish(self) -> tuple[int, str]:
        """Wait for the end; return exit code and standard error."""
        out, errors = self.popen.communicate(timeout=100)
        self.lines += out.splitlines()
        return self.popen.returncode, errors

    def children(self, module: str, name: str) -> list[psutil.Process]:
        """Return the running sources or writers called `name`."""
        daemon = psutil.Process(self.popen.pid)
        return [
            child
            for child in daemon.children()
            if child.cmdline()[-2:] == [module, name]
        ]

    def child(self, module: str, name: str) -> psutil.Process:
        """Return the one running source or writer called `name`."""
        (found,) = self.children(module, name)
        return found


class Laboratory:
    """A place to record in: a data root, session files, and runs of `rigd`."""

    def __init__(self, folder: Path, runtime: Path) -> None:
        self.folder = folder
        self.runtime = runtime
        self.data = folder / "data"
        self.data.mkdir()
        self.mark = uuid.uuid4().hex
        self.was_killed = False
        """The daemon had no chance to remove its sockets."""
        self._runs: list[Run] = []

    def write_session(
        self,
        devices: dict[str, Any],
        more_rig: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Path:
        """Write a session file with these devices, and more settings of the rig."""
        session = {
            "id": "s1",
            "description": "a test",
            "subject": {"id": "m7", "species": "Mus musculus"},
            "tolerance": "50 ms",  # a busy machine delivers late
            "rig": {
                "name": "bench",
                "data_root": str(self.data),
                "devices": devices,
                "check": {"trial": 0},  # its tests ask for it
                **(more_rig or {}),
            },
            **settings,
        }
        path = self.folder / "session.yaml"
        YAML(typ="safe", pure=True).dump(session, path)
        return path

    def command(self, *arguments: str | Path) -> list[str]:
        """The command line of a `rigd`."""
        return [sys.executable, "-m", "rigd.daemon", *map(str, arguments)]

    def start(self, *arguments: str | Path) -> Run:
        """Start `rigd`."""
        return self.start_command(*self.command(*arguments))

    def start_command(self, *command: str, log: Path | None = None) -> Run:
        """Start a command that becomes `rigd`.

        Its standard error goes to the file `log`, or to a pipe: nobody reads that
        before its end.
        """
        environment = {
            **os.environ,
            MARK: self.mark,
            "XDG_RUNTIME_DIR": str(self.runtime),
        }
        environment.pop("RUNTIME_DIRECTORY", None)
        with open(log or os.devnull, "a") as file:
            popen = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if log is None else file,
                text=True,
                env=environment,
                cwd=self.folder,
            )
        self._runs.append(Run(popen))
        return self._runs[-1]

    def record(self, devices: dict[str, Any], *more: str, **settings: Any) -> Run:
        """Start `rigd record --json` on a session with these devices."""
        path = self.write_session(devices, **settings)
        return self.start("record", path, "--json", *more)

    def processes(self) -> list[psutil.Process]:
        """All processes that come from runs of this laboratory."""
        return [p for p in psutil.process_iter() if self._is_ours(p)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK) == self.mark
        except psutil.Error:
            return False

    def wait_for_processes_to_end(self, limit: float = 10.0) -> list[psutil.Process]:
        """Return those that still live after `limit` seconds."""
        deadline = time.monotonic() + limit
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        return self.processes()

    def end_all(self) -> list[str]:
        """End what is left; return the command lines of it."""
        left = self.wait_for_processes_to_end(limit=1.0)
        commands = [" ".join(process.cmdline()) for process in left]
        for process in left:
            process.send_signal(signal.SIGKILL)
        for run in self._runs:
            run.popen.communicate()
        return commands


@contextmanager
def temporary_laboratory() -> Iterator[Laboratory]:
    """Give a laboratory for one run, which leaves nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="rigd-faults-"))
    runtime = Path(tempfile.mkdtemp(prefix="rigd-test-"))
    place = Laboratory(folder, runtime)
    try:
        yield place
    finally:
        place.end_all()
        shutil.rmtree(runtime)
        shutil.rmtree(folder, ignore_errors=True)
