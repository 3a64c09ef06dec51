"""The cells of the table of accuracy: what is simulated, and what must be held."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rigd.streams.clock_evidence import ClockSettings
from rigd.streams.clock_map import Mode
from tests.clock.judged_alignment import (
    OURS,
    REFERENCE,
    Judged,
    evidence_of,
    judge_alone,
    judge_pair,
)
from tests.clock.simulated_devices import (
    CAMERA,
    HARSH,
    NO_FAULTS,
    SERIAL,
    TYPICAL,
    USB,
    WIRELESS,
    Faults,
    Path,
    pulse_train,
    seen_edges,
    simulate_device,
)

BAD = 0.01
"""Part of the edges that is missing, and as many extra."""


@dataclass(frozen=True)
class Cell:
    """One kind of session and its limits.

    Attributes:
        name: What the device is.
        path: How its samples come.
        pulses: `random`, `regular` or `locked`; None: host stamps alone.
        trouble: `clean`, `edges` (1 % missing and extra, random start) or `faults`
            (besides, a restart, a gap and a silent loss).
        minutes: Length of the session.
        median_below: Limit of the median of the runs' largest errors, s.
        always_below: Limit of the largest error of any run, s.

    """

    name: str
    path: Path
    pulses: str | None
    trouble: str
    minutes: float
    always_below: float
    median_below: float | None = None

    def run(self, seed: int) -> Judged:
        """Simulate and align one session."""
        return _with_pulses(self, seed) if self.pulses else _alone(self, seed)


def _faults(cell: Cell, length: float, seed: int) -> Faults:
    """A restart, a gap and a silent loss: of one packet or frame, 0.1 s or 5 s."""
    if cell.trouble != "faults":
        return NO_FAULTS
    packet = cell.path.packet / cell.path.rate
    shortest = packet if packet > 5e-3 else 0.1
    lasts = (shortest * 1.01, 0.1, 5.0)[seed % 3]
    return Faults(0.3 * length, 0.5 * length, 0.75 * length, lasts)


def _with_pulses(cell: Cell, seed: int) -> Judged:
    random, length = np.random.default_rng(seed), cell.minutes * 60
    style = HARSH if seed % 2 else TYPICAL
    start = 0.05 if cell.trouble == "clean" else None
    bad = 0.0 if cell.trouble == "clean" else BAD
    reference = simulate_device(random, length, USB, style, start=start)
    faults = _faults(cell, length, seed)
    ours = simulate_device(random, length, cell.path, style, faults, start=start)
    pulses = pulse_train(random, length, cell.pulses or "random", reference.clock)
    asked = ClockSettings(Mode.AUTO)
    return judge_pair(
        evidence_of(ours, OURS, seen_edges(random, ours, pulses, bad, bad), asked),
        ours,
        evidence_of(
            reference, REFERENCE, seen_edges(random, reference, pulses, bad, bad), asked
        ),
        reference,
    )


def _alone(cell: Cell, seed: int) -> Judged:
    random, length = np.random.default_rng(seed), cell.minutes * 60
    faults = _faults(cell, length, seed)
    style = HARSH if seed % 2 else TYPICAL
    device = simulate_device(random, length, cell.path, style, faults)
    asked = ClockSettings(Mode.AUTO)
    return judge_alone(evidence_of(device, OURS, None, asked), device)


US, MS = 1e-6, 1e-3
ONE_SAMPLE = 1 / 30_000

LINE_CELLS = tuple(
    Cell(f"30 kHz, {pulses} pulses", USB, pulses, trouble, minutes, limit, median)
    for minutes in (10, 120)
    for pulses, free in (("random", True), ("regular", True), ("locked", False))
    for trouble in ("clean", "edges", "faults")
    for limit, median in [
        (15 * US, 5 * US) if free and trouble != "faults" else (ONE_SAMPLE, None)
    ]
)

SLOW_CELLS = tuple(
    Cell(name, path, "random", trouble, 10, limit, median)
    for name, path, limit, median in (
        ("1 kHz, random pulses", SERIAL, 0.5 * MS, 100 * US),
        ("camera 30/s, random pulses", CAMERA, 1 * MS, 250 * US),
    )
    for trouble in ("edges", "faults")
)

HOST_CELLS = tuple(
    Cell(name, path, None, trouble, 10, limit)
    for name, path, limit in (
        ("host stamps, USB", USB, 100 * US),
        ("host stamps, camera", CAMERA, 100 * US),
        ("host stamps, serial", SERIAL, 1 * MS),
        ("host stamps, wireless", WIRELESS, 2 * MS),
    )
    for trouble in ("clean", "faults")
)

CELLS = LINE_CELLS + SLOW_CELLS + HOST_CELLS

Runner = Callable[[int], Judged]
