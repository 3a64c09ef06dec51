"""Whatever clients, disks and folders do, the service and its recordings go on."""

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from rigd.daemon.client import Client, RefusedError
from tests.support.laboratory import Laboratory
from tests.support.served import BOX, Served, write_rig, write_session
from tests.support.small_disk import small_disk, why_not

FUZZ = 10_000


@pytest.fixture
def served(laboratory: Laboratory) -> Iterator[Served]:
    """A service that records."""
    write_session(laboratory, "a")
    started = Served.start(laboratory, {"box": BOX})
    with started.client() as client:
        client.start("a")
        yield started
        stopped = client.stop()
        assert stopped.summary is not None
        assert stopped.summary.verdict == "complete"
    assert started.end() == 0


def messages(seed: int) -> Iterator[list[bytes]]:
    """Random and truncated requests; none of them stops or starts anything."""
    chance = random.Random(seed)
    whole = [
        json.dumps(request).encode()
        for request in (
            {"request": "start", "session": "nothing", "id": 7},
            {"request": "start", "settings": {"id": "x", "rig": {"devices": {}}}},
            {"request": "stop", "session": "nobody"},
            {"request": "mark", "text": "x", "session": "nobody"},
            {"request": "status", "version": 2},
            {"request": "status", "more": [{}] * 9},
        )
    ]
    for _ in range(FUZZ):
        message = chance.choice(whole)
        kind = chance.randrange(5)
        if kind == 0:
            yield [chance.randbytes(chance.randrange(200))]
        elif kind == 1:
            yield [message[: chance.randrange(len(message))]]
        elif kind == 2:
            at = chance.randrange(len(message))
            yield [message[:at] + chance.randbytes(1) + message[at + 1 :]]
        elif kind == 3:
            yield [chance.randbytes(chance.randrange(9)) for _ in range(3)]
        else:
            yield [message]


def test_10000_malformed_requests_leave_a_recording_complete(served: Served) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    client = context.socket(zmq.DEALER)
    client.connect(f"ipc://{served.runtime}/control.sock")
    replies = 0
    for frames in messages(seed=20261125):
        client.send_multipart(frames)
        while client.poll(0):
            replies += json.loads(client.recv_multipart()[-1])["ok"] is False
    deadline = time.monotonic() + 60
    while replies < FUZZ and time.monotonic() < deadline:
        if client.poll(1000):
            replies += json.loads(client.recv_multipart()[-1])["ok"] is False
    context.destroy(linger=0)
    assert replies == FUZZ
    (session,) = served.status().sessions
    assert session.state == "recording"


def test_clients_that_say_nothing_take_nothing_or_too_much(served: Served) -> None:
    silent = socket.socket(socket.AF_UNIX)
    silent.connect(str(served.runtime / "control.sock"))
    halfway = socket.socket(socket.AF_UNIX)
    halfway.connect(str(served.runtime / "control.sock"))
    halfway.send(b"\xff\x00\x00")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    greedy = context.socket(zmq.DEALER)  # asks, and never takes a reply
    greedy.connect(f"ipc://{served.runtime}/control.sock")
    for _ in range(5000):
        greedy.send(b'{"request":"status"}')
    endless = context.socket(zmq.DEALER)
    endless.connect(f"ipc://{served.runtime}/control.sock")
    endless.send(b" " * (5 * 2**20))
    deaf = context.socket(zmq.SUB)
    deaf.connect(f"ipc://{served.runtime}/events.sock")
    deaf.subscribe(b"")
    asked = time.monotonic()
    assert served.status().sessions[0].state == "recording"
    assert time.monotonic() - asked < 10
    context.destroy(linger=0)
    silent.close()
    halfway.close()


