"""Whatever a crash has left comes to whole, sealed, linked files, or to clear words."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from rigd.config.paths import SessionPaths
from rigd.daemon.finalizer import finalize
from rigd.daemon.manifest import Manifest
from rigd.daemon.recovering import GOOD, INCOMPLETE, NOTHING_TO_DO, REFUSED, main
from rigd.daemon.session_record import SessionRecord
from rigd.daemon.verdict import Verdict
from rigd.daemon.verify import verify
from rigd.streams.durable_stream import journal_path, part_path
from rigd.streams.journal import Extent
from rigd.streams.journal_file import Found, scan
from rigd.streams.recovery import CUT_OFF
from tests.support.crashed_folder import (
    KEPT,
    MORE,
    crashed_folder,
    kept_rows,
    spread_folder,
)
from tests.support.nwb_session import FORMATS, sample_rows, session_paths
from tests.support.recorded_folder import EVENT_RATE, recorded_folder
from tests.unit.streams.test_file_lock import held_by_another

Copy = Callable[[Path], SessionPaths]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    crashed_folder(folder / "crashed")
    spread_folder(folder / "spread")
    recorded_folder(folder / "whole", KEPT)
    return folder


def copy_of(originals: Path, name: str, tmp_path: Path) -> SessionPaths:
    shutil.copytree(originals / name, tmp_path / "session")
    return session_paths(tmp_path / "session")


@pytest.fixture
def crashed(originals: Path, tmp_path: Path) -> SessionPaths:
    return copy_of(originals, "crashed", tmp_path)


@pytest.fixture
def spread(originals: Path, tmp_path: Path) -> SessionPaths:
    return copy_of(originals, "spread", tmp_path)


@pytest.fixture
def whole(originals: Path, tmp_path: Path) -> SessionPaths:
    return copy_of(originals, "whole", tmp_path)


def all_rows(name: str) -> int:
    return int((KEPT + MORE) * (FORMATS[name].rate or EVENT_RATE))


def check_rows(paths: SessionPaths, name: str, rows: int) -> None:
    """Compare all rows of a stream file with what was sent."""
    sent = sample_rows(FORMATS[name], rows)
    layout = SessionRecord.load(paths.record).streams[name].layout(name)
    with h5py.File(paths.stream_file(name), "r") as file:
        for column in layout.data:
            wanted = sent if column.field is None else sent[column.field]
            np.testing.assert_array_equal(file[column.path][()], wanted)


def recover(paths: SessionPaths, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run the process in this one; return its code and what it says."""
    code = main([str(paths.folder)])
    said = capsys.readouterr()
    return code, said.out + said.err


def only_notes(paths: SessionPaths) -> bool:
    return all(problem.level == "note" for problem in verify(paths.folder))


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All files below a folder: mode and bytes."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mode, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- from any state to whole files ----------------------------------------------------


