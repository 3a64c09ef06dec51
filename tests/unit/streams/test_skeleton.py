"""What never changes in a stream file is compared with its beginning."""

import io
from pathlib import Path

import h5py
import numpy as np
import pytest

from rigd.streams.skeleton import HEAP, find_change

STATE = "/sync/state"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with texts, a small table, a growing dataset and a state."""
    path = tmp_path / "s.nwb"
    with h5py.File(path, "w", libver="v110") as file:
        file.attrs["about"] = "a text of a file"
        file["group/positions"] = np.arange(20.0)
        file[STATE] = np.zeros(3, "<u8")
        file.create_dataset("rows", (0,), "<i2", maxshape=(None,), chunks=(8,))
    return path


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


def test_a_file_that_grew_is_as_it_was_made(file: Path) -> None:
    skeleton = file.read_bytes()
    with h5py.File(file, "r+", libver="v110") as open_file:
        open_file.swmr_mode = True
        rows = open_file["rows"]
        rows.resize(20, axis=0)
        rows[:] = np.arange(20)
        open_file[STATE][...] = 7
    assert file.read_bytes()[: len(skeleton)] != skeleton
    assert find_change(file, skeleton, STATE) == ""


def test_a_changed_text_is_found(file: Path) -> None:
    skeleton = file.read_bytes()
    flip(file, skeleton.index(b"a text of a file") + 3)
    assert find_change(file, skeleton, STATE) == "texts"


@pytest.mark.parametrize("row", [0, 19])
def test_a_changed_number_is_found(file: Path, row: int) -> None:
    skeleton = file.read_bytes()
    with h5py.File(io.BytesIO(skeleton)) as open_file:
        start = open_file["group/positions"].id.get_offset()
    flip(file, start + 8 * row)
    assert find_change(file, skeleton, STATE) == "/group/positions"


@pytest.mark.parametrize("size", [0, 100])
def test_a_file_that_is_too_short_is_changed(file: Path, size: int) -> None:
    skeleton = file.read_bytes()
    file.write_bytes(skeleton[:size])
    assert find_change(file, skeleton, STATE) != ""


def test_bytes_that_look_like_texts_do_not_matter(file: Path) -> None:
    with h5py.File(file, "r+", libver="v110") as open_file:
        open_file["odd"] = np.frombuffer(HEAP + b"\xff" * 60, "u1")
    skeleton = file.read_bytes()
    assert find_change(file, skeleton, STATE) == ""
