"""Which sessions were cut off, and which of them go on."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rigd.config.dump import dump_session
from rigd.config.session import Session
from rigd.daemon.session_record import SessionRecord
from rigd.daemon.unfinished import find_unfinished, look_into, next_run_id

START = datetime(2026, 11, 25, 14, 25, tzinfo=UTC)


def cut_off(data_root: Path, *states: str, **settings: Any) -> Path:
    """Make the folder of a session that came to these states."""
    folder = data_root / "s1"
    (folder / "streams").mkdir(parents=True)
    session = Session.model_validate(
        {
            "id": "s1",
            "description": "a test",
            "subject": {"id": "m7", "species": "Mus musculus"},
            "rig": {"devices": {"box": {"driver": "x", "streams": {"count": {}}}}},
            "resume": True,
            **settings,
        }
    )
    (folder / "session.yaml").write_text(dump_session(session))
    record = SessionRecord(
        identifier="i",
        session="s1",
        subject="m7",
        start_utc=START,
        start_monotonic_ns=1,
        software={},
    )
    record.save(folder / "record.json")
    (folder / "streams" / "count.nwb").touch()
    log = [json.dumps({"event": "state", "state": state}) for state in states]
    (folder / "log.jsonl").write_text("\n".join([*log, '{"event": "sta']))
    return folder


def test_a_session_that_was_recording_goes_on(tmp_path: Path) -> None:
    folder = cut_off(tmp_path, "checking", "arming", "recording")
    (found,) = find_unfinished(tmp_path)
    assert found.folder == folder
    next_run = found.next_run(START + timedelta(hours=5))
    assert next_run is not None
    session, follows = next_run
    assert (session.id, session.duration) == ("s1-run2", None)
    assert (follows.session, follows.last_utc) == ("s1", found.last_utc)


def test_its_planned_end_stays(tmp_path: Path) -> None:
    found = look_into(cut_off(tmp_path, "recording", duration=600))
    next_run = found.next_run(START + timedelta(seconds=450))
    assert next_run is not None
    assert next_run[0].duration == pytest.approx(150)
    assert found.next_run(START + timedelta(seconds=600)) is None


@pytest.mark.parametrize(
    ("states", "settings"),
    [
        (("recording",), {"resume": False}),
        (("recording", "draining"), {}),
        (("arming",), {}),
        ((), {}),
    ],
)
def test_others_do_not(
    tmp_path: Path, states: tuple[str, ...], settings: dict[str, Any]
) -> None:
    assert look_into(cut_off(tmp_path, *states, **settings)).next_run(START) is None


def test_what_has_a_manifest_is_finished(tmp_path: Path) -> None:
    folder = cut_off(tmp_path, "recording")
    (tmp_path / "notes.txt").touch()
    (folder / "manifest.json").touch()
    assert find_unfinished(tmp_path) == []


def test_what_somebody_works_on_is_left_alone(tmp_path: Path) -> None:
    folder = cut_off(tmp_path, "recording")
    assert find_unfinished(tmp_path, own=[folder]) == []
    program = "import sys; from rigd.daemon.session_lock import SessionLock as L; "
    program += "from pathlib import Path; lock = L(Path(sys.argv[1])); "
    program += "print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as recorder:
        assert recorder.stdout is not None
        recorder.stdout.readline()
        assert find_unfinished(tmp_path) == []
        recorder.kill()
    assert [found.folder for found in find_unfinished(tmp_path)] == [folder]


def test_what_can_not_be_read_does_not_go_on(tmp_path: Path) -> None:
    folder = cut_off(tmp_path, "recording")
    for name in ("session.yaml", "record.json"):
        (folder / name).write_text("{")
        found = look_into(folder)
        assert found.next_run(START) is None
    assert (found.session, found.record) == (None, None)


def test_names_of_runs() -> None:
    assert next_run_id("s1") == "s1-run2"
    assert next_run_id("s1-run2") == "s1-run3"
    assert next_run_id("s1-run9") == "s1-run10"
