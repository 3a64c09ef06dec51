"""Starts, hears, orders and ends the child processes of a session.

One thread, one poller. Children are started afresh with `subprocess` (never forked
while libraries are loaded) and in a session of their own, so that Ctrl-C at the
terminal reaches the daemon alone. Only the thread that made this object may start
them: the parent-death signal that they set for themselves follows the thread.
"""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import zmq
from pydantic import ValidationError

from rigd.streams.messages import EVENT, Command, Event
from rigd.streams.quick_process import SINGLE_THREADED

LAST_LINES = 20
"""Lines of a child's standard error that are kept to explain its end."""

LONGEST_LINE = 4096
"""Longer lines are cut, so that a child that never ends a line fills no memory."""

SETTLE = 0.1
"""Seconds after a child's end in which its last messages may still arrive."""

HELD_PIPE = 1.0
"""Seconds after a child's end to wait for a pipe that a grandchild holds open."""

TERMINATE_LIMIT = 5.0
"""Seconds from SIGTERM to SIGKILL."""

POLL = 0.1
"""Longest time between two looks at whether a child has ended, in seconds."""


@dataclass(frozen=True, slots=True)
class Said:
    """A child sent an event."""

    child: str
    event: Event


@dataclass(frozen=True, slots=True)
class Garbled:
    """Something arrived on the control socket that is no event of a child."""

    child: str
    what: str


@dataclass(frozen=True, slots=True)
class Printed:
    """A child wrote a line on its standard output."""

    child: str
    line: str


@dataclass(frozen=True, slots=True)
class Complained:
    """A child wrote a line on its standard error."""

    child: str
    line: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A child has ended; everything it said before has been handed out.

    A negative code is the number of the signal that ended it.
    """

    child: str
    code: int
    last_lines: tuple[str, ...]

    @property
    def how(self) -> str:
        """`exit code 1`, or the name of the signal that ended it."""
        return signal_name(-self.code) if self.code < 0 else f"exit code {self.code}"

    @property
    def cause(self) -> str:
        """`how`, and the last lines of standard error, which say why."""
        if len(self.last_lines) == 1:
            return f"{self.how}: {self.last_lines[0]}"
        return "\n    ".join([self.how, *self.last_lines])


Happening = Said | Garbled | Printed | Complained | Exited


def signal_name(number: int) -> str:
    """`SIGKILL` for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class LinePipe:
    """Lines out of a child's pipe, without waiting for them."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._rest = b""
        self.closed = False
        os.set_blocking(file.fileno(), False)

    def fileno(self) -> int:
        """Descriptor, for the poller."""
        return self._file.fileno()

    def lines(self) -> list[str]:
        """Return the lines that are there; close the pipe at its end."""
        try:
            data = os.read(self.fileno(), 65536)
        except BlockingIOError:
            return []
        if not data:
            return self.close()
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            whole, self._rest = [*whole, self._rest], b""
        return [_text(line) for line in whole]

    def close(self) -> list[str]:
        """Close; return the line that has no end."""
        self._file.close()
        self.closed = True
        rest, self._rest = self._rest, b""
        return [_text(rest)] if rest else []


def _text(line: bytes) -> str:
    return line[:LONGEST_LINE].decode(errors="replace").rstrip("\r")


@dataclass(slots=True)
class Child:
    """One child process, from its start until its end has been handed out."""

    name: str
    popen: "subprocess.Popen[bytes]"
    pipes: dict[LinePipe, type[Printed] | type[Complained]]
    input: IO[bytes] | None = None
    """Its standard input, where more lines may follow the first."""
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    ended: float | None = None
    kill_at: float | None = None

    def read(self, pipe: LinePipe) -> list[Happening]:
        """Hand out the lines of one of its pipes."""
        kind = self.pipes[pipe]
        lines = pipe.lines()
        if kind is Complained:
            self.last_lines.extend(line for line in lines if line.strip())
        return [kind(self.name, line) for line in lines]

    def has_settled(self, now: float) -> bool:
        """Whether its end may be told: nothing it said can still be on its way."""
        if self.ended is None:
            if self.popen.poll() is None:
                return False
            self.ended = now
        if all(pipe.closed for pipe in self.pipes):
            return now - self.ended >= SETTLE
        return now - self.ended >= HELD_PIPE

    def signal(self, number: int) -> None:
        """Send a signal if it has not ended."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def kill(self) -> None:
        """End it now, and what it started."""
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGKILL)

    def give_last_line(self, line: str) -> bool:
        """Give the last line of its input; False: it does not take it. Never waits."""
        if self.input is None:
            return False
        data = line.encode() + b"\n"
        os.set_blocking(self.input.fileno(), False)
        try:
            return os.write(self.input.fileno(), data) == len(data)
        except OSError:  # it has ended, or reads nothing
            return False
        finally:
            self.close_input()

    def close_input(self) -> None:
        """Let it read that no line follows."""
        if self.input is not None:
            with suppress(BrokenPipeError):  # it did not read even the first
                self.input.close()
            self.input = None


