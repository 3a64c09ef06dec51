"""Gives a session a stream of marks, and sends marks into it."""

from typing import Any

import zmq

from rigd.config.clocks import DeviceClock
from rigd.config.rig import Device
from rigd.config.session import Session
from rigd.streams.drivers.marks import Mark

DRIVER = "marks"

NAME, OTHER_NAME = "marks", "rigd_marks"
"""Device and stream that are added; the other where the first is taken."""

DESCRIPTION = "Moments noted by `rigd mark` or by a program"


def with_marks(session: Session, endpoint: str) -> Session:
    """Add a device for marks that listens at `endpoint`.

    One that the session has already stays, unless it was added by this to the session
    that is gone on with.
    """
    devices = {
        name: device
        for name, device in session.rig.devices.items()
        if not _was_added(device)
    }
    if any(device.driver == DRIVER for device in devices.values()):
        return session
    streams = {name for device in devices.values() for name in device.streams}
    name = OTHER_NAME if NAME in {*devices, *streams} else NAME
    devices[name] = _device(name, endpoint)
    clocks = session.rig.clocks
    own = {**clocks.devices, name: DeviceClock(latency=0.0)}
    update = {
        "devices": devices,
        "clocks": clocks.model_copy(update={"devices": own}),
    }
    rig = session.rig.model_copy(update=update)
    return session.model_copy(update={"rig": rig})


def _device(name: str, endpoint: str) -> Device:
    stream: dict[str, Any] = {
        "description": DESCRIPTION,
        "nwb": {"type": "EventsTable", "columns": {"text": "What happened"}},
    }
    return Device.model_validate(
        {
            "driver": DRIVER,
            "description": DESCRIPTION,
            "options": {"endpoint": endpoint},
            "streams": {name: stream},
        }
    )


def _was_added(device: Device) -> bool:
    return device.driver == DRIVER and device.description == DESCRIPTION


class MarkSender:
    """Sends marks to the source of a session. Never waits."""

    def __init__(self, session: Session) -> None:
        """Connect to the device for marks of the session, as soon as it listens."""
        devices = session.rig.devices.values()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.PUSH)
        self._socket.linger = 0
        for device in devices:
            if device.driver == DRIVER:
                self._socket.connect(str(device.options["endpoint"]))

    def send(self, mark: Mark) -> bool:
        """Send a mark; False: its source does not take any more."""
        try:
            self._socket.send(mark.model_dump_json().encode(), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def close(self) -> None:
        """Disconnect."""
        self._context.destroy(linger=0)
