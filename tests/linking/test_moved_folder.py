"""Links are relative to the session file: the folder can go anywhere, whole."""

import shutil
from pathlib import Path

import pytest
from pynwb import NWBHDF5IO

from rigd.daemon.links import audit
from tests.support.nwb_session import linked_session

COUNTS = {"ap": 30, "ttl": 6}
NAME = "sub-m1_ses-one.nwb"


def check(path: Path) -> None:
    assert audit(path) == []
    with NWBHDF5IO(path, "r") as reader:
        nwbfile = reader.read()
        data = nwbfile.acquisition["ap"].data
        assert data.shape == (30, 4)
        assert Path(data.file.filename).resolve().is_relative_to(path.resolve().parent)
        assert len(nwbfile.events["ttl"].to_dataframe()) == 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A session folder that was moved after it was made."""
    made, moved = tmp_path / "made", tmp_path / "archive" / "moved"
    made.mkdir()
    linked_session(made, COUNTS)
    shutil.move(made, moved)
    return moved


def test_a_moved_folder_works_from_any_working_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for working in (tmp_path, folder, folder / "streams", Path("/")):
        monkeypatch.chdir(working)
        check(folder / NAME)


def test_a_relative_path_works(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    check(Path("moved") / NAME)
    monkeypatch.chdir(folder)
    check(Path(NAME))


def test_a_symbolic_link_to_the_folder_works(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(folder)
    check(tmp_path / "alias" / NAME)


def test_a_copied_folder_leads_to_its_own_streams(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    check(tmp_path / "copy" / NAME)
    check(folder / NAME)
