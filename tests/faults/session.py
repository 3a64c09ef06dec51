"""A live stream: a scripted sender and a real writer process that may be broken."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from rigd.streams.block import Ended
from rigd.streams.messages import EVENT, Failed, Finished, Notice
from rigd.streams.ring import Ring
from rigd.streams.sender import Sender
from tests.faults.comparison import Sent
from tests.faults.judge import Case
from tests.faults.script import Script
from tests.faults.stream_kinds import StreamKind
from tests.support.writer_process import WriterProcess

SETTINGS = {
    "sync_seconds": 0.05,
    "visible_seconds": 0.03,
    "drain_seconds": 0.004,
    "patience_seconds": 0.5,
}
"""Everything more often than usual, so that a short session has many syncs."""

START_LIMIT = 20.0
"""Seconds that a writer may take to be ready."""

LAST_WORDS = 2.0
"""Seconds that an acknowledgement may be under way when its writer has ended."""


class BenchWriter(WriterProcess):
    """The bench's writer process (`faulty_writer`), with an environment of its own."""

    def __init__(
        self, folder: Path, kind: StreamKind, environment: dict[str, str], **more: Any
    ) -> None:
        self._folder = folder
        self._environment = environment
        self.initial: dict[str, bytes] = {}
        self.is_ready = False
        settings: dict[str, Any] = {**kind.settings, **SETTINGS, **more}
        super().__init__(folder, kind.format, **settings)

    def _start(self) -> None:
        self.initial = self.initial or {self.path.name: self.path.read_bytes()}
        self.is_ready = False
        with (self._folder.parent / "stderr").open("ab") as complaints:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.faulty_writer"],
                stdin=subprocess.PIPE,
                stderr=complaints,
                env={
                    **os.environ,
                    "RIGD_MARKS": str(self._folder),
                    **self._environment,
                },
            )
        assert self.process.stdin is not None
        self.process.stdin.write(self._spec.model_dump_json().encode() + b"\n")
        self.process.stdin.close()

    def hear(self) -> None:
        """Take the events that have come."""
        while self._control.poll(0):
            event = EVENT.validate_json(self._control.recv_multipart()[1])
            self.events.append(event)
            self.is_ready = self.is_ready or event.event == "ready"

    def restart(self, environment: dict[str, str] | None = None) -> None:
        """Start again after the process has ended."""
        self.process.wait()
        self.hear()
        if environment is not None:
            self._environment = environment
        self._start()

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self.process.poll() is not None

    @property
    def has_finished(self) -> bool:
        """Whether it came to its regular end."""
        return any(isinstance(event, Finished) for event in self.events)

    @property
    def causes(self) -> list[str]:
        """What it said of things gone wrong."""
        return [
            event.error if isinstance(event, Failed) else event.text
            for event in self.events
            if isinstance(event, Failed | Notice)
        ]


@dataclass
class Delivery:
    """A scripted sender at work."""

    script: Script
    sender: Sender
    offered: int = 0
    _messages: Any = field(init=False)

    def __post_init__(self) -> None:
        self._messages = self.script.messages()

    def offer(self, count: int) -> None:
        """Hand over the next messages of the script."""
        for _ in range(count):
            self.script.offer(self.sender, self.offered, next(self._messages))
            self.offered += 1

    @property
    def acknowledged(self) -> int:
        """Messages of the script that are acknowledged."""
        return min(self.sender.ring.first, self.offered)

    @property
    def sent(self) -> Sent:
        """What the file is compared with."""
        return Sent(self.script, self.offered, self.acknowledged)


class Session:
    """One writer, and the senders that it had. Use it with `with`."""

    def __init__(
        self,
        folder: Path,
        kind: StreamKind,
        seed: int,
        environment: dict[str, str] | None = None,
        **settings: Any,
    ) -> None:
        """Begin in `folder`, which must be empty."""
        self.folder = folder / "streams"
        self.folder.mkdir(parents=True)
        self.kind = kind
        self.seed = seed
        self.writer = BenchWriter(self.folder, kind, environment or {}, **settings)
        self.deliveries: list[Delivery] = []
        self.new_sender()

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for delivery in self.deliveries:
            delivery.sender.close()
        self.writer.close()

    @property
    def delivery(self) -> Delivery:
        """The sender of the moment."""
        return self.deliveries[-1]

    @property
    def case(self) -> Case:
        """What the stream file is to be compared with."""
        sent = [delivery.sent for delivery in self.deliveries]
        return Case(self.kind.name, self.writer.path, sent)

    def new_sender(self) -> None:
        """Let the source be a new one, which counts anew; the kernel closes the old."""
        number = len(self.deliveries)
        if self.deliveries:
            self.delivery.sender.close()
        script = Script(self.kind, self.seed, epoch=number)
        sender = self.writer.sender(
            Ring(2**30), sender_id=5 + number, gather_seconds=0.003 * (self.seed % 2)
        )
        self.deliveries.append(Delivery(script, sender))

    def wait_until_ready(self, seconds: float = 20.0) -> None:
        """Wait until the writer listens, or has ended."""
        until = time.monotonic() + seconds
        while not self.writer.is_ready and time.monotonic() < until:
            self.writer.hear()
            if self.writer.has_ended:
                return
            time.sleep(0.002)

    def run(self, seconds: float, *, messages: int, burst: int = 1) -> None:
        """Send, up to so many messages, until the writer ends or the time is over.

        The time counts from when the writer is ready: its start takes long on a busy
        machine.
        """
        self._wait_until_ready()
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.writer.has_ended:
            more = min(burst, messages - self.delivery.offered)
            if more > 0 and self.writer.is_ready and not self.delivery.sender.ended:
                self.delivery.offer(more)
            self.delivery.sender.pump()
            self.writer.hear()
            time.sleep(0.001)

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + START_LIMIT
        while not (self.writer.is_ready or self.writer.has_ended):
            if time.monotonic() > until:
                return
            self.writer.hear()
            time.sleep(0.001)

    def finish(self, seconds: float = 20.0) -> bool:
        """End the stream; say whether the writer came to its end in time."""
        sender = self.delivery.sender
        sender.end(Ended("s"))
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.writer.has_ended:
            sender.pump()
            self.writer.hear()
            time.sleep(0.001)
        until = time.monotonic() + LAST_WORDS
        while time.monotonic() < until and not sender.finished:
            sender.pump()
            time.sleep(0.001)
        self.writer.hear()
        return self.writer.has_ended and self.writer.has_finished

    def kill(self) -> None:
        """End the writer as a crash would."""
        self.writer.process.kill()
        self.writer.process.wait()
        self.delivery.sender.pump()
