"""Whatever dies during a session is started again; the ledger is exact after it all.

Each test compares every row, block and lost interval with what the device sends.
"""

import json
import signal
import time
from typing import Any

import psutil
import pytest
import zmq

from rigd.config.paths import SessionPaths
from rigd.daemon.manifest import LostEntry, Manifest
from rigd.streams.continuity import EPOCHS_OF_A_RUN
from tests.support.account import Account, account
from tests.support.laboratory import Laboratory, Run

SOURCE, WRITER = "rigd.streams.source", "rigd.streams.writer"

COUNTER = {"signal": "counter", "channels": 4, "rate": 1000, "dtype": "int32"}


def box(ring: str = "10 s", **options: Any) -> dict[str, Any]:
    """Settings of a simulated device with one stream, `count`."""
    stream = {"options": COUNTER, "ring": {"time": ring}}
    return {"driver": "simulated", "options": options, "streams": {"count": stream}}


def paths(laboratory: Laboratory) -> SessionPaths:
    return SessionPaths(laboratory.data / "s1", "m7", "s1")


def begin(laboratory: Laboratory, device: dict[str, Any]) -> Run:
    """Record a device until there are rows on the disk."""
    run = laboratory.record({"box": device})
    wait_for_rows(run, 500)
    return run


def wait_for_rows(run: Run, rows: int) -> None:
    """Wait until so many rows are on the disk."""
    while run.wait_for(event="progress")["streams"][0]["safe_rows"] < rows:
        pass


def rows_so_far(run: Run) -> int:
    """Return how many rows the writer has taken, on the disk or not."""
    return int(run.wait_for(event="progress")["streams"][0]["rows"])


