"""Sources and writers of a session as the daemon knows them. Rules only, no I/O."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from rigd.config.rig import Device
from rigd.daemon.session_events import LostSpan
from rigd.streams.block import StreamFormat
from rigd.streams.messages import (
    LostSamples,
    SourceSpec,
    SourceStatus,
    WriterSpec,
    WriterStatus,
)

FIRST_ROWS = 5.0
"""Seconds after the start in which a stream should deliver something."""

BEFORE = "before a restart"
"""Cause of losses that a writer which was started again knows the number of."""

LOSSES_KEPT = 5
"""Lost intervals of a stream that its progress shows."""

FIRST_PULSES = 5.0
"""Seconds in which a sync line should have a pulse."""

PULSE_INTERVALS = 3
"""... or so many of the longest intervals so far, if that is longer."""

FIRST_PERIODS = 3
"""... but at least this many of its sampling periods."""


class Order(StrEnum):
    """What a process that is to end is told or done, from soft to hard."""

    STOP = "stop"
    QUIT = "quit"
    TERMINATE = "terminate"
    KILL = "kill"


Rungs = tuple[tuple[float, Order], ...]
"""Orders, each with the seconds of silence after which it is due."""

SOURCE_RUNGS: Rungs = (
    (0.0, Order.STOP),
    (10.0, Order.QUIT),
    (15.0, Order.TERMINATE),
    (18.0, Order.KILL),
)
"""A source gives back its device and drains its rings."""

WRITER_RUNGS: Rungs = ((1.0, Order.QUIT), (31.0, Order.TERMINATE), (36.0, Order.KILL))
"""A writer whose source is over takes what is still on the wire, then closes."""

FOREIGN_WRITER_RUNGS: Rungs = (
    (0.0, Order.STOP),
    (10.0, Order.QUIT),
    (31.0, Order.TERMINATE),
    (36.0, Order.KILL),
)
"""A writer without a source of ours asks its sender to stop."""

LONGEST_DRAIN = 90.0
"""Seconds after which orders become due even though there is progress."""


@dataclass(slots=True)
class Ladder:
    """Ever harder orders to a process that is to end, as long as it does not move."""

    rungs: Rungs
    begun: float | None = None
    moved: float = 0.0
    climbed: int = 0

    def begin(self, now: float) -> None:
        """Let the orders come due from now on; a second begin changes nothing."""
        if self.begun is None:
            self.begun = self.moved = now

    def due(self, now: float) -> Order | None:
        """Return the next order if its time has come; it counts as given."""
        if self.begun is None or self.climbed == len(self.rungs):
            return None
        after, order = self.rungs[self.climbed]
        silent, total = now - self.moved, now - self.begun
        if silent < after and total < LONGEST_DRAIN + after:
            return None
        self.climbed += 1
        return order

    def hurry(self, order: Order) -> None:
        """Make `order`, if it is still to come, due at the next look."""
        place = [o for _, o in self.rungs].index(order)
        if self.climbed <= place:
            sooner = tuple((0.0, o) for _, o in self.rungs[:place])
            self.rungs = (*sooner, (0.0, order), *self.rungs[place + 1 :])


@dataclass(slots=True)
class Life:
    """What a participant has lived through since the recording began.

    Attributes:
        deaths: Times of its deaths (s), the newest last.
        start_at: Time at which it is to be started again; None: it is not dead.
        up_by: Time by which it should be up again after a start; None: it is up.
        failed_starts: Starts in a row after which it did not come up.
        is_dismissed: It was ended on purpose, and is not started again.

    """

    deaths: list[float] = field(default_factory=list)
    start_at: float | None = None
    up_by: float | None = None
    failed_starts: int = 0
    is_dismissed: bool = False

    @property
    def is_up(self) -> bool:
        """Whether it can be given orders."""
        return self.start_at is None and self.up_by is None


@dataclass(slots=True)
class Source:
    """One source process: what it said, and how it ended."""

    device_name: str
    device: Device
    open_by: float
    """Time at which the device counts as not answering."""
    formats: Mapping[str, StreamFormat] | None = None
    foreign: bool = False
    started_ns: int | None = None
    finished: bool = False
    error: str | None = None
    over_since: float | None = None
    """Time at which it ended for good."""
    heard_at: float = 0.0
    """Time of its last word, or since when one is expected."""
    ladder: Ladder = field(default_factory=lambda: Ladder(SOURCE_RUNGS))
    life: Life = field(default_factory=Life)
    specification: SourceSpec | None = None
    """What its process is told when it is started for the first time."""

    @property
    def name(self) -> str:
        """Identity on the control socket."""
        return f"source:{self.device_name}"

    @property
    def title(self) -> str:
        """Name for people."""
        return f"source `{self.device_name}`"

    def has_answered(self, now: float) -> bool:
        """Whether there is nothing more to wait for while it opens its device."""
        known = self.formats is not None or self.error is not None
        return known or self.over_since is not None or now > self.open_by

    @property
    def may_be_silent(self) -> float:
        """Seconds that what it does just now may take without a word."""
        return self.device.open_timeout if self.started_ns is None else 0.0

    @property
    def streams(self) -> list[str]:
        """The streams that it carries."""
        return list(self.device.streams)

    def fault(self, cause: str) -> str | None:
        """Say why it can't take part, if so; `cause` is how its process ended."""
        who = f"device `{self.device_name}` (driver `{self.device.driver}`)"
        if self.error is not None:
            return f"{who}: {self.error}"
        if self.over_since is not None:
            return f"{who} died while opening: {cause}"
        if self.formats is None:
            return (
                f"{who} did not answer within its open_timeout of "
                f"{self.device.open_timeout:g} s; is it connected and switched on?"
            )
        missing = [name for name in self.device.streams if name not in self.formats]
        return f"{who} does not offer {', '.join(missing)}" if missing else None

    def changes(self, formats: Mapping[str, StreamFormat]) -> str | None:
        """Say what is not as it was, if the device was opened again."""
        before = self.formats or {}
        changed = [
            name
            for name, form in formats.items()
            if name in before and form.digest != before[name].digest
        ]
        if not changed:
            return None
        return f"{', '.join(changed)} has another dtype or shape than before"

    def begin_again(self, up_by: float) -> None:
        """Forget what the process that has died said of itself."""
        self.error, self.finished = None, False
        self.life.start_at, self.life.up_by = None, up_by