class Processes:
    """The children of one session, and the socket through which they speak."""

    def __init__(self, control: Path) -> None:
        """Listen at the socket file `control`, readable for its owner alone."""
        self.endpoint = f"ipc://{control}"
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.linger = 0
        # At its limit ZeroMQ stops reading, and forgets what a child that has ended
        # meanwhile had said. Children say little.
        self._router.rcvhwm = 0
        self._router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        # A child that is started again has the name of one whose last words may still
        # be unread: without this ZeroMQ would neither hear it nor speak to it.
        self._router.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._router.bind(self.endpoint)
        control.chmod(0o600)
        self._children: dict[str, Child] = {}
        self._watched: dict[int, Callable[[], None]] = {}

    # --- starting and ending ------------------------------------------------------

    def start(
        self,
        name: str,
        module: str,
        *arguments: str,
        first_line: str | None = None,
        more_lines: bool = False,
    ) -> None:
        """Start `python -m module arguments`.

        Args:
            name: What the child is called here: its identity on the control socket.
            module: Module to run.
            arguments: Its arguments.
            first_line: Written to its standard input, which is then closed.
            more_lines: It is not closed: another line will follow.

        """
        popen = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**SINGLE_THREADED, **os.environ},
        )
        if popen.stdin is None or popen.stdout is None or popen.stderr is None:
            raise RuntimeError(f"`{name}` was started without its three pipes")
        pipes: dict[LinePipe, type[Printed] | type[Complained]] = {
            LinePipe(popen.stdout): Printed,
            LinePipe(popen.stderr): Complained,
        }
        child = Child(name, popen, pipes, input=popen.stdin)
        self._children[name] = child
        self._give_first_line(popen.stdin, first_line)
        if not more_lines:
            child.close_input()

    def _give_first_line(self, stdin: IO[bytes], line: str | None) -> None:
        if line is None:
            return
        try:
            stdin.write(line.encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            return  # it has ended already: its exit says why

    def hand_over(self, name: str) -> Child:
        """Give a child to other `Processes`, which `adopt` it."""
        return self._children.pop(name)

    def adopt(self, child: Child) -> None:
        """Take a child that others have started; it has to connect anew."""
        self._children[child.name] = child

    def give_last_line(self, name: str, line: str) -> bool:
        """Give a child the last line of its input; False: it does not take it."""
        return self._children[name].give_last_line(line)

    def is_running(self, name: str) -> bool:
        """Whether the end of the child `name` has not been handed out yet."""
        return name in self._children

    def pid(self, name: str) -> int:
        """Process id of a running child."""
        return self._children[name].popen.pid

    def send(self, name: str, command: Command) -> bool:
        """Give an order; False if the child can't be reached."""
        try:
            self._router.send_multipart(
                [name.encode(), command.model_dump_json().encode()], zmq.NOBLOCK
            )
        except zmq.ZMQError:
            return False
        return True

    def terminate(self, name: str, limit: float = TERMINATE_LIMIT) -> None:
        """Ask a child to end (SIGTERM); `wait` kills it after `limit` seconds."""
        child = self._children.get(name)
        if child is not None and child.kill_at is None:
            child.close_input()
            child.signal(signal.SIGTERM)
            child.kill_at = time.monotonic() + limit

    def kill(self, name: str) -> None:
        """End a child now, and what it started."""
        child = self._children.get(name)
        if child is not None:
            child.kill()

    def end_all(self, limit: float = TERMINATE_LIMIT) -> list[Happening]:
        """End all children that still run, within `limit` seconds and little more."""
        happenings: list[Happening] = []
        for name in self._children:
            self.terminate(name, limit)
        while self._children:
            happenings += self.wait(POLL)
        return happenings

    def close(self) -> None:
        """End all children and give everything back."""
        self.end_all()
        self._router.close()
        self._context.term()

    # --- hearing ------------------------------------------------------------------

    def watch(self, descriptor: int, react: Callable[[], None]) -> None:
        """Call `react` within `wait` whenever `descriptor` can be read."""
        self._watched[descriptor] = react

    def wait(self, timeout: float) -> Sequence[Happening]:
        """Return what has happened, waiting at most `timeout` seconds (or `POLL`)."""
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        pipes: dict[int, tuple[Child, LinePipe]] = {}
        for child in self._children.values():
            for pipe in child.pipes:
                if not pipe.closed:
                    pipes[pipe.fileno()] = child, pipe
        for descriptor in (*pipes, *self._watched):
            poller.register(descriptor, zmq.POLLIN)
        found = dict(poller.poll(round(1000 * max(0.0, min(timeout, POLL)))))
        happenings = self._hear()
        for descriptor, (child, pipe) in pipes.items():
            if descriptor in found:
                happenings += child.read(pipe)
        for descriptor, react in self._watched.items():
            if descriptor in found:
                react()
        return [*happenings, *self._ends()]

    def _hear(self) -> list[Happening]:
        heard: list[Happening] = []
        while True:
            try:
                frames = self._router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return heard
            name = frames[0].decode(errors="replace")
            try:
                heard.append(Said(name, EVENT.validate_json(b"".join(frames[1:]))))
            except ValidationError as error:
                heard.append(Garbled(name, str(error)))

    def _ends(self) -> list[Happening]:
        now = time.monotonic()
        ends: list[Happening] = []
        for child in list(self._children.values()):
            if child.kill_at is not None and now > child.kill_at:
                child.kill()
            if child.has_settled(now):
                ends += self._bury(child)
        return ends

    def _bury(self, child: Child) -> list[Happening]:
        """Forget a child; return its last words and its end."""
        del self._children[child.name]
        child.close_input()
        last: list[Happening] = []
        for pipe in child.pipes:
            if not pipe.closed:
                last += [child.pipes[pipe](child.name, line) for line in pipe.close()]
        code = child.popen.returncode
        return [*last, Exited(child.name, code, tuple(child.last_lines))]
