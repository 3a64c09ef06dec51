"""The service of one person, without root, under the person's own service manager."""

import json
import time

import pytest

from tests.systemd.machine import Machine, wait_until

pytestmark = pytest.mark.timeout(180)

RIGD = "/opt/rigd/bin/rigd"
UID = "1234"
HOME, RUNTIME = "/home/me", f"/run/user/{UID}"


def as_me(machine: Machine, *command: str) -> str:
    """Run a command as that person, in the home folder."""
    user = ("setpriv", "--reuid", UID, "--regid", UID, "--init-groups")
    environment = (f"HOME={HOME}", f"XDG_RUNTIME_DIR={RUNTIME}", "PATH=/usr/bin:/bin")
    return machine.run(*user, "env", "-i", f"--chdir={HOME}", *environment, *command)


@pytest.fixture(scope="module")
def person(machine: Machine) -> Machine:
    """The machine, with a person who is logged in."""
    machine.run("useradd", "--create-home", "--home-dir", HOME, "--uid", UID, "me")
    machine.run("install", "-d", "-o", UID, "-m", "700", RUNTIME)
    machine.run("systemctl", "start", "dbus", "systemd-logind", f"user@{UID}")
    return machine


def test_a_person_installs_starts_records_and_removes(person: Machine) -> None:
    as_me(person, RIGD, "install", "--user", "--yes")
    as_me(person, "systemctl", "--user", "start", "rigd")
    as_me(person, RIGD, "start", "demo", "--duration", "2 s")
    show = ("systemctl", "--user", "show", "--value", "rigd", "-p")
    assert wait_until(
        lambda: as_me(person, *show, "StatusText").startswith("recording "), 10
    )
    time.sleep(2)
    as_me(person, "systemctl", "--user", "stop", "rigd")
    assert as_me(person, *show, "Result").strip() == "success"
    data = f"{HOME}/.local/share/rigd/data"
    (session,) = as_me(person, "ls", data).split()
    text = as_me(person, "cat", f"{data}/{session}/manifest.json")
    assert json.loads(text)["streams"]["probe0_ap"]["rows"] > 10_000
    said = as_me(person, RIGD, "install", "--user", "--undo", "--yes")
    assert f"remove {HOME}/.config/systemd/user/rigd.service" in said
    assert as_me(person, "ls", f"{HOME}/.config/rigd").split() == [
        "rig.yaml",
        "sessions",
    ]
