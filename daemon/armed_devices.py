"""Holds the devices of the rig ready between sessions, each in its source process.

A session that starts gets the processes of its devices, with the devices open. When it
is over they are opened anew.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog
import zmq

from rigd.config.rig import Device, Rig
from rigd.daemon.armed_device import ArmedDevice, DeviceState, Terms
from rigd.daemon.control_protocol import DeviceStatus
from rigd.daemon.processes import Child, Complained, Exited, Happening, Processes, Said
from rigd.daemon.runtime_folder import RuntimeFolderError
from rigd.streams.messages import Armed, Failed
from rigd.streams.registry import can_be_held
from rigd.streams.trial_report import TrialReport

SOCKET = "armed.sock"
"""Where the processes speak, in the runtime directory."""

NOT_LOOKED = 3.0
"""Seconds between two turns after which nobody counts as silent."""

LOG = structlog.get_logger("rigd.devices")


@dataclass(frozen=True, slots=True)
class Held:
    """A device that is handed over to a session, with its process.

    Attributes:
        child: The process; its name is `source:<device>`.
        terms: How it was opened.
        tried: What it delivered when it was armed; None: it was not tried.
        tried_at: When, CLOCK_MONOTONIC, s.

    """

    child: Child
    terms: Terms
    tried: TrialReport | None
    tried_at: float

    def fits(self, device: Device) -> bool:
        """Whether a session can go on with it as it is."""
        return self.terms.fit(device) and self.child.popen.poll() is None


class ArmedDevices:
    """All devices of the rig, held ready where their drivers can."""

    def __init__(self, folder: Path) -> None:
        """Hold nothing yet; the processes speak at a socket in `folder`.

        Raises:
            RuntimeFolderError: There is no room for it.

        """
        self._socket = folder / SOCKET
        try:
            self._socket.unlink(missing_ok=True)
            self._processes = Processes(self._socket)
        except (zmq.ZMQError, OSError) as error:
            raise RuntimeFolderError(
                f"can't listen at `{self._socket}`: {error.strerror}"
            ) from error
        self._devices: dict[str, ArmedDevice] = {}
        self._waiting: list[tuple[Collection[str], Callable[[], None]]] = []
        self._turned = 0.0

    def use(self, rig: Rig) -> None:
        """Hold the devices of a rig from now on; no session runs.

        One whose settings have changed is closed, and opened again.
        """
        wanted = {name: _terms(rig, name) for name in rig.devices}
        for name in list(self._devices):
            if wanted.get(name) != self._devices[name].terms:
                self._end(name)
                del self._devices[name]
        for name, terms in wanted.items():
            if name not in self._devices:
                self._devices[name] = ArmedDevice(terms)
                self._hold(name)

    @property
    def have_answered(self) -> bool:
        """Whether it is known of each device if it is there."""
        return all(device.has_answered for device in self._devices.values())

    def status(self) -> list[DeviceStatus]:
        """Say where each device stands."""
        return [
            DeviceStatus(
                device=name,
                driver=device.terms.device.driver,
                state=device.state,
                error=device.error or None,
            )
            for name, device in self._devices.items()
        ]

    # --- sessions and other programs ----------------------------------------------

    def hand_over(self, names: Iterable[str]) -> dict[str, Held]:
        """Give the devices that a session wants, and that are held, with processes."""
        held: dict[str, Held] = {}
        for name in names:
            device = self._devices.get(name)
            if device is None:
                continue
            child = _child(name)
            if self._processes.is_running(child):
                held[name] = Held(
                    self._processes.hand_over(child),
                    device.terms,
                    device.tried,
                    device.tried_at,
                )
            device.state, device.error = DeviceState.IN_SESSION, ""
        return held

    def take_back(self, names: Iterable[str]) -> None:
        """Hold devices again whose session is over."""
        for name in names:
            if name in self._devices:
                self._hold(name)

    def disarm(self, names: Collection[str], then: Callable[[], None]) -> None:
        """Give devices back for other programs; call `then` once they are closed."""
        for name in names:
            device = self._devices[name]
            device.is_disarmed = True
            if device.state is not DeviceState.IN_SESSION:
                self._end(name)
                self._hold(name)
        self._waiting.append((names, then))
        self._tell_what_is_closed()

    def arm_again(self, names: Iterable[str]) -> None:
        """Hold devices that were disarmed, or look at once for missing ones."""
        for name in names:
            device = self._devices[name]
            device.is_disarmed = False
            if device.state in (DeviceState.DISARMED, DeviceState.MISSING):
                self._hold(name)

    def _hold(self, name: str) -> None:
        """Let a device be opened that nothing has."""
        device = self._devices[name]
        settings = device.terms.device
        may_be_held = settings.armed and can_be_held(settings.driver)
        device.look_again(time.monotonic(), may_be_held=may_be_held)

    @property
    def names(self) -> list[str]:
        """All devices of the rig."""
        return list(self._devices)

    def close(self) -> None:
        """Give all devices back."""
        self._processes.close()
        self._socket.unlink(missing_ok=True)

    # --- the loop -----------------------------------------------------------------

    def turn(self, now: float) -> None:
        """Hear the processes, and do what is due; never waits."""
        for happening in self._processes.wait(0):
            self._take(happening, now)
        if now - self._turned > NOT_LOOKED:
            for device in self._devices.values():
                device.heard_at = now
        self._turned = now
        for name, device in self._devices.items():
            self._do_what_is_due(name, device, now)
        self._tell_what_is_closed()

    def _do_what_is_due(self, name: str, device: ArmedDevice, now: float) -> None:
        child = _child(name)
        is_running = self._processes.is_running(child)
        if (why := device.overdue(now)) is not None and is_running:
            device.error = device.error or why
            self._processes.kill(child)
        is_due = device.state is DeviceState.MISSING and now >= device.next_try
        if is_due and not is_running:
            device.begin(now)
            order = device.terms.specification(
                name, self._processes.endpoint, os.getpid()
            )
            self._processes.start(
                child,
                "rigd.streams.source",
                name,  # for whoever reads the list of processes
                first_line=order.model_dump_json(),
                more_lines=True,
            )

    def _take(self, happening: Happening, now: float) -> None:
        name = happening.child.partition(":")[2]
        device = self._devices.get(name)
        if device is None:
            return
        device.heard_at = now
        if isinstance(happening, Exited):
            self._take_end(name, device, happening, now)
        elif isinstance(happening, Complained):
            LOG.info(happening.line, device=name)
        elif isinstance(happening, Said) and isinstance(happening.event, Armed):
            self._take_armed(name, device, happening.event, now)
        elif isinstance(happening, Said) and isinstance(happening.event, Failed):
            device.error = device.error or happening.event.error

    def _take_armed(
        self, name: str, device: ArmedDevice, armed: Armed, now: float
    ) -> None:
        if device.state is DeviceState.OPENING:  # no session has it meanwhile
            device.arm(armed.tried, now)
            LOG.info("device is armed", device=name)

    def _take_end(
        self, name: str, device: ArmedDevice, end: Exited, now: float
    ) -> None:
        """A process that was not told to end has lost its device."""
        if device.state in (DeviceState.OPENING, DeviceState.ARMED):
            is_news = device.failures == 0
            device.fail(end.cause, now)
            if is_news:
                LOG.error("device is missing", device=name, reason=device.error)

    def _end(self, name: str) -> None:
        if self._processes.is_running(_child(name)):
            self._processes.terminate(_child(name))

    def _tell_what_is_closed(self) -> None:
        waiting, self._waiting = self._waiting, []
        for names, then in waiting:
            if any(self._processes.is_running(_child(name)) for name in names):
                self._waiting.append((names, then))
            else:
                then()


def _child(name: str) -> str:
    return f"source:{name}"


def _terms(rig: Rig, name: str) -> Terms:
    sync = rig.clocks.of_device(name).sync
    return Terms(rig.devices[name], rig.check.trial, sync)
