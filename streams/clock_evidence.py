"""What is known of a device's clock: the input of `alignment`.

The axis of a clock domain is the device's time in ns (int64): the times that the device
gives, or, where it gives none, its sample count at the nominal rate (`counter_ns`). All
streams of a domain are on this one axis.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rigd.streams.block import NO_TIME
from rigd.streams.clock_map import Floats, Integers, Mode

Records = npt.NDArray[Any]
"""Entries of `sync/blocks`, dtype `wire.RECORD_DTYPE`."""

MOST_ANCHORS = 1_000_000
"""Anchors that are kept of one domain: 24 MB."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """Points of the device's axis and the host clock when they had arrived.

    Attributes:
        epoch: Number of times the counter had started anew, shape (n,).
        x: Sample index, or device time in ns, shape (n,).
        host_ns: CLOCK_MONOTONIC in ns, shape (n,).

    """

    epoch: Integers
    x: Integers
    host_ns: Integers

    def take(self, which: npt.NDArray[Any]) -> "Anchors":
        """Pick anchors by index or mask."""
        return Anchors(self.epoch[which], self.x[which], self.host_ns[which])

    def __len__(self) -> int:
        return len(self.x)


NO_ANCHORS = Anchors(*(np.empty(0, np.int64) for _ in range(3)))


@dataclass(frozen=True, slots=True)
class Edges:
    """Edges that a device saw on the shared sync line.

    Attributes:
        epoch: Number of times the counter had started anew, shape (n,).
        x: Device time of each edge in ns, shape (n,): the middle of the time in which
            it can have been, e.g. half a sample before the first sample after it.
        resolution: Time in which an edge can have been, s: one sample period for a
            sampled line, less where it is interpolated or latched by hardware.
        delay: Constant time from the edge on the line to where the device sees it
            (filters, optics), s; subtracted.

    """

    epoch: Integers
    x: Integers
    resolution: float
    delay: float = 0.0

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Offsets of the host's clock from the device's, measured by round trips.

    Attributes:
        epoch: Number of times the counter had started anew, shape (n,).
        x: Device time in the middle of the round trip, ns, shape (n,).
        host_ns: CLOCK_MONOTONIC in the middle of the round trip, shape (n,).
        uncertainty_ns: Half the time of the round trip, ns, shape (n,).

    """

    epoch: Integers
    x: Integers
    host_ns: Integers
    uncertainty_ns: Integers


@dataclass(frozen=True, slots=True)
class WallClock:
    """Readings of the host's wall clock beside its monotonic clock.

    Attributes:
        host_ns: CLOCK_MONOTONIC in ns, shape (n,).
        utc_ns: CLOCK_REALTIME in ns, shape (n,).
        uncertainty: How far the wall clock may be from UTC, s (the kernel's `maxerror`
            or what the operator states); None: it is not disciplined.

    """

    host_ns: Integers
    utc_ns: Integers
    uncertainty: float | None


@dataclass(frozen=True, slots=True)
class ClockSettings:
    """What is asked for, and what is known beforehand, of one clock domain.

    Attributes:
        mode: Mode to use, or AUTO. A mode whose evidence is missing or fails its
            checks gives way to the next best, with a warning.
        tolerance: Largest error that is accepted, s.
        latency: Least time from a sample to its host stamp, s; subtracted. None if
            unknown.
        latency_uncertainty: How far the declared latency may be off, s.
        max_drift_ppm: A device that differs by more from its nominal rate is not
            believed.
        shares_clock_with: Domain by whose hardware clock this one runs, for
            SHARED_CLOCK.
        utc_offset_ns: Device time minus UTC, for DEVICE_UTC: 37 s for TAI.
        utc_uncertainty: How far the device may be from UTC, s, for DEVICE_UTC.

    """

    mode: Mode = Mode.AUTO
    tolerance: float = 1e-3
    latency: float | None = None
    latency_uncertainty: float = 0.0
    max_drift_ppm: float = 500.0
    shares_clock_with: str | None = None
    utc_offset_ns: int = 0
    utc_uncertainty: float | None = None


