"""Shows a session to whoever runs it: a live table, plain lines, or JSON lines."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rigd.daemon.check_report import CheckReport, Outcome
from rigd.daemon.quantities import (
    aligned,
    count_text,
    lag_text,
    rate_text,
    size_text,
    time_text,
)
from rigd.daemon.session_events import (
    FolderMade,
    Level,
    Losses,
    Observer,
    Progress,
    SessionEvent,
    StateChanged,
    Step,
    StreamProgress,
    StreamSummary,
    Summary,
)
from rigd.daemon.session_state import State
from rigd.streams.messages import Notice

SUMMARY_EVERY = 5.0
"""Seconds between two lines of progress."""

FEW_PULSES = 4
"""Pulses that may be missing before it is worth a look."""

FULL_RING = 0.5
"""Fill of a ring from which on it is worth a look."""

STATES = {
    State.CHECKING: "checking the settings",
    State.ARMING: "opening devices and files",
    State.RECORDING: "recording; Ctrl-C stops",
    State.DRAINING: "bringing the last samples to the disk",
    State.FINALIZING: "finalizing",
}
"""What a person is told of a state; the others speak for themselves."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line for a person."""

    text: str
    level: Level = "info"


def lines_of(event: SessionEvent) -> list[Line]:
    """Put an event into words; progress has none."""
    if isinstance(event, StateChanged):
        return [Line(STATES[event.state])] if event.state in STATES else []
    if isinstance(event, FolderMade):
        return [Line(f"session {event.session} of {event.subject} in {event.folder}")]
    if isinstance(event, Step):
        return [Line(f"  {event.step}" + (f" {event.stream}" if event.stream else ""))]
    if isinstance(event, Notice):
        prefix = "" if event.level == "info" else f"{event.level}: "
        return [Line(prefix + event.text, event.level)]
    if isinstance(event, Losses):
        return [Line(f"warning: {event}", "warning")]
    if isinstance(event, CheckReport):
        return check_lines(event)
    if isinstance(event, Summary):
        return [Line(text) for text in summary_lines(event)]
    return []


def check_lines(report: CheckReport) -> list[Line]:
    """Say what the check of the rig comes to, and all that did not pass."""
    warned, failed = (report.those(o) for o in (Outcome.WARN, Outcome.FAIL))
    return [
        Line(f"check of the rig: {report.in_words}"),
        *(Line(f"  warning: {finding}", "warning") for finding in warned),
        *(Line(f"  failed: {finding}", "error") for finding in failed),
    ]


def summary_lines(summary: Summary) -> list[str]:
    """Say what became of a session, the verdict last."""
    heads = ["stream", "rows", "seconds", "rows/s", "lost", "size", "verdict"]
    table = aligned([heads, *(_summary_row(stream) for stream in summary.streams)])
    reasons = [f"  {reason}" for reason in summary.reasons]
    return [*table, summary.folder, *reasons, f"verdict: {summary.verdict}"]


def _summary_row(stream: StreamSummary) -> list[str]:
    return [
        stream.stream,
        count_text(stream.rows),
        "-" if stream.seconds is None else f"{stream.seconds:.3f}",
        rate_text(stream.rate),
        count_text(stream.lost),
        "-" if stream.bytes is None else size_text(stream.bytes),
        stream.verdict,
    ]


def progress_line(progress: Progress) -> str:
    """All streams in one line."""
    streams = progress.streams
    speed = sum(stream.bytes_per_second or 0.0 for stream in streams)
    lags = [s.lag_seconds for s in streams if s.lag_seconds is not None]
    return ", ".join(
        [
            elapsed(progress),
            f"{count_text(sum(stream.rows for stream in streams))} rows",
            f"{size_text(speed)}/s",
            f"lag {lag_text(max(lags, default=None))}",
            f"lost {lost_text(*streams)}",
            f"ring {max((s.ring_fill for s in streams), default=0.0):.0%}",
            space_left(progress),
        ]
    )


def lost_text(*streams: StreamProgress) -> str:
    """How many samples are lost, and why: `30 (ring full)`."""
    total = sum(stream.lost for stream in streams)
    causes = dict.fromkeys(c for stream in streams for c in stream.lost_by_cause)
    return count_text(total) + (f" ({', '.join(causes)})" if causes else "")


def elapsed(progress: Progress) -> str:
    """`12.5 s of 1 min 0 s`."""
    planned = "" if progress.duration is None else f" of {time_text(progress.duration)}"
    return time_text(progress.seconds) + planned


