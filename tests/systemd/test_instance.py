"""`rigd install` and a session of `rigd@.service` under a real systemd."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from rigd.daemon.exit_codes import BAD_CONFIGURATION
from tests.systemd.machine import Machine, new_machine

pytestmark = pytest.mark.timeout(180)

RIGD = "/opt/rigd/bin/rigd"

SESSION = """
id: {name}
description: a test
subject: {{id: m7, species: Mus musculus}}
tolerance: 50 ms
rig:
  data_root: /var/lib/rigd/data
  check: {{trial: 0}}
  devices:
    d:
      driver: simulated
      streams:
        counter: {{options: {{signal: counter}}}}
"""


@pytest.fixture(scope="module")
def installed(machine: Machine) -> Machine:
    """The machine, with rigd as a service that is not started."""
    machine.run(RIGD, "install", "--yes")
    return machine


def write_session(machine: Machine, name: str) -> str:
    """Write a session file; return the unit that records it."""
    machine.write(f"/etc/rigd/sessions/{name}.yaml", SESSION.format(name=name))
    return f"rigd@{name}.service"


def verdict(machine: Machine, session: str) -> str:
    folder = machine.state / "data" / session
    return str(json.loads((folder / "manifest.json").read_text())["verdict"])


def test_install_makes_the_user_and_the_folders(installed: Machine) -> None:
    groups = set(installed.run("id", "-nG", "rigd").split())
    assert groups >= {"rigd", "dialout", "video", "audio", "plugdev"}
    owner = installed.run("stat", "-c", "%U:%G:%a", "/var/lib/rigd/data", "/run/rigd")
    assert owner.split() == ["rigd:rigd:750", "rigd:rigd:755"]
    assert installed.run("systemctl", "is-enabled", "rigd").strip() == "enabled"
    complaints = installed.run(
        "journalctl", "-q", "-t", "systemd-sysusers", "-t", "systemd-tmpfiles"
    )
    assert "rigd" not in complaints


def test_install_can_be_run_twice_and_leaves_settings(installed: Machine) -> None:
    installed.write("/etc/rigd/rig.yaml", "# mine\n")
    said = installed.run(RIGD, "install", "--yes")
    assert "write" not in said
    assert installed.run("cat", "/etc/rigd/rig.yaml") == "# mine\n"


def test_a_session_is_ready_when_it_records_and_ends_on_stop(
    installed: Machine,
) -> None:
    unit = write_session(installed, "stopped")
    installed.run("systemctl", "start", unit)
    assert installed.has(unit, ActiveState="active", SubState="running")
    pid = installed.property(unit, "MainPID")
    assert installed.run("stat", "-c", "%U", f"/proc/{pid}").strip() == "rigd"
    time.sleep(2.5)
    words = installed.property(unit, "StatusText")
    assert re.match(r"recording stopped, 1 stream, 00:00:\d\d, 0 lost", words), words
    installed.run("systemctl", "stop", unit)
    assert installed.has(unit, ActiveState="inactive", Result="success")
    assert verdict(installed, "stopped") == "complete"


def test_the_journal_has_priorities_and_the_session(installed: Machine) -> None:
    lines = installed.journal("rigd@stopped.service", "SYSLOG_IDENTIFIER=rigd")
    entries = [json.loads(line) for line in lines.splitlines()]
    states = [e["state"] for e in entries if e["event"] == "state"]
    assert states == [
        "checking",
        "arming",
        "recording",
        "draining",
        "finalizing",
        "done",
    ]
    of_session = [e for e in entries if e["event"] in ("notice", "step", "progress")]
    assert {e["session"] for e in of_session} == {"stopped"}
    assert "reception only permitted" not in installed.journal("rigd@stopped.service")
    (checked,) = (e for e in entries if e["event"] == "check")
    by_subject = {f["subject"]: f["outcome"] for f in checked["findings"]}
    assert by_subject["open files"] == "pass"


def test_the_unit_confines_the_service(installed: Machine) -> None:
    """What its user may not do, and what a rig needs, asked from inside the unit."""
    code = """
import ctypes, json, os
from rigd.daemon.clock_discipline import read_clock_discipline

