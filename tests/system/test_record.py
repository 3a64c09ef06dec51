"""`rigd record` as a person runs it: real processes, real signals, real files."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zmq

from rigd.config.paths import SessionPaths
from rigd.daemon.manifest import Manifest
from rigd.daemon.session_record import SessionRecord
from rigd.streams.block import Block, Ended
from rigd.streams.drivers.simulated import SimulatedDriver
from rigd.streams.ring import Ring
from rigd.streams.sender import Sender
from rigd.streams.wire import Address
from tests.support.laboratory import Laboratory, Run

SOURCE, WRITER = "rigd.streams.source", "rigd.streams.writer"


def simulated(streams: dict[str, dict[str, Any]], **options: Any) -> dict[str, Any]:
    """Settings of a simulated device."""
    return {
        "driver": "simulated",
        "options": options,
        "streams": {name: {"options": stream} for name, stream in streams.items()},
    }


COUNTER = {"signal": "counter", "channels": 4, "rate": 1000, "dtype": "int32"}
SINE = {"signal": "sine", "channels": 2, "rate": 500}
BOX = {"box": simulated({"count": COUNTER}, seed=3)}
TWO = {"one": simulated({"a": COUNTER}), "two": simulated({"b": SINE}, seed=5)}


def paths(laboratory: Laboratory) -> SessionPaths:
    return SessionPaths(laboratory.data / "s1", "m7", "s1")


def notices(run: Run, level: str) -> list[str]:
    return [
        event["text"]
        for event in run.events()
        if event["event"] == "notice" and event["level"] == level
    ]


def states(run: Run) -> list[str]:
    return [event["state"] for event in run.events() if event["event"] == "state"]


def summary(run: Run) -> dict[str, Any]:
    event = run.events()[-1]
    assert event["event"] == "summary"
    return event


def check_rows(
    laboratory: Laboratory, device: dict[str, Any], stream: str, at_least: int
) -> None:
    """Compare the rows of a stream, which must have no gap, with what was sent."""
    driver = SimulatedDriver(
        "device",
        SimulatedDriver.Options.model_validate(device["options"]),  # type: ignore[arg-type]
        {
            name: SimulatedDriver.StreamOptions.model_validate(settings["options"])  # type: ignore[misc]
            for name, settings in device["streams"].items()
        },
    )
    with h5py.File(paths(laboratory).stream_file(stream)) as file:
        rows = file[f"acquisition/{stream}/data"][:]
    assert len(rows) >= at_least
    np.testing.assert_array_equal(rows, driver.expected_rows(stream, 0, len(rows)))


# --- sessions that go well ------------------------------------------------------------


def test_three_seconds_of_small_streams_are_complete(laboratory: Laboratory) -> None:
    lines = simulated({"edges": {"signal": "events", "rate": 20}})
    lines["streams"]["edges"]["nwb"] = {"type": "EventsTable"}
    devices = {**TWO, "lines": lines}
    run = laboratory.record(devices, "--duration", "3 s")
    code, errors = run.finish()
    assert (code, errors) == (0, "")
    assert states(run) == [
        "checking", "arming", "recording", "draining", "finalizing", "done",
    ]  # fmt: skip
    assert notices(run, "warning") == []
    assert notices(run, "error") == []
    check_rows(laboratory, devices["one"], "a", at_least=2900)
    check_rows(laboratory, devices["two"], "b", at_least=1450)
    result = summary(run)
    assert result["verdict"] == "complete"
    assert {s["stream"]: s["lost"] for s in result["streams"]} == {
        "a": 0, "b": 0, "edges": 0,
    }  # fmt: skip
    rows = {s["stream"]: s["rows"] for s in result["streams"]}
    assert 2900 <= rows["a"] <= 3500
    assert rows["edges"] > 20
    assert paths(laboratory).session_file.is_file()


def test_progress_and_log_tell_the_same_story(laboratory: Laboratory) -> None:
    run = laboratory.record(BOX, "--duration", "4")
    assert run.finish() == (0, "")
    reports = [event for event in run.events() if event["event"] == "progress"]
    assert len(reports) >= 3
    rows = [report["streams"][0]["rows"] for report in reports]
    assert rows == sorted(rows)
    assert reports[-1]["streams"][0]["rate"] == pytest.approx(1000, rel=0.3)
    last = reports[-1]["streams"][0]
    assert last["safe_rows"] == last["rows"] == summary(run)["streams"][0]["rows"]
    log = [json.loads(line) for line in paths(laboratory).log.read_text().splitlines()]
    assert [e["state"] for e in log if e["event"] == "state"] == states(run)[1:]
    assert all({"time", "monotonic_ns", "level"} <= entry.keys() for entry in log)
    stamps = [entry["monotonic_ns"] for entry in log]
    assert stamps == sorted(stamps)


def test_a_session_ends_when_its_devices_do(laboratory: Laboratory) -> None:
    devices = {
        "one": simulated({"a": COUNTER}, duration=1),
        "two": simulated({"b": SINE}, duration=1.5),
    }
    run = laboratory.record(devices)
    assert run.finish() == (0, "")
    assert "the recording ends: all streams have ended" in notices(run, "info")
    check_rows(laboratory, devices["one"], "a", at_least=1000)
    check_rows(laboratory, devices["two"], "b", at_least=750)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_session_in_good_order(
    laboratory: Laboratory, number: signal.Signals
) -> None:
    run = laboratory.record(BOX)
    run.wait_for(event="state", state="recording")
    run.wait_for(event="progress")
    run.signal(number)
    assert run.finish() == (0, "")
    assert summary(run)["verdict"] == "complete"
    assert any("stopped by" in text for text in notices(run, "info"))
    check_rows(laboratory, BOX["box"], "count", at_least=300)


def test_plain_lines_end_with_the_verdict(laboratory: Laboratory) -> None:
    session = laboratory.write_session(BOX, duration=1)
    run = laboratory.start("record", session)
    assert run.finish() == (0, "")
    assert run.lines[0] == "checking the settings"
    assert run.lines[-1] == "verdict: complete"
    assert str(paths(laboratory).folder) in run.lines


def test_the_reader_of_the_output_may_leave(laboratory: Laboratory) -> None:
    run = laboratory.record(BOX, "--duration", "1.5 s")
    run.wait_for(event="state", state="recording")
    assert run.popen.stdout is not None
    run.popen.stdout.close()
    run.popen.wait(timeout=60)
    assert run.popen.stderr is not None
    assert run.popen.stderr.read() == ""
    assert run.popen.returncode == 0
    assert paths(laboratory).manifest.is_file()


def test_sockets_are_private(laboratory: Laboratory) -> None:
    run = laboratory.record(BOX, "--duration", "1")
    run.wait_for(event="state", state="recording")
    (folder,) = laboratory.runtime.iterdir()
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) & 0o077 for p in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes == {"_control.sock": 0, "count.sock": 0}
    assert run.finish()[0] == 0


class ForeignSender:
    """A program of its own that sends a stream by the wire protocol.

    `number` is its sender id; `epoch` is how often the device has counted anew.
    """

    def __init__(
        self, laboratory: Laboratory, endpoint: str, number: int = 7, epoch: int = 0
    ) -> None:
        self._epoch = epoch
        record = SessionRecord.load(paths(laboratory).record)
        stream = record.streams["given"]
        self.format = stream.stream_format
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sender = Sender(
            self._context,
            endpoint,
            stream="given",
            stream_format=self.format,
            address=Address(stream.key, self.format.digest, number),
            ring=Ring(2**20, None),
        )

    def send(self, rows: int, begin: int = 0) -> None:
        """Send rows `begin`, `begin` + 1, ... and wait until they are acknowledged."""
        for first in range(begin, begin + rows, 100):
            data = np.arange(first, first + 100, dtype=self.format.dtype)
            now = time.monotonic_ns()
            self._sender.offer(Block("given", first, data, now, epoch=self._epoch))
        while self._sender.ring.first < self._sender.ring.next:
            self._sender.pump()
            time.sleep(0.01)

    def end(self) -> None:
        """Say that nothing follows, and wait until that is acknowledged."""
        self._sender.end(Ended("given"))
        while not self._sender.finished:
            self._sender.pump()
            time.sleep(0.01)

    def close(self) -> None:
        self._sender.close()
        self._context.term()


FOREIGN = {
    "door": {
        "driver": "external",
        "streams": {"given": {"options": {"dtype": "<i4", "rate": 1000}}},
    }
}


@pytest.mark.parametrize("says_end", [True, False])
def test_a_foreign_sender_is_recorded(laboratory: Laboratory, says_end: bool) -> None:
    run = laboratory.record(FOREIGN)
    endpoint = run.wait_for(event="notice", stream="given")["text"].split()[-1]
    run.wait_for(event="state", state="recording")
    sender = ForeignSender(laboratory, endpoint)
    sender.send(2000)
    if says_end:
        sender.end()
    else:
        run.signal(signal.SIGINT)
    code, _ = run.finish()
    sender.close()
    with h5py.File(paths(laboratory).stream_file("given")) as file:
        np.testing.assert_array_equal(
            file["acquisition/given/data"][:], np.arange(2000)
        )
    (given,) = summary(run)["streams"]
    assert given["rows"] == 2000
    assert notices(run, "error") == []
    assert states(run)[-1] == "done"
    if not says_end:
        assert code == 1
        assert given["verdict"] == "incomplete", "the sender did not say END"


@pytest.mark.parametrize(("epoch", "begin", "lost"), [(1, 0, 0), (0, 1300, 300)])
def test_a_foreign_sender_that_is_started_anew(
    laboratory: Laboratory, epoch: int, begin: int, lost: int
) -> None:
    """Its device has begun to count anew, or has counted on: then a hole is known."""
    run = laboratory.record(FOREIGN)
    endpoint = run.wait_for(event="notice", stream="given")["text"].split()[-1]
    run.wait_for(event="state", state="recording")
    first = ForeignSender(laboratory, endpoint)
    first.send(1000)
    first.close()  # as one that died: it has not said END
    second = ForeignSender(laboratory, endpoint, number=8, epoch=epoch)
    second.send(1000, begin)
    second.end()
    code, _ = run.finish()
    second.close()
    with h5py.File(paths(laboratory).stream_file("given")) as file:
        data = file["acquisition/given/data"][:]
    sent = [np.arange(1000), np.arange(begin, begin + 1000)]
    np.testing.assert_array_equal(data, np.concatenate(sent))
    manifest = Manifest.load(paths(laboratory).manifest)
    ledger = manifest.streams["given"].ledger
    assert ledger is not None
    assert (code, manifest.verdict) == (1, "degraded")
    assert (ledger.received, ledger.lost, ledger.expected) == (2000, lost, 2000 + lost)
    assert {interval.cause for interval in ledger.intervals} == {"source down"}
    assert sum(interval.count for interval in ledger.intervals) == lost
    assert notices(run, "error") == []


# --- sessions that do not start -------------------------------------------------------


def test_an_existing_folder_is_refused_and_left_alone(laboratory: Laboratory) -> None:
    old = paths(laboratory).folder / "old.txt"
    old.parent.mkdir()
    old.write_text("old data")
    code, errors = laboratory.record(BOX, "--duration", "1").finish()
    assert code == 1
    assert "exists already" in errors
    assert len(errors.splitlines()) == 1
    assert list(old.parent.iterdir()) == [old]
    assert old.read_text() == "old data"


def test_a_missing_data_root_is_refused(laboratory: Laboratory) -> None:
    missing = laboratory.folder / "not" / "there"
    run = laboratory.record(BOX, "--data-root", str(missing))
    code, errors = run.finish()
    assert code == 78
    assert errors.startswith(f"rigd: data root `{missing}` does not exist")
    assert len(errors.splitlines()) == 1
    assert not missing.exists()
    assert states(run) == ["checking", "failed"]


def test_a_data_root_that_is_a_file_is_refused(laboratory: Laboratory) -> None:
    file = laboratory.folder / "file"
    file.touch()
    code, errors = laboratory.record(BOX, "--data-root", str(file)).finish()
    assert (code, errors) == (78, f"rigd: data root `{file}` is not a folder\n")


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from rigd.daemon.session_folder import DataRootError, check_data_root
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    check_data_root(Path(sys.argv[1]))
except DataRootError as error:
    sys.exit(str(error))
"""


