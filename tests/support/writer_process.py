"""A real writer process around a stream file made by h5py alone."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zmq

from rigd.streams.block import StreamFormat
from rigd.streams.messages import (
    EVENT,
    Command,
    Event,
    Failed,
    Finished,
    Notice,
    WriterSpec,
)
from rigd.streams.ring import Ring
from rigd.streams.sender import GATHER_SECONDS, Sender
from rigd.streams.stream_layout import stream_layout
from rigd.streams.wire import Address
from tests.support.stream_files import make_stream_file

KEY = 0x1122334455667788


class WriterProcess:
    """The writer, the daemon's end of its control line, and its events."""

    def __init__(
        self,
        folder: Path,
        stream_format: StreamFormat,
        *,
        nwb_type: str = "TimeSeries",
        sockets: Path | None = None,
        **settings: Any,
    ) -> None:
        self.format = stream_format
        self.path = folder / "s.nwb"
        sockets = sockets or folder
        self.endpoint = f"ipc://{sockets}/s.sock"
        compression = settings.get("compression", "none")
        self.layout = stream_layout(
            "s",
            stream_format,
            nwb_type=nwb_type,
            chunk=settings.get("chunk"),
            compression=compression,
        )
        make_stream_file(self.path, self.layout)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._control: zmq.Socket[bytes] = self.context.socket(zmq.ROUTER)
        self._control.setsockopt(zmq.ROUTER_HANDOVER, 1)  # as the daemon's
        self._control.bind(f"ipc://{sockets}/control")
        self._spec = WriterSpec(
            **{
                "stream": "s",
                "path": str(self.path),
                "endpoint": self.endpoint,
                "key": KEY,
                "format": stream_format.to_json(),
                "nwb_type": nwb_type,
                "chunk": None,
                "compression": "none",
                "control": f"ipc://{sockets}/control",
                "parent": os.getpid(),
                **settings,
            }
        )
        self.events: list[Event] = []
        self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rigd.streams.writer"], stdin=subprocess.PIPE
        )
        assert self.process.stdin is not None
        self.process.stdin.write(self._spec.model_dump_json().encode() + b"\n")
        self.process.stdin.close()
        self.wait_for("ready")

    def kill_and_restart(self) -> None:
        """End the writer as a crash would, and start it again."""
        self.process.kill()
        self.process.wait()
        while self._control.poll(0):
            self._control.recv_multipart()
        self._start()

    def sender(
        self,
        ring: Ring | None = None,
        sender_id: int = 5,
        gather_seconds: float = GATHER_SECONDS,
    ) -> Sender:
        """Make a sender of this stream."""
        return Sender(
            self.context,
            self.endpoint,
            stream="s",
            stream_format=self.format,
            address=Address(KEY, self.format.digest, sender_id),
            ring=ring or Ring(2**28),
            gather_seconds=gather_seconds,
        )

    def order(self, command: Command) -> None:
        """Send a command."""
        self._control.send_multipart([b"writer:s", command.model_dump_json().encode()])

    def wait_for(self, kind: str, seconds: float = 15.0) -> Event:
        """Return the next event of that kind."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._control.poll(50):
                event = EVENT.validate_json(self._control.recv_multipart()[1])
                self.events.append(event)
                if event.event == kind:
                    return event
            assert self.process.poll() in (None, 0), "the writer has died"
        raise TimeoutError(f"no `{kind}`, only {[e.event for e in self.events]}")

    def last_words(self) -> list[str]:
        """Return all notices, and what the writer died of, after its end."""
        while self._control.poll(500):
            event = EVENT.validate_json(self._control.recv_multipart()[1])
            self.events.append(event)
        texts = [event.text for event in self.events if isinstance(event, Notice)]
        return [*texts, *(e.error for e in self.events if isinstance(e, Failed))]

    def wait_for_end(self) -> Finished:
        """Wait until the writer has finished and left."""
        finished = self.wait_for("finished")
        assert isinstance(finished, Finished)
        assert self.process.wait(15) == 0
        return finished

    def close(self) -> None:
        """End the process if it still runs, by its pid."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.context.destroy(linger=0)


@contextmanager
def running_writer(
    folder: Path, stream_format: StreamFormat, **settings: Any
) -> Iterator[WriterProcess]:
    """Run a writer for the length of a `with` block."""
    writer = WriterProcess(folder, stream_format, **settings)
    try:
        yield writer
    finally:
        writer.close()


def deliver(sender: Sender, seconds: float = 15.0) -> None:
    """Pump until everything is acknowledged."""
    end = time.monotonic() + seconds
    while sender.ring.first < sender.ring.next:
        assert time.monotonic() < end, "not acknowledged in time"
        sender.pump()
        time.sleep(0.001)
