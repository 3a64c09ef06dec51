"""A source process outside a session: it holds its device open, ready for one.

It opens the device, tries it, and says twice a second that all is well, until a session
joins: then the process goes on as the source of that session, with the device open.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import zmq

from rigd.streams.block import StreamFormat
from rigd.streams.driver import DeviceError, Driver, Holdable
from rigd.streams.messages import Alive, Armed, HoldSpec, SourceSpec
from rigd.streams.process import STANDARD_INPUT, Control, TermFlag, read_line
from rigd.streams.registry import configured_driver
from rigd.streams.trial import try_open_device
from rigd.streams.trial_report import TrialReport

LOOK_EVERY = 0.5
"""Seconds between two looks at whether the device is still there."""


@dataclass(frozen=True, slots=True)
class OpenDevice:
    """A driver whose device is open, and the formats of its streams."""

    driver: Driver
    formats: Mapping[str, StreamFormat]


@dataclass(frozen=True, slots=True)
class Joined:
    """The session that wants the device, and the device."""

    session: SourceSpec
    device: OpenDevice


class Holding:
    """Holds one device until a session joins or it is to be given back."""

    def __init__(self, spec: HoldSpec, control: Control, term: TermFlag) -> None:
        self.joined: Joined | None = None
        """None: the device has been given back."""
        self._spec = spec
        self._control = control
        self._term = term

    def run(self) -> None:
        """Open the device, and hold it.

        Raises:
            DeviceError: It does not open, or is gone.

        """
        spec = self._spec
        driver = configured_driver(spec.driver, spec.device, spec.options, spec.streams)
        try:
            device = OpenDevice(driver, driver.open())
            self._control.send(Armed(tried=self._try(device)))
            if (session := self._wait_for_session(driver)) is not None:
                self.joined = Joined(session, device)
        finally:
            if self.joined is None:
                driver.close()

    def _try(self, device: OpenDevice) -> TrialReport | None:
        terms = self._spec.trial
        if terms is None:
            return None
        report = try_open_device(
            self._spec.device, device.driver, device.formats, terms, self._term
        )
        if report.error is not None:
            raise DeviceError(report.error)
        return report

    def _wait_for_session(self, driver: Driver) -> SourceSpec | None:
        """See that the device is there until the next line of the input comes."""
        poller = zmq.Poller()
        poller.register(STANDARD_INPUT, zmq.POLLIN)
        while not self._term.raised:
            if poller.poll(round(1000 * LOOK_EVERY)):
                line = read_line()
                return SourceSpec.model_validate_json(line) if line else None
            if isinstance(driver, Holdable):
                driver.keep_ready()
            self._control.send(Alive())
        return None
