"""Whatever is not as it was sealed is found, with file and stream."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from rigd.config.paths import SessionPaths
from rigd.daemon.finalizer import finalize
from rigd.daemon.manifest import Manifest
from rigd.daemon.verify import Problem, verify
from tests.support.nwb_session import FORMATS, session_paths
from tests.support.recorded_folder import recorded_folder

CAMERA = "streams/sub-m1_ses-one_camera.nwb"
SESSION = "sub-m1_ses-one.nwb"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sealed") / "session"
    recorded_folder(folder, seconds=2.0)
    finalize(folder)
    return folder


@pytest.fixture
def paths(original: Path, tmp_path: Path) -> SessionPaths:
    shutil.copytree(original, tmp_path / "session")
    return session_paths(tmp_path / "session")


def only(problems: list[Problem]) -> Problem:
    (problem,) = problems
    return problem


def in_camera(problems: list[Problem]) -> list[str]:
    assert all(problem.stream == "camera" for problem in problems)
    return [problem.what for problem in problems if problem.file == CAMERA]


def change_in_place(path: Path, place: int) -> None:
    """Change one byte and leave size, mode and time as they were."""
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))
    path.chmod(0o444)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_sealed_folder_has_no_problems(paths: SessionPaths) -> None:
    told: dict[str, tuple[int, int]] = {}
    assert (
        verify(paths.folder, lambda f, done, size: told.update({f: (done, size)})) == []
    )
    assert set(told) == {entry.path for entry in Manifest.load(paths.manifest).files}
    assert all(done == size for done, size in told.values())


def test_a_moved_folder_has_none_either(paths: SessionPaths, tmp_path: Path) -> None:
    moved = paths.folder.rename(tmp_path / "elsewhere")
    assert verify(moved) == []


@pytest.mark.parametrize("part", [0.0, 0.5, 0.999])
def test_one_changed_byte_is_found(paths: SessionPaths, part: float) -> None:
    file = paths.stream_file("camera")
    change_in_place(file, int(part * (file.stat().st_size - 1)))
    what, *_ = in_camera(verify(paths.folder))
    assert what.startswith("content changed: its SHA-256 is ")


def test_a_longer_file_is_found(paths: SessionPaths) -> None:
    file = paths.stream_file("camera")
    size = file.stat().st_size
    file.chmod(0o644)
    with file.open("ab") as stream:
        stream.write(b"x")
    file.chmod(0o444)
    (what,) = in_camera(verify(paths.folder))
    assert what == f"has {size + 1} bytes, {size} when it was sealed"


def test_a_shortened_file_is_found(paths: SessionPaths) -> None:
    file = paths.stream_file("camera")
    file.chmod(0o644)
    os.truncate(file, file.stat().st_size // 2)
    file.chmod(0o444)
    what, *rows = in_camera(verify(paths.folder))
    assert "when it was sealed" in what
    assert rows
    assert all("not what was recorded" in what for what in rows)


def test_a_missing_file_and_its_links_are_found(paths: SessionPaths) -> None:
    paths.stream_file("camera").unlink()
    problems = verify(paths.folder)
    assert in_camera(problems) == ["is missing"]
    links = [problem.what for problem in problems if problem.file == SESSION]
    assert any("/acquisition/camera/data" in what for what in links)
    assert len(links) == len(problems) - 1


def test_a_renamed_file_is_found_again(paths: SessionPaths) -> None:
    paths.stream_file("camera").rename(paths.folder / "old camera.nwb")
    problems = verify(paths.folder)
    assert in_camera(problems) == [
        "is missing; a file with the same content stands at old camera.nwb"
    ]
    assert all(problem.file in (CAMERA, SESSION) for problem in problems)


def test_a_file_that_can_be_written_is_a_warning(paths: SessionPaths) -> None:
    paths.stream_file("camera").chmod(0o644)
    assert only(verify(paths.folder)) == Problem(
        file=CAMERA,
        stream="camera",
        what="can be written (mode 0644); it was sealed with 0444",
        level="warning",
    )


def test_so_is_a_manifest_that_can_be_written(paths: SessionPaths) -> None:
    paths.manifest.chmod(0o600)
    problem = only(verify(paths.folder))
    assert (problem.file, problem.level) == ("manifest.json", "warning")


def test_a_file_that_nobody_knows_is_named(paths: SessionPaths) -> None:
    (paths.streams / "notes.txt").write_text("?")
    assert str(only(verify(paths.folder))) == (
        "error: streams/notes.txt: is not in the manifest"
    )


def test_the_log_may_be_there(paths: SessionPaths) -> None:
    paths.log.write_text("{}\n")
    assert verify(paths.folder) == []


def test_without_a_manifest_nothing_can_be_said(paths: SessionPaths) -> None:
    paths.manifest.unlink()
    problem = only(verify(paths.folder))
    assert problem.file == "manifest.json"
    assert "was not finalized" in problem.what


def test_a_session_file_that_is_no_hdf5_is_named(paths: SessionPaths) -> None:
    paths.session_file.chmod(0o644)
    paths.session_file.write_bytes(b"?" * paths.session_file.stat().st_size)
    paths.session_file.chmod(0o444)
    changed, unreadable = verify(paths.folder)
    assert "content changed" in changed.what
    assert "can't be read as HDF5" in unreadable.what


def change_session(paths: SessionPaths, change: Callable[[h5py.File], None]) -> None:
    """Change the session file and let the manifest say that it was always so."""
    paths.session_file.chmod(0o644)
    with h5py.File(paths.session_file, "r+") as file:
        change(file)
    finalized = Manifest.load(paths.manifest)
    from rigd.daemon.seal import seal

    made = seal(paths.session_file)
    files = [
        entry.model_copy(update={"size": made.size, "sha256": made.sha256})
        if entry.path == SESSION
        else entry
        for entry in finalized.files
    ]
    finalized.model_copy(update={"files": files}).save(paths.manifest)


def replace_link(target: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        inner = "/acquisition/camera/data"
        del file[inner]
        file[inner] = h5py.ExternalLink(target, inner)

    return change


@pytest.mark.parametrize("target", ["/abs/camera.nwb", "streams/other.nwb"])
def test_a_link_that_leads_elsewhere_is_found(paths: SessionPaths, target: str) -> None:
    change_session(paths, replace_link(target))
    problems = verify(paths.folder)
    assert problems
    assert {(p.file, p.stream) for p in problems} == {(SESSION, "camera")}
    assert any(target in problem.what for problem in problems)


def test_times_that_do_not_match_the_rows_are_found(paths: SessionPaths) -> None:
    def shorten(file: h5py.File) -> None:
        file["acquisition/camera/timestamps"].resize(10, axis=0)

    change_session(paths, shorten)
    problems = verify(paths.folder)
    assert {(p.file, p.stream) for p in problems} == {(SESSION, "camera")}
    assert any("has 10 times for 60 rows" in p.what for p in problems)


def test_a_stream_that_is_gone_from_the_session_file_is_found(
    paths: SessionPaths,
) -> None:
    def remove(file: h5py.File) -> None:
        del file["acquisition/camera"]

    change_session(paths, remove)
    assert only(verify(paths.folder)).what == "has no times for 60 rows"


@pytest.mark.parametrize("name", FORMATS)
def test_every_stream_is_watched(paths: SessionPaths, name: str) -> None:
    change_in_place(paths.stream_file(name), 4000)
    assert name in {problem.stream for problem in verify(paths.folder)}