def test_a_data_root_that_is_not_writable_is_refused(tmp_path: Path) -> None:
    root = Path("/") / "var" / "lib"
    if os.geteuid() != 0:
        root = tmp_path / "locked"
        root.mkdir(mode=0o555)
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, root], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"data root `{root}` is not writable for user id ")


def test_bad_settings_are_named_with_their_place(laboratory: Laboratory) -> None:
    path = laboratory.write_session(BOX, duration="10 parsecs")
    code, errors = laboratory.start("record", path).finish()
    assert code == 78
    assert "session.yaml:" in errors
    assert "10 parsecs" in errors
    assert not paths(laboratory).folder.exists()


def test_a_device_that_hangs_in_open_is_named(laboratory: Laboratory) -> None:
    devices = {
        **BOX,
        "stuck": {**simulated({"b": SINE}, hang_on_open=True), "open_timeout": 0.5},
    }
    code, errors = laboratory.record(devices).finish()
    assert code == 1
    assert "device `stuck` (driver `simulated`) did not answer within" in errors
    assert "0.5 s" in errors
    assert "`box`" not in errors
    assert not paths(laboratory).folder.exists()


def test_a_chunk_that_does_not_fit_is_refused(laboratory: Laboratory) -> None:
    device = simulated({"count": COUNTER})
    device["streams"]["count"]["storage"] = {"chunk": [100, 8]}
    code, errors = laboratory.record({"box": device}).finish()
    assert code == 78
    assert "chunk [100, 8] does not fit rows of shape [4]" in errors
    assert not paths(laboratory).folder.exists()


