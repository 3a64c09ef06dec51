"""One process at a time works on a session folder; a dead one's lock is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rigd.daemon.session_lock import (
    LOCK_NAME,
    SessionLock,
    lock_as_helper,
)

TAKE = """
import sys
from pathlib import Path
from rigd.daemon.session_lock import SessionBusyError, SessionLock, lock_as_helper
try:
    with {how}(Path(sys.argv[1])):
        print("taken")
except SessionBusyError as error:
    print(error)
"""


def take(folder: Path, how: str = "SessionLock") -> str:
    """Let a child take the lock; return what it says."""
    command = [sys.executable, "-c", TAKE.format(how=how), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_another_process_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    with SessionLock(tmp_path):
        said = take(tmp_path)
    assert f"in use by process {os.getpid()}" in said
    assert str(tmp_path) in said
    assert take(tmp_path) == "taken\n"


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    with SessionLock(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [LOCK_NAME]
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_process_has_left_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).touch()
    with SessionLock(tmp_path):
        assert "in use" in take(tmp_path)


def test_a_helper_works_under_the_lock_of_its_parent(tmp_path: Path) -> None:
    with SessionLock(tmp_path):
        assert take(tmp_path, "lock_as_helper") == "taken\n"
        assert "in use" in take(tmp_path)


def test_a_helper_of_nobody_takes_the_lock_itself(tmp_path: Path) -> None:
    with lock_as_helper(tmp_path):
        assert "in use" in take(tmp_path)


def test_a_folder_that_can_not_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        SessionLock(tmp_path / "missing")
