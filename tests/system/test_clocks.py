"""Clocks through the real processes: pulses, what is said of them, what comes out."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rigd.config.paths import SessionPaths
from rigd.daemon.manifest import Manifest
from tests.clock_sessions.cells import devices_of
from tests.clock_sessions.session import judge, record
from tests.support.laboratory import Laboratory


def device(stream: str, lines: dict[str, Any], **clock: float) -> dict[str, Any]:
    options = {"signal": "digital", "rate": "2 kHz", **lines}
    return {
        "driver": "simulated",
        "options": {"clock": clock},
        "streams": {stream: {"options": options}},
    }


def test_a_missing_sync_cable_is_named_within_seconds(laboratory: Laboratory) -> None:
    devices = {
        "left": device("left_lines", {"sync": {"line": 0}}, offset=40, drift_ppm=30),
        "right": device("right_lines", {"lines": 1}, offset=-7, drift_ppm=-20),
    }
    clocks = {
        "devices": {
            "left": {"sync": {"stream": "left_lines", "line": 0}},
            # Line 5 is not driven: nothing is plugged in.
            "right": {"sync": {"stream": "right_lines", "line": 5}},
        }
    }
    run = laboratory.record(
        devices, "--duration", "9", more_rig={"clocks": clocks}, tolerance="20 ms"
    )
    assert run.finish() == (0, "")
    events = run.events()
    began = next(n for n, e in enumerate(events) if e.get("state") == "recording")
    warned = [
        (n, e["text"])
        for n, e in enumerate(events)
        if e["event"] == "notice" and "sync" in e["text"]
    ]
    assert len(warned) == 1
    assert warned[0][1].startswith("`right_lines` has seen no sync pulse for 5 s (anot")
    assert "`right` connected?" in warned[0][1]
    before = [e for e in events[began : warned[0][0]] if e["event"] == "progress"]
    assert before[-1]["seconds"] < 8
    last = [e for e in events if e["event"] == "progress"][-1]
    seen = {s["stream"]: s["clock"]["pulses"] for s in last["streams"]}
    assert seen["left_lines"] >= 6
    assert seen["right_lines"] == 0
    expected = {s["stream"]: s["pulses_expected"] for s in last["streams"]}
    assert expected["right_lines"] == seen["left_lines"]
    check_what_stands(SessionPaths(laboratory.data / "s1", "m7", "s1"))


def check_what_stands(paths: SessionPaths) -> None:
    """The evidence is in the files, and the times are those of the host."""
    manifest = Manifest.load(paths.manifest)
    left, right = manifest.clocks["left"], manifest.clocks["right"]
    assert left.pulses is not None
    assert left.pulses >= 6
    assert right.pulses == 0
    assert right.mode == "host_clock"
    readings = [json.loads(line) for line in paths.host_clock.read_text().splitlines()]
    assert len(readings) == 2
    with h5py.File(paths.session_file) as file:
        clocks = file["processing/clocks"]
        assert {"domains", "left_anchors", "left_map", "host_clock"} <= set(clocks)
        kept = clocks["host_clock/monotonic_ns"][:]
        times = file["acquisition/left_lines/timestamps"][:]
    assert kept.tolist() == [reading["monotonic_ns"] for reading in readings]
    assert np.all(np.diff(times) > 0)


@pytest.mark.timeout(400)
def test_times_of_devices_that_share_pulses_fit_the_truth(tmp_path: Path) -> None:
    """Two minutes of simulated time; `make clock-sessions` has more of all."""
    names = ("reference", "probe_edges_0", "box_faults_0", "camera_faults_0")
    devices = [device for device in devices_of("random") if device.name in names]
    results = judge(record(tmp_path, 5, 120.0, devices), devices)
    assert [result.rows > 100 for result in results] == [True] * 4
    for result in results:
        assert result.within >= 0.997, result
        if result.mode == "sync_line":
            assert result.error < result.device.cell.always_below, result
        if result.device.cell.trouble == "faults":
            assert result.silent_losses == 1, result
    assert [result.mode for result in results].count("sync_line") == 3
