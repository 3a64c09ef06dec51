"""Edges of the shared sync line in what devices record, and the trains they come from.

Edges are told as places between samples: half a sample before the first sample after a
digital edge, where the threshold is crossed for an analog one. What finds them is fed
piece by piece, and gives the same however the samples were cut.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from rigd.streams.clock_map import Floats, Integers

Levels = npt.NDArray[np.bool_]


class Edge(StrEnum):
    """Which edge of a pulse counts."""

    RISING = "rising"
    FALLING = "falling"


@dataclass(slots=True)
class _Change:
    """A change of level that may still turn out too short.

    Attributes:
        epoch: Number of times the counter had started anew.
        sample: First sample after the change.
        place: Where it was, in samples.

    """

    epoch: int
    sample: int
    place: float


class _EdgeFinder:
    """Finds changes to high that last, in levels that come piece by piece."""

    def __init__(self, least_width: int) -> None:
        self._least_width = least_width
        self._next: tuple[int, int] | None = None
        self._is_high = False
        self._waiting: _Change | None = None

    def _begin(self, first: int, epoch: int) -> bool:
        """Say whether these samples follow those before."""
        follows = self._next == (epoch, first)
        if not follows:
            self._waiting = None
        return follows

    def _end(self, levels: Levels, first: int, epoch: int) -> None:
        self._next = epoch, first + len(levels)
        self._is_high = bool(levels[-1])

    def _lasting(
        self, changes: Integers, levels: Levels, places: Floats, first: int, epoch: int
    ) -> Floats:
        """Places of changes to high that last for the least width.

        Args:
            changes: Index of each sample whose level differs from the one before.
            levels: All levels of the piece.
            places: Place of each change, in samples.
            first: Sample index of the first level.
            epoch: Number of times the counter had started anew.

        """
        found: list[float] = []
        waiting = self._waiting
        for index, place in zip(changes.tolist(), places.tolist(), strict=True):
            sample = first + index
            if waiting is not None and sample - waiting.sample >= self._least_width:
                found.append(waiting.place)
            waiting = _Change(epoch, sample, place) if levels[index] else None
        end = first + len(levels)
        if waiting is not None and end - waiting.sample >= self._least_width:
            found.append(waiting.place)
            waiting = None
        self._waiting = waiting
        return np.array(found, np.float64)


class LineEdges(_EdgeFinder):
    """Edges of one digital line, which is a bit of integers."""

    def __init__(
        self, line: int, edge: str = Edge.RISING, least_width: int = 0
    ) -> None:
        """Look at bit `line`; pulses of fewer than `least_width` samples are noise."""
        super().__init__(least_width)
        self._line = line
        self._inverts = edge == Edge.FALLING

    def feed(self, rows: npt.NDArray[Any], first: int, epoch: int = 0) -> Floats:
        """Find the edges among samples that begin with index `first`.

        A pulse is told when it has lasted long enough, be it in a later piece.
        """
        if len(rows) == 0:
            return np.empty(0)
        one = rows.dtype.type(1)
        levels = ((rows >> rows.dtype.type(self._line)) & one).astype(bool)
        levels ^= self._inverts
        before = self._is_high if self._begin(first, epoch) else bool(levels[0])
        changes = np.flatnonzero(np.diff(levels, prepend=before))
        places = (first + changes).astype(np.float64) - 0.5
        found = self._lasting(changes, levels, places, first, epoch)
        self._end(levels, first, epoch)
        return found


class AnalogEdges(_EdgeFinder):
    """Edges of an analog channel: where it crosses a level, between two samples."""

    def __init__(
        self,
        level: float,
        hysteresis: float = 0.0,
        edge: str = Edge.RISING,
        least_width: int = 0,
    ) -> None:
        """Look for crossings of `level`.

        Args:
            level: Level of the edge, in stored numbers.
            hysteresis: How far the signal falls back beyond the level between edges.
            edge: Which edge counts.
            least_width: Pulses of fewer samples are noise.

        """
        super().__init__(least_width)
        self._sign = -1.0 if edge == Edge.FALLING else 1.0
        self._level = level * self._sign
        self._hysteresis = hysteresis
        self._last = np.nan

    def feed(self, rows: npt.NDArray[Any], first: int, epoch: int = 0) -> Floats:
        """Find the edges among samples that begin with index `first`."""
        if len(rows) == 0:
            return np.empty(0)
        values = rows.astype(np.float64) * self._sign
        if not self._begin(first, epoch):
            self._is_high, self._last = bool(values[0] >= self._level), np.nan
        levels = self._levels(values)
        changes = np.flatnonzero(np.diff(levels, prepend=self._is_high))
        places = self._places(values, changes, first)
        found = self._lasting(changes, levels, places, first, epoch)
        self._last = float(values[-1])
        self._end(levels, first, epoch)
        return found

    def _levels(self, values: Floats) -> Levels:
        """High from the level on, low below the hysteresis, between as before."""
        sure = (values >= self._level) | (values < self._level - self._hysteresis)
        last_sure = np.maximum.accumulate(np.where(sure, np.arange(len(values)), -1))
        levels = values[last_sure] >= self._level
        levels[last_sure < 0] = self._is_high
        return np.asarray(levels, np.bool_)

    def _places(self, values: Floats, changes: Integers, first: int) -> Floats:
        before = np.concatenate([[self._last], values[:-1]])[changes]
        after = values[changes]
        rise = after - before
        part = np.full(len(changes), 0.5)
        known = np.isfinite(before) & (rise != 0)
        part[known] = (self._level - before[known]) / rise[known]
        places: Floats = (first - 1 + changes) + np.clip(part, 0.0, 1.0)
        return places


def event_edges(
    lines: Integers, values: Integers, *, line: int, edge: str = Edge.RISING
) -> Levels:
    """Say which events are edges of a line that count."""
    is_high = values != 0
    counts: Levels = (lines == line) & (is_high if edge == Edge.RISING else ~is_high)
    return counts


def without_bounce(edges: Integers, quiet: int) -> Integers:
    """Keep the first edge of each burst.

    Args:
        edges: Times of edges, ascending.
        quiet: An edge that comes sooner after the one before is a bounce.

    """
    if len(edges) == 0:
        return edges
    return edges[np.diff(edges, prepend=edges[0] - quiet - 1) > quiet]


# --- barcodes -------------------------------------------------------------------------

BARCODE_BITS = 32
MARK_NS = 10_000_000
"""A code begins with 10 ms high and 10 ms low, and ends with 10 ms low and 10 high."""

BIT_NS = 30_000_000
"""Between them each bit, the lowest first, is 30 ms high (1) or low (0)."""

BARCODE_NS = 4 * MARK_NS + BARCODE_BITS * BIT_NS
"""Length of a code: 1 s."""


def barcode_levels(number: int, since_ns: Integers) -> Levels:
    """Level of the line at times after the start of the code of a number."""
    bit = (since_ns - 2 * MARK_NS) // BIT_NS
    inside = (bit >= 0) & (bit < BARCODE_BITS)
    is_one = (number >> np.clip(bit, 0, BARCODE_BITS - 1)) & 1 == 1
    mark = since_ns // MARK_NS
    is_mark = (mark == 0) | (mark == BARCODE_NS // MARK_NS - 1)
    levels: Levels = np.where(inside, is_one, is_mark)
    return levels


def read_barcodes(rises_ns: Integers, falls_ns: Integers) -> dict[int, int]:
    """Find codes in the edges of a line: time of their start, ns, to their number.

    What is no whole code is left out.
    """
    after = np.searchsorted(falls_ns, rises_ns, "right")
    is_mark = after < len(falls_ns)
    width = falls_ns[after[is_mark]] - rises_ns[is_mark]
    marks = rises_ns[is_mark][np.abs(width - MARK_NS) < MARK_NS // 2]
    return {
        start: _number_at(start, rises_ns, falls_ns)
        for start in marks.tolist()
        if np.any(np.abs(marks - start - (BARCODE_NS - MARK_NS)) < MARK_NS // 2)
    }


def _number_at(start: int, rises_ns: Integers, falls_ns: Integers) -> int:
    """Read the level in the middle of each bit: more rises than falls before it."""
    bits = np.arange(BARCODE_BITS)
    middle = start + 2 * MARK_NS + (2 * bits + 1) * (BIT_NS // 2)
    rises = np.searchsorted(rises_ns, middle) - np.searchsorted(rises_ns, start)
    falls = np.searchsorted(falls_ns, middle) - np.searchsorted(falls_ns, start)
    return int(np.sum((rises > falls).astype(np.int64) << bits))
