"""What dies again and again is given up; the session goes on, and says why."""

import signal
import time
from typing import Any

import psutil

from rigd.config.paths import SessionPaths
from rigd.daemon.manifest import Manifest
from rigd.daemon.verify import verify
from tests.support.account import account
from tests.support.laboratory import Laboratory, Run

SOURCE, WRITER = "rigd.streams.source", "rigd.streams.writer"

COUNTER = {"signal": "counter", "channels": 4, "rate": 1000, "dtype": "int32"}

FLAKY: dict[str, Any] = {
    "driver": "simulated",
    "options": {},
    "streams": {"a": {"options": COUNTER}},
}
STEADY: dict[str, Any] = {
    "driver": "simulated",
    "options": {},
    "streams": {"b": {"options": COUNTER}, "c": {"options": COUNTER}},
}


def find(run: Run, module: str, name: str) -> psutil.Process:
    """Return a running source or writer, as soon as there is one."""
    deadline = time.monotonic() + 10
    while not (found := run.children(module, name)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found[0]


def kill_until_given_up(run: Run, module: str, name: str) -> str:
    """Kill a process whenever it is started; return why it is given up."""
    process = f"{module.rpartition('.')[2]}:{name}"
    for _ in range(20):
        find(run, module, name).kill()
        told = run.wait_for(event="incident", process=process)
        while told["what"] == "is back":
            told = run.wait_for(event="incident", process=process)
        if told["what"] == "given up":
            return str(told["cause"])
    raise AssertionError(f"{process} is never given up")


def test_what_is_given_up_is_told_in_verdict_and_ledger(laboratory: Laboratory) -> None:
    run = laboratory.record({"flaky": FLAKY, "steady": STEADY})
    safe = {"a": 0, "b": 0}
    while min(safe.values()) < 500:
        told = run.wait_for(event="progress")["streams"]
        safe |= {s["stream"]: s["safe_rows"] for s in told if s["stream"] in safe}
    why_writer = kill_until_given_up(run, WRITER, "b")
    why_source = kill_until_given_up(run, SOURCE, "flaky")
    assert why_writer.startswith("it could not be started 3 times and is given up")
    assert why_source.startswith("it has died more than 10 times within 60 s")
    run.signal(signal.SIGINT)
    code, _ = run.finish()
    paths = SessionPaths(laboratory.data / "s1", "m7", "s1")
    manifest = Manifest.load(paths.manifest)
    assert (code, manifest.verdict) == (1, "incomplete")
    verdicts = {name: stream.verdict for name, stream in manifest.streams.items()}
    assert verdicts == {"a": "incomplete", "b": "incomplete", "c": "complete"}
    assert f"its source was given up: {why_source}" in manifest.streams["a"].reasons
    assert f"its writer was given up: {why_writer}" in manifest.streams["b"].reasons
    found = {
        name: account(paths, name, device).ledger
        for device in (FLAKY, STEADY)
        for name in device["streams"]
    }
    assert [found[name].lost for name in "abc"] == [0, 0, 0]
    assert all(found[name].received >= rows for name, rows in safe.items())
    assert "it has died more than 10 times within 60 s" in found["a"].reason
    assert "the writer did not come to its end" in found["b"].reason
    assert found["c"].reason == ""
    assert {problem.level for problem in verify(paths.folder)} <= {"note"}