@dataclass(slots=True)
class Writer:
    """One writer process and its stream: what was said, and how it ended."""

    stream: str
    device: str
    rate: float | None
    ready_by: float
    """Time at which the file counts as not opened."""
    ready: bool = False
    finished: bool = False
    error: str | None = None
    over_since: float | None = None
    """Time at which it ended for good."""
    heard_at: float = 0.0
    """Time of its last word, or since when one is expected."""
    rungs: Rungs = WRITER_RUNGS
    ladder: Ladder = field(default_factory=lambda: Ladder(WRITER_RUNGS))
    life: Life = field(default_factory=Life)
    specification: WriterSpec | None = None
    """What its process is told when it is started, again too."""
    written: WriterStatus | None = None
    written_at: float = 0.0
    """Time at which `written` came."""
    sent: SourceStatus | None = None
    losses: deque[LostSpan] = field(default_factory=lambda: deque(maxlen=LOSSES_KEPT))
    """The newest lost intervals."""
    was_missed: bool = False
    """It has been said that nothing was delivered."""
    stop_reason: str = ""
    """Why its stream is ended before the others."""
    has_silent_line: bool = False
    """It has been said that its sync line has no pulses."""

    @property
    def name(self) -> str:
        """Identity on the control socket."""
        return f"writer:{self.stream}"

    @property
    def title(self) -> str:
        """Name for people."""
        return f"writer of `{self.stream}`"

    def has_answered(self, now: float) -> bool:
        """Whether there is nothing more to wait for while it opens its file."""
        known = self.ready or self.error is not None
        return known or self.over_since is not None or now > self.ready_by

    @property
    def may_be_silent(self) -> float:
        """Seconds that what it does just now may take without a word."""
        return 0.0

    @property
    def streams(self) -> list[str]:
        """The stream that it carries."""
        return [self.stream]

    def fault(self, cause: str) -> str | None:
        """Say why its file is not open, if so; `cause` is how its process ended."""
        if self.ready and self.over_since is None and self.error is None:
            return None
        why = self.error or (cause if self.over_since else "no answer in time")
        return f"the file of stream `{self.stream}` could not be opened: {why}"

    def begin_again(self, up_by: float) -> None:
        """Forget what the process that has died said of itself."""
        self.error, self.ready = None, False
        self.ladder = Ladder(self.rungs)
        self.life.start_at, self.life.up_by = None, up_by

    @property
    def lost_by_cause(self) -> dict[str, int]:
        """Samples lost, as far as the writer knows, by cause.

        A writer that was started again knows only the number of those before.
        """
        if self.written is None:
            return {}
        causes = dict(self.written.lost_by_cause)
        before = self.written.lost - sum(causes.values())
        return {**causes, BEFORE: before} if before else causes

    @property
    def rows(self) -> int:
        """Rows in the file."""
        return self.written.rows if self.written else 0

    @property
    def lost(self) -> int:
        """Samples lost: the source knows of some before the writer does."""
        known = (self.written, self.sent)
        return max((status.lost for status in known if status), default=0)

    @property
    def pulses(self) -> int | None:
        """Pulses on its sync line so far; None: it has none, or nothing is known."""
        clock = self.written.clock if self.written else None
        return None if clock is None else clock.pulses

    def silent_line(self, seconds: float, others: int) -> str | None:
        """Say that its sync line is silent `seconds` after the start, if it is.

        `others` is the most pulses that another line has seen.
        """
        clock = self.written.clock if self.written else None
        sync = self.specification.sync if self.specification else None
        if clock is None or clock.pulses is None or sync is None or not self.rows:
            return None
        interval = sync.period or clock.longest_interval_seconds or 0.0
        limit = max(FIRST_PULSES, PULSE_INTERVALS * interval)
        silent = seconds if clock.pulses == 0 else clock.pulse_age_seconds or 0.0
        if silent < limit:
            return None
        there = f"another line has {others}" if others else "no line has any"
        return (
            f"has seen no sync pulse for {silent:.0f} s ({there}); is the sync cable "
            f"of `{self.device}` connected?"
        )

    @property
    def first_rows_by(self) -> float:
        """Seconds after the start by which the first rows are due."""
        periods = 0.0 if self.rate is None else FIRST_PERIODS / self.rate
        return max(FIRST_ROWS, periods)

    def missing(self, seconds: float) -> str | None:
        """Say what is missing `seconds` after the start, if it is due and not said."""
        if self.was_missed or self.rows or seconds < self.first_rows_by:
            return None
        limit = f"in the first {seconds:.0f} s"
        if self.sent is not None and self.sent.rows:
            return (
                f"{self.sent.rows} rows left the source, none reached the file {limit}"
            )
        if self.rate is None:
            return f"no event {limit}"
        return f"delivers nothing {limit}"


