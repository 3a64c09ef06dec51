"""What a device did while it was tried: what it said, and what it delivered.

A `Trial` takes what a driver's read returns; a `TrialReport` says what came of it, as
one JSON line. No I/O.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from rigd.config.base import Model
from rigd.config.clocks import SyncLine
from rigd.streams.block import Block, Ended, Item, Items, Lost, Note, StreamFormat
from rigd.streams.pulse_count import PulseCount
from rigd.streams.rate_trial import Arrival, measured_rate

MOST_NOTES = 5
"""Notes that are passed on of one stream."""


class StreamTrial(Model):
    """What one stream delivered."""

    format: dict[str, Any]
    """`StreamFormat.to_json`, as the driver declared it."""
    rows: int = 0
    """Rows that came."""
    seconds: float = 0.0
    """How long they were waited for."""
    lost: int = 0
    """Samples that the device said are lost."""
    rate: float | None = None
    """Measured rows per second; None: event-like, or too little came."""
    ppm: float | None = None
    """How much faster than declared, in parts per million; None like `rate`."""
    uncertainty_ppm: float | None = None
    """How far `ppm` may be wrong."""
    misfit: str | None = None
    """What of dtype or shape was not as declared; None: all of it was."""
    ended: str | None = None
    """Why the stream ended during the trial; None: it did not."""
    notes: list[str] = Field(default_factory=list)
    """What the driver said of it."""
    pulses: int | None = None
    """Pulses on its sync line; None: it carries none."""

    @property
    def stream_format(self) -> StreamFormat:
        """dtype, row shape and declared rate."""
        return StreamFormat.from_json(self.format)


class TrialReport(Model):
    """What one device did. The trial prints it as its last line."""

    device: str
    error: str | None = None
    """What the driver complained of; None: nothing."""
    foreign: bool = False
    """The samples come from a sender of its own, which was not tried."""
    paced_by_consumer: bool = False
    """The device has no rate of its own: it goes as fast as it is read."""
    streams: dict[str, StreamTrial] = Field(default_factory=dict)
    """By name; empty: the device could not be opened."""


class Trial:
    """Takes what one device delivers."""

    def __init__(
        self,
        formats: Mapping[str, StreamFormat],
        started: float,
        sync: SyncLine | None = None,
    ) -> None:
        """Begin at the time `started` (host clock, s) with the streams declared.

        `sync` says where pulses are, if the device records them.
        """
        self._streams = {
            name: _StreamTrial(form, sync if sync and sync.stream == name else None)
            for name, form in formats.items()
        }
        self._started = started

    def take(self, items: Items) -> None:
        """Note what one read has returned."""
        for item in items:
            if item.stream in self._streams:
                self._streams[item.stream].take(item)

    @property
    def lacks_something(self) -> bool:
        """Whether a regular stream has not delivered, or no pulse has come yet."""
        return any(s.lacks_something for s in self._streams.values())

    @property
    def is_over(self) -> bool:
        """Whether all streams have ended."""
        return all(s.ended is not None for s in self._streams.values())

    @property
    def slowest_rate(self) -> float | None:
        """Declared rate of the slowest regular stream; None: there is none."""
        rates = [s.form.rate for s in self._streams.values() if s.form.rate]
        return min(rates, default=None)

    def reports(self, now: float) -> dict[str, StreamTrial]:
        """Say what came of each stream until now (host clock, s)."""
        seconds = now - self._started
        return {n: stream.report(seconds) for n, stream in self._streams.items()}


class _StreamTrial:
    """What has come of one stream so far."""

    def __init__(self, form: StreamFormat, sync: SyncLine | None) -> None:
        self.form = form
        self._pulses = PulseCount(sync, form) if sync else None
        self.ended: str | None = None
        self._rows = self._lost = self._epoch = 0
        self._misfit: str | None = None
        self._arrivals: list[Arrival] = []
        self._notes: list[str] = []

    @property
    def lacks_something(self) -> bool:
        lacks_rows = self.form.rate is not None and not self._rows
        lacks_pulses = self._pulses is not None and not self._pulses.count
        return self.ended is None and (lacks_rows or lacks_pulses)

    def take(self, item: Item) -> None:
        if isinstance(item, Block):
            self._take_block(item)
        elif isinstance(item, Lost):
            self._lost += item.count
        elif isinstance(item, Ended):
            self.ended = item.reason
        elif isinstance(item, Note) and len(self._notes) < MOST_NOTES:
            self._notes.append(item.text)

    def _take_block(self, block: Block) -> None:
        if block.epoch != self._epoch:
            self._epoch, self._arrivals = block.epoch, []
        self._misfit = self._misfit or next(_misfits(block, self.form), None)
        self._rows += len(block.data)
        if self._pulses is not None and self._misfit is None:
            self._pulses.feed(block)
        reached = block.first + len(block.data)
        if self._arrivals and self._arrivals[-1].seconds == block.host_ns / 1e9:
            self._arrivals.pop()  # one read gave several blocks: the last one counts
        self._arrivals.append(Arrival(reached, block.host_ns / 1e9))

    def report(self, seconds: float) -> StreamTrial:
        rate = self.form.rate
        measured = measured_rate(self._arrivals, rate) if rate else None
        return StreamTrial(
            format=self.form.to_json(),
            rows=self._rows,
            seconds=seconds,
            lost=self._lost,
            rate=measured.rate if measured else None,
            ppm=measured.ppm if measured else None,
            uncertainty_ppm=measured.uncertainty_ppm if measured else None,
            misfit=self._misfit,
            ended=self.ended,
            notes=self._notes,
            pulses=self._pulses.count if self._pulses else None,
        )


def _misfits(block: Block, form: StreamFormat) -> Iterator[str]:
    if block.data.dtype != form.dtype:
        yield f"delivers dtype {block.data.dtype}, declared is {form.dtype}"
    if block.data.shape[1:] != form.shape:
        yield f"delivers rows of shape {block.data.shape[1:]}, declared is {form.shape}"
    if form.row_times and block.row_ns is None:
        yield "delivers no device times of its rows, which it has declared"
