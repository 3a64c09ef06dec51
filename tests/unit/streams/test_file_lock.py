"""A lock of another process is seen, with its pid, and ends with the process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rigd.streams.file_lock import hold, holder, process_text
from rigd.streams.journal import Head
from rigd.streams.journal_file import Journal, JournalError

HOLD = """
import os, sys
from rigd.streams.file_lock import hold
assert hold(os.open(sys.argv[1], os.O_RDWR))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_another(path: Path) -> Iterator[int]:
    """Let another process hold the file for the length of a `with` block."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.touch()
    return path


def test_the_holder_is_named_until_it_dies(file: Path) -> None:
    assert holder(file) is None
    with held_by_another(file) as pid:
        assert holder(file) == pid
        descriptor = os.open(file, os.O_RDWR)
        assert not hold(descriptor)
        os.close(descriptor)
    assert holder(file) is None


def test_the_own_lock_is_no_lock_of_another(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR)
    assert hold(descriptor)
    assert holder(file) is None
    os.close(descriptor)


def test_a_file_that_can_not_be_written_is_asked_all_the_same(file: Path) -> None:
    with held_by_another(file) as pid:
        file.chmod(0o444)
        assert holder(file) == pid


def test_a_process_without_a_name_is_told_as_one() -> None:
    assert process_text(17) == "process 17"
    assert process_text(0) == "another process"


def test_a_journal_has_one_writer(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    Journal.create(path, Head(1, "s", [], "none"), b"skeleton").close()
    with (
        held_by_another(path) as pid,
        pytest.raises(JournalError, match=f"being written by process {pid}"),
    ):
        Journal(path, 1)
