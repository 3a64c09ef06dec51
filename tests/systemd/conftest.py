"""A machine for the tests of a module; where none can boot they are skipped."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.machine import Machine, new_machine, why_not
from tests.systemd.program import make_program

MUST_BOOT = "RIGD_MUST_BOOT_SYSTEMD"
"""Environment variable: a machine on which systemd can't boot fails the tests."""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with rigd, for /opt/rigd."""
    if reason := why_not():
        if os.environ.get(MUST_BOOT):
            pytest.fail(f"no systemd can boot here: {reason}")
        pytest.skip(f"no systemd can boot here: {reason}")
    return make_program(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def machine(program: Path) -> Iterator[Machine]:
    """A machine that is switched on, with rigd in /opt/rigd, not installed yet."""
    with new_machine(program) as made:
        yield made