def find(run: Run, module: str) -> psutil.Process:
    """Return the running source or writer, as soon as there is one."""
    name = "box" if module == SOURCE else "count"
    deadline = time.monotonic() + 10
    while not (found := run.children(module, name)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found[0]


def notices(run: Run, *levels: str) -> list[str]:
    return [
        event["text"]
        for event in run.events()
        if event["event"] == "notice" and event["level"] in levels
    ]


def verdict(run: Run) -> str:
    event = run.events()[-1]
    assert event["event"] == "summary"
    verdict: str = event["verdict"]
    return verdict


def manifest_interval(laboratory: Laboratory) -> LostEntry:
    """Return the one lost interval that the manifest has, with its times."""
    ledger = Manifest.load(paths(laboratory).manifest).streams["count"].ledger
    assert ledger is not None
    (interval,) = ledger.intervals
    assert interval.start is not None
    assert interval.stop is not None
    assert interval.start < interval.stop
    return interval


def end(run: Run) -> None:
    """Stop the session and wait for its end."""
    run.signal(signal.SIGINT)
    run.finish()


def check(laboratory: Laboratory, device: dict[str, Any]) -> Account:
    return account(paths(laboratory), "count", device)


# --- the writer -----------------------------------------------------------------------


def test_a_writer_killed_once_loses_nothing(laboratory: Laboratory) -> None:
    device = box()
    run = begin(laboratory, device)
    find(run, WRITER).kill()
    run.wait_for(event="notice", text="writer of `count` goes on")
    wait_for_rows(run, 2000)
    end(run)
    found = check(laboratory, device)
    assert (found.ledger.lost, found.ledger.intervals) == (0, ())
    assert list(found.ends) == [0]
    assert notices(run, "warning", "error") == [
        "writer of `count` has died and is started again: SIGKILL"
    ]
    log = [json.loads(line) for line in paths(laboratory).log.read_text().splitlines()]
    assert [e["text"] for e in log if e["level"] == "warning"] == [
        "writer of `count` has died and is started again: SIGKILL"
    ]
    assert verdict(run) == "complete"
    assert run.popen.returncode == 0


def test_a_writer_killed_five_times_loses_nothing(laboratory: Laboratory) -> None:
    device = box()
    run = begin(laboratory, device)
    for _ in range(5):
        find(run, WRITER).kill()
        run.wait_for(event="notice", text="writer of `count` goes on")
        kept = run.wait_for(event="progress")["streams"][0]["safe_rows"]
        wait_for_rows(run, kept + 1)
    end(run)
    found = check(laboratory, device)
    assert found.ledger.intervals == ()
    assert found.ledger.received > 3000
    assert verdict(run) == "complete"


def test_a_writer_killed_while_draining_loses_nothing(laboratory: Laboratory) -> None:
    device = box()
    run = begin(laboratory, device)
    writer = find(run, WRITER)
    writer.suspend()
    time.sleep(0.5)
    run.signal(signal.SIGINT)
    run.wait_for(event="state", state="draining")
    time.sleep(0.5)
    writer.kill()
    run.finish()
    found = check(laboratory, device)
    assert found.ledger.intervals == ()
    assert "writer of `count` goes on" in notices(run, "info")
    assert verdict(run) == "complete"


def test_a_writer_that_stands_still_for_3_s_catches_up(laboratory: Laboratory) -> None:
    device = box()
    run = begin(laboratory, device)
    writer = find(run, WRITER)
    writer.suspend()
    time.sleep(3)
    writer.resume()
    wait_for_rows(run, 4500)
    end(run)
    found = check(laboratory, device)
    assert found.ledger.intervals == ()
    assert notices(run, "warning", "error") == []
    assert verdict(run) == "complete"


def test_a_small_ring_loses_exactly_what_the_ledger_says(
    laboratory: Laboratory,
) -> None:
    device = box(ring="1.5 s")
    run = begin(laboratory, device)
    writer = find(run, WRITER)
    writer.suspend()
    time.sleep(4)
    writer.resume()
    wait_for_rows(run, 3000)
    time.sleep(1)
    end(run)
    found = check(laboratory, device)
    causes = found.ledger.by_cause
    assert list(causes) == ["ring full"]
    assert 1000 < causes["ring full"] < 5000
    assert verdict(run) == "degraded"
    last = [e for e in run.events() if e["event"] == "progress"][-1]["streams"][0]
    assert last["lost_by_cause"] == causes


# --- the source -----------------------------------------------------------------------


def test_a_source_that_is_killed_leaves_an_outage(laboratory: Laboratory) -> None:
    device = box()
    run = begin(laboratory, device)
    find(run, SOURCE).kill()
    run.wait_for(event="notice", text="source `box` samples again")
    wait_for_rows(run, 2000)
    end(run)
    found = check(laboratory, device)
    assert list(found.ends) == [0, EPOCHS_OF_A_RUN]
    assert found.ledger.lost == 0
    (outage,) = found.ledger.intervals
    assert (outage.first, outage.row) == (found.ends[0], found.ends[0])
    assert (outage.count, outage.epoch, outage.cause) == (0, 0, "source down")
    (told,) = [event for event in run.events() if event["event"] == "lost"]
    (span,) = told["intervals"]
    assert (span["first"], span["count"]) == (outage.first, 0)
    interval = manifest_interval(laboratory)
    assert interval.start == pytest.approx(span["start"], abs=0.5)
    assert interval.estimate is not None
    assert interval.estimate > 0
    assert notices(run, "warning", "error") == [
        "source `box` has died and is started again: SIGKILL"
    ]
    assert verdict(run) == "degraded"


def test_source_and_writer_killed_at_once(laboratory: Laboratory) -> None:
    device = box()
    run = begin(laboratory, device)
    source, writer = find(run, SOURCE), find(run, WRITER)
    source.kill()
    writer.kill()
    run.wait_for(event="notice", text="source `box` samples again")
    wait_for_rows(run, 2000)
    end(run)
    found = check(laboratory, device)
    assert list(found.ends) == [0, EPOCHS_OF_A_RUN]
    assert [i.cause for i in found.ledger.outages] == ["source down"]
    assert found.ledger.lost == 0
    assert verdict(run) == "degraded"


def test_a_source_killed_three_times(laboratory: Laboratory) -> None:
    device = box()
    run = begin(laboratory, device)
    for _ in range(3):
        find(run, SOURCE).kill()
        run.wait_for(event="notice", text="source `box` samples again")
        wait_for_rows(run, rows_so_far(run) + 500)
    end(run)
    found = check(laboratory, device)
    assert list(found.ends) == [n * EPOCHS_OF_A_RUN for n in range(4)]
    assert len(found.ledger.outages) == 3
    assert verdict(run) == "degraded"


def test_a_source_killed_while_draining_ends_its_streams_early(
    laboratory: Laboratory,
) -> None:
    device = box()
    run = begin(laboratory, device)
    source, writer = find(run, SOURCE), find(run, WRITER)
    writer.suspend()
    time.sleep(0.5)
    run.signal(signal.SIGINT)
    run.wait_for(event="state", state="draining")
    source.kill()
    time.sleep(0.3)
    writer.resume()
    run.finish()
    found = check(laboratory, device)
    assert found.ledger.reason == "source `box` has died: SIGKILL"
    assert notices(run, "error") == ["source `box` has died: SIGKILL"]
    assert verdict(run) == "incomplete"


def test_a_source_that_is_down_when_the_session_ends(laboratory: Laboratory) -> None:
    device = box()
    run = begin(laboratory, device)
    find(run, SOURCE).kill()
    run.wait_for(
        event="notice", text="source `box` has died and is started again: SIGKILL"
    )
    run.signal(signal.SIGINT)
    run.finish()
    found = check(laboratory, device)
    assert "SIGKILL; it was not back when the session ended" in found.ledger.reason
    assert verdict(run) == "incomplete"


def test_a_device_that_is_gone_ends_its_streams(laboratory: Laboratory) -> None:
    device = box(faults=[{"at": 1, "die": True}])
    run = laboratory.record({"box": device})
    run.finish()
    found = check(laboratory, device)
    assert found.ledger.intervals == ()
    assert found.ends == {0: 1000}
    assert "device `device` is gone" in found.ledger.reason.replace("`box`", "`device`")
    assert verdict(run) == "incomplete"


# --- both, and what is not ours -------------------------------------------------------


def test_losses_of_the_device_and_restarts_add_up(laboratory: Laboratory) -> None:
    faults = [
        {"at": 1, "lose": 0.25},
        {"at": 2, "restart": True},
        {"at": 2.5, "lose": 0.1},
    ]
    device = box(faults=faults)
    run = begin(laboratory, device)
    find(run, WRITER).kill()
    wait_for_rows(run, 3000)
    end(run)
    found = check(laboratory, device)
    assert found.ledger.by_cause == {"device": 350}
    assert list(found.ends) == [0, 1]
    assert [(i.epoch, i.first, i.count) for i in found.ledger.intervals] == [
        (0, 1000, 250),
        (1, 500, 100),
    ]
    assert verdict(run) == "degraded"


GARBAGE = ([b"x" * 100], [b"", b"", b"y"], [b"RIGD" * 40])


def test_garbage_on_the_wire_disturbs_nothing(laboratory: Laboratory) -> None:
    device = box()
    run = begin(laboratory, device)
    (folder,) = laboratory.runtime.iterdir()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.connect(f"ipc://{folder}/count.sock")
    for frames in 200 * GARBAGE:
        socket.send_multipart(frames)
    wait_for_rows(run, 1500)
    socket.close(linger=0)
    context.term()
    end(run)
    found = check(laboratory, device)
    assert found.ledger.intervals == ()
    assert found.ledger.rejected >= 200 * len(GARBAGE)
