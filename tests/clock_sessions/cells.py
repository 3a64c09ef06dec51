"""The devices of the sessions: the cells of the clock bench, as simulated devices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.clock.cells import BAD, CELLS, Cell
from tests.clock.simulated_devices import GAP_LASTS, Path

PULSES_SEED = 3

TRUTH_RATE = 10.0
"""Rows of truth a second of a device that has a line besides: each at the moment of a
sample of the line, so that they do not come to the host sooner after it."""

REFERENCE = "reference"

RESTART, GAP, SILENT = 0.3, 0.5, 0.75
"""When things go wrong, in parts of the session."""


@dataclass(frozen=True)
class Device:
    """One simulated device of a session.

    Attributes:
        name: Name of the device; the one called `reference` is what others are
            compared with.
        cell: What must be held, and the path of its samples.

    """

    name: str
    cell: Cell

    @property
    def path(self) -> Path:
        """How its samples come."""
        return self.cell.path

    @property
    def median_below(self) -> float | None:
        """Limit of the median, s: of ten minutes, so not of the stretches of faults."""
        return None if self.cell.trouble == "faults" else self.cell.median_below

    @property
    def truth(self) -> str:
        """Name of the stream with the true times."""
        return f"{self.name}_truth"

    @property
    def line(self) -> str | None:
        """Name of the stream with the pulses; None: it has none."""
        return f"{self.name}_line" if self.cell.pulses else None

    def settings(
        self,
        random: np.random.Generator,
        seed: int,
        seconds: float,
        *,
        is_real_time: bool = False,
    ) -> dict[str, Any]:
        """Settings of the device: offset up to days, drift up to 100 ppm.

        Args:
            random: Of the session.
            seed: Of the device.
            seconds: Length of the session.
            is_real_time: Samples come when their time has come.

        """
        path, is_locked = self.path, self.cell.pulses == "locked"
        # The pulses come at whole seconds of CLOCK_MONOTONIC: they are locked to the
        # samples of a device that has no drift.
        is_steady = is_locked and self.name == REFERENCE
        clock = {
            "offset": float(random.uniform(-1e5, 3e5)),
            "drift_ppm": 0.0 if is_steady else float(random.uniform(-100, 100)),
            "wander_ppm": 0.0 if is_steady else 0.5,
            "wander_period": float(random.uniform(200, 400)),
            "latency": path.least,
            "jitter": path.excess,
            "poll": path.poll,
            "late": path.tail,
        }
        options = {
            "seed": seed,
            "clock": clock,
            "block": path.packet / path.rate,
            "realtime": is_real_time,
            "duration": seconds,
            "faults": self._faults(seed, seconds),
        }
        streams = {self.truth: {"options": self._truth()}}
        if self.line is not None:
            streams[self.line] = {"options": self._line(is_locked)}
        return {"driver": "simulated", "options": options, "streams": streams}

    def clock(self, wake: float) -> dict[str, Any]:
        """Settings in `clocks:`.

        A transfer is complete when the time of its last sample is over.

        Args:
            wake: Least time in which this computer wakes a process, s.

        """
        latency = 1 / self.path.rate + self.path.least + wake
        sync = {"stream": self.line, "line": 0}
        return {"latency": latency} | ({"sync": sync} if self.line else {})

    def _truth(self) -> dict[str, Any]:
        rate = TRUTH_RATE if self.line else self.path.rate
        return {"signal": "true_time", "rate": rate}

    def _line(self, is_locked: bool) -> dict[str, Any]:
        bad = 0.0 if self.cell.trouble == "clean" else BAD
        sync = {"line": 0, "seed": PULSES_SEED, "missing": bad, "extra": bad}
        if is_locked:
            sync["period"] = 1.0
        return {"signal": "digital", "rate": self.path.rate, "sync": sync}

    def _faults(self, seed: int, seconds: float) -> list[dict[str, Any]]:
        """A gap, a silent loss (one packet or frame, 0.1 s or 5 s), a restart."""
        if self.cell.trouble != "faults":
            return []
        packet = self.path.packet / self.path.rate
        shortest = packet if packet > 5e-3 else 0.1
        lasts = (shortest, 0.1, 5.0)[seed % 3]
        return [
            {"at": RESTART * seconds, "restart": True},
            {"at": GAP * seconds, "lose": GAP_LASTS},
            {"at": SILENT * seconds, "slip": lasts},
        ]


def _cell(name: str, trouble: str) -> Cell:
    """Find a cell of the bench's 10 minutes."""
    short = (cell for cell in CELLS if cell.minutes <= 10)
    return next(c for c in short if (c.name, c.trouble) == (name, trouble))


def devices_of(kind: str, each: int = 1) -> tuple[Device, ...]:
    """Devices that are recorded together: one line carries one train of pulses.

    Args:
        kind: Of `KINDS`.
        each: So many of each cell.

    Returns:
        The reference of those that have a line, and devices of each trouble of the
        cells.

    """
    names = KINDS[kind]
    found = []
    if "probe" in names:
        found.append(Device(REFERENCE, _cell(names["probe"], "edges")))
    for short, name in names.items():
        for trouble in (c.trouble for c in CELLS if c.name == name and c.minutes <= 10):
            cell = _cell(name, trouble)
            found += [Device(f"{short}_{trouble}_{n}", cell) for n in range(each)]
    return tuple(found)


KINDS: Mapping[str, Mapping[str, str]] = {
    "random": {
        "probe": "30 kHz, random pulses",
        "box": "1 kHz, random pulses",
        "camera": "camera 30/s, random pulses",
    },
    "locked": {
        "probe": "30 kHz, locked pulses",
        "usb": "host stamps, USB",
        "frames": "host stamps, camera",
        "serial": "host stamps, serial",
        "radio": "host stamps, wireless",
    },
    "stamps": {
        "serial": "host stamps, serial",
        "radio": "host stamps, wireless",
        "usb": "host stamps, USB",
    },
}
"""Cells by the short names of their devices. Those of `stamps` drift through the rhythm
in which they are asked in a minute or two: a short session can't tell both apart."""
