"""The service under a real systemd: started, watched, stopped, and begun again."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rigd.daemon.exit_codes import BAD_CONFIGURATION
from tests.systemd.machine import Machine, new_machine, wait_until

pytestmark = pytest.mark.timeout(240)

RIGD = "/opt/rigd/bin/rigd"
UNIT = "rigd.service"

POLKIT = Path("/usr/lib/polkit-1/polkitd")
"""Gives the service leave to keep the machine awake, by the rule that is installed."""

RIG = """
name: bench
data_root: /var/lib/rigd/data
check: {trial: 0.5 s}
limits: {open_files: 1000}
devices:
  d:
    driver: simulated
    options: {clock: {drift_ppm: 20}}
    streams:
      voltage: {options: {signal: counter, channels: 16, rate: 1 kHz}}
      buttons: {options: {signal: events, rate: 2 Hz}, nwb: {type: EventsTable}}
"""

SESSION = """
id: {name}
description: a test
subject: {{id: m7, species: Mus musculus}}
tolerance: 1 s
rig: ../rig.yaml
"""


def install(machine: Machine, *sessions: str) -> None:
    """Install rigd with a rig and sessions of these names."""
    machine.run(RIGD, "install", "--yes")
    machine.write("/etc/rigd/rig.yaml", RIG)
    for name in sessions:
        machine.write(f"/etc/rigd/sessions/{name}.yaml", SESSION.format(name=name))


@pytest.fixture(scope="module")
def serving(machine: Machine) -> Machine:
    """The machine, on which the service runs."""
    install(machine, "whole", "awake", "stopped", "hanging", "next")
    machine.run("systemctl", "start", UNIT)
    return machine


def manifest(machine: Machine, session: str) -> dict[str, Any]:
    path = machine.state / "data" / session / "manifest.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def is_finalized(machine: Machine, session: str) -> bool:
    return (machine.state / "data" / session / "manifest.json").exists()


def metric(machine: Machine, name: str, **labels: str) -> float:
    """A metric, as Prometheus would read it."""
    code = (
        "import urllib.request as r\n"
        "print(r.urlopen('http://127.0.0.1:9478/metrics').read().decode(), end='')"
    )
    text = machine.run("/opt/rigd/bin/python", "-c", code)
    samples = [s for f in text_string_to_metric_families(text) for s in f.samples]
    (found,) = (
        sample.value
        for sample in samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
    return float(found)


def test_it_is_ready_when_it_serves(serving: Machine) -> None:
    assert serving.has(UNIT, ActiveState="active", SubState="running", Type="notify")
    assert "ready" in serving.property(UNIT, "StatusText")
    pid = serving.property(UNIT, "MainPID")
    assert serving.run("stat", "-c", "%U", f"/proc/{pid}").strip() == "rigd"
    sockets = serving.run("stat", "-c", "%U %a", "/run/rigd/_main/control.sock")
    assert sockets.strip() == "rigd 600"


def test_a_session_of_twenty_seconds_is_whole(serving: Machine) -> None:
    serving.run(RIGD, "start", "whole", "--duration", "20 s")
    time.sleep(5)
    words = serving.property(UNIT, "StatusText")  # marks are a stream, too
    said = r"recording sub-m7 ses-whole, 3 streams, 00:00:\d\d, 0 lost, .* of disk left"
    assert re.fullmatch(said, words), words
    voltage = {"session": "whole", "device": "d", "stream": "voltage"}
    rows = metric(serving, "rigd_stream_rows_total", **voltage)
    assert 2000 < rows < 20_000
    assert metric(serving, "rigd_process_resident_bytes", process="writer:voltage") > 0
    assert wait_until(lambda: is_finalized(serving, "whole"), 40)
    made = manifest(serving, "whole")
    assert made["verdict"] == "complete", made["reasons"]
    assert made["streams"]["voltage"]["rows"] >= 20_000


@pytest.mark.skipif(not POLKIT.exists(), reason="polkitd is not installed")
def test_the_service_may_keep_the_machine_awake(serving: Machine) -> None:
    serving.run("systemctl", "start", "dbus", "systemd-logind", "polkit")
    serving.run(RIGD, "start", "awake")

    def locks() -> str:
        return serving.run("systemd-inhibit", "--list", "--no-pager")

    assert wait_until(lambda: "a session is recorded" in locks(), 10), locks()
    assert re.search(r"rigd +\d+ +rigd .*sleep .*block", locks())
    assert "complete" in serving.run(RIGD, "stop", "awake")
    assert wait_until(lambda: "a session is recorded" not in locks(), 10), locks()


def test_the_stop_of_the_service_finalizes_what_runs(serving: Machine) -> None:
    serving.run(RIGD, "start", "stopped")
    time.sleep(2)
    serving.run("systemctl", "stop", UNIT)
    assert serving.has(UNIT, ActiveState="inactive", Result="success")
    made = manifest(serving, "stopped")
    assert made["verdict"] in ("complete", "degraded"), made["reasons"]
    assert made["streams"]["voltage"]["rows"] > 1000


def test_a_loop_that_stands_still_is_killed_and_its_session_recovered(
    serving: Machine,
) -> None:
    serving.drop_in(
        UNIT, "[Service]\nWatchdogSec=3\nTimeoutAbortSec=2\nRestartSec=500ms\n"
    )
    serving.run("systemctl", "start", UNIT)
    serving.run(RIGD, "start", "hanging")
    time.sleep(3)
    serving.run("kill", "-STOP", serving.property(UNIT, "MainPID"))
    # Ready again when what was cut off is finished.
    serving.wait_for(UNIT, 90, NRestarts="1", SubState="running")
    assert "Watchdog timeout" in serving.journal(UNIT)
    assert wait_until(lambda: is_finalized(serving, "hanging"), 60)
    made = manifest(serving, "hanging")
    assert made["verdict"] == "incomplete", made["reasons"]
    assert made["streams"]["voltage"]["rows"] > 1000
    serving.run(RIGD, "start", "next")
    assert "complete" in serving.run(RIGD, "stop", "next")


def test_a_reload_reads_the_rig_again(serving: Machine) -> None:
    serving.write("/etc/rigd/rig.yaml", RIG.replace("bench", "second"))
    serving.run("systemctl", "reload", UNIT)
    assert wait_until(lambda: "rig file read again" in serving.journal(UNIT), 10)
    assert serving.has(UNIT, SubState="running", NRestarts="1")
    told = json.loads(serving.run(RIGD, "status", "--json"))
    assert told["rig"] == "second"


def test_bad_settings_are_not_tried_again(serving: Machine) -> None:
    serving.run("systemctl", "stop", UNIT)
    serving.write("/etc/rigd/rig.yaml", RIG + "devises: {}\n")
    serving.run("systemctl", "start", UNIT, check=False)
    assert serving.has(
        UNIT,
        ActiveState="failed",
        ExecMainStatus=str(BAD_CONFIGURATION),
        NRestarts="0",
    )
    assert "devises" in serving.journal(UNIT, "-p", "err")


def test_a_power_off_in_the_middle_finalizes_and_the_next_boot_serves(
    program: Path,
) -> None:
    with new_machine(program) as machine:
        install(machine, "interrupted", "cut", "later")
        machine.run("systemctl", "start", UNIT)
        machine.run(RIGD, "start", "interrupted")
        time.sleep(2)
        machine.power_off()
        made = manifest(machine, "interrupted")
        assert made["verdict"] in ("complete", "degraded"), made["reasons"]

        machine.boot()
        install(machine, "interrupted", "cut", "later")
        machine.run("systemctl", "start", UNIT)
        machine.run(RIGD, "start", "cut")
        time.sleep(4)
        machine.cut_power()
        assert not is_finalized(machine, "cut")

        machine.boot()
        install(machine, "interrupted", "cut", "later")
        machine.run("systemctl", "start", UNIT)
        assert wait_until(lambda: is_finalized(machine, "cut"), 60)
        made = manifest(machine, "cut")
        assert made["verdict"] == "incomplete", made["reasons"]
        assert made["streams"]["voltage"]["rows"] > 1000
        machine.run(RIGD, "start", "later", "--duration", "1 s")
        assert wait_until(lambda: is_finalized(machine, "later"), 30)
