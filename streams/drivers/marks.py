"""Records marks: moments with a text, sent by any program through ZeroMQ.

A mark is one message to a PULL socket: the JSON object
`{"text": "reward", "monotonic_ns": 123}`. The time is CLOCK_MONOTONIC of this host, in
nanoseconds; without it the moment of arrival counts. So the clock of this device is the
host's own.
"""

import time
from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
import zmq
from pydantic import Field, ValidationError

from rigd.config.base import Model
from rigd.config.stream import Endpoint
from rigd.streams.block import Block, ClockReading, Items, Note, StreamFormat
from rigd.streams.driver import DeviceError

LONGEST_TEXT = 255
"""Bytes of the longest text; of a longer one the end is cut off."""

LONGEST_MESSAGE = 64 * 1024
"""Bytes of the longest message; whoever sends a longer one is disconnected."""

AT_ONCE = 500
"""Marks that are taken with one read."""

FIRST_INTERVAL, LONGEST_INTERVAL = 0.05, 10.0
"""Seconds between the first two readings of the clock, and later."""

FORMAT = StreamFormat(
    dtype=np.dtype([("text", f"S{LONGEST_TEXT}")]),
    shape=(),
    rate=None,
    row_times=True,
    unit="n.a.",
)


class Mark(Model):
    """One message."""

    text: str = Field(min_length=1)
    """What happened."""
    monotonic_ns: int | None = Field(default=None, ge=0, lt=2**63)
    """When: CLOCK_MONOTONIC, ns; default: when it arrives."""


class MarksOptions(Model):
    """Where to listen."""

    endpoint: Endpoint
    """Place to listen at for marks, `ipc://` and an absolute path."""


class MarksStreamOptions(Model):
    """No settings."""


class MarksDriver:
    """Takes marks from whoever sends some."""

    Options: ClassVar[type[Model]] = MarksOptions
    StreamOptions: ClassVar[type[Model]] = MarksStreamOptions
    paced_by_consumer = False
    foreign = False

    def __init__(
        self,
        device: str,
        options: MarksOptions,
        streams: Mapping[str, MarksStreamOptions],
    ) -> None:
        self._device = device
        self._endpoint = options.endpoint
        self._streams = list(streams)
        self._rows = 0
        self._read_at = 0.0
        self._interval = FIRST_INTERVAL
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.PULL)
        self._socket.setsockopt(zmq.MAXMSGSIZE, LONGEST_MESSAGE)

    def open(self) -> Mapping[str, StreamFormat]:
        """Listen. What comes before `start` waits until then.

        Raises:
            DeviceError: Nobody can listen there, or there are several streams.

        """
        if len(self._streams) != 1:
            raise DeviceError(
                f"device `{self._device}`: marks go into one stream, declared are "
                f"{', '.join(self._streams)}"
            )
        try:
            self._socket.bind(self._endpoint)
        except zmq.ZMQError as error:
            raise DeviceError(
                f"device `{self._device}`: can't listen at {self._endpoint}: "
                f"{error.strerror}"
            ) from error
        return {self._streams[0]: FORMAT}

    def start(self) -> None:
        """Begin to read the clock; marks come when they come."""
        self._read_at = time.monotonic()

    def read(self, timeout: float) -> Items:
        """Wait at most `timeout` seconds for marks; return those that are there."""
        self._socket.poll(round(1000 * timeout))
        return [*self._due_reading(), *self._items()]

    def _due_reading(self) -> Iterator[ClockReading]:
        """Say now and then that the clock is the host's, however few marks there are.

        The readings are close together at first, so that short sessions have some.
        """
        if time.monotonic() >= self._read_at:
            self._read_at += self._interval
            self._interval = min(LONGEST_INTERVAL, 1.5 * self._interval)
            yield self._reading()

    def _reading(self) -> ClockReading:
        now = time.monotonic_ns()
        return ClockReading(self._streams[0], now, now, 0)

    def _items(self) -> Iterator[Block | Note]:
        for _ in range(AT_ONCE):
            try:
                message = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            now = time.monotonic_ns()
            try:
                mark = Mark.model_validate_json(message)
            except ValidationError:
                text = f"a message that is no mark is refused: {message[:60]!r}"
                yield Note(self._streams[0], text)
                continue
            yield self._row(mark, now)

    def _row(self, mark: Mark, now: int) -> Block:
        """Make a row, stamped on the host's clock: device and host agree exactly."""
        stamp = now if mark.monotonic_ns is None else mark.monotonic_ns
        row = self._rows
        self._rows += 1
        return Block(
            self._streams[0],
            row,
            np.array([(cut(mark.text),)], FORMAT.dtype),
            host_ns=stamp,
            device_ns=stamp,
            row_ns=np.array([stamp], np.int64),
        )

    def stop(self) -> Items:
        """Take what has arrived."""
        return [*self._items(), self._reading()]

    def close(self) -> None:
        """Listen no more."""
        self._context.destroy(linger=0)


def cut(text: str) -> bytes:
    """UTF-8 of a text, cut between two characters where it is too long."""
    whole = text.encode()[:LONGEST_TEXT]
    return whole.decode(errors="ignore").encode()