def test_ctrl_c_before_the_first_sample_leaves_nothing(laboratory: Laboratory) -> None:
    run = laboratory.record({"stuck": simulated({"b": SINE}, hang_on_open=True)})
    run.wait_for(event="state", state="arming")
    run.signal(signal.SIGINT)
    code, errors = run.finish()
    assert code == 1
    assert "stopped by Ctrl-C before the first sample" in errors
    assert not paths(laboratory).folder.exists()


# --- sessions in which something goes wrong -------------------------------------------


def test_a_stream_that_never_delivers_is_named_in_time(laboratory: Laboratory) -> None:
    devices = {
        "box": simulated({"count": COUNTER, "mute": {**SINE, "never_delivers": True}})
    }
    run = laboratory.record(devices, "--duration", "6 s")
    run.wait_for(event="state", state="recording")
    begun = time.monotonic()
    run.wait_for(event="notice", level="warning", stream="mute")
    assert time.monotonic() - begun < 6
    code, _ = run.finish()
    assert code == 1
    assert notices(run, "warning") == ["`mute` delivers nothing in the first 5 s"]
    assert summary(run)["verdict"] == "incomplete"
    check_rows(laboratory, devices["box"], "count", at_least=5500)


@pytest.mark.parametrize("module", [SOURCE, WRITER])
def test_a_killed_process_is_named_and_the_others_go_on(
    laboratory: Laboratory, module: str
) -> None:
    run = laboratory.record(TWO)
    run.wait_for(event="state", state="recording")
    run.wait_for(event="progress")
    run.child(module, "one" if module == SOURCE else "a").kill()
    time.sleep(3)
    run.signal(signal.SIGINT)
    run.finish()
    who = "source `one`" if module == SOURCE else "writer of `a`"
    assert notices(run, "warning") == [f"{who} has died and is started again: SIGKILL"]
    check_rows(laboratory, TWO["two"], "b", at_least=1500)
    verdicts = {s["stream"]: s["verdict"] for s in summary(run)["streams"]}
    assert verdicts["b"] == "complete"