def documented(page: str) -> str:
    """The first program in a page of the documentation."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text()
    return text.partition("```python\n")[2].partition("```")[0]


def run_program(
    program: str, *arguments: str, runtime: Path | None = None
) -> list[str]:
    """Run a program of the documentation; return what it prints."""
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "RIGD_RUNTIME_DIRECTORY": str(runtime or "")},
        timeout=90,
    )
    assert run.stderr == ""
    return run.stdout.splitlines()


def test_the_documented_clients(laboratory: Laboratory) -> None:
    program = documented("control-protocol.md")
    assert 10 < len([line for line in program.splitlines() if line]) <= 15
    write_session(laboratory, "b")
    served = Served.start(laboratory, {"box": BOX})
    endpoint = f"ipc://{served.runtime}/control.sock"
    assert run_program(program, endpoint) == ["b", "['b']", "complete"]
    write_session(laboratory, "training")
    program = documented("how-to/control-from-your-task.md")
    assert run_program(program, runtime=served.runtime) == ["complete"]
    assert served.end() == 0


def test_a_full_runtime_directory(laboratory: Laboratory) -> None:
    rig = write_rig(laboratory, {"box": BOX})
    write_session(laboratory, "a")
    with (
        tempfile.TemporaryDirectory() as place,  # paths of sockets are short
        small_disk(Path(place), 2**20, "ext4") as disk,
    ):
        fillers = fill_with_files(disk)
        run = laboratory.start("serve", "--rig", rig, "--runtime-directory", disk)
        code, errors = run.finish()
        assert code == 1
        assert "No space left on device" in errors
        for filler in fillers[:4]:  # a lock and three sockets
            filler.unlink()
        run = laboratory.start("serve", "--rig", rig, "--runtime-directory", disk)
        served = Served(laboratory, run, disk)
        with served.client() as client:
            with pytest.raises(RefusedError, match="No space left on device"):
                client.start("a")
            for filler in fillers[4:]:
                filler.unlink()
            client.start("a")
            stopped = client.stop()
        assert stopped.summary is not None
        assert stopped.summary.verdict == "complete"
        assert served.end() == 0


def fill_with_files(disk: Path) -> list[Path]:
    """Make files until there is no place for one more."""
    files: list[Path] = []
    while True:
        path = disk / f"filler{len(files)}"
        try:
            path.touch()
        except OSError:
            return files
        files.append(path)


@pytest.mark.skipif(bool(why_not("tmpfs")), reason=why_not("tmpfs"))
def test_a_data_root_that_is_unmounted(laboratory: Laboratory) -> None:
    """The service says so, starts nothing there, and finishes when it is back."""
    script = (
        "set -e; mount --make-rprivate /; "
        f"mount -t tmpfs -o size=200m none {laboratory.data}; "
        f"exec {' '.join(command(laboratory))}"
    )
    write_rig(laboratory, {"box": BOX})
    write_session(laboratory, "a")
    write_session(laboratory, "b")
    run = laboratory.start_command("unshare", "--mount", "sh", "-c", script)
    served = Served(laboratory, run, laboratory.runtime / "rigd")
    root = str(laboratory.data)
    with served.client() as client:
        client.start("a")
        move(run.popen.pid, "--move", root, str(laboratory.folder / "away"))
        wait_for(client, is_there=False)
        with pytest.raises(RefusedError, match="its disk is gone") as gone:
            client.start("b")
        assert gone.value.code == "data root"
        with pytest.raises(RefusedError):
            client.stop()
        assert client.status().state == "ready"
        move(run.popen.pid, "--move", str(laboratory.folder / "away"), root)
        wait_for(client, is_there=True)
        deadline = time.monotonic() + 60
        while client.status().unfinished and time.monotonic() < deadline:
            time.sleep(0.2)
        last = client.status().ended[-1]
        assert last.summary is not None, last.error
        assert last.summary.verdict == "incomplete"
        assert all(stream.rows is not None for stream in last.summary.streams)
        client.start("b")
        assert client.stop("b").summary is not None
    assert served.end() == 0


def command(laboratory: Laboratory) -> list[str]:
    return laboratory.command("serve", "--rig", laboratory.folder / "rig.yaml")


def move(pid: int, *arguments: str) -> None:
    """Mount or unmount in the mount namespace of a process."""
    Path(arguments[-1]).mkdir(exist_ok=True)
    subprocess.run(["nsenter", "-t", str(pid), "-m", "mount", *arguments], check=True)


def wait_for(client: Client, *, is_there: bool) -> None:
    deadline = time.monotonic() + 30
    while client.status().data_root_is_there is not is_there:
        assert time.monotonic() < deadline
        time.sleep(0.1)
