"""A running service, for system tests."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from rigd.daemon.client import Client, NoServiceError
from rigd.daemon.control_protocol import Status
from tests.support.laboratory import Laboratory, Run

READY_LIMIT = 30.0
"""Seconds that a service may take until it listens, on a busy machine."""

LOG = "service.log"
"""What the service says, in the folder of its laboratory."""

COUNT = {
    "options": {"signal": "counter", "channels": 4, "rate": 1000, "dtype": "int32"}
}

BOX: dict[str, Any] = {
    "driver": "simulated",
    "options": {},
    "streams": {"count": COUNT},
}
"""A simulated device with one stream."""


@dataclass
class Served:
    """A laboratory in which a service runs."""

    laboratory: Laboratory
    run: Run
    runtime: Path

    @classmethod
    def start(
        cls, laboratory: Laboratory, devices: dict[str, Any], **rig: Any
    ) -> "Served":
        """Write a rig file and start a service on it; returns when it answers."""
        path = write_rig(laboratory, devices, **rig)
        served = cls.begin(laboratory, path)
        served.status()
        return served

    @classmethod
    def begin(cls, laboratory: Laboratory, rig: Path) -> "Served":
        """Start a service; nobody waits for it."""
        command = laboratory.command("serve", "--rig", rig)
        run = laboratory.start_command(*command, log=laboratory.folder / LOG)
        return cls(laboratory, run, laboratory.runtime / "rigd")

    def client(self) -> Client:
        """Connect, as soon as it listens."""
        deadline = time.monotonic() + READY_LIMIT
        while True:
            try:
                return Client(self.runtime)
            except NoServiceError:
                assert self.run.popen.poll() is None, self.laboratory.folder / LOG
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def status(self) -> Status:
        """Ask where it stands."""
        with self.client() as client:
            return client.status()

    def wait_until_ready(self) -> Status:
        """Return where it stands once its devices have been opened."""
        deadline = time.monotonic() + READY_LIMIT
        while (status := self.status()).state == "starting":
            assert time.monotonic() < deadline, status
            time.sleep(0.1)
        return status

    def child(self, module: str, name: str) -> psutil.Process:
        """Return the running source or writer called `name`."""
        return self.run.child(module, name)

    @property
    def process(self) -> psutil.Process:
        """The service itself."""
        return psutil.Process(self.run.popen.pid)

    def end(self, limit: float = 60.0) -> int:
        """Stop it in good order; return its exit code."""
        self.run.popen.terminate()
        return self.wait(limit)

    def wait(self, limit: float = 60.0) -> int:
        """Wait for its end; return its exit code."""
        try:
            self.run.popen.communicate(timeout=limit)
        except subprocess.TimeoutExpired as error:
            raise AssertionError("the service does not end") from error
        return self.run.popen.returncode


def write_rig(laboratory: Laboratory, devices: dict[str, Any], **rig: Any) -> Path:
    """Write `rig.yaml`."""
    path = laboratory.folder / "rig.yaml"
    values = {
        "name": "bench",
        "data_root": "data",
        "devices": devices,
        "check": {"trial": 0},  # tests of their own try devices
        **rig,
    }
    YAML(typ="safe", pure=True).dump(values, path)
    return path


def write_session(laboratory: Laboratory, name: str, **settings: Any) -> Path:
    """Write a session file of the rig into the folder of sessions."""
    folder = laboratory.folder / "sessions"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yaml"
    values = {
        "id": name,
        "description": "a test",
        "subject": {"id": "m7", "species": "Mus musculus"},
        "tolerance": "50 ms",
        "rig": "../rig.yaml",
        **settings,
    }
    YAML(typ="safe", pure=True).dump(values, path)
    return path
