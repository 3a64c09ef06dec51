"""A device that the service holds ready between sessions. Rules only, no I/O."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import JsonValue

from rigd.config.clocks import SyncLine
from rigd.config.rig import Device
from rigd.streams.messages import HoldSpec, TrialTerms
from rigd.streams.trial_report import TrialReport

START_ALLOWANCE = 5.0
"""Seconds for a process to come up, before its device has to answer."""

TRIAL_ALLOWANCE = 30.0
"""Seconds that a trial may last beyond its time, where little comes."""

LONGEST_SILENCE = 6.0
"""Seconds without a word after which a process that holds a device counts as dead."""

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 30.0
"""Seconds until a device that is missing is tried again, at first and later."""

RECENT = 600.0
"""Seconds for which it need not be tried again what a device delivers."""


Settings = dict[str, JsonValue]


class DeviceState(StrEnum):
    """Where a device of the rig stands."""

    CLOSED = "closed"
    """A session opens it when it starts: it is not to be armed, or its driver can't."""
    OPENING = "opening"
    ARMED = "armed"
    """Open, and ready for a session."""
    MISSING = "missing"
    """It does not open, or is gone; it is tried again and again."""
    IN_SESSION = "in session"
    DISARMED = "disarmed"
    """Given back on request, for other programs."""


@dataclass(frozen=True, slots=True)
class Terms:
    """All that the process which holds a device depends on."""

    device: Device
    trial_seconds: float
    """How long the device is tried when it is armed; 0: it is not."""
    sync: SyncLine | None

    @property
    def trial(self) -> TrialTerms | None:
        """How the device is tried."""
        if not self.trial_seconds:
            return None
        return TrialTerms(seconds=self.trial_seconds, sync=self.sync)

    @property
    def patience(self) -> float:
        """Seconds in which the device has to be armed."""
        trial = self.trial_seconds + TRIAL_ALLOWANCE if self.trial_seconds else 0.0
        return START_ALLOWANCE + self.device.open_timeout + trial

    def fit(self, device: Device) -> bool:
        """Whether a device with these settings is opened in just the same way."""
        return opening_of(self.device) == opening_of(device)

    def specification(self, name: str, control: str, parent: int) -> HoldSpec:
        """Say it to the process."""
        driver, options, streams = opening_of(self.device)
        return HoldSpec(
            device=name,
            driver=driver,
            options=options,
            streams=streams,
            trial=self.trial,
            control=control,
            parent=parent,
        )


def opening_of(device: Device) -> tuple[str, Settings, dict[str, Settings]]:
    """All that opening a device depends on: driver, its options, those of streams."""
    streams = {name: stream.options for name, stream in device.streams.items()}
    return device.driver, device.options, streams


@dataclass(slots=True)
class ArmedDevice:
    """One device: what its process has said, and what is due.

    All times are CLOCK_MONOTONIC, s.
    """

    terms: Terms
    state: DeviceState = DeviceState.OPENING
    error: str = ""
    """Why it is missing."""
    answer_by: float = 0.0
    """When a device that is opening counts as not answering."""
    heard_at: float = 0.0
    tried: TrialReport | None = None
    """What it delivered when it was armed."""
    tried_at: float = 0.0
    is_disarmed: bool = False
    """Somebody has asked not to hold it."""
    failures: int = 0
    """Times in a row that it was not there."""
    next_try: float = 0.0

    def look_again(self, now: float, *, may_be_held: bool) -> None:
        """Nothing has it: hold it as soon as possible, if it is to be held."""
        self.failures, self.next_try, self.error = 0, now, ""
        if self.is_disarmed:
            self.state = DeviceState.DISARMED
        else:
            self.state = DeviceState.MISSING if may_be_held else DeviceState.CLOSED

    def begin(self, now: float) -> None:
        """Its process is started."""
        self.state, self.error, self.tried = DeviceState.OPENING, "", None
        self.answer_by = now + self.terms.patience

    def arm(self, tried: TrialReport | None, now: float) -> None:
        """It is open."""
        self.state, self.error, self.failures = DeviceState.ARMED, "", 0
        self.tried, self.tried_at = tried, now

    def fail(self, why: str, now: float) -> None:
        """Its process has ended."""
        self.state, self.error = DeviceState.MISSING, self.error or why
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self.failures)
        self.failures, self.next_try = self.failures + 1, now + pause

    def overdue(self, now: float) -> str | None:
        """Say why its process is to be killed, if it is."""
        if self.state is DeviceState.OPENING and now > self.answer_by:
            limit = self.terms.device.open_timeout
            return (
                f"did not answer within its open_timeout of {limit:g} s; is it "
                "connected and switched on?"
            )
        silent = now - self.heard_at
        if self.state is DeviceState.ARMED and silent > LONGEST_SILENCE:
            return f"its process said nothing for {silent:.0f} s"
        return None

    @property
    def has_answered(self) -> bool:
        """Whether it is known if it is there."""
        return self.state is not DeviceState.OPENING