def test_a_crashed_session_has_all_that_was_kept(
    crashed: SessionPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    found = contents(crashed.streams)
    assert recover(crashed, capsys)[0] == GOOD
    manifest = Manifest.load(crashed.manifest)
    assert manifest.verdict is Verdict.INCOMPLETE
    for name in FORMATS:
        check_rows(crashed, name, kept_rows(name))
        assert manifest.streams[name].rows == kept_rows(name)
        assert manifest.streams[name].reasons == [f"ended early: {CUT_OFF}"]
        (recovery,) = manifest.streams[name].recoveries
        assert (recovery.missing, recovery.bad_chunks) == (0, 0)
        assert recovery.reason == "its writer did not come to its end"
    assert contents(crashed.streams / "crashed" / "1") == found
    assert only_notes(crashed)


def test_a_stream_in_several_files_is_put_together_and_complete(
    spread: SessionPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert part_path(spread.stream_file("ap"), 1).exists()
    assert recover(spread, capsys)[0] == GOOD
    manifest = Manifest.load(spread.manifest)
    assert (manifest.verdict, manifest.reasons) == (Verdict.COMPLETE, [])
    for name in FORMATS:
        check_rows(spread, name, all_rows(name))
        (note,) = manifest.streams[name].notes
        assert note.startswith("put together from 2 files; ")
    assert not (spread.streams / "crashed").exists()
    assert not list(spread.streams.glob("*part*"))
    assert verify(spread.folder) == []


@pytest.mark.parametrize("kind", ["crashed", "spread", "whole"])
def test_a_second_time_there_is_nothing_to_do(
    originals: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = copy_of(originals, kind, tmp_path)
    assert recover(paths, capsys)[0] == GOOD
    before = contents(paths.folder)
    code, said = recover(paths, capsys)
    assert (code, NOTHING_TO_DO in said) == (GOOD, True)
    assert contents(paths.folder) == before


def test_finalizing_recovers_too_and_again_gives_the_same(
    crashed: SessionPaths,
) -> None:
    steps: list[tuple[str, str | None]] = []
    first = finalize(crashed.folder, lambda *step: steps.append(step))
    assert ("recovering", "camera") in steps
    second = finalize(crashed.folder)
    assert first.streams == second.streams
    assert (first.verdict, first.reasons) == (second.verdict, second.reasons)
    assert only_notes(crashed)


def test_everything_is_sealed(
    crashed: SessionPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    crashed.log.write_text("{}\n")
    recover(crashed, capsys)
    for path in (*crashed.streams.glob("*.*"), *crashed.folder.glob("*.*")):
        assert path.stat().st_mode & 0o777 == 0o444, path


# --- damage ---------------------------------------------------------------------------


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garble(path: Path) -> None:
    path.write_bytes(b"?" * 5000)


@pytest.mark.parametrize("harm", [empty, garble])
def test_of_a_stream_file_without_content_the_journal_tells_what_it_has(
    crashed: SessionPaths,
    harm: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    harm(crashed.stream_file("wheel"))
    code, _ = recover(crashed, capsys)
    assert code == GOOD  # all rows of so slow a stream are in the journal
    check_rows(crashed, "wheel", kept_rows("wheel"))


def chunks_of(paths: SessionPaths, name: str, dataset: int) -> list[Extent]:
    records = [one.record for one in scan(journal_path(paths.stream_file(name)))
               if isinstance(one, Found)]  # fmt: skip
    found = [r for r in records if isinstance(r, Extent) and r.dataset == dataset]
    assert found
    return found


def flip(path: Path, place: int) -> None:
    """Change one byte, whatever the mode of the file."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 4]))
    path.chmod(mode)


def test_a_changed_byte_in_a_crashed_file_is_lost_and_counted(
    crashed: SessionPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = chunks_of(crashed, "ap", 0)[1]
    flip(crashed.stream_file("ap"), bad.offset + 10)
    assert recover(crashed, capsys)[0] == INCOMPLETE
    stream = Manifest.load(crashed.manifest).streams["ap"]
    assert stream.ledger is not None
    assert stream.rows is not None
    assert stream.rows <= bad.row
    check_rows(crashed, "ap", stream.rows)
    (recovery,) = stream.recoveries
    assert recovery.missing == kept_rows("ap") - stream.rows
    assert recovery.bad_chunks == 1
    assert stream.ledger.expected == kept_rows("ap")
    assert stream.ledger.lost_by_cause == {"disk": recovery.missing}


def test_a_whole_file_that_does_not_open_is_built_again(
    whole: SessionPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    finalize(whole.folder)
    flip(whole.stream_file("camera"), 30)  # in HDF5's superblock
    code, said = recover(whole, capsys)
    assert (code, "recovering" in said) == (GOOD, True)
    manifest = Manifest.load(whole.manifest)
    assert manifest.verdict is Verdict.COMPLETE
    (note,) = manifest.streams["camera"].notes
    assert "can't be read as HDF5" in note
    check_rows(whole, "camera", kept_rows("camera"))
    assert only_notes(whole)


def test_a_damaged_journal_of_a_whole_file_loses_nothing(
    whole: SessionPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = journal_path(whole.stream_file("ap"))
    flip(journal, journal.stat().st_size // 2)
    assert recover(whole, capsys)[0] == GOOD
    check_rows(whole, "ap", kept_rows("ap"))


@pytest.mark.parametrize("part", [0.2, 0.5, 0.8, 0.99])
def test_a_journal_that_is_cut_anywhere_gives_no_wrong_row(
    crashed: SessionPaths, part: float, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in FORMATS:
        journal = journal_path(crashed.stream_file(name))
        os.truncate(journal, int(part * journal.stat().st_size))
    recover(crashed, capsys)
    manifest = Manifest.load(crashed.manifest)
    for name, stream in manifest.streams.items():
        if stream.rows is None:
            assert "no whole" in stream.reasons[0]
        else:
            check_rows(crashed, name, stream.rows)
            assert stream.verdict in (Verdict.INCOMPLETE, Verdict.FAILED)


# --- refusing to guess ----------------------------------------------------------------


def test_without_a_journal_a_good_file_is_kept_and_said_to_be_unproven(
    whole: SessionPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    journal_path(whole.stream_file("camera")).unlink()
    assert recover(whole, capsys)[0] == GOOD
    stream = Manifest.load(whole.manifest).streams["camera"]
    assert stream.verdict is Verdict.COMPLETE
    assert stream.notes == [
        "there is no journal beside its file, so nothing proves its rows"
    ]


def test_the_journal_of_another_stream_is_not_used(
    crashed: SessionPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(
        journal_path(crashed.stream_file("analog")),
        journal_path(crashed.stream_file("camera")),
    )
    before = crashed.stream_file("camera").read_bytes()
    assert recover(crashed, capsys)[0] == INCOMPLETE
    (reason,) = Manifest.load(crashed.manifest).streams["camera"].reasons
    assert "is the journal of another stream" in reason
    assert crashed.stream_file("camera").read_bytes() == before


def test_a_newer_journal_is_not_used(
    whole: SessionPaths,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rigd.streams.journal_state.VERSION", 0)
    recover(whole, capsys)
    stream = Manifest.load(whole.manifest).streams["camera"]
    assert stream.verdict is Verdict.DEGRADED
    assert "use the rigd that recorded it" in stream.reasons[0]


def test_a_missing_file_is_asked_for_instead_of_replaced(
    crashed: SessionPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = crashed.stream_file("ap")
    file.rename(tmp_path / "elsewhere.nwb")
    assert recover(crashed, capsys)[0] == INCOMPLETE
    (reason,) = Manifest.load(crashed.manifest).streams["ap"].reasons
    assert f"{file.name} is missing, and" in reason
    (tmp_path / "elsewhere.nwb").rename(file)
    assert recover(crashed, capsys)[0] == GOOD
    check_rows(crashed, "ap", kept_rows("ap"))


def test_a_stream_that_is_being_written_is_refused(
    crashed: SessionPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(crashed.folder)
    with held_by_another(journal_path(crashed.stream_file("ap"))) as pid:
        code, said = recover(crashed, capsys)
        assert (code, f"`ap` is being written by process {pid}" in said) == (3, True)
    assert contents(crashed.folder) == before


def test_a_folder_without_a_record_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == REFUSED
    assert "no record.json" in capsys.readouterr().err


def test_a_folder_that_can_not_be_written_is_refused(
    crashed: SessionPaths,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != crashed.streams and may(path, mode)
    )
    code, said = recover(crashed, capsys)
    assert (code, "can't be written by user id" in said) == (REFUSED, True)
    assert str(crashed.streams) in said
