"""How the clock of one stream runs, as far as can be said while it is recorded.

A glance, not the alignment: that is made of all evidence at the end. It costs a few
microseconds for what arrives together, and its memory does not grow.
"""

from collections import deque
from typing import Any

import numpy as np

from rigd.config.clocks import SyncLine
from rigd.streams.block import NO_TIME, StreamFormat
from rigd.streams.clock_map import Floats
from rigd.streams.floor_lines import supporting_line
from rigd.streams.messages import ClockStatus
from rigd.streams.pulses import event_edges
from rigd.streams.run import Run
from rigd.streams.sync_lines import SyncKind, edge_finder, sync_kind
from rigd.streams.wire import RECORD

WINDOW_NS = 10**9
"""One reading is kept for each of these windows of host time."""

WINDOWS = 600
"""Readings that are kept: what is said is of the last ten minutes."""

FIT_EVERY_NS = 5 * 10**9
"""Time between two fits, ns: a clock does not change its speed in a moment."""

LEAST_WINDOWS = 5
"""Readings from which on a speed is told."""


class LiveClock:
    """Follows the least delayed readings, and counts pulses."""

    def __init__(self, form: StreamFormat, sync: SyncLine | None) -> None:
        """Follow a stream of this format; `sync` says where its pulses are, if any.

        Raises:
            ValueError: The pulses can't be in such a stream.

        """
        self._form = form
        self._readings: deque[tuple[int, int]] = deque(maxlen=WINDOWS)
        self._window: tuple[int, int] | None = None
        self._fitted_ns = -FIT_EVERY_NS
        self._fitted: tuple[float | None, float | None, float | None] = (None,) * 3
        self._pulses = None if sync is None else LivePulses(form, sync)

    def take(self, run: Run) -> None:
        """Take blocks that follow each other.

        One reading of them is enough, and cheap: the last block had the least time to
        wait for others.
        """
        _, first, device_ns, host_ns, rows, *_ = RECORD.unpack(
            run.records[-1][-RECORD.size :]
        )
        if self._form.row_times:
            device_ns = int.from_bytes(run.bodies[-1][-8:], "little", signed=True)
        elif self._form.rate is not None:
            device_ns = self._last_row_ns(device_ns, first, rows, self._form.rate)
        if device_ns != NO_TIME:
            self._read(device_ns, host_ns)
        if self._pulses is not None:
            for block in run.singly():
                self._pulses.take(block)

    def _last_row_ns(self, device_ns: int, first: int, rows: int, rate: float) -> int:
        """Device time of the last row of a block; by its count where it has none."""
        if device_ns == NO_TIME:
            return round((first + rows - 1) * 1e9 / rate)
        return device_ns + round((rows - 1) * 1e9 / rate)

    def _read(self, device_ns: int, host_ns: int) -> None:
        """Keep the least delayed reading of each window."""
        window, delay = host_ns // WINDOW_NS, host_ns - device_ns
        if self._window is None or window != self._window[0]:
            self._readings.append((device_ns, host_ns))
        elif delay < self._window[1]:
            self._readings[-1] = device_ns, host_ns
        else:
            return
        if self._has_jumped():
            self._readings = deque(list(self._readings)[-1:], WINDOWS)
            self._fitted = (None,) * 3
        self._window = window, delay

    def _has_jumped(self) -> bool:
        """Whether the device's clock has been set back: begin anew."""
        return len(self._readings) > 1 and self._readings[-1][0] < self._readings[-2][0]

    def status(self, now_ns: int) -> ClockStatus:
        """Say how the clock stands at CLOCK_MONOTONIC `now_ns`."""
        is_old = now_ns - self._fitted_ns >= FIT_EVERY_NS
        if is_old or self._fitted[1] is None:
            self._fitted_ns, self._fitted = now_ns, self._fit()
        drift, offset, error = self._fitted
        pulses = self._pulses
        return ClockStatus(
            drift_ppm=drift,
            offset_seconds=offset,
            error_seconds=error,
            pulses=None if pulses is None else pulses.count,
            pulse_age_seconds=None
            if pulses is None or pulses.last_ns is None
            else (now_ns - pulses.last_ns) / 1e9,
            longest_interval_seconds=None if pulses is None else pulses.longest,
        )

    def _fit(self) -> tuple[float | None, float | None, float | None]:
        """Drift in ppm, host minus device, and the scatter of the readings, s."""
        if not self._readings:
            return None, None, None
        device, host = np.array(self._readings, np.int64).T
        offset = float(host[-1] - device[-1]) / 1e9
        x = (device - device[0]) / 1e9
        if len(x) < LEAST_WINDOWS or x[-1] <= 0:
            return None, offset, None
        late = (host - host[0]) / 1e9 - x
        intercept, slope = supporting_line(x, late)
        rest = late - intercept - slope * x
        return -slope * 1e6, offset, middle(np.abs(rest - middle(rest)))


def middle(values: Floats) -> float:
    """Return the (upper) median. That of numpy imports 20 ms of modules in a writer."""
    return float(np.sort(values)[len(values) // 2])


class LivePulses:
    """Counts the pulses of a sync line as they come.

    Attributes:
        count: Pulses so far.
        last_ns: Host time of the block with the newest one.
        longest: Longest time between two blocks with pulses, s; 0 before the second.

    """

    def __init__(self, form: StreamFormat, sync: SyncLine) -> None:
        self._form, self._sync = form, sync
        self._kind = sync_kind(sync, form)
        sampled = self._kind is not SyncKind.EVENTS
        self._finder = edge_finder(sync, form) if sampled else None
        self.count = 0
        self.last_ns: int | None = None
        self.longest = 0.0

    def take(self, run: Run) -> None:
        """Count the pulses of one block."""
        shape = run.rows, *self._form.shape
        data = np.frombuffer(run.bodies[0], self._form.dtype, int(np.prod(shape)))
        found = self._find(data.reshape(shape), run.first, run.epoch)
        if found:
            host_ns = RECORD.unpack(run.records[0])[3]
            if self.last_ns is not None:
                self.longest = max(self.longest, (host_ns - self.last_ns) / 1e9)
            self.count += found
            self.last_ns = host_ns

    def _find(self, data: Any, first: int, epoch: int) -> int:
        if self._finder is not None:
            rows = data if self._sync.column is None else data[:, self._sync.column]
            return len(self._finder.feed(rows.reshape(len(rows)), first, epoch))
        names = self._form.dtype.names or ()
        values = data["value"] if "value" in names else np.ones(len(data), np.int64)
        line = self._sync.line
        lines = np.zeros(len(data), np.int64) if line is None else data["line"]
        edges = event_edges(lines, values, line=line or 0, edge=self._sync.edge)
        return int(np.count_nonzero(edges))
