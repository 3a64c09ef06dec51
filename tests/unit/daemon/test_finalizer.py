"""From a recorded folder to a session file, a manifest and a verdict."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO
from ruamel.yaml import YAML

from rigd.config.paths import SessionPaths
from rigd.daemon.finalizer import FinalizeError, finalize, main
from rigd.daemon.manifest import Manifest
from rigd.daemon.rescue import NO_JOURNAL
from rigd.daemon.session_record import SessionRecord, sha256_of
from rigd.daemon.verdict import Verdict
from rigd.daemon.verify import verify
from rigd.streams.clock_map import Axis, Mode
from rigd.streams.durable_stream import journal_path
from rigd.streams.ledger import ENDED_WITH_REASON
from tests.support.nwb_session import FORMATS, session_paths
from tests.support.recorded_folder import (
    EVENT_RATE,
    LATE_NS,
    prepared_folder,
    record_stream,
    recorded_folder,
    true_times,
)

SECONDS = 3.0

Copy = Callable[[], SessionPaths]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded") / "session"
    recorded_folder(folder, SECONDS)
    return folder


@pytest.fixture
def paths(original: Path, tmp_path: Path) -> SessionPaths:
    """A folder of its own for each test, recorded and not finalized."""
    shutil.copytree(original, tmp_path / "session")
    return session_paths(tmp_path / "session")


def record_again(paths: SessionPaths, tmp_path: Path, name: str, **how: Any) -> None:
    """Replace the file of a stream by one that was recorded another way."""
    other, record = prepared_folder(tmp_path / "other")
    path = other.stream_file(name)
    record_stream(path, record, name, **how)
    for file in (path, journal_path(path)):
        file.replace(paths.streams / file.name)


def times_of(paths: SessionPaths, name: str) -> Any:
    place = (
        "events/ttl/timestamp" if name == "ttl" else f"acquisition/{name}/timestamps"
    )
    with h5py.File(paths.session_file, "r") as file:
        return file[place][()]


def test_a_whole_session_is_complete(paths: SessionPaths) -> None:
    steps: list[tuple[str, str | None]] = []
    manifest = finalize(paths.folder, lambda *step: steps.append(step))
    assert (manifest.verdict, manifest.reasons) == (Verdict.COMPLETE, [])
    assert Manifest.load(paths.manifest) == manifest
    assert {stream for _, stream in steps} == {None, *FORMATS}
    assert verify(paths.folder) == []


def test_everything_is_sealed_and_listed(paths: SessionPaths) -> None:
    manifest = finalize(paths.folder)
    on_disk = {
        path.relative_to(paths.folder).as_posix()
        for path in paths.folder.rglob("*")
        if path.is_file()
    }
    assert on_disk == {"manifest.json", *(file.path for file in manifest.files)}
    for name in on_disk:
        assert (paths.folder / name).stat().st_mode & 0o777 == 0o444, name


@pytest.fixture(scope="module")
def finalized(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finalized") / "session"
    shutil.copytree(original, folder)
    finalize(folder)
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_times_are_those_of_the_host(finalized: Path, name: str) -> None:
    paths = session_paths(finalized)
    manifest = Manifest.load(paths.manifest)
    stream = manifest.streams[name]
    found = times_of(paths, name)
    truth = true_times(name, np.arange(len(found)))
    assert (
        len(found) == stream.rows == int(SECONDS * (FORMATS[name].rate or EVENT_RATE))
    )
    assert np.max(np.abs(found - truth)) < 4 * LATE_NS / 1e9
    assert (stream.first_time, stream.last_time) == (found[0], found[-1])
    event_like = FORMATS[name].rate is None
    assert stream.axis is (Axis.DEVICE if event_like else Axis.SAMPLE)
    (fit,) = stream.alignment
    assert fit.mode is Mode.HOST_CLOCK
    assert fit.error is not None
    assert fit.error < 2e-3  # half of it: the last sample of a block may have waited


def test_pynwb_reads_what_was_recorded(finalized: Path) -> None:
    paths = session_paths(finalized)
    with NWBHDF5IO(paths.session_file, "r") as reader:
        session = reader.read()
        ap = session.acquisition["ap"]
        assert ap.data.shape == (int(SECONDS * 30_000), 4)
        assert len(ap.timestamps) == len(ap.data)


def test_finalizing_twice_gives_the_same(paths: SessionPaths) -> None:
    first = finalize(paths.folder)
    second = finalize(paths.folder)
    name = paths.session_file.name
    assert [f for f in first.files if f.path != name] == [
        f for f in second.files if f.path != name
    ]
    assert first.model_copy(update={"files": []}) == second.model_copy(
        update={"files": []}
    )
    assert verify(paths.folder) == []


def test_losses_degrade_and_show_in_the_times(
    paths: SessionPaths, tmp_path: Path
) -> None:
    record_again(paths, tmp_path, "analog", samples=3000, gap=(2000, 500))
    manifest = finalize(paths.folder)
    assert manifest.verdict is Verdict.DEGRADED
    assert manifest.reasons == [
        "stream `analog`: lost 500 of 3000 samples in 10 intervals (ring full: 500)"
    ]
    steps = np.diff(times_of(paths, "analog"))
    assert np.argmax(steps) == 1999
    assert steps[1999] == pytest.approx(0.501, abs=1e-4)
    with NWBHDF5IO(paths.session_file, "r") as reader:
        lost = reader.read().invalid_times.to_dataframe()
    assert set(lost["tags"].map(tuple)) == {("analog", "ring full")}
    truth = true_times("analog", np.array([2000, 2500]))
    assert lost["start_time"].min() == pytest.approx(truth[0], abs=1e-3)
    assert lost["stop_time"].max() == pytest.approx(truth[1], abs=1e-3)


def test_events_that_were_lost_lie_between_their_neighbours(
    paths: SessionPaths, tmp_path: Path
) -> None:
    record_again(paths, tmp_path, "ttl", samples=60, gap=(40, 1))
    finalize(paths.folder)
    with NWBHDF5IO(paths.session_file, "r") as reader:
        lost = reader.read().invalid_times.to_dataframe()
    times = times_of(paths, "ttl")
    assert lost[["start_time", "stop_time"]].to_numpy().tolist() == [
        [times[39], times[40]]
    ]


def test_an_early_end_makes_the_session_incomplete(
    paths: SessionPaths, tmp_path: Path
) -> None:
    record_again(
        paths,
        tmp_path,
        "camera",
        samples=30,
        ended=ENDED_WITH_REASON,
        reason="the cable is out",
    )
    manifest = finalize(paths.folder)
    assert manifest.verdict is Verdict.INCOMPLETE
    assert manifest.reasons == ["stream `camera`: ended early: the cable is out"]
    assert len(times_of(paths, "camera")) == 30


def test_a_stream_that_stops_long_before_the_others_is_found(
    paths: SessionPaths, tmp_path: Path
) -> None:
    record_again(paths, tmp_path, "analog", samples=9_000)
    manifest = finalize(paths.folder)
    assert manifest.streams["analog"].verdict is Verdict.COMPLETE
    assert manifest.streams["camera"].reasons == ["ends 6.0 s before the last stream"]


def test_a_stream_without_a_sample_is_named(
    paths: SessionPaths, tmp_path: Path
) -> None:
    record_again(paths, tmp_path, "camera", samples=0)
    manifest = finalize(paths.folder)
    assert manifest.verdict is Verdict.INCOMPLETE
    assert manifest.reasons == ["stream `camera`: delivered nothing"]
    assert manifest.streams["camera"].rows == 0


def leave_open(path: Path) -> None:
    """Leave the file as a writer that was killed does."""
    code = (
        "import h5py, os, sys; f = h5py.File(sys.argv[1], 'r+', libver='v110'); "
        "f.swmr_mode = True; f.flush(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def damage(path: Path) -> None:
    path.write_bytes(b"no HDF5" * 100)


def damage_a_group(path: Path) -> None:
    """Change a byte of a group, which its checksum tells."""
    with h5py.File(path, "r") as file:
        place = h5py.h5o.get_info(file["acquisition/camera"].id).addr + 12
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def lose_an_object(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["acquisition/camera/sync/state"]


def lose_blocks(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        blocks = file["acquisition/camera/sync/blocks"]
        blocks.resize(len(blocks) - 1, axis=0)


@pytest.mark.parametrize(
    ("harm", "what", "verdict"),
    [
        (Path.unlink, "the file is missing", Verdict.FAILED),
        (leave_open, "without closing it", Verdict.INCOMPLETE),
        (damage, "can't be read", Verdict.INCOMPLETE),
        (damage_a_group, "can't be read", Verdict.INCOMPLETE),
        (lose_an_object, "has no /acquisition/camera/sync/state", Verdict.INCOMPLETE),
        (lose_blocks, "tells of", Verdict.INCOMPLETE),
    ],
)
def test_a_stream_without_journal_that_can_not_be_used_is_named(
    paths: SessionPaths,
    harm: Callable[[Path], None],
    what: str,
    verdict: Verdict,
) -> None:
    file = paths.stream_file("camera")
    journal_path(file).unlink()
    harm(file)
    manifest = finalize(paths.folder)
    assert manifest.verdict is Verdict.INCOMPLETE
    (reason,) = manifest.reasons
    assert reason.startswith("stream `camera`: ")
    assert what in reason
    assert manifest.streams["camera"].verdict is verdict
    assert manifest.streams["camera"].rows is None
    assert manifest.streams["camera"].notes == [NO_JOURNAL]
    assert len(times_of(paths, "ap")) == int(SECONDS * 30_000)
    if file.exists():
        assert file.stat().st_mode & 0o200, "what is to be recovered is not sealed"
        (problem,) = verify(paths.folder)
        assert problem.stream == "camera"
        assert problem.level == "warning"


def test_a_file_that_would_take_its_reader_along_is_not_opened(
    paths: SessionPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = paths.stream_file("camera")
    journal_path(file).unlink()
    monkeypatch.setattr("rigd.daemon.rescue.why_unusable", "HDF5 dies of {}".format)
    manifest = finalize(paths.folder)
    assert manifest.reasons == [f"stream `camera`: HDF5 dies of {file}"]
    assert manifest.streams["camera"].rows is None
    assert manifest.streams["ap"].verdict is Verdict.COMPLETE
    assert paths.session_file.exists()


def test_a_stream_whose_device_was_never_open_is_named(paths: SessionPaths) -> None:
    record = SessionRecord.load(paths.record)
    left = {name: one for name, one in record.streams.items() if name != "wheel"}
    record.model_copy(update={"streams": left}).save(paths.record)
    paths.stream_file("wheel").unlink()
    journal_path(paths.stream_file("wheel")).unlink()
    manifest = finalize(paths.folder)
    assert manifest.verdict is Verdict.INCOMPLETE
    assert manifest.streams["wheel"].device == "board"
    assert manifest.reasons == [
        "stream `wheel`: its device was never open, so it was not recorded"
    ]


def test_a_session_without_any_data_has_failed(paths: SessionPaths) -> None:
    for name in FORMATS:
        paths.stream_file(name).unlink()
    manifest = finalize(paths.folder)
    assert manifest.verdict is Verdict.FAILED
    assert manifest.reasons[0] == "no stream has usable data"


def test_finalizing_again_does_not_bless_a_change(paths: SessionPaths) -> None:
    finalize(paths.folder)
    file = paths.stream_file("camera")
    file.chmod(0o644)
    with h5py.File(file, "r+") as stream:
        stream["acquisition/camera/data"][3] = 0
    for _ in range(2):
        manifest = finalize(paths.folder)
        assert manifest.reasons == [
            "stream `camera`: 1 chunks are not what was recorded",
            "stream `camera`: its file is not as it was when it was sealed",
        ]
    assert {problem.stream for problem in verify(paths.folder)} == {"camera"}


def test_where_no_session_file_can_be_made_the_rest_stands(
    paths: SessionPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HDF5_EXT_PREFIX", str(paths.folder.parent))
    shutil.copytree(paths.streams, paths.folder.parent / "streams")
    manifest = finalize(paths.folder)
    assert manifest.verdict is Verdict.INCOMPLETE
    assert manifest.reasons[0].startswith("there is no session file: ")
    assert not paths.session_file.exists()
    assert paths.stream_file("ap").stat().st_mode & 0o777 == 0o444
    assert [p.file for p in verify(paths.folder)] == [paths.session_file.name]


# --- the process ----------------------------------------------------------------------


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "rigd.daemon.finalizer", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_process_tells_its_steps_and_the_verdict(paths: SessionPaths) -> None:
    done = run(str(paths.folder))
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1] == {"verdict": "complete", "reasons": []}
    assert all("step" in line for line in lines[:-1])


def test_below_complete_the_process_exits_with_1(
    paths: SessionPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.stream_file("wheel").unlink()
    assert main([str(paths.folder)]) == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["verdict"] == "incomplete"


@pytest.mark.parametrize("arguments", [[], ["a", "b"]])
def test_wrong_usage_exits_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: python -m rigd.daemon.finalizer" in capsys.readouterr().err


@pytest.mark.parametrize("harm", ["record.json", "session.yaml"])
def test_a_folder_that_holds_no_session_is_refused_in_one_line(
    paths: SessionPaths, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (paths.folder / harm).unlink()
    assert main([str(paths.folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert harm in line
    with pytest.raises(FinalizeError):
        finalize(paths.folder)


def test_settings_that_lack_a_recorded_stream_are_refused(paths: SessionPaths) -> None:
    settings = YAML(typ="safe", pure=True).load(paths.settings)
    for device in settings["rig"]["devices"].values():
        device["streams"].pop("camera", None)
    YAML(typ="safe", pure=True).dump(settings, paths.settings)
    before = {path: path.stat().st_mtime_ns for path in paths.folder.rglob("*")}
    with pytest.raises(FinalizeError, match="it has no `camera`, of which record.json"):
        finalize(paths.folder)
    after = {path: path.stat().st_mtime_ns for path in paths.folder.rglob("*")}
    assert after == before


def test_settings_that_were_changed_since_the_start_are_told(
    paths: SessionPaths,
) -> None:
    record = SessionRecord.load(paths.record)
    record.model_copy(update={"settings_sha256": sha256_of(paths.settings)}).save(
        paths.record
    )
    assert finalize(paths.folder).verdict is Verdict.COMPLETE
    with paths.settings.open("a") as settings:
        settings.write("# by hand\n")
    manifest = finalize(paths.folder)
    assert manifest.verdict is Verdict.DEGRADED
    (reason,) = manifest.reasons
    assert reason.startswith("session.yaml was changed since the session began (its S")
