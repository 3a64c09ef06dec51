"""The service as its users meet it: started, asked, stopped; what it refuses."""

import signal
import time

import pytest

from rigd.daemon.client import Client, NoServiceError, RefusedError
from tests.support.laboratory import Laboratory
from tests.support.served import BOX, Served, write_rig, write_session


def test_a_service_starts_answers_and_stops(laboratory: Laboratory) -> None:
    served = Served.start(laboratory, {"box": BOX})
    with served.client() as client:
        status = served.wait_until_ready()
        assert status.state == "ready"
        assert status.text == "idle: ready for a session"
        assert status.pid == served.run.popen.pid
        with pytest.raises(RefusedError, match="no session runs") as refused:
            client.stop()
        assert refused.value.code == "idle"
    for path in served.runtime.glob("*.sock"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert served.end() == 0
    with pytest.raises(NoServiceError, match="no service listens"):
        Client(served.runtime)


def test_a_second_service_is_refused(laboratory: Laboratory) -> None:
    served = Served.start(laboratory, {"box": BOX})
    rig = laboratory.folder / "rig.yaml"
    pid = served.run.popen.pid
    code, errors = laboratory.start("serve", "--rig", rig).finish()
    assert code == 1
    assert f"{served.runtime} is in use by a rigd service already, process {pid}" in (
        errors
    )
    other = laboratory.folder / "other"
    more = laboratory.start("serve", "--rig", rig, "--runtime-directory", other)
    code, errors = more.finish()
    assert code == 1
    assert f"{laboratory.data} is in use by a rigd service already" in errors
    assert served.status().state == "ready"
    assert served.end() == 0


def test_sockets_of_a_dead_service_are_taken_over(laboratory: Laboratory) -> None:
    first = Served.start(laboratory, {"box": BOX})
    first.run.signal(signal.SIGKILL)
    first.wait()
    assert (first.runtime / "control.sock").exists()
    with pytest.raises(NoServiceError, match="connection refused"):
        Client(first.runtime)
    second = Served.start(laboratory, {"box": BOX})
    assert second.status().pid == second.run.popen.pid
    assert second.end() == 0


def test_a_rig_with_faults_ends_with_78(laboratory: Laboratory) -> None:
    rig = write_rig(laboratory, {"box": {**BOX, "drivr": "x"}}, control={"tcp": "x"})
    code, errors = laboratory.start("serve", "--rig", rig).finish()
    assert code == 78
    assert "did you mean `driver`?" in errors
    assert "`x` is not `tcp://<address or *>:<port>`" in errors


def test_a_reload_reads_the_rig_file_again(laboratory: Laboratory) -> None:
    served = Served.start(laboratory, {"box": BOX})
    write_rig(laboratory, {"box": BOX}, name="other")
    served.run.signal(signal.SIGHUP)
    wait_for_rig(served, "other")
    write_rig(laboratory, {"box": {"driver": "nonsense"}}, name="bad")
    served.run.signal(signal.SIGHUP)
    write_session(laboratory, "a")
    with served.client() as client:
        with pytest.raises(RefusedError, match="nonsense"):
            client.start("a")
        assert client.status().rig == "other"
    assert served.end() == 0


def wait_for_rig(served: Served, name: str) -> None:
    deadline = time.monotonic() + 20
    while served.status().rig != name:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_client_notices_that_the_service_is_gone(laboratory: Laboratory) -> None:
    served = Served.start(laboratory, {"box": BOX})
    with served.client() as client:
        served.run.signal(signal.SIGKILL)
        served.wait()
        laboratory.was_killed = True
        began = time.monotonic()
        with pytest.raises(NoServiceError, match="connection refused"):
            client.start("a")
        assert time.monotonic() - began < 10
