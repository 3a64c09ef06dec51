"""Incidents are read back from the log that tells of them."""

from pathlib import Path

from rigd.daemon.incidents import given_up, read_incidents
from rigd.daemon.session_events import Incident
from rigd.daemon.session_log import SessionLog
from rigd.streams.messages import Notice


def test_what_was_logged_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = SessionLog(path)
    log.observe(Notice(level="info", text="an incident"))
    for what in ("died", "is back", "given up"):
        log.observe(
            Incident(
                process="writer:count",
                what=what,
                cause="SIGKILL",
                streams=["count"],
            )
        )
    log.close()
    path.chmod(0o644)
    with path.open("ab") as file:
        file.write(b'{"event": "incident", "process": "wri')
    found = read_incidents(path)
    assert [entry.what for entry in found] == ["died", "is back", "given up"]
    assert found[0].time <= found[2].time
    assert given_up(found) == {"count": "its writer was given up: SIGKILL"}
    assert given_up(found[:2]) == {}


def test_no_log_has_no_incidents(tmp_path: Path) -> None:
    assert read_incidents(tmp_path / "log.jsonl") == []
