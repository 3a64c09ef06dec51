"""Sessions through the service: by name, by settings, several at once, with marks."""

import json
import time
from pathlib import Path

import pytest
from pynwb import NWBHDF5IO

from rigd.daemon.client import Client, RefusedError
from rigd.daemon.control_protocol import SessionStatus, Started
from tests.support.laboratory import Laboratory
from tests.support.served import BOX, COUNT, Served, write_session

TWO = {
    "box": BOX,
    "other": {"driver": "simulated", "streams": {"numbers": COUNT}},
}


def wait_until_ended(client: Client, session: str) -> SessionStatus:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for ended in client.status().ended:
            if ended.session == session:
                return ended
        time.sleep(0.1)
    raise AssertionError(f"{session} does not end")


def marks_of(started: Started) -> tuple[list[str], list[float]]:
    """Texts and session times of the marks in the session file."""
    (path,) = Path(started.folder).glob("sub-*.nwb")
    with NWBHDF5IO(path, "r") as io:
        table = io.read().events["marks"]
        texts = [str(text) for text in table["text"][:]]
        return texts, [float(t) for t in table["timestamp"][:]]


def test_marks_have_their_own_aligned_times(laboratory: Laboratory) -> None:
    served = Served.start(laboratory, {"box": BOX})
    write_session(laboratory, "a")
    with served.client() as client:
        assert client.sessions() == ["a"]
        started = client.start("a")
        first = client.mark("lights off")
        time.sleep(1)
        second = client.mark("lights on")
        assert first.sessions == ["a"]
        stopped = client.stop()
    assert stopped.summary is not None
    assert stopped.summary.verdict == "complete"
    texts, times = marks_of(started)
    assert texts == ["lights off", "lights on"]
    record = json.loads((Path(started.folder) / "record.json").read_text())
    start = record["start_monotonic_ns"]
    expected = [(mark.monotonic_ns - start) / 1e9 for mark in (first, second)]
    assert times == pytest.approx(expected, abs=1e-4)
    assert served.end() == 0


def test_two_sessions_of_different_devices_at_once(laboratory: Laboratory) -> None:
    served = Served.start(laboratory, TWO)
    write_session(laboratory, "a", devices=["box"])
    write_session(laboratory, "b", devices=["other"], duration=2)
    with served.client() as client:
        client.start("a")
        with pytest.raises(RefusedError, match="`box` is used by session `a`") as busy:
            client.start("a")
        assert busy.value.code == "device busy"
        client.start("b")
        running = client.status().sessions
        assert [s.session for s in running] == ["a", "b"]
        assert [s.devices for s in running] == [["box"], ["other"]]
        with pytest.raises(RefusedError, match="name one of") as ambiguous:
            client.stop()
        assert ambiguous.value.code == "ambiguous"
        assert client.mark("both").sessions == ["a", "b"]
        ended = wait_until_ended(client, "b")
        assert ended.summary is not None
        assert ended.summary.verdict == "complete"
        assert [s.session for s in client.status().sessions] == ["a"]
        again = client.stop("a").summary
    assert again is not None
    assert again.verdict == "complete"
    assert {stream.stream for stream in again.streams} == {"count", "marks"}
    assert served.end() == 0


def test_stopping_the_service_finalizes(laboratory: Laboratory) -> None:
    served = Served.start(laboratory, {"box": BOX})
    write_session(laboratory, "a")
    with served.client() as client:
        started = client.start("a")
    assert served.end() == 0
    manifest = json.loads((Path(started.folder) / "manifest.json").read_text())
    assert manifest["verdict"] == "complete"


def test_what_is_not_valid_is_refused_with_all_faults(laboratory: Laboratory) -> None:
    served = Served.start(laboratory, {"box": BOX})
    path = write_session(laboratory, "bad", tolerance="5 parsecs", colour="red")
    write_session(laboratory, "elsewhere", data_root="/tmp")
    write_session(laboratory, "unknown-device", devices=["box", "camera"])
    with served.client() as client:
        with pytest.raises(RefusedError) as refused:
            client.start("bad")
        assert refused.value.code == "invalid session"
        assert len(refused.value.faults) == 2
        assert all(fault.startswith(str(path)) for fault in refused.value.faults)
        for name, what in {
            "nothing": "there is no session `nothing`",
            "../rig": "there is no session",
            "elsewhere": "the service looks after",
            "unknown-device": "the rig has no device `camera`; it has box",
        }.items():
            with pytest.raises(RefusedError, match=what):
                client.start(name)
        with pytest.raises(RefusedError, match="subject: is missing"):
            client.start(settings={"id": "x"})
        with pytest.raises(RefusedError, match="no session runs") as idle:
            client.mark("x")
        assert idle.value.code == "idle"
        assert client.status().sessions == []
    code, errors = laboratory.start("start", path).finish()
    assert code == 78
    assert "5 parsecs" in errors
    assert served.end() == 0


def test_the_commands(laboratory: Laboratory) -> None:
    served = Served.start(laboratory, {"box": BOX})
    path = write_session(laboratory, "a")

    def rigd(*arguments: str | Path) -> str:
        run = laboratory.start(*arguments)
        code, errors = run.finish()
        assert (code, errors) == (0, "")
        return "\n".join(run.lines)

    assert "idle" in rigd("status")
    watch = laboratory.start("watch", "--json")
    watch.wait_for(topic="status")
    assert rigd("start", path).startswith("recording a in ")
    assert rigd("mark", "hello") == "marked in a"
    assert "recording sub-m7 ses-a, 2 streams" in rigd("status")
    assert rigd("stop").endswith("verdict: complete")
    assert watch.wait_for(topic="state", state="finalizing")["session"] == "a"
    watch.wait_for(topic="event", event="summary", verdict="complete")
    watch.popen.terminate()
    assert "ended: a: complete" in rigd("status")
    assert served.end() == 0
