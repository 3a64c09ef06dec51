"""Sealed files: read by anyone, changed by no one, not through the session either."""

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pynwb import NWBHDF5IO

from rigd.config.paths import SessionPaths
from tests.support.nwb_session import linked_session

NOBODY = 65534

PREAMBLE = """
import os, sys
import h5py
from pynwb import NWBHDF5IO

def read():
    with NWBHDF5IO(sys.argv[1], "r") as reader:
        nwbfile = reader.read()
        rows = nwbfile.acquisition["ap"].data[:].shape
        return rows, len(nwbfile.events["ttl"].to_dataframe())

# Once before, so that all modules are there: those of root may be out of reach.
read()
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({nobody})
    os.setuid({nobody})
""".replace("{nobody}", str(NOBODY))

READ = "print(read())"
CHANGE = """
for path in sys.argv[1:]:
    try:
        h5py.File(path, "r+")
    except PermissionError:
        print("refused")
"""
CHANGE_THROUGH_SESSION = """
os.chmod(sys.argv[1], 0o644)
with h5py.File(sys.argv[1], "r+") as file:
    try:
        file["acquisition/ap/data"][0] = 99
    except KeyError:
        print("refused")
"""


@pytest.fixture
def paths() -> Iterator[SessionPaths]:
    """A session in a folder that belongs to an ordinary user and that all can reach."""
    with tempfile.TemporaryDirectory() as folder:
        made = linked_session(Path(folder), {"ap": 30, "ttl": 6})
        if os.geteuid() == 0:
            for path in (made.folder, *made.folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        yield made


def run(code: str, *arguments: Path) -> str:
    """Run code as an ordinary user; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + code, *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_all_files_are_read_only(paths: SessionPaths) -> None:
    files = [path for path in paths.folder.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o444}


def test_an_ordinary_user_reads_through_the_links(paths: SessionPaths) -> None:
    assert run(READ, paths.session_file) == "((30, 4), 6)"


def test_an_ordinary_user_can_not_open_a_file_to_change_it(paths: SessionPaths) -> None:
    printed = run(CHANGE, paths.session_file, paths.stream_file("ap"))
    assert printed.split() == ["refused", "refused"]


def test_a_session_file_made_writable_does_not_open_its_streams(
    paths: SessionPaths,
) -> None:
    """HDF5 opens a link's target as the file was opened: for writing, which fails."""
    before = paths.stream_file("ap").read_bytes()
    assert run(CHANGE_THROUGH_SESSION, paths.session_file) == "refused"
    assert paths.stream_file("ap").read_bytes() == before


def test_reading_changes_no_byte(paths: SessionPaths) -> None:
    files = [path for path in paths.folder.rglob("*") if path.is_file()]
    before = [path.read_bytes() for path in files]
    with NWBHDF5IO(paths.session_file, "r") as reader:
        assert reader.read().acquisition["ap"].data[:].shape == (30, 4)
    assert [path.read_bytes() for path in files] == before
