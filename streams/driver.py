"""What a driver is: the only thing to write for a new kind of hardware."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

from rigd.config.base import Model
from rigd.streams.block import Items, StreamFormat


class DeviceError(Exception):
    """The device did not do what was asked: who, what, and what to do about it."""


class Driver(Protocol):
    """Talks to one device, or simulates it. Lives in a source process of its own.

    The verbs are called in this order, from one thread: `open`, `start`, `read` again
    and again, `stop`, `close`. `close` is called whatever happened before.
    """

    Options: ClassVar[type[Model]]
    """Settings of the device: the model of `options:` of a device."""

    StreamOptions: ClassVar[type[Model]]
    """Settings of one stream: the model of `options:` of a stream."""

    paced_by_consumer: bool
    """True: reads may wait until the ring has room (simulations that go as fast as
    they are taken, whose stamps may lie ahead of CLOCK_MONOTONIC for that). False: the
    device does not wait, and what finds the ring full is lost."""

    foreign: bool
    """True: the samples do not come through this driver but from a sender of its own
    that speaks the wire protocol; `read` only waits."""

    def __init__(self, device: str, options: Any, streams: Mapping[str, Any]) -> None:
        """Keep the settings; no hardware is touched.

        Args:
            device: Name of the device, for error messages.
            options: An instance of `Options`.
            streams: An instance of `StreamOptions` per stream to record, by name.

        """
        ...

    def open(self) -> Mapping[str, StreamFormat]:
        """Connect, set up, and say the format of each stream.

        Raises:
            DeviceError: The device does not answer or can't do what was asked.

        """
        ...

    def start(self) -> None:
        """Begin to sample. Sample index 0 is the first sample after this."""
        ...

    def read(self, timeout: float) -> Items:
        """Wait at most `timeout` seconds for samples; return what is there.

        Returns blocks, losses, clock readings and ends, in order; nothing after the
        time limit. Each block's data is the caller's own from here on.
        A block holds at most about 100 ms of a stream, or one row.
        `Block.host_ns` is `time.monotonic_ns()` right after the hardware was read.
        A counter that starts anew increases `epoch` and begins again at index 0.

        Raises:
            DeviceError: The device is gone; the source ends all its streams.

        """
        ...

    def stop(self) -> Items:
        """Stop sampling; return what was still in the device."""
        ...

    def close(self) -> None:
        """Give the hardware back. Never raises."""
        ...


@runtime_checkable
class Holdable(Protocol):
    """What a driver has besides, if its device can stay open between sessions.

    The service then opens it once and keeps it `armed`. Of such a driver `start` may be
    called again after `stop`: the counters begin anew.
    """

    def keep_ready(self) -> None:
        """See that the open device is still there; soon done.

        Called twice a second between `open` and `start`, and after a `stop`.

        Raises:
            DeviceError: The device is gone; it is closed, and opened again later.

        """
        ...
