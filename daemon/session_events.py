"""What a running session says to whoever watches it: log, terminal, program, service.

Every event is a JSON object with its kind under `event`; `rigd record --json` prints
them one a line.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

from pydantic import Field

from rigd.config.base import Model
from rigd.daemon.check_report import CheckReport
from rigd.daemon.session_state import State
from rigd.streams.messages import ClockStatus, Notice

MOST_NAMED = 3
"""Lost intervals that a line for people names."""


class StateChanged(Model):
    """The session has come to another state."""

    event: Literal["state"] = "state"
    state: State


class FolderMade(Model):
    """The session has its folder; everything about it will stand there."""

    event: Literal["folder"] = "folder"
    folder: str
    session: str
    subject: str


class LostSpan(Model):
    """An interval of lost samples while the session runs: times by the host's clock."""

    first: int
    """Index of the first lost sample."""
    count: int
    """How many are lost; 0: an outage, nobody counted them."""
    epoch: int
    """Number of times the device's counter had started anew."""
    cause: str
    """Why they are lost."""
    start: float | None
    """Since when, session seconds: the last block before; None: there was none."""
    stop: float | None
    """Until when by the nominal rate; None: the stream has none, or an outage."""

    def __str__(self) -> str:
        when = (
            "before the first row" if self.start is None else f"at {self.start:.3f} s"
        )
        if self.count == 0:
            return f"an outage from sample {self.first} on ({self.cause}), {when}"
        last = self.first + self.count - 1
        return f"samples {self.first} to {last} ({self.cause}), {when}"


class Losses(Model):
    """Samples of a stream are missing: what its writer has found since last time."""

    event: Literal["lost"] = "lost"
    stream: str
    intervals: list[LostSpan]
    """The first of them."""
    interval_count: int
    """How many there are."""

    def __str__(self) -> str:
        more = self.interval_count - len(self.intervals[:MOST_NAMED])
        named = "; ".join(map(str, self.intervals[:MOST_NAMED]))
        return f"`{self.stream}` lost {named}" + (f" and {more} more" if more else "")


class StreamProgress(Model):
    """Where one stream stands."""

    stream: str
    device: str
    rows: int = 0
    """Rows in the file."""
    safe_rows: int = 0
    """Rows on the disk: a power cut does not take them."""
    bytes: int = 0
    """Size of the rows."""
    rate: float | None = None
    """Rows per second, measured over the last seconds; None: not known yet."""
    bytes_per_second: float | None = None
    """Measured like `rate`."""
    nominal_rate: float | None = None
    """Rows per second as declared; None: event-like."""
    rate_ppm: float | None = None
    """How much faster than declared the rows of the last ten minutes came, in parts per
    million; None: not known yet, or event-like."""
    lost: int = 0
    """Samples lost so far, whatever the cause."""
    lost_by_cause: dict[str, int] = Field(default_factory=dict)
    """The same by cause, as far as the writer has heard of them."""
    lost_intervals: list[LostSpan] = Field(default_factory=list)
    """The newest lost intervals, the newest last; the file has all of them."""
    lag_seconds: float | None = None
    """Age of the newest row; None before the first."""
    ring_fill: float = 0.0
    """Used part of the source's ring, 0 to 1."""
    clock: ClockStatus | None = None
    """How its clock runs; None: not known yet."""
    pulses_expected: int | None = None
    """Pulses on its sync line if all was well: the most that another line has seen, or
    by their period; None: it has no sync line, or there is nothing to compare with."""


class Progress(Model):
    """Where all streams stand, twice a second."""

    event: Literal["progress"] = "progress"
    seconds: float
    """Recorded so far."""
    duration: float | None
    """Planned length in seconds; None: until stopped."""
    streams: list[StreamProgress]
    free_bytes: int | None
    """Free space where the session folder is; None: the disk does not say."""
    seconds_left: float | None
    """How long the free space lasts, smoothed; None: not known."""


class Output(Model):
    """A line that a child process wrote on its standard error."""

    event: Literal["output"] = "output"
    process: str
    line: str


class Step(Model):
    """A step of preparing or finalizing."""

    event: Literal["step"] = "step"
    step: str
    stream: str | None = None


class StreamSummary(Model):
    """What became of one stream."""

    stream: str
    rows: int | None
    """None, here and below: unknown."""
    seconds: float | None = None
    """From its first to its last row."""
    rate: float | None = None
    """Rows per second over that time."""
    lost: int | None
    bytes: int | None
    """Size of its file."""
    verdict: str


class StreamRecovery(Model):
    """How one stream came out of `rigd recover`."""

    event: Literal["recovery"] = "recovery"
    stream: str
    rows: int | None
    """Rows that were kept; None: its file can't be used."""
    rows_lost: int
    """Rows that were on the disk and could not be had; the ledger says which."""
    changed: bool
    """Its file was built again from its journal."""
    notes: list[str]
    """What was done, and why."""
    reasons: list[str]
    """Why the stream is not complete."""

    def __str__(self) -> str:
        said = self.notes or ["left as it was"]
        if self.rows is None:
            said = [*self.notes, *self.reasons]
        return f"stream `{self.stream}`: {'; '.join(said)}"


What = Literal["died", "fell silent", "was terminated", "given up", "is back"]
"""What may happen to a process."""


class Incident(Model):
    """Something happened to a source or writer process; stands in the manifest too."""

    event: Literal["incident"] = "incident"
    process: str
    """`source:<device>` or `writer:<stream>`."""
    what: What
    """`fell silent`: it said nothing for too long and was killed. `given up`: it is
    not started again."""
    cause: str
    """What is known of why; empty where it is back."""
    streams: list[str]
    """The streams that it carries."""


class Summary(Model):
    """What became of the session. The last event."""

    event: Literal["summary"] = "summary"
    folder: str
    verdict: str
    reasons: list[str]
    streams: list[StreamSummary]


SessionEvent = (
    StateChanged
    | FolderMade
    | CheckReport
    | Progress
    | Losses
    | Output
    | Step
    | Notice
    | Incident
    | Summary
)


class Observer(Protocol):
    """Someone who watches a session. Must not wait and must not raise."""

    def observe(self, event: SessionEvent) -> None:
        """Take one event."""
        ...


Level = Literal["info", "warning", "error"]


class Audience:
    """All observers of a session."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = list(observers)

    def join(self, observer: Observer) -> None:
        """Let an observer take all events from now on, before the others."""
        self._observers.insert(0, observer)

    def leave(self, observer: Observer) -> None:
        """Tell an observer nothing more."""
        self._observers.remove(observer)

    def tell(self, event: SessionEvent) -> None:
        """Pass an event on."""
        for observer in self._observers:
            observer.observe(event)

    def say(self, level: Level, text: str, stream: str | None = None) -> None:
        """Pass on something that a person should know."""
        self.tell(Notice(level=level, text=text, stream=stream))