def test_a_device_that_dies_is_named_and_keeps_its_rows(
    laboratory: Laboratory,
) -> None:
    devices = {**TWO, "one": simulated({"a": COUNTER}, faults=[{"at": 1, "die": True}])}
    run = laboratory.record(devices, "--duration", "2.5 s")
    code, _ = run.finish()
    assert code == 1
    assert any("device `one` is gone" in text for text in notices(run, "warning"))
    check_rows(laboratory, devices["one"], "a", at_least=1000)
    check_rows(laboratory, devices["two"], "b", at_least=1200)
    assert summary(run)["verdict"] == "incomplete"


def test_a_source_that_does_not_stop_is_ended(laboratory: Laboratory) -> None:
    run = laboratory.record(TWO)
    run.wait_for(event="state", state="recording")
    run.wait_for(event="progress")
    run.child(SOURCE, "one").suspend()
    run.signal(signal.SIGTERM)
    code, _ = run.finish()
    assert code == 1
    assert "source `one` did not stop in time and is told to leave" in notices(
        run, "warning"
    )
    assert any("source `one` has died" in text for text in notices(run, "error"))
    check_rows(laboratory, TWO["two"], "b", at_least=200)


def test_the_third_ctrl_c_aborts_a_hanging_end(laboratory: Laboratory) -> None:
    run = laboratory.record(BOX)
    run.wait_for(event="state", state="recording")
    run.wait_for(event="progress")
    run.child(WRITER, "count").suspend()
    run.signal(signal.SIGINT)
    run.wait_for(event="state", state="draining")
    run.signal(signal.SIGINT)
    warning = run.wait_for(event="notice", level="warning")
    assert "Ctrl-C once more aborts" in warning["text"]
    run.signal(signal.SIGINT)
    code, errors = run.finish()
    assert code == 1
    assert "aborted while draining" in errors
    assert f"rigd finalize {paths(laboratory).folder}" in errors
    assert paths(laboratory).stream_file("count").is_file()


def test_nothing_outlives_a_daemon_that_is_killed(laboratory: Laboratory) -> None:
    run = laboratory.record(TWO)
    run.wait_for(event="state", state="recording")
    run.wait_for(event="progress")
    run.signal(signal.SIGKILL)
    laboratory.was_killed = True
    run.popen.wait()
    assert laboratory.wait_for_processes_to_end() == []
    with h5py.File(paths(laboratory).stream_file("a")) as file:
        assert len(file["acquisition/a/data"]) > 0


def test_the_errors_of_a_process_are_in_the_log(laboratory: Laboratory) -> None:
    run = laboratory.record(TWO)
    run.wait_for(event="state", state="recording")
    run.child(WRITER, "a").send_signal(signal.SIGABRT)
    run.wait_for(event="notice", level="warning")
    run.signal(signal.SIGINT)
    run.finish()
    log = [json.loads(line) for line in paths(laboratory).log.read_text().splitlines()]
    (death,) = [e for e in log if e["level"] == "warning"]
    assert "writer of `a` has died and is started again: SIGABRT" in death["text"]
