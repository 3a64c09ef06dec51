"""The two folders that a session makes: its own, and that of its sockets."""

import os
import stat
from pathlib import Path

import pytest

from rigd.config.paths import SessionPaths
from rigd.daemon.runtime_folder import (
    LONGEST_SOCKET_PATH,
    RuntimeFolder,
    RuntimeFolderError,
)
from rigd.daemon.session_folder import (
    DataRootError,
    SessionFolderError,
    check_data_root,
    make_session_folder,
    remove_session_folder,
)


@pytest.fixture
def paths(tmp_path: Path) -> SessionPaths:
    return SessionPaths(tmp_path / "s1", "m7", "s1")


def test_a_session_folder_holds_the_settings_and_a_place_for_streams(
    paths: SessionPaths,
) -> None:
    make_session_folder(paths, "id: s1\n")
    assert paths.settings.read_text() == "id: s1\n"
    assert list(paths.streams.iterdir()) == []
    remove_session_folder(paths)
    assert not paths.folder.exists()


def test_what_is_there_already_is_never_touched(paths: SessionPaths) -> None:
    paths.folder.mkdir()
    (paths.folder / "precious").write_text("data")
    with pytest.raises(SessionFolderError, match="exists already and is left as it is"):
        make_session_folder(paths, "id: s1\n")
    assert [p.name for p in paths.folder.iterdir()] == ["precious"]


def test_a_file_of_that_name_is_refused_too(paths: SessionPaths) -> None:
    paths.folder.write_text("data")
    with pytest.raises(SessionFolderError, match="exists already"):
        make_session_folder(paths, "id: s1\n")
    assert paths.folder.read_text() == "data"


def test_data_roots(tmp_path: Path) -> None:
    check_data_root(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DataRootError, match="is not a folder"):
        check_data_root(tmp_path / "file")
    with pytest.raises(DataRootError, match="does not exist"):
        check_data_root(tmp_path / "missing")
    with pytest.raises(DataRootError, match="does not exist"):
        check_data_root(tmp_path / "file" / "below")


def test_sockets_stand_in_a_private_folder_of_the_user(tmp_path: Path) -> None:
    folder = RuntimeFolder({"XDG_RUNTIME_DIR": str(tmp_path)})
    assert folder.path.parent == tmp_path
    assert folder.path.name.startswith(f"rigd-{os.getpid()}-")
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert folder.socket("probe0_ap") == folder.path / "probe0_ap.sock"
    folder.socket("probe0_ap").touch()
    folder.remove()
    assert not folder.path.exists()


def test_the_folder_that_systemd_gives_comes_first(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    environment = {
        "RUNTIME_DIRECTORY": f"{given}:/run/other",
        "XDG_RUNTIME_DIR": str(tmp_path),
    }
    folder = RuntimeFolder(environment)
    assert folder.path.parent == given
    folder.remove()


@pytest.mark.parametrize("environment", [{}, {"XDG_RUNTIME_DIR": "/does/not/exist"}])
def test_without_a_runtime_folder_the_temporary_one_serves(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = RuntimeFolder(environment)
    assert folder.path.parent == tmp_path
    folder.remove()


def test_a_missing_folder_of_systemd_is_an_error_not_a_detour() -> None:
    with pytest.raises(RuntimeFolderError, match="no folder for sockets"):
        RuntimeFolder({"RUNTIME_DIRECTORY": "/does/not/exist"})


def test_a_socket_path_that_linux_refuses_is_refused_in_words(tmp_path: Path) -> None:
    folder = RuntimeFolder({"XDG_RUNTIME_DIR": str(tmp_path)})
    room = LONGEST_SOCKET_PATH - len(os.fsencode(folder.path)) - len("/.sock")
    longest = folder.socket("s" * room)
    assert len(os.fsencode(longest)) == LONGEST_SOCKET_PATH
    with pytest.raises(RuntimeFolderError, match="has 108 bytes, Linux allows 107"):
        folder.socket("s" * (room + 1))
    folder.remove()
