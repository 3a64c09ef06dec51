"""A file that makes its reader hang or die is known before it is read."""

import os
import sys
from pathlib import Path

import h5py
import pytest

from rigd.streams import unproven_file
from rigd.streams.unproven_file import read_metadata, why_unusable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "s.nwb"
    with h5py.File(place, "w") as file:
        file.attrs["what"] = "a session"
        data = file.create_dataset("acquisition/s/data", (9, 2), "<i2", chunks=(3, 2))
        data.attrs["unit"] = "volts"
    return place


def test_a_good_file_and_none_at_all(path: Path) -> None:
    assert why_unusable(path) == ""
    assert why_unusable(path.with_name("other.nwb")) == ""


def test_a_damaged_file_that_is_refused_by_hdf5_is_left_to_its_reader(
    path: Path,
) -> None:
    content = bytearray(path.read_bytes())
    content[:8] = bytes(8)
    path.write_bytes(content)
    with pytest.raises(OSError, match="file signature not found"):
        read_metadata(path)
    assert why_unusable(path) == ""


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("os.kill(os.getpid(), 11)", "dies of it (SIGSEGV)"),
        ("time.sleep(60)", "did not get through it in 1 s"),
    ],
)
def test_a_reader_that_dies_or_hangs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    reader = tmp_path / "reader"
    reader.write_text(f"#!{sys.executable}\nimport os, time\n{code}\n")
    reader.chmod(0o755)
    monkeypatch.setattr(sys, "executable", os.fspath(reader))
    monkeypatch.setattr(unproven_file, "TRIAL_SECONDS", 1.0)
    assert told in why_unusable(path)