def lost_span(lost: LostSamples, start_ns: int, rate: float | None) -> LostSpan:
    """Put a loss into session time; `start_ns` is CLOCK_MONOTONIC at its time 0."""
    start = (lost.after_ns - start_ns) / 1e9 if lost.after_ns else None
    stop = None
    if start is not None and rate is not None and lost.count:
        stop = start + lost.count / rate
    return LostSpan(
        first=lost.first,
        count=lost.count,
        epoch=lost.epoch,
        cause=lost.cause,
        start=start,
        stop=stop,
    )


def expected_pulses(writers: Iterable[Writer], seconds: float) -> dict[str, int | None]:
    """Pulses that each sync line should have seen `seconds` after the start."""
    lines = [writer for writer in writers if writer.pulses is not None]
    return {one.stream: _expected(one, lines, seconds) for one in lines}


def _expected(one: Writer, lines: Sequence[Writer], seconds: float) -> int | None:
    sync = one.specification.sync if one.specification else None
    if sync is not None and sync.period:
        return int(seconds / sync.period)
    others = [line.pulses or 0 for line in lines if line is not one]
    return max(others, default=None)


def has_live_stream(
    sources: Mapping[str, Source], writers: Mapping[str, Writer]
) -> bool:
    """Whether a stream is left whose writer, and source where it has one, go on."""
    return any(
        writer.over_since is None and not writer.finished and _has_sender(source)
        for writer in writers.values()
        for source in (sources[writer.device],)
    )


def _has_sender(source: Source) -> bool:
    return source.foreign or (source.over_since is None and not source.finished)
