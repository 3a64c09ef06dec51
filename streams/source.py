"""The source process: one device, from its driver to the sockets of its writers.

One thread: read the driver, put blocks into the rings, send what the sockets take,
hear acknowledgements. The driver never waits for a disk: a block that finds its ring
full is counted as lost, with its cause, and the loss itself is sent.
"""

import logging
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import replace

import zmq

from rigd.streams.block import (
    Block,
    ClockReading,
    Ended,
    Item,
    Items,
    Lost,
    Note,
    StreamFormat,
)
from rigd.streams.driver import DeviceError, Driver
from rigd.streams.holding import Holding, OpenDevice
from rigd.streams.messages import (
    SOURCE_ORDER,
    Alive,
    Finished,
    HoldSpec,
    Opened,
    SourceSpec,
    SourceStatus,
    SourceStream,
    Started,
    Tried,
)
from rigd.streams.process import (
    Complaints,
    Control,
    TermFlag,
    die_with_parent,
    read_line,
    run_process,
    spare_the_collector,
)
from rigd.streams.registry import configured_driver
from rigd.streams.ring import Ring
from rigd.streams.sender import Sender
from rigd.streams.trial import try_open_device
from rigd.streams.wire import Address

READ_TIMEOUT = 0.02
"""Seconds that one read may wait."""

STATUS_EVERY = 0.5
"""Seconds between two status reports."""

HAND_OVER_LIMIT = 5.0
"""Seconds that the writers have to take what is there when the driver has failed."""

DRAIN_LIMIT = 60.0
"""Seconds that the writers have to acknowledge the end."""

TERMINATED_LIMIT = 3.0
"""The same when this process is to end: the daemon is gone."""

IDLE = 0.002
"""Seconds between two looks at the sockets when there is nothing to read."""


