"""What source and writer processes share: their birth, their orders, their death."""

import ctypes
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Literal, TypeVar

import zmq

from rigd.config.base import Model
from rigd.streams.messages import Command, Event, Failed, Notice
from rigd.streams.readiness import has_input

PR_SET_PDEATHSIG = 1

STANDARD_INPUT = 0

GUARD_EVERY = 1.0
"""Seconds between two looks at whether the parent lives."""

OUTLIVE = 20.0
"""Seconds that a process may go on after its parent's end, to bring home what it has;
more than a source takes to drain and a writer to close."""

Spec = TypeVar("Spec", bound=Model)


class TerminatedError(Exception):
    """SIGTERM: the daemon has ended, or wants this process to end now."""


def die_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM to this process when its parent ends.

    See prctl(2), PR_SET_PDEATHSIG.

    Raises:
        OSError: The kernel refused.
        TerminatedError: The parent `parent` has ended already.

    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        raise TerminatedError
    guard = threading.Thread(target=_outlive_briefly, args=(parent,), daemon=True)
    guard.start()


def _outlive_briefly(parent: int) -> None:
    """End this process soon after its parent, even where its work is wedged.

    A driver that hangs in a call of its library never gets to see the signal.
    """
    while os.getppid() == parent:
        time.sleep(GUARD_EVERY)
    time.sleep(OUTLIVE)
    os.kill(os.getpid(), signal.SIGKILL)


class TermFlag:
    """Turns SIGTERM into a flag, so that no work is cut in the middle."""

    def __init__(self) -> None:
        self.raised = False
        signal.signal(signal.SIGTERM, self._raise)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _raise(self, *_: object) -> None:
        self.raised = True


class Control:
    """The line to the daemon: events up, commands down. Never waits."""

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", endpoint: str, identity: str
    ) -> None:
        self.socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IDENTITY, identity.encode())
        self.socket.linger = 2000
        self.socket.connect(endpoint)

    def send(self, event: Event) -> None:
        """Send an event; dropped if the daemon has not taken 1000 before it."""
        try:
            self.socket.send(event.model_dump_json().encode(), zmq.NOBLOCK)
        except zmq.Again:
            return

    def commands(self) -> list[Command]:
        """Return the commands that have come since the last call."""
        commands: list[Command] = []
        while has_input(self.socket):
            text = self.socket.recv(zmq.NOBLOCK)
            commands.append(Command.model_validate_json(text))
        return commands

    def close(self) -> None:
        """Give the socket back after the last events have left, at most 2 s."""
        self.socket.close()


class Complaints:
    """Notices of one kind, passed on at most once a second with their count."""

    EVERY = 1.0

    def __init__(
        self,
        send: Callable[[Event], None],
        stream: str | None,
        level: Literal["info", "warning", "error"] = "warning",
    ) -> None:
        self._send = send
        self._stream = stream
        self._level: Literal["info", "warning", "error"] = level
        self._count = 0
        self._text = ""
        self._sent = -self.EVERY

    def __call__(self, text: str) -> None:
        """Note one more."""
        self._count += 1
        self._text = text
        self.tell()

    def tell(self) -> None:
        """Pass on what has gathered, if the last time was long enough ago."""
        if time.monotonic() - self._sent >= self.EVERY:
            self.finish()

    def finish(self) -> None:
        """Pass on what has gathered, whenever the last time was: nothing follows."""
        if self._count:
            more = f" ({self._count} times)" if self._count > 1 else ""
            self._send(
                Notice(level=self._level, text=self._text + more, stream=self._stream)
            )
            self._sent, self._count = time.monotonic(), 0


def read_specification(model: type[Spec]) -> Spec:
    """Read this process's specification: one JSON line on standard input."""
    return model.model_validate_json(read_line())


def read_line() -> bytes:
    """Read one line of standard input, and nothing of what follows it."""
    with open(STANDARD_INPUT, "rb", buffering=0, closefd=False) as file:
        return file.readline()


def spare_the_collector() -> None:
    """Let the garbage collector leave alone what is there: it stays to the end.

    All modules are; to look through them again and again takes 7 % of a busy source.
    """
    gc.collect()
    gc.freeze()


def run_process(main: Callable[[], None], control: Control) -> int:
    """Run a process's work; report what ends it. Return the exit code.

    This is the outermost edge of a source or writer: whatever happens is told to the
    daemon and, with its traceback, to standard error.
    """
    try:
        main()
    except Exception as error:  # noqa: BLE001
        logging.getLogger(__name__).exception("this process can't go on")
        control.send(Failed(error=f"{type(error).__name__}: {error}"))
        return 1
    finally:
        control.close()
    return 0
