"""Children with simple habits, for tests of what starts and ends processes.

`python -m tests.support.child_process HABIT [ENDPOINT NAME]`
"""

import os
import signal
import sys
import time

import zmq

from rigd.streams.messages import Command, Finished, Notice


def echo() -> None:
    """Write the first line of standard input to standard output, and complain."""
    print(f"got {sys.stdin.readline().strip()}", flush=True)
    print("a complaint without end", end="", file=sys.stderr, flush=True)


def crash() -> None:
    """End with many lines of complaint."""
    for number in range(50):
        print(f"line {number}", file=sys.stderr)
    sys.exit(3)


def abort() -> None:
    """End by a signal."""
    os.kill(os.getpid(), signal.SIGKILL)


def refuse_to_end() -> None:
    """Ignore SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    time.sleep(60)


def leave_a_heir() -> None:
    """End, with a grandchild that holds the pipes open."""
    if os.fork() == 0:
        time.sleep(3)
        os._exit(0)


def babble() -> None:
    """Write a line that never ends, longer than any pipe."""
    sys.stderr.write("x" * 300_000)


def obey(endpoint: str, name: str) -> None:
    """Say hello, wait for one order, repeat its reason, finish."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, name.encode())
    socket.connect(endpoint)
    socket.send(Notice(level="info", text="hello").model_dump_json().encode())
    command = Command.model_validate_json(socket.recv())
    text = f"{command.command}: {command.reason}"
    socket.send(b"not JSON at all")
    for number in range(2000):
        notice = Notice(level="info", text=f"{text} {number}")
        socket.send(notice.model_dump_json().encode())
    socket.send(Finished().model_dump_json().encode())
    socket.close()
    context.term()


HABITS = {
    habit.__name__: habit
    for habit in (echo, crash, abort, refuse_to_end, leave_a_heir, babble, obey)
}

if __name__ == "__main__":
    HABITS[sys.argv[1]](*sys.argv[2:])