def space_left(progress: Progress) -> str:
    """How long the disk lasts, or how much is free while that is not known."""
    if progress.seconds_left is not None:
        return f"disk for {time_text(progress.seconds_left)}"
    if progress.free_bytes is not None:
        return f"{size_text(progress.free_bytes)} free"
    return "free space unknown"


class PlainLines:
    """One line for each thing that happens, and one of progress every few seconds."""

    def __init__(
        self, out: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out = out
        self._clock = clock
        self._last = clock()

    def observe(self, event: SessionEvent) -> None:
        """Write what a person should read of an event."""
        for line in lines_of(event):
            print(line.text, file=self._out, flush=True)
        if isinstance(event, Progress) and self._clock() - self._last >= SUMMARY_EVERY:
            self._last = self._clock()
            print(progress_line(event), file=self._out, flush=True)


class JsonLines:
    """One JSON object a line for each event, with the time (UTC)."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def observe(self, event: SessionEvent) -> None:
        """Write an event."""
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        print(f'{{"time":"{now}",{event.model_dump_json()[1:]}', file=self._out)
        self._out.flush()


class LiveTable:
    """A table that is kept up to date in the terminal; what happens scrolls above."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def observe(self, event: SessionEvent) -> None:
        """Show an event."""
        if isinstance(event, Progress):
            self._show(progress_table(event))
        elif isinstance(event, StateChanged) and event.state in AFTER_TABLE:
            self._leave()
        for line in lines_of(event):
            self._console.print(Text(line.text, STYLES[line.level]), soft_wrap=True)

    def _show(self, table: RenderableType) -> None:
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(table, refresh=True)

    def _leave(self) -> None:
        """Leave the last table where it is, and write below it from now on."""
        if self._live is not None:
            self._live.stop()
            self._live = None


STYLES = {"info": "", "warning": "yellow", "error": "bold red"}

AFTER_TABLE = frozenset({State.FINALIZING, State.DONE, State.FAILED})
"""States in which nothing moves in the table any more."""


def progress_table(progress: Progress) -> Table:
    """One row for each stream; the time and the space left stand above and below."""
    table = Table(title=elapsed(progress), caption=space_left(progress))
    table.add_column("stream")
    heads = ["rows", "rows/s", "MB/s", "lag", "lost", "ring", "ppm"]
    clocks = [stream.clock for stream in progress.streams if stream.clock]
    has_pulses = any(clock.pulses is not None for clock in clocks)
    for head in [*heads, "pulses"] if has_pulses else heads:
        table.add_column(head, justify="right", no_wrap=True)
    for stream in progress.streams:
        row = _progress_row(stream)
        table.add_row(*row, *([pulses_text(stream)] if has_pulses else []))
    return table


def _progress_row(stream: StreamProgress) -> list[Text]:
    speed = stream.bytes_per_second
    drift = stream.clock.drift_ppm if stream.clock else None
    return [
        Text(stream.stream),
        Text(count_text(stream.rows)),
        Text(rate_text(stream.rate)),
        Text("-" if speed is None else f"{speed / 1e6:.3f}"),
        Text(lag_text(stream.lag_seconds)),
        Text(lost_text(stream), "bold red" if stream.lost else ""),
        Text(
            f"{stream.ring_fill:.0%}", "yellow" if stream.ring_fill > FULL_RING else ""
        ),
        Text("-" if drift is None else f"{drift:+.0f}"),
    ]


def pulses_text(stream: StreamProgress) -> Text:
    """`12/13`: pulses of those expected; in red where many are missing."""
    seen = stream.clock.pulses if stream.clock else None
    if seen is None:
        return Text("")
    expected = stream.pulses_expected
    if expected is None:
        return Text(str(seen))
    is_missing = expected >= FEW_PULSES and seen < expected / 2
    return Text(f"{seen}/{expected}", "bold red" if is_missing else "")


class Lenient:
    """Goes on without an observer whose output is gone (a closed terminal or pipe)."""

    def __init__(self, observer: Observer) -> None:
        self._observer: Observer | None = observer

    def observe(self, event: SessionEvent) -> None:
        """Pass an event on as long as someone takes it."""
        if self._observer is None:
            return
        try:
            self._observer.observe(event)
        except OSError:
            self._observer = None


def observer_for(out: TextIO, *, as_json: bool, plain: bool) -> Observer:
    """Choose how to show a session on `out`."""
    if as_json:
        return Lenient(JsonLines(out))
    if plain or not out.isatty():
        return Lenient(PlainLines(out))
    return Lenient(LiveTable(Console(file=out)))
