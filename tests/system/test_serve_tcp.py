"""Control from other hosts: with keys, and never without."""

import socket
from pathlib import Path

import pytest
import zmq

from rigd.daemon.client import Client, Host, NoServiceError
from rigd.daemon.curve_keys import KeysError, make_keys
from tests.support.laboratory import Laboratory
from tests.support.served import BOX, Served, write_rig


def free_port() -> int:
    """Find a port that is free, and the next one too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def test_only_who_has_a_known_key_is_heard(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    keys, others = tmp_path / "keys", tmp_path / "others"
    make_keys(keys, "task")
    make_keys(others, "task")
    (others / "service.key").write_bytes((keys / "service.key").read_bytes())
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    control = {"tcp": endpoint, "keys": str(keys)}
    served = Served.start(laboratory, {"box": BOX}, control=control)
    served.wait_until_ready()
    with Client(host=Host(endpoint, keys, "task")) as client:
        assert client.status().state == "ready"
        topics = client.watch()
        assert [next(topics)[0], next(topics)[0]] == ["status", "status"]
    key = keys / "task.key_secret"
    remote = laboratory.start("status", "--connect", endpoint, "--key", key)
    code, errors = remote.finish()
    assert (code, errors) == (0, "")
    assert remote.lines[1].strip() == "device box (simulated): armed"
    alone = laboratory.start("status", "--connect", endpoint).finish()
    assert alone[0] == 2
    assert "--connect and --key belong together" in alone[1]
    stranger = Client(host=Host(endpoint, others, "task"))
    with stranger, pytest.raises(NoServiceError, match="did not reply"):
        stranger._ask({"request": "status"}, 2.0)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    plain = context.socket(zmq.DEALER)
    plain.connect(endpoint)
    plain.send(b'{"request":"status"}')
    assert plain.poll(1000) == 0
    context.destroy(linger=0)
    assert served.end() == 0


def test_without_keys_there_is_no_tcp(laboratory: Laboratory) -> None:
    rig = write_rig(laboratory, {"box": BOX}, control={"tcp": "tcp://*:5570"})
    code, errors = laboratory.start("serve", "--rig", rig).finish()
    assert code == 78
    assert "`tcp` without `keys` would obey anybody" in errors
    control = {"tcp": "tcp://*:5570", "keys": "nowhere"}
    rig = write_rig(laboratory, {"box": BOX}, control=control)
    code, errors = laboratory.start("serve", "--rig", rig).finish()
    assert code == 78
    assert "rigd keys new" in errors


def test_keys_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    made = make_keys(tmp_path, "task")
    assert [path.relative_to(tmp_path).as_posix() for path in made] == [
        "service.key",
        "service.key_secret",
        "clients/task.key",
        "task.key_secret",
    ]
    secrets = [path for path in made if path.suffix == ".key_secret"]
    assert [path.stat().st_mode & 0o777 for path in secrets] == [0o600] * 2
    service = made[1].read_bytes()
    more = make_keys(tmp_path, "other")
    assert [path.name for path in more] == ["other.key", "other.key_secret"]
    assert made[1].read_bytes() == service
    with pytest.raises(KeysError, match="has a key already"):
        make_keys(tmp_path, "task")
    with pytest.raises(KeysError, match="can't name a client"):
        make_keys(tmp_path, "../task")