@dataclass(frozen=True, slots=True)
class ClockEvidence:
    """All that is known of the clock of one domain.

    Attributes:
        name: Name of the domain: its device.
        anchors: Host stamps of all its streams, pooled, at most `MOST_ANCHORS`
            (`thinned`).
        sample_period: Sample period of its fastest stream, s; None if all its streams
            are event-like.
        transfer: Usual time of samples in one block, s; 0 for single samples or events.
        edges: What it saw of the sync line; None if it has no line.
        round_trips: Two-way offsets; None if it answers none.
        settings: What is asked for.
        counts: True if the axis is a sample count: then a silent loss shows in the host
            stamps only. False if the device gives times of its own.

    """

    name: str
    anchors: Anchors
    sample_period: float | None = None
    transfer: float = 0.0
    edges: Edges | None = None
    round_trips: RoundTrips | None = None
    settings: ClockSettings = field(default_factory=ClockSettings)
    counts: bool = True


def device_anchors(blocks: Records, last_row_ns: Integers) -> Anchors:
    """Tie the device time of each block's last row to the block's host time.

    The time of its first row is taken where the last has none; blocks without any are
    left out.
    """
    x = np.where(last_row_ns == NO_TIME, blocks["device_ns"], last_row_ns)
    anchors = Anchors(
        blocks["epoch"].astype(np.int64), x, blocks["host_ns"].astype(np.int64)
    )
    return anchors.take((x != NO_TIME) & (blocks["rows"] > 0))


def least_delayed(anchors: Anchors, width_ns: int, per_second: float) -> Anchors:
    """Keep the least delayed anchor of each window of host time and epoch.

    The delay is measured against a device that runs at its nominal rate, `per_second`
    units of x. Applying it piece by piece and again to the whole gives the same.
    """
    if len(anchors) == 0:
        return anchors
    window = anchors.host_ns // width_ns
    delay = _delay_ns(anchors, per_second)
    order = np.lexsort((anchors.x, delay, window, anchors.epoch))
    keys = np.stack([anchors.epoch[order], window[order]])
    new = np.r_[True, np.any(np.diff(keys, axis=1) != 0, axis=0)]
    return anchors.take(order[new])


def _delay_ns(anchors: Anchors, per_second: float) -> Floats:
    """Host time minus device time, ns, each counted from the first anchor."""
    host = (anchors.host_ns - anchors.host_ns[0]).astype(np.float64)
    device = (anchors.x - anchors.x[0]).astype(np.float64)
    late: Floats = host - device * (1e9 / per_second)
    return late


def thinned(
    pieces: Iterable[Anchors],
    *,
    span_ns: tuple[int, int],
    per_second: float = 1e9,
    most: int = MOST_ANCHORS,
) -> Anchors:
    """Keep at most `most` anchors, the least delayed ones, in order of epoch and time.

    Args:
        pieces: The anchors of a domain in any number of pieces.
        span_ns: First and last host time of all of them.
        per_second: Nominal units of x in one second.
        most: How many are kept; only long recordings of many small blocks have more.

    """
    width = max(1, 2 * (span_ns[1] - span_ns[0]) // most)
    kept = NO_ANCHORS
    waiting: list[Anchors] = []
    for piece in pieces:
        waiting.append(piece)
        if sum(map(len, waiting)) > most:
            kept = least_delayed(joined(kept, *waiting), width, per_second)
            waiting.clear()
    everything = joined(kept, *waiting)
    if len(everything) > most:
        everything = least_delayed(everything, width, per_second)
    return everything.take(np.lexsort((everything.host_ns, everything.epoch)))


def joined(*pieces: Anchors) -> Anchors:
    """Put pieces of anchors one after the other."""
    return Anchors(
        np.concatenate([piece.epoch for piece in pieces]),
        np.concatenate([piece.x for piece in pieces]),
        np.concatenate([piece.host_ns for piece in pieces]),
    )


def counter_ns(samples: Integers, rate: float) -> Integers:
    """Place of sample indices on the axis of a device that gives no times, ns.

    Exact to 1 ns: whole seconds are counted apart where the rate is a whole number.
    """
    if rate.is_integer():
        whole = samples // int(rate)
        rest = samples - whole * int(rate)
        parts = np.rint(rest * (1e9 / rate)).astype(np.int64)
        exact: Integers = whole * 10**9 + parts
        return exact
    nearest: Integers = np.rint(samples * (1e9 / rate)).astype(np.int64)
    return nearest
