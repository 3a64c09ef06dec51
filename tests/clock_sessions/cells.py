"""The simulated devices of one session, each of another kind of clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

PULSES_SEED = 3


@dataclass(frozen=True)
class Cell:
    """One kind of device, and what is asked of its times.

    Attributes:
        name: Name of the device and, with `_lines`, of its stream.
        rate: Samples per second of its line.
        limit: Largest error against the reference, s; None: only the bound must hold.
        uses_line: Its times may rest on the pulses; else on the host's clock.
        jitter: Mean of the random delay of its transfers, s.
        block: Length of a transfer, s.
        faults: What goes wrong with it.
        bad_edges: Part of the pulses that it does not see, and that it sees alone.

    """

    name: str
    rate: float
    limit: float | None = None
    uses_line: bool = True
    jitter: float = 2e-4
    block: float = 0.01
    faults: list[dict[str, Any]] = field(default_factory=list)
    bad_edges: float = 0.01

    @property
    def stream(self) -> str:
        """Name of its stream."""
        return f"{self.name}_lines"

    def device(self, rng: np.random.Generator, seed: int) -> dict[str, Any]:
        """Settings of the device: offset up to days, drift up to 100 ppm."""
        clock = {
            "offset": float(rng.uniform(-1e5, 3e5)),
            "drift_ppm": float(rng.uniform(-100, 100)),
            "jitter": self.jitter,
        }
        line = {
            "signal": "digital",
            "rate": self.rate,
            "sync": {
                "line": 0,
                "seed": PULSES_SEED,
                "missing": self.bad_edges,
                "extra": self.bad_edges,
            },
        }
        options = {
            "seed": seed, "clock": clock, "block": self.block, "faults": self.faults,
        }  # fmt: skip
        return {
            "driver": "simulated",
            "options": options,
            "streams": {self.stream: {"options": line}},
        }


RESTART = [{"at": 14, "restart": True}]
GAP = [{"at": 12, "lose": 5}]
SLIP = [{"at": 20, "slip": 0.01}]

CELLS = (
    Cell("reference", 30_000, 33e-6, jitter=1e-4),
    Cell("probe", 30_000, 33e-6),
    Cell("probe_gap", 30_000, 33e-6, faults=GAP),
    Cell("probe_restart", 30_000, 33e-6, faults=RESTART),
    Cell("probe_slip", 30_000, 33e-6, faults=SLIP),
    Cell("box", 1000, 5e-4, jitter=1e-3),
    Cell("camera", 30, 1e-3, jitter=5e-4, block=1 / 30),
    Cell("host_usb", 30_000, uses_line=False),
    Cell("host_gap", 30_000, uses_line=False, faults=GAP),
    Cell("host_slip", 30_000, uses_line=False, faults=SLIP),
    Cell("host_serial", 1000, uses_line=False, jitter=3e-3),
    Cell("host_wireless", 50, uses_line=False, jitter=12e-3, block=0.02),
)


def clocks(cells: Sequence[Cell]) -> dict[str, Any]:
    """Settings of the section `clocks:`.

    A transfer comes as soon as the time of its last sample is over, not at its begin.
    """
    devices: dict[str, Any] = {}
    for cell in cells:
        devices[cell.name] = {"latency": 1 / cell.rate}
        if cell.uses_line:
            devices[cell.name]["sync"] = {"stream": cell.stream, "line": 0}
    return {"devices": devices}
