import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from rigd.daemon.links import Link, LinkFault, audit, external_links


def make_target(path: Path, rows: int = 3) -> None:
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file["acquisition/a/data"] = np.arange(rows)
        file["acquisition/a/sync/blocks"] = np.arange(2)


def make_session(folder: Path, target: str = "streams/a.nwb", rows: int = 3) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "session.nwb"
    with h5py.File(path, "w") as file:
        group = file.create_group("acquisition/a")
        group["timestamps"] = np.arange(rows) / 10
        for name in ("data", "sync"):
            group[name] = h5py.ExternalLink(target, f"/acquisition/a/{name}")
        group["same"] = h5py.SoftLink("/acquisition/a/data")
    return path


def whats(faults: list[LinkFault]) -> list[str]:
    return [fault.what for fault in faults]


def test_good_links_are_found_and_pass(tmp_path: Path) -> None:
    make_target(tmp_path / "streams/a.nwb")
    path = make_session(tmp_path)
    assert external_links(path) == [
        Link("/acquisition/a/data", "streams/a.nwb", "/acquisition/a/data"),
        Link("/acquisition/a/sync", "streams/a.nwb", "/acquisition/a/sync"),
    ]
    assert audit(path) == []


def test_a_relative_path_and_a_symlink_to_the_folder_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    make_target(tmp_path / "real/streams/a.nwb")
    make_session(tmp_path / "real")
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    assert audit(Path("real/session.nwb")) == []
    assert audit(tmp_path / "alias/session.nwb") == []


def test_an_absolute_path_is_a_fault(tmp_path: Path) -> None:
    make_target(tmp_path / "streams/a.nwb")
    path = make_session(tmp_path, str(tmp_path / "streams/a.nwb"))
    assert all("absolute" in what for what in whats(audit(path)))
    assert len(audit(path)) == 2


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    faults = audit(make_session(tmp_path))
    assert whats(faults) == ["the file is missing"] * 2
    assert str(faults[0]) == "/acquisition/a/data -> streams/a.nwb: the file is missing"


def test_a_missing_file_is_a_fault_though_the_working_folder_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make_target(other / "streams/a.nwb")
    path = make_session(tmp_path / "this")
    monkeypatch.chdir(other)
    with h5py.File(path, "r") as file:
        assert len(file["acquisition/a/data"]) == 3  # HDF5 takes the other's data
    assert whats(audit(path)) == ["the file is missing"] * 2


def test_another_file_by_environment_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("this", "other"):
        (tmp_path / name).mkdir()
        make_target(tmp_path / name / "streams/a.nwb")
    path = make_session(tmp_path / "this")
    monkeypatch.setenv("HDF5_EXT_PREFIX", str(tmp_path / "other"))
    assert all("HDF5_EXT_PREFIX" in what for what in whats(audit(path)))
    assert len(audit(path)) == 2


def test_a_missing_object_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "streams").mkdir()
    with h5py.File(tmp_path / "streams/a.nwb", "w") as file:
        file["acquisition/a/data"] = np.arange(3)
    assert audit(make_session(tmp_path)) == [
        LinkFault(
            "/acquisition/a/sync",
            "streams/a.nwb",
            "the file has no /acquisition/a/sync",
        )
    ]


@pytest.mark.parametrize("content", [b"", b"no HDF5 at all"])
def test_a_file_that_is_no_hdf5_is_a_fault(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams/a.nwb").write_bytes(content)
    assert all("can't be read" in what for what in whats(audit(make_session(tmp_path))))


def test_a_truncated_file_is_a_fault(tmp_path: Path) -> None:
    make_target(tmp_path / "streams/a.nwb")
    os.truncate(tmp_path / "streams/a.nwb", 1000)
    assert all("can't be read" in what for what in whats(audit(make_session(tmp_path))))


def test_rows_and_times_must_be_as_many(tmp_path: Path) -> None:
    make_target(tmp_path / "streams/a.nwb", rows=3)
    assert whats(audit(make_session(tmp_path, rows=4))) == [
        "has 3 rows, but timestamps has 4"
    ]


def test_a_session_that_can_not_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent.nwb"):
        audit(tmp_path / "absent.nwb")
