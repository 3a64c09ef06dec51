import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import zmq

from rigd.daemon.processes import (
    LAST_LINES,
    LONGEST_LINE,
    Complained,
    Exited,
    Garbled,
    Happening,
    Printed,
    Processes,
    Said,
)
from rigd.streams.messages import Command, Finished, Notice

CHILD = "tests.support.child_process"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path / "c.sock")
    yield made
    made.close()


def hear_until_end(processes: Processes, name: str) -> list[Happening]:
    heard: list[Happening] = []
    deadline = time.monotonic() + 20
    while processes.is_running(name):
        assert time.monotonic() < deadline
        heard += processes.wait(0.1)
    return heard


def test_lines_of_a_child_are_heard_before_its_end(processes: Processes) -> None:
    processes.start("a", CHILD, "echo", first_line="good morning")
    assert hear_until_end(processes, "a") == [
        Printed("a", "got good morning"),
        Complained("a", "a complaint without end"),
        Exited("a", 0, ("a complaint without end",)),
    ]


def test_the_last_lines_explain_a_crash(processes: Processes) -> None:
    processes.start("a", CHILD, "crash")
    *lines, end = hear_until_end(processes, "a")
    assert len(lines) == 50
    assert isinstance(end, Exited)
    assert end.code == 3
    assert end.last_lines == tuple(f"line {n}" for n in range(50 - LAST_LINES, 50))
    assert end.cause.splitlines()[0] == "exit code 3"
    assert end.cause.splitlines()[-1] == "    line 49"


def test_an_end_by_a_signal_is_named(processes: Processes) -> None:
    processes.start("a", CHILD, "abort")
    end = hear_until_end(processes, "a")[-1]
    assert isinstance(end, Exited)
    assert end.cause == "SIGKILL"


def test_a_child_that_reads_nothing_harms_nobody(processes: Processes) -> None:
    processes.start("a", "no.such.module", first_line="x" * 200_000)
    end = hear_until_end(processes, "a")[-1]
    assert isinstance(end, Exited)
    assert "No module named" in end.cause


def test_a_child_that_does_not_end_is_killed(processes: Processes) -> None:
    processes.start("a", CHILD, "refuse_to_end")
    while Printed("a", "ready") not in processes.wait(0.1):
        pass
    processes.terminate("a", limit=0.3)
    end = hear_until_end(processes, "a")[-1]
    assert isinstance(end, Exited)
    assert end.how == "SIGKILL"


def test_closing_ends_all_children(tmp_path: Path) -> None:
    processes = Processes(tmp_path / "c.sock")
    processes.start("a", CHILD, "obey", processes.endpoint, "a")
    processes.start("b", CHILD, "obey", processes.endpoint, "b")
    children = [psutil.Process(processes.pid(name)) for name in ("a", "b")]
    processes.close()
    assert not any(child.is_running() for child in children)


def test_an_heir_that_holds_the_pipes_does_not_hide_the_end(
    processes: Processes,
) -> None:
    processes.start("a", CHILD, "leave_a_heir")
    begun = time.monotonic()
    end = hear_until_end(processes, "a")[-1]
    assert isinstance(end, Exited)
    assert time.monotonic() - begun < 2.8


def test_a_line_without_end_fills_no_memory(processes: Processes) -> None:
    processes.start("a", CHILD, "babble")
    lines = [h for h in hear_until_end(processes, "a") if isinstance(h, Complained)]
    assert lines
    assert max(len(line.line) for line in lines) == LONGEST_LINE


def test_words_and_orders_travel_and_none_is_lost_at_the_end(
    processes: Processes,
) -> None:
    assert not processes.send("a", Command(command="stop")), "nobody is there yet"
    processes.start("a", CHILD, "obey", processes.endpoint, "a")
    hello = Said("a", Notice(level="info", text="hello"))
    while hello not in processes.wait(0.1):
        pass
    assert processes.send("a", Command(command="quit", reason="enough"))
    heard = hear_until_end(processes, "a")
    assert isinstance(heard[0], Garbled)
    texts = [
        h.event.text
        for h in heard
        if isinstance(h, Said) and isinstance(h.event, Notice)
    ]
    assert texts == [f"quit: enough {n}" for n in range(2000)]
    assert heard[-2] == Said("a", Finished())
    assert isinstance(heard[-1], Exited)
    assert not processes.send("a", Command(command="stop")), "nobody is there any more"


def test_a_child_with_the_name_of_another_is_heard_and_reached(
    processes: Processes,
) -> None:
    """The last words of the other were not read yet when it came: as after kill -9."""
    last, first = Notice(level="info", text="last"), Notice(level="info", text="first")
    with dealer(processes) as before:
        before.send(last.model_dump_json().encode())
        time.sleep(0.2)
    with dealer(processes) as after:
        after.send(first.model_dump_json().encode())
        time.sleep(0.3)  # both have come before anybody looks
        deadline = time.monotonic() + 10
        heard: list[Happening] = []
        while Said("writer:x", first) not in heard:
            assert time.monotonic() < deadline, heard
            heard += processes.wait(0.1)
        assert processes.send("writer:x", Command(command="quit"))
        assert after.poll(5000)


@contextmanager
def dealer(processes: Processes) -> Iterator["zmq.Socket[bytes]"]:
    """Connect as a child called `writer:x`, in a context of its own."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, b"writer:x")
    socket.connect(processes.endpoint)
    try:
        yield socket
    finally:
        socket.close(linger=1000)
        context.term()


def test_watched_descriptors_are_reacted_to(processes: Processes) -> None:
    reader, writer = os.pipe()
    heard: list[bytes] = []
    processes.watch(reader, lambda: heard.append(os.read(reader, 10)))
    processes.wait(0)
    assert heard == []
    os.write(writer, b"x")
    processes.wait(1)
    assert heard == [b"x"]
    os.close(reader)
    os.close(writer)


def test_the_control_socket_is_for_its_owner_alone(
    processes: Processes, tmp_path: Path
) -> None:
    assert (tmp_path / "c.sock").stat().st_mode & 0o777 == 0o600
