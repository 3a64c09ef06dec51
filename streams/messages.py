"""What the daemon and its child processes say to each other, as JSON.

A child gets its specification as one JSON line on standard input. From then on it
talks through one ZeroMQ DEALER socket, whose identity is `source:<device>` or
`writer:<stream>`, to the daemon's ROUTER: events up, commands down.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from rigd.config.base import Model
from rigd.config.clocks import SyncLine
from rigd.streams.trial_report import TrialReport


class SourceStream(Model):
    """One stream of a source: its settings and where its writer listens."""

    options: dict[str, Any]
    endpoint: str
    key: int
    ring_seconds: float
    ring_bytes: int


class TrialTerms(Model):
    """How a device is tried."""

    seconds: float = Field(gt=0)
    """How long it samples."""
    sync: SyncLine | None = None
    """Where it records the shared pulses; None: it does not."""


class HoldSpec(Model):
    """What a source process needs to know to hold a device ready between sessions.

    A `SourceSpec` follows as a second line when a session wants the device. The end of
    the input tells it to give the device back.
    """

    device: str
    driver: str
    options: dict[str, Any]
    streams: dict[str, dict[str, Any]]
    """Options of each stream, by name."""
    trial: TrialTerms | None = None
    """How the device is tried once it is open; None: it is not."""
    control: str
    parent: int


class SourceSpec(Model):
    """Everything a source process needs to know."""

    device: str
    driver: str
    options: dict[str, Any]
    streams: dict[str, SourceStream]
    control: str
    parent: int
    first_epoch: int = 0
    """Added to the epochs of its driver: it follows a source that has died."""
    trial: TrialTerms | None = None
    """How it tries its device on the order `try`; None: it is not asked to."""


SOURCE_ORDER: TypeAdapter[HoldSpec | SourceSpec] = TypeAdapter(HoldSpec | SourceSpec)
"""First line of the input of a source process."""


class WriterSpec(Model):
    """Everything a writer process needs to know; the file exists already."""

    stream: str
    path: str
    endpoint: str
    key: int
    format: dict[str, Any]
    nwb_type: str
    chunk: tuple[int, ...] | None
    compression: str
    control: str
    parent: int
    visible_seconds: float = 0.07
    """A live reader sees a row after at most this long (plus the drain interval)."""
    sync_seconds: float = 1.0
    """Rows are on the disk, and acknowledged, after at most this long."""
    sync_bytes: int = 16 * 2**20
    """... or after this many bytes."""
    durable: bool = True
    """False: what the kernel holds is acknowledged already. It outlives the writer, but
    not the machine."""
    patience_seconds: float = 0.0
    """How long to wait for room on a full disk before the stream ends: streams of lower
    priority end first, and leave theirs."""
    sync: SyncLine | None = None
    """Where the stream has sync pulses, if it does."""
    drain_seconds: float = 0.09
    """How long to let small messages gather before they are taken together."""


class Armed(Model):
    """Source outside a session: its device is open, and it holds it."""

    event: Literal["armed"] = "armed"
    tried: TrialReport | None = None
    """What the device delivered when it was tried; None: it was not."""


class Tried(Model):
    """Source: what its device delivered when it was tried on request."""

    event: Literal["tried"] = "tried"
    report: TrialReport


class Opened(Model):
    """Source: the device is open and its streams look like this."""

    event: Literal["opened"] = "opened"
    formats: dict[str, dict[str, Any]]
    foreign: bool = False
    """The samples come from a sender of its own, not from this process."""


class Ready(Model):
    """Writer: the file is open and the socket is bound."""

    event: Literal["ready"] = "ready"


class Started(Model):
    """Source: the device samples since then (CLOCK_MONOTONIC, ns)."""

    event: Literal["started"] = "started"
    host_ns: int


class Alive(Model):
    """Source, twice a second: its loop goes round, whether it has samples or not."""

    event: Literal["alive"] = "alive"


class SourceStatus(Model):
    """Source, twice a second: where one stream stands."""

    event: Literal["source"] = "source"
    stream: str
    rows: int
    lost: int
    ring_bytes: int
    ring_fill: float
    """Used part of the ring, 0 to 1."""
    connected: bool


class LostSamples(Model):
    """Samples that a writer has found missing."""

    first: int
    """Index of the first one."""
    count: int
    """How many; 0: an outage, nobody counted them."""
    epoch: int
    """Number of times the device's counter had started anew."""
    cause: str
    """Why they are missing."""
    after_ns: int
    """CLOCK_MONOTONIC (ns) of the last block before them; 0: there was none."""


class ClockStatus(Model):
    """How the clock of a stream runs; a glance, not the alignment at the end."""

    drift_ppm: float | None = None
    """How much faster than nominal it runs; None: not known yet."""
    offset_seconds: float | None = None
    """Host's clock minus device's, with the way of the samples; None: unknown."""
    error_seconds: float | None = None
    """Scatter of the least delayed readings: what a time by them may be off."""
    pulses: int | None = None
    """Pulses on its sync line so far; None: it has none."""
    pulse_age_seconds: float | None = None
    """Time since the newest one; None before the first."""
    longest_interval_seconds: float | None = None
    """Longest time between two pulses so far."""


class WriterStatus(Model):
    """Writer, twice a second: where one stream stands."""

    event: Literal["writer"] = "writer"
    stream: str
    rows: int
    bytes: int
    lost: int
    repeated: int
    rejected: int
    acknowledged_rows: int
    lag_seconds: float | None
    """Age of the newest row kept, s, on the host clock; None before the first, and in
    simulated time."""
    lost_by_cause: dict[str, int] = Field(default_factory=dict)
    """Lost samples by cause, since this writer was started."""
    newly_lost: list[LostSamples] = Field(default_factory=list)
    """Intervals that were found since the last status: the first of them."""
    newly_lost_count: int = 0
    """How many there were."""
    clock: ClockStatus | None = None
    """How its clock runs."""


class Notice(Model):
    """Something a person should know; at most once a second from one place."""

    event: Literal["notice"] = "notice"
    level: Literal["info", "warning", "error"]
    text: str
    stream: str | None = None


class Finished(Model):
    """Process: the work is done and everything is given back. It exits now."""

    event: Literal["finished"] = "finished"
    reason: str = ""
    """Empty for a regular end."""


class Failed(Model):
    """Process: it can't go on; what is wrong and what to do. It exits now."""

    event: Literal["failed"] = "failed"
    error: str


Event = Annotated[
    Armed
    | Tried
    | Opened
    | Ready
    | Started
    | Alive
    | SourceStatus
    | WriterStatus
    | Notice
    | Finished
    | Failed,
    Field(discriminator="event"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class Command(Model):
    """What the daemon asks of a child.

    `start` is for sources, and so is `try`: let the open device sample for a moment,
    and say what came. `stop` makes a source end its streams, and a writer ask its
    (foreign) sender to do so. `quit` makes a writer close its file with what it has,
    or a source leave without more ado.
    """

    command: Literal["try", "start", "stop", "quit"]
    reason: str = ""
