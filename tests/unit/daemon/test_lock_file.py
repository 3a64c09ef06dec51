"""One process alone holds a file; who does is known."""

import subprocess
import sys
from pathlib import Path

import pytest

from rigd.daemon.instance_lock import LOCK_NAME, SecondServiceError, lock_for_service
from rigd.daemon.lock_file import HeldError, LockFile

HOLD = """
import sys
from pathlib import Path
from rigd.daemon.lock_file import LockFile
lock = LockFile(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_who_holds_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / LOCK_NAME
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(HeldError) as held:
            LockFile(path)
        assert held.value.pid == holder.pid
        with pytest.raises(SecondServiceError, match=f"process {holder.pid}; stop"):
            lock_for_service(tmp_path)
        holder.kill()
    assert path.exists()
    with lock_for_service(tmp_path):
        assert path.exists()
    assert not path.exists()


def test_a_folder_that_is_another_now_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with LockFile(path) as lock:
        assert lock.is_there
        path.rename(tmp_path / "moved")
        assert not lock.is_there
        path.touch()
        assert not lock.is_there
    assert path.exists()
