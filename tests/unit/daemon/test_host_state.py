"""What the kernel says of its clock and limits, and how fast the disk is."""

import ctypes
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from rigd.daemon.clock_discipline import _Timex, read_clock_discipline
from rigd.daemon.host_limits import read_host_limits
from rigd.daemon.host_state import WriteSpeed
from rigd.daemon.write_trial import MOST, try_to_write


@pytest.mark.skipif(sys.maxsize < 2**32, reason="struct timex of 64-bit Linux")
def test_the_clock_structure_has_the_size_of_the_kernels() -> None:
    assert ctypes.sizeof(_Timex) == 208


def test_the_kernel_tells_of_its_clock() -> None:
    clock = read_clock_discipline()
    assert clock.maximum_error_seconds >= 0
    assert abs(clock.frequency_ppm) <= 500
    assert 0 <= clock.tai_offset_seconds < 100


def test_limits_are_those_of_this_process() -> None:
    limits = read_host_limits()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert limits.open_files == (None if soft == resource.RLIM_INFINITY else soft)
    code = (
        "import os; os.nice(3)\n"
        "from rigd.daemon.host_limits import read_host_limits\n"
        "print(read_host_limits().nice)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == min(limits.nice + 3, 19)


def test_the_disk_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    speed = try_to_write(tmp_path)
    assert 0 < speed.bytes <= MOST
    assert speed.bytes_per_second > 0
    assert list(tmp_path.iterdir()) == []


def run(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "rigd.daemon.write_trial", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_trial_of_the_disk_is_a_process(tmp_path: Path) -> None:
    assert WriteSpeed.model_validate_json(run(tmp_path).stdout).bytes > 0
    done = run(tmp_path / "missing")
    assert (done.returncode, done.stderr) == (1, "No such file or directory\n")
