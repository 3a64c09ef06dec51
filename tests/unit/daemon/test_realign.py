"""A session is aligned again: a new revision, the old one kept, raw files untouched."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO

from rigd.config.clocks import Realignment
from rigd.config.paths import SessionPaths
from rigd.daemon import realigning
from rigd.daemon.clock_commands import clocks as show_clocks
from rigd.daemon.clock_commands import realign as realign_command
from rigd.daemon.clock_report import read_evidence
from rigd.daemon.finalizer import FinalizeError, finalize
from rigd.daemon.manifest import Manifest
from rigd.daemon.realigning import realign
from rigd.daemon.session_file import SessionFileError
from rigd.daemon.verify import verify
from tests.support.nwb_session import session_paths
from tests.support.recorded_folder import recorded_folder


def _silent(step: str, stream: str | None) -> None:
    return


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    paths = recorded_folder(tmp_path_factory.mktemp("realign") / "session")
    finalize(paths.folder)
    return paths.folder


@pytest.fixture
def paths(original: Path, tmp_path: Path) -> SessionPaths:
    shutil.copytree(original, tmp_path / "session")
    return session_paths(tmp_path / "session")


def digests(paths: SessionPaths) -> dict[str, str]:
    files = sorted(paths.streams.iterdir())
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def times_of(file: Path, stream: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    with h5py.File(file) as session:
        found = session[f"acquisition/{stream}/timestamps"][:]
    return np.asarray(found, np.float64)


def test_another_reference_makes_a_new_revision(paths: SessionPaths) -> None:
    raw, before = digests(paths), times_of(paths.session_file, "ap")
    content = paths.session_file.read_bytes()
    manifest = realign(paths.folder, Realignment(reference="ap"), _silent)
    assert digests(paths) == raw
    assert manifest.revision == 2
    kept = paths.session_file.with_name(f"{paths.stem}_rev-1.nwb")
    assert kept.read_bytes() == content
    assert Manifest.load(paths.folder / "manifest_rev-1.json").revision == 1
    for file in (kept, paths.session_file):
        with NWBHDF5IO(file, "r") as reader:
            session = reader.read()
            ap = session.acquisition["ap"]
            assert len(ap.timestamps) == len(ap.data) > 0
    steps = np.diff(times_of(paths.session_file, "ap"))
    np.testing.assert_allclose(steps, 1 / 30_000, rtol=0, atol=1e-12)
    drift = np.diff(before)[0] * 30_000 - 1
    assert abs(drift + 2e-5) < 2e-5, "before, the host's clock showed the drift"
    assert verify(paths.folder) == []


def test_finalizing_again_keeps_the_revision(paths: SessionPaths) -> None:
    made = realign(paths.folder, Realignment(reference="ap"), _silent)
    times = times_of(paths.session_file, "analog")
    again = finalize(paths.folder)
    assert (again.revision, again.clocks) == (made.revision, made.clocks)
    np.testing.assert_array_equal(times_of(paths.session_file, "analog"), times)


def test_each_revision_begins_from_what_was_recorded(paths: SessionPaths) -> None:
    before = times_of(paths.session_file, "analog")
    shift = {"streams": {"analog": {"time_shift": 0.25}}}
    realign(paths.folder, Realignment.model_validate(shift), _silent)
    shifted = times_of(paths.session_file, "analog")
    np.testing.assert_allclose(shifted, before + 0.25, rtol=0, atol=1e-9)
    manifest = realign(paths.folder, Realignment(), _silent)
    assert manifest.revision == 3
    np.testing.assert_array_equal(times_of(paths.session_file, "analog"), before)
    names = {path.name for path in paths.folder.glob("*_rev-*")}
    assert names == {
        f"{paths.stem}_rev-1.nwb", f"{paths.stem}_rev-2.nwb",
        "manifest_rev-1.json", "manifest_rev-2.json", "realignment_rev-2.json",
    }  # fmt: skip
    assert verify(paths.folder) == []


def test_a_stricter_tolerance_degrades(paths: SessionPaths) -> None:
    manifest = realign(paths.folder, Realignment(tolerance=1e-7), _silent)
    assert manifest.verdict == "degraded"
    assert "times are good to" in manifest.reasons[0]
    assert all(clock.tolerance == 1e-7 for clock in manifest.clocks.values())


def test_what_fails_leaves_all_as_it_was(
    paths: SessionPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise SessionFileError("no")

    before = {p.name: p.read_bytes() for p in paths.folder.iterdir() if p.is_file()}
    with monkeypatch.context() as patch:
        patch.setattr("rigd.daemon.finalizer.build_session_file", refuse)
        with pytest.raises(FinalizeError, match="no session file"):
            realign(paths.folder, Realignment(reference="ap"), _silent)
    after = {p.name: p.read_bytes() for p in paths.folder.iterdir() if p.is_file()}
    assert after == before


def test_a_realignment_that_was_cut_off_leaves_no_settings_to_others(
    paths: SessionPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    content = paths.session_file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("rigd.daemon.finalizer.build_session_file", cut_off)
        with pytest.raises(KeyboardInterrupt):
            realign(paths.folder, Realignment(reference="ap"), _silent)
    assert realign(paths.folder, Realignment(), _silent).revision == 2
    names = {path.name for path in paths.folder.glob("*_rev-*")}
    assert names == {f"{paths.stem}_rev-1.nwb", "manifest_rev-1.json"}
    kept = paths.session_file.with_name(f"{paths.stem}_rev-1.nwb")
    assert kept.read_bytes() == content
    assert not paths.realignment.exists()
    assert verify(paths.folder) == []


def test_a_revision_that_was_changed_or_lost_is_noticed(paths: SessionPaths) -> None:
    realign(paths.folder, Realignment(), _silent)
    kept = paths.session_file.with_name(f"{paths.stem}_rev-1.nwb")
    kept.unlink()
    (problem,) = verify(paths.folder)
    assert (problem.file, problem.what) == (kept.name, "is missing")


@pytest.mark.parametrize(
    ("reference", "settings", "code"),
    [("nobody", None, 2), (None, "reference: nobody", 78), (None, "[", 78)],
)
def test_wrong_settings_change_nothing(
    paths: SessionPaths,
    tmp_path: Path,
    reference: str | None,
    settings: str | None,
    code: int,
) -> None:
    file = None
    if settings is not None:
        file = tmp_path / "clocks.yaml"
        file.write_text(settings)
    before = sorted(path.name for path in paths.folder.iterdir())
    assert realign_command(paths.folder, reference, file, as_json=False) == code
    assert sorted(path.name for path in paths.folder.iterdir()) == before


def test_the_helper_refuses_a_session_that_is_not_finalized(tmp_path: Path) -> None:
    folder = recorded_folder(tmp_path / "session").folder
    with pytest.raises(FinalizeError, match="was not finalized"):
        realign(folder, Realignment(), _silent)
    assert realigning.REFUSED == 3


# --- rigd clocks ----------------------------------------------------------------------


def test_clocks_fit_eighty_columns(
    paths: SessionPaths,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert show_clocks(paths.folder, None, as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "revision 1" in lines[0]
    assert "│ probe0" in text
    assert "host_clock" in text
    assert "probe0 drift ▁" in text


def test_residuals_are_shown_in_whole_nanoseconds(paths: SessionPaths) -> None:
    manifest = Manifest.load(paths.manifest)
    (one, *_) = read_evidence(paths.session_file, manifest)
    residuals = np.array([-1.8e-15, 1.23456789e-6])
    shown = replace(one, residual_s=residuals).residual_us
    assert [f"{value:g}" for value in shown] == ["0", "1.235"]


def test_clocks_are_drawn(paths: SessionPaths, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="rigd[plots] is not installed")
    png = tmp_path / "clocks.png"
    assert show_clocks(paths.folder, png, as_json=True) == 0
    assert png.read_bytes().startswith(b"\x89PNG")
    assert png.stat().st_size > 10_000


def test_a_folder_without_a_session_has_no_clocks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_clocks(tmp_path, None, as_json=False) == 1
    assert "the session was not finalized" in capsys.readouterr().err
