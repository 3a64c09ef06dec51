"""What a session needs of its disk, how long the disk lasts, and who stops first.

Rules only, no I/O. The policy: each writer keeps free what it takes to end its stream,
and a reserve is kept for finalizing. When the rest runs out, the streams of the lowest
priority are ended in good order; what they kept free lets the others go on. When none
is left the session ends, and is finalized inside its reserve.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rigd.daemon.quantities import size_text, time_text
from rigd.daemon.stream_record import StreamRecord
from rigd.streams.block import StreamFormat
from rigd.streams.room import (
    EXTENT_BYTES,
    StreamRoom,
    step_of,
    stored_row_bytes,
    tiles,
)
from rigd.streams.stream_layout import StreamLayout

UNPLANNED = 60.0
"""Seconds that there has to be room for where no duration is planned."""

BLOCKS_PER_SECOND = 100.0
"""Blocks that a stream of many rows comes in, as an upper bound."""

SYNC_SECONDS = 1.0
"""A stream whose chunks take longer writes its rows into the journal as well."""

JOURNAL_PER_SECOND = 512
"""Bytes of checkpoints, and of the heads of what stands before them."""

PREPARED_BYTES = 512 * 1024
"""The stream file before its first row, and its copies in the journal."""

SMOOTHING = 30.0
"""Seconds over which the use of the disk is smoothed."""

MARGIN = 1.1
"""A threshold counts as reached so much earlier: a forecast is no promise."""

REARMED = 2.0
"""A warning can come again when so many times its threshold is left."""

STOP_AHEAD = 3.0
"""Seconds before the disk is full at which streams are ended."""

LEAST_FREE = 2**20
"""Bytes at which streams are ended in any case."""

LONGEST_PATIENCE = 5.0
"""Seconds that a writer waits at most for room that others leave."""

MOST_NAMED = 3
"""Streams that are named as those that need most."""


@dataclass(frozen=True, slots=True)
class StreamNeed:
    """Upper bound of what one stream takes: at once, and in each second."""

    stream: str
    at_once: int
    per_second: float

    def bytes(self, seconds: float) -> int:
        """Bytes for a recording of so many seconds."""
        return self.at_once + math.ceil(self.per_second * seconds)


def stream_need(name: str, stream: StreamRecord) -> StreamNeed:
    """Say what a stream takes; of an event-like one only what is known before."""
    return need_of_layout(name, stream.layout(name), stream.stream_format)


def need_of_layout(name: str, layout: StreamLayout, form: StreamFormat) -> StreamNeed:
    """Say what a stream takes whose file is laid out like this."""
    room = StreamRoom(layout)
    at_once = PREPARED_BYTES + room.data_end + room.journal_end + 3 * step_of(form)
    rate = form.rate or 0.0
    blocks = min(rate, BLOCKS_PER_SECOND)
    return StreamNeed(
        stream=name,
        at_once=at_once,
        per_second=rate * _bytes_of_row(room, rate) + blocks * _bytes_of_block(room),
    )


def _bytes_of_row(room: StreamRoom, rate: float) -> float:
    """Bytes of a row in the stream file, the journal and the session file."""
    total = float(room.in_session(1, 0))
    for dataset in room.by_row:
        row, rows = stored_row_bytes(dataset), dataset.chunk[0]
        is_inline = rate * SYNC_SECONDS < rows
        total += row + EXTENT_BYTES * tiles(dataset) / rows + (row if is_inline else 0)
    return total


def _bytes_of_block(room: StreamRoom) -> float:
    """Bytes of what is said of a block; its entry stands in the journal as well."""
    return room.in_session(0, 1) + 2 * stored_row_bytes(room.layout.blocks)


def needed_bytes(
    needs: Sequence[StreamNeed], reserve: int, duration: float | None
) -> int:
    """Bytes for a session of `duration` seconds, its reserve included."""
    seconds = UNPLANNED if duration is None else duration
    return reserve + sum(need.bytes(seconds) for need in needs)


def shortage(
    needs: Sequence[StreamNeed], free: int, reserve: int, duration: float | None
) -> str | None:
    """Say what is missing for a session of `duration` seconds; None: there is room."""
    seconds = UNPLANNED if duration is None else duration
    needed = needed_bytes(needs, reserve, duration)
    if needed <= free:
        return None
    most = sorted(needs, key=lambda need: need.bytes(seconds), reverse=True)
    named = ", ".join(
        f"`{need.stream}` {size_text(need.bytes(seconds))}"
        for need in most[:MOST_NAMED]
    )
    planned = "at least " if duration is None else ""
    return (
        f"disk: {size_text(needed)} needed for {planned}{time_text(seconds)} and a "
        f"reserve of {size_text(reserve)}, {size_text(free)} free; most is for {named}"
    )


@dataclass(frozen=True, slots=True)
class DiskReading:
    """Free bytes, and seconds until there are none; None: not known."""

    free: int | None
    seconds_left: float | None


class Forecast:
    """How long the disk lasts, from readings of its free space, smoothed.

    All use counts, that of other programs too. Space that is given back does not
    count as negative use: it shows in what is free.
    """

    def __init__(self, expected: float) -> None:
        """Begin with a use of `expected` bytes per second, until it is measured."""
        self.rate = expected
        self._last: tuple[float, int] | None = None

    def read(self, when: float, free: int) -> None:
        """Note that `free` bytes were free at the time `when` (s)."""
        last, self._last = self._last, (when, free)
        if last is None or when <= last[0]:
            return
        elapsed = when - last[0]
        used = max(0, last[1] - free) / elapsed
        self.rate += (used - self.rate) * -math.expm1(-elapsed / SMOOTHING)

    def relieve(self, per_second: float) -> None:
        """Expect so many bytes per second less from now on."""
        self.rate = max(0.0, self.rate - per_second)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until nothing is free; None: nothing is used, or known."""
        if self._last is None or self.rate <= 0:
            return None
        return self._last[1] / self.rate

    @property
    def is_over(self) -> bool:
        """Whether it is time to end streams."""
        if self._last is None:
            return False
        return self._last[1] <= max(LEAST_FREE, self.rate * STOP_AHEAD)


class Thresholds:
    """Warns once at each threshold, and again only after things got much better."""

    def __init__(self, seconds: Sequence[float]) -> None:
        """Warn when so many seconds are left."""
        self._armed = dict.fromkeys(seconds, True)

    def reached(self, seconds_left: float | None) -> bool:
        """Say whether a warning is due."""
        left = math.inf if seconds_left is None else seconds_left
        due = [s for s, armed in self._armed.items() if armed and left <= s * MARGIN]
        for seconds in self._armed:
            if left <= seconds * MARGIN:
                self._armed[seconds] = False
            elif left > seconds * REARMED:
                self._armed[seconds] = True
        return bool(due)


def first_to_stop(priorities: Mapping[str, int]) -> list[str]:
    """Return the streams of the lowest priority among those that go on."""
    lowest = min(priorities.values(), default=0)
    return [name for name, priority in priorities.items() if priority == lowest]


def patience(stream: str, priorities: Mapping[str, int], ring_seconds: float) -> float:
    """Seconds that a writer waits for room which streams of lower priority leave.

    Its source keeps the samples meanwhile.
    """
    if priorities[stream] == min(priorities.values()):
        return 0.0
    return min(LONGEST_PATIENCE, ring_seconds / 2)
