"""What is killed under the service comes back, and the record tells of it."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import psutil
from pynwb import NWBHDF5IO

from rigd.config.paths import SessionPaths
from rigd.daemon.client import Client
from rigd.daemon.control_protocol import SessionStatus
from rigd.daemon.incidents import read_incidents
from tests.support.account import Account, account
from tests.support.laboratory import Laboratory
from tests.support.served import BOX, Served, write_session

SOURCE, WRITER = "rigd.streams.source", "rigd.streams.writer"


def paths(laboratory: Laboratory, session: str) -> SessionPaths:
    return SessionPaths(laboratory.data / session, "m7", session)


def sent_and_kept(laboratory: Laboratory, session: str) -> Account:
    """Compare every row of the file with what the device sends."""
    return account(paths(laboratory, session), "count", BOX)


def manifest(laboratory: Laboratory, session: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(paths(laboratory, session).manifest.read_text())
    return found


def incidents(laboratory: Laboratory, session: str) -> list[tuple[str, str]]:
    found = manifest(laboratory, session)["incidents"]
    return [(entry["process"], entry["what"]) for entry in found]


def wait_for_rows(client: Client, more: int) -> int:
    """Wait until so many more rows are on the disk; return how many are."""
    deadline = time.monotonic() + 60
    wanted = None
    while time.monotonic() < deadline:
        for session in client.status().sessions:
            for stream in session.progress.streams if session.progress else ():
                if stream.stream == "count":
                    wanted = stream.safe_rows + more if wanted is None else wanted
                    if stream.safe_rows >= wanted:
                        return stream.safe_rows
        time.sleep(0.1)
    raise AssertionError("no rows come")


def wait_until_back(laboratory: Laboratory, process: str, *, times: int) -> None:
    """Wait until a process of the session is back for the so many-th time."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = read_incidents(paths(laboratory, "a").log)
        back = [i for i in found if (i.process, i.what) == (process, "is back")]
        if len(back) == times:
            return
        time.sleep(0.1)
    raise AssertionError(f"{process} does not come back")


def wait_until_finished(served: Served) -> list[SessionStatus]:
    """Return what was left by earlier runs, finished now."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        status = served.status()
        if status.state == "ready" and not status.unfinished:
            return status.ended
        time.sleep(0.1)
    raise AssertionError("the service does not finish what was left")


def test_a_service_that_is_killed_finishes_at_its_next_start(
    laboratory: Laboratory,
) -> None:
    write_session(laboratory, "a", resume=True)
    first = Served.start(laboratory, {"box": BOX})
    with first.client() as client:
        client.start("a")
        safe = wait_for_rows(client, 1000)
    laboratory.was_killed = True
    children = first.process.children()
    assert len(children) == 4
    first.run.signal(signal.SIGKILL)
    first.wait()
    gone, alive = psutil.wait_procs(children, timeout=15)
    assert not alive, "processes outlive the service"

    second = Served.start(laboratory, {"box": BOX})
    (finished,) = wait_until_finished(second)
    assert finished.summary is not None
    assert finished.summary.verdict == "incomplete"
    found = sent_and_kept(laboratory, "a")
    assert found.ledger.received >= safe
    assert found.ledger.intervals == ()

    with second.client() as client:
        wait_for_rows(client, 500)
        stopped = client.stop("a-run2")
    assert stopped.summary is not None
    assert stopped.summary.verdict == "complete"
    assert sent_and_kept(laboratory, "a-run2").ledger.intervals == ()
    assert manifest(laboratory, "a-run2")["follows"]["session"] == "a"
    with NWBHDF5IO(paths(laboratory, "a-run2").session_file, "r") as io:
        session = io.read()
        assert "goes on with session a, which was cut off" in session.notes
        outage = session.invalid_times.to_dataframe().iloc[0]
        assert list(outage["tags"]) == ["outage", "a"]
        assert outage["stop_time"] == 0
        assert -60 < outage["start_time"] < 0
    assert second.end() == 0
    assert [path.name for path in second.runtime.iterdir()] == []


def test_incidents_stand_in_the_manifest(laboratory: Laboratory) -> None:
    """A writer and a source are killed in turn, then a source falls silent."""
    write_session(laboratory, "a")
    served = Served.start(laboratory, {"box": BOX})
    with served.client() as client:
        client.start("a")
        wait_for_rows(client, 500)
        served.child(WRITER, "count").kill()
        wait_until_back(laboratory, "writer:count", times=1)
        wait_for_rows(client, 500)
        served.child(SOURCE, "box").kill()
        wait_until_back(laboratory, "source:box", times=1)
        wait_for_rows(client, 500)
        served.child(SOURCE, "box").send_signal(signal.SIGSTOP)
        wait_until_back(laboratory, "source:box", times=2)
        wait_for_rows(client, 500)
        stopped = client.stop()
    assert stopped.summary is not None
    assert stopped.summary.verdict == "degraded", stopped.summary.reasons
    assert incidents(laboratory, "a") == [
        ("writer:count", "died"),
        ("writer:count", "is back"),
        ("source:box", "died"),
        ("source:box", "is back"),
        ("source:box", "fell silent"),
        ("source:box", "died"),
        ("source:box", "is back"),
    ]
    found = sent_and_kept(laboratory, "a")
    assert found.ledger.lost == 0
    assert [outage.cause for outage in found.ledger.outages] == ["source down"] * 2
    assert served.end() == 0


def test_an_aborted_session_is_finished_in_the_background(
    laboratory: Laboratory,
) -> None:
    write_session(laboratory, "a")
    served = Served.start(laboratory, {"box": BOX})
    with served.client() as client:
        client.start("a")
        safe = wait_for_rows(client, 500)
        assert client.stop(abort=True).summary is None
        deadline = time.monotonic() + 60
        while client.status().unfinished and time.monotonic() < deadline:
            time.sleep(0.1)
        ended = client.status().ended
    assert [session.error is None for session in ended] == [False, True]
    assert ended[1].summary is not None
    assert ended[1].summary.verdict == "incomplete"
    assert sent_and_kept(laboratory, "a").ledger.received >= safe
    assert served.end() == 0


def test_what_never_began_is_removed(laboratory: Laboratory) -> None:
    folder = laboratory.data / "early"
    (folder / "streams").mkdir(parents=True)
    (folder / "session.yaml").write_text("id: early\n")
    strange = laboratory.data / "strange"
    (strange / "streams").mkdir(parents=True)
    (strange / "session.yaml").write_text("id: strange\n")
    (strange / "streams" / "x.nwb").write_bytes(b"data")
    served = Served.start(laboratory, {"box": BOX})
    (ended,) = wait_until_finished(served)
    assert not folder.exists()
    assert Path(ended.folder) == strange
    assert ended.error is not None
    assert "yet has data" in ended.error
    assert (strange / "streams" / "x.nwb").exists()
    assert served.end() == 0
