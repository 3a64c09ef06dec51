"""Devices are held ready between sessions, and sessions take them as they are."""

import time
from pathlib import Path
from typing import Any

import pytest

from rigd.daemon.client import Client, RefusedError
from rigd.daemon.control_protocol import DeviceStatus
from tests.support.laboratory import Laboratory
from tests.support.served import BOX, Served, write_session
from tests.system.test_serve_crashes import manifest, sent_and_kept

SOURCE = "rigd.streams.source"


def wait_for(client: Client, state: str, limit: float = 30.0) -> DeviceStatus:
    """Wait until the device is in a state."""
    deadline = time.monotonic() + limit
    while (found := client.status().devices[0]).state != state:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def record_briefly(client: Client, laboratory: Laboratory, session: str) -> None:
    """Record a session and compare all that was kept with what was sent."""
    client.start(session)
    wait_for(client, "in session")
    time.sleep(1)
    summary = client.stop().summary
    assert summary is not None
    assert summary.verdict == "complete", summary.reasons
    found = sent_and_kept(laboratory, session).ledger
    assert (found.lost, found.intervals) == (0, ())
    assert found.received > 900


def unpluggable(cable: Path) -> dict[str, Any]:
    return {**BOX, "options": {"cable": str(cable)}}


def test_a_session_takes_the_device_that_is_held_ready(laboratory: Laboratory) -> None:
    served = Served.start(laboratory, {"box": BOX}, check={"trial": 0.5})
    write_session(laboratory, "a")
    write_session(laboratory, "b", rig=other_rig(laboratory))
    with served.client() as client:
        wait_for(client, "armed")
        held = served.child(SOURCE, "box").pid
        client.start("a")
        assert served.child(SOURCE, "box").pid == held
        time.sleep(1)
        stopped = client.stop()
        assert stopped.summary is not None
        assert stopped.summary.verdict == "complete", stopped.summary.reasons
        assert sent_and_kept(laboratory, "a").ledger.intervals == ()
        checked = laboratory.data / "a" / "log.jsonl"
        assert "ago, when it was armed" in checked.read_text()

        wait_for(client, "armed")
        held = served.child(SOURCE, "box").pid
        client.start("b")  # it wants the device set up otherwise
        assert served.child(SOURCE, "box").pid != held
        client.stop()
        assert manifest(laboratory, "b")["verdict"] == "complete"
    assert served.end() == 0
    assert [path.name for path in served.runtime.iterdir()] == []


def other_rig(laboratory: Laboratory) -> dict[str, Any]:
    return {
        "name": "bench",
        "data_root": str(laboratory.data),
        "devices": {"box": {**BOX, "options": {"seed": 5}}},
        "check": {"trial": 0},
    }


def test_a_device_that_is_unplugged_is_missing_until_it_is_back(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    cable = tmp_path / "cable"
    served = Served.start(laboratory, {"box": unpluggable(cable)})
    write_session(laboratory, "a")
    with served.client() as client:
        assert "is unplugged" in str(wait_for(client, "missing").error)
        assert client.status().state == "ready", "other devices may be there"
        assert client.status().text.endswith("missing: box")
        with pytest.raises(RefusedError, match="is unplugged"):
            client.start("a")
        cable.touch()
        client.arm()
        wait_for(client, "armed")
        served.child(SOURCE, "box").kill()
        assert "SIGKILL" in str(wait_for(client, "missing").error)
        wait_for(client, "armed")
        cable.unlink()
        wait_for(client, "missing")
        cable.touch()
        wait_for(client, "armed")  # nobody had to ask
    assert served.end() == 0


def test_other_programs_may_have_a_device_meanwhile(laboratory: Laboratory) -> None:
    served = Served.start(laboratory, {"box": BOX})
    write_session(laboratory, "a")
    with served.client() as client:
        wait_for(client, "armed")
        unplugged = unpluggable(laboratory.folder / "no such cable")
        path = laboratory.write_session({"box": unplugged})
        code, errors = laboratory.start("record", path).finish()
        assert code == 1
        assert f"process {served.run.popen.pid}) has box just now: `rigd disarm" in (
            errors
        )
        (found,) = client.disarm(["box"])
        assert found.state == "disarmed"
        assert served.run.children(SOURCE, "box") == []
        record_briefly(client, laboratory, "a")
        wait_for(client, "disarmed")
        with pytest.raises(RefusedError, match="no device `camera`; it has box"):
            client.arm(["camera"])
        client.arm(["box"])
        wait_for(client, "armed")
    assert served.end() == 0
