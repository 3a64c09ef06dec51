"""The lock on the machine's sleep, with a stand-in for systemd's program."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from rigd.daemon import staying_awake
from rigd.daemon.staying_awake import StayingAwake
from tests.systemd.machine import wait_until

HOLDS = """#!/bin/sh
echo "$@" >> "{log}"
for last; do :; done
exec "$last"
"""

REFUSES = """#!/bin/sh
echo "$@" >> "{log}"
echo "Failed to inhibit: Access denied" >&2
exit 1
"""


class Stage:
    """A machine that systemd seems to run, and a program of ours in its place."""

    def __init__(self, folder: Path, script: str) -> None:
        self.log = folder / "log"
        program = folder / "systemd-inhibit"
        program.write_text(script.format(log=self.log))
        program.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@contextmanager
def stage(
    script: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    monkeypatch.setattr(staying_awake, "BOOTED", folder)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    yield Stage(folder, script)


def test_the_lock_is_held_as_long_as_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stage(HOLDS, tmp_path, monkeypatch) as made:
        awake = StayingAwake()
        for _ in range(3):
            awake.hold(True)
        assert wait_until(lambda: len(made.calls) == 1, 5)
        assert awake.is_held
        assert "--what=sleep" in made.calls[0]
        assert "--mode=block" in made.calls[0]
        awake.hold(False)
        assert not awake.is_held
        awake.hold(True)
        awake.hold(True)
        assert wait_until(lambda: len(made.calls) == 2, 5)
        awake.release()
        assert not awake.is_held


def test_a_refusal_is_said_once_and_hinders_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stage(REFUSES, tmp_path, monkeypatch) as made, capture_logs() as logs:
        awake = StayingAwake()

        def is_said() -> bool:
            awake.hold(True)
            return bool(logs)

        assert wait_until(is_said, 5)
        for _ in range(5):
            awake.hold(True)
        assert len(made.calls) == 1
        assert [log["reason"] for log in logs] == ["Failed to inhibit: Access denied"]
        awake.hold(False)
        awake.hold(True)
        assert wait_until(lambda: len(made.calls) == 2, 5)
        awake.release()


def test_without_systemd_nothing_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stage(HOLDS, tmp_path, monkeypatch) as made:
        monkeypatch.setattr(staying_awake, "BOOTED", tmp_path / "not there")
        awake = StayingAwake()
        awake.hold(True)
        assert not awake.is_held
        assert made.calls == []