def can(work):
    try:
        work()
    except OSError as error:
        return error.errno
    return 0

def forbidden():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x10000000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")

print(json.dumps({
    "etc": can(lambda: open("/etc/x", "w")),
    "opt": can(lambda: open("/opt/rigd/x", "w")),
    "root": can(lambda: os.listdir("/root")),
    "data": can(lambda: os.close(os.open("/var/lib/rigd/data/x", os.O_CREAT))),
    "serial": can(lambda: os.close(os.open("/dev/ttyS1", os.O_RDWR | os.O_NONBLOCK))),
    "forbidden": can(lambda: os.open("/dev/forbidden", os.O_RDWR)),
    "clock": can(read_clock_discipline),
    "namespaces": can(forbidden),
}))
"""
    installed.write("/var/lib/rigd/probe.py", code)
    probe = "rigd@probe.service"
    installed.write("/etc/rigd/sessions/probe.yaml", "")
    installed.drop_in(
        probe,
        "[Service]\nType=oneshot\nExecStart=\n"
        "ExecStart=/opt/rigd/bin/python /var/lib/rigd/probe.py\n",
    )
    installed.run("systemctl", "start", probe)
    answers = json.loads(installed.journal(probe, "_COMM=python").splitlines()[-1])
    no, read_only, no_device = 1, 30, (0, 5, 6)  # EPERM, EROFS; EIO, ENXIO: no port
    assert answers.pop("serial") in no_device
    assert answers.pop("root") in (no, 13)
    assert answers == {
        "etc": read_only,
        "opt": read_only,
        "data": 0,
        "forbidden": no,
        "clock": 0,
        "namespaces": no,
    }


def test_the_machine_stays_awake_while_a_session_records(installed: Machine) -> None:
    """As root, who needs no leave: there is no polkit on this machine to give it."""
    installed.run("systemctl", "start", "dbus", "systemd-logind")
    installed.write("/srv/awake.yaml", SESSION.format(name="awake"))
    record = (RIGD, "record", "--plain", "--duration", "5 s", "/srv/awake.yaml")
    command = installed.command(*record)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as recording:
        assert recording.stdout is not None
        assert any("recording" in line for line in recording.stdout)
        locks = installed.run("systemd-inhibit", "--list")
        recording.communicate(timeout=60)
    assert re.search(r"rigd +0 +root .*sleep .*block", locks), locks
    assert "rigd" not in installed.run("systemd-inhibit", "--list")
    assert verdict(installed, "awake") == "complete"


def test_bad_settings_fail_at_once_and_are_said(installed: Machine) -> None:
    unit = write_session(installed, "bad")
    text = SESSION.format(name="bad") + "tolerence: 3\n"
    installed.write("/etc/rigd/sessions/bad.yaml", text)
    installed.run("systemctl", "start", unit, check=False)
    assert installed.has(
        unit,
        ActiveState="failed",
        ExecMainStatus=str(BAD_CONFIGURATION),
        NRestarts="0",
    )
    assert "tolerence" in installed.journal(unit, "-p", "err")
    alert = f"rigd-alert@{unit}.service"
    installed.wait_for(alert, 5, ActiveState="inactive")
    assert f"{unit} gave up: exit-code (exited/78)" in installed.journal(alert)


def test_install_is_undone(installed: Machine) -> None:
    installed.run(RIGD, "install", "--yes")
    installed.write("/etc/systemd/system/rigd.target", "[Unit]\nDescription=mine\n")
    said = installed.run(RIGD, "install", "--undo", "--yes")
    assert "remove /etc/systemd/system/rigd.service" in said
    left = installed.run("ls", "/etc/systemd/system").split()
    assert "rigd.service" not in left
    assert "rigd.target" in left
    assert installed.run("ls", "/etc/rigd").split() == ["rig.yaml", "sessions"]
    assert installed.run("id", "-u", "rigd")


def test_the_data_outlive_a_power_off_in_the_middle(program: Path) -> None:
    with new_machine(program) as machine:
        machine.run(RIGD, "install", "--yes")
        unit = write_session(machine, "interrupted")
        machine.run("systemctl", "start", unit)
        time.sleep(1)
        machine.power_off()
        assert verdict(machine, "interrupted") == "complete"