class Source:
    """The loop around one driver and the senders of its streams."""

    def __init__(
        self,
        spec: SourceSpec,
        context: "zmq.Context[zmq.Socket[bytes]]",
        control: Control,
        term: TermFlag,
        device: OpenDevice | None = None,
    ) -> None:
        """Take part in a session; `device` is open already if it was held ready."""
        self._spec = spec
        self._context = context
        self._control = control
        self._term = term
        self._device = device
        self._driver = device.driver if device else make_driver(spec)
        self._complain = Complaints(control.send, None)
        self._senders: dict[str, Sender] = {}
        self._orders: set[str] = set()
        self._told = 0.0

    def run(self) -> None:
        """Open, wait for the order to start, stream, drain."""
        try:
            formats = self._device.formats if self._device else self._driver.open()
            spare_the_collector()
            self._control.send(
                Opened(
                    formats={name: form.to_json() for name, form in formats.items()},
                    foreign=self._driver.foreign,
                )
            )
            if self._wait_for_start(formats):
                self._stream(dict(formats))
        finally:
            self._driver.close()
            for sender in self._senders.values():
                sender.close()
        self._control.send(Finished())

    def _wait_for_start(self, formats: Mapping[str, StreamFormat]) -> bool:
        while not self._over() and "start" not in self._orders:
            self._control.socket.poll(50)
            self._obey()
            if "try" in self._orders and self._spec.trial is not None:
                self._orders.discard("try")
                name, terms = self._spec.device, self._spec.trial
                report = try_open_device(name, self._driver, formats, terms, self._term)
                self._control.send(Tried(report=report))
        return "start" in self._orders and not self._over()

    def _over(self) -> bool:
        return self._term.raised or bool(self._orders & {"stop", "quit"})

    def _obey(self) -> None:
        self._orders.update(command.command for command in self._control.commands())

    # --- streaming ----------------------------------------------------------------

    def _stream(self, formats: dict[str, StreamFormat]) -> None:
        if not self._driver.foreign:
            self._senders = {
                name: self._sender(name, stream, formats[name])
                for name, stream in self._spec.streams.items()
            }
        self._driver.start()
        self._control.send(Started(host_ns=time.monotonic_ns()))
        reason = self._read_or_hand_over()
        for name, sender in self._senders.items():
            sender.end(Ended(name, reason))
        self._drain()

    def _sender(self, name: str, stream: SourceStream, form: StreamFormat) -> Sender:
        rows = (
            None if form.rate is None else max(1, int(stream.ring_seconds * form.rate))
        )
        return Sender(
            self._context,
            stream.endpoint,
            stream=name,
            stream_format=form,
            address=Address(stream.key, form.digest, secrets.randbelow(2**63) + 1),
            ring=Ring(stream.ring_bytes, rows),
        )

    def _read_or_hand_over(self) -> str:
        """Read until over; let what the rings hold outlive a driver with a bug."""
        try:
            return self._read_until_over()
        except Exception:
            deadline = time.monotonic() + HAND_OVER_LIMIT
            for sender in self._senders.values():
                sender.announce_missing()
            while self._is_holding() and time.monotonic() < deadline:
                self._pump()
                time.sleep(IDLE)
            raise

    def _is_holding(self) -> bool:
        rings = [sender.ring for sender in self._senders.values()]
        return any(ring.first < ring.next for ring in rings) and not self._over()

    def _read_until_over(self) -> str:
        """Read and send until told to stop; return the reason of an early end."""
        while not self._over():
            if self._driver.paced_by_consumer and not self._rings_have_room():
                time.sleep(IDLE)
                self._pump()
                continue
            try:
                self._dispatch(self._driver.read(READ_TIMEOUT))
            except DeviceError as error:
                self._complain(str(error))
                return str(error)
            self._pump()
            if self._senders and all(s.ended for s in self._senders.values()):
                return ""
        if "quit" not in self._orders:
            self._dispatch(self._driver.stop())
        return "the source was terminated" if self._term.raised else ""

    def _rings_have_room(self) -> bool:
        return all(s.ended or s.ring.fill < 0.9 for s in self._senders.values())

    def _dispatch(self, items: Items) -> None:
        for item in items:
            self._give(item)

    def _give(self, item: Item) -> None:
        if isinstance(item, Note):
            self._complain(f"{item.stream}: {item.text}")
            return
        sender = self._senders[item.stream]
        if sender.ended:
            return  # what comes after the end is not of the stream
        if isinstance(item, Block):
            item.epoch += self._spec.first_epoch
            if not sender.offer(item):
                self._complain(f"{item.stream}: ring full, samples are lost")
        elif isinstance(item, Lost):
            sender.lose(replace(item, epoch=item.epoch + self._spec.first_epoch))
        elif isinstance(item, ClockReading):
            sender.read_clock(item)
        else:
            sender.end(item)

    def _pump(self) -> None:
        for sender in self._senders.values():
            sender.pump()
        self._obey()
        now = time.monotonic()
        if now - self._told >= STATUS_EVERY:
            self._told = now
            self._tell()

    def _drain(self) -> None:
        """Send what the rings hold until the end of every stream is acknowledged."""
        limit = TERMINATED_LIMIT if self._term.raised else DRAIN_LIMIT
        deadline = time.monotonic() + limit
        while not all(sender.finished for sender in self._senders.values()):
            self._pump()
            if "quit" in self._orders or time.monotonic() > deadline:
                break
            time.sleep(IDLE)
        self._tell()
        self._complain.finish()

    def _tell(self) -> None:
        self._complain.tell()
        self._control.send(Alive())
        for name, sender in self._senders.items():
            self._control.send(
                SourceStatus(
                    stream=name,
                    rows=sender.tally.rows,
                    lost=sender.tally.lost,
                    ring_bytes=sender.ring.used,
                    ring_fill=sender.ring.fill,
                    connected=sender.welcome,
                )
            )


def make_driver(spec: SourceSpec) -> Driver:
    """Find the driver and give it its settings, validated by its own models."""
    streams = {name: stream.options for name, stream in spec.streams.items()}
    return configured_driver(spec.driver, spec.device, spec.options, streams)


def main() -> int:
    """Run a source by the orders on standard input: hold a device, record from it."""
    logging.basicConfig(stream=sys.stderr)
    order = SOURCE_ORDER.validate_json(read_line())
    term = TermFlag()
    die_with_parent(order.parent)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    code = _record(order, context, term)
    context.destroy(linger=1000)  # a source that has failed may leave a socket open
    return code


def _record(
    order: HoldSpec | SourceSpec,
    context: "zmq.Context[zmq.Socket[bytes]]",
    term: TermFlag,
) -> int:
    """Take part in a session, at once or when one wants the device that is held."""
    spec, device = order, None
    if isinstance(spec, HoldSpec):
        control = Control(context, spec.control, f"source:{spec.device}")
        holding = Holding(spec, control, term)
        code = run_process(holding.run, control)
        if holding.joined is None:
            return code
        spec, device = holding.joined.session, holding.joined.device
    return _take_part(spec, context, term, device)


def _take_part(
    spec: SourceSpec,
    context: "zmq.Context[zmq.Socket[bytes]]",
    term: TermFlag,
    device: OpenDevice | None,
) -> int:
    control = Control(context, spec.control, f"source:{spec.device}")
    return run_process(
        lambda: Source(spec, context, control, term, device).run(), control
    )


if __name__ == "__main__":
    sys.exit(main())
