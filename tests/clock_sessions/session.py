"""One session: record it with the real processes, compare its times with the truth."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from rigd.config.paths import SessionPaths
from rigd.daemon.manifest import DomainEntry, Manifest
from rigd.streams.sampling import derived_seed
from rigd.streams.signals import SyncPulses
from tests.clock_sessions.cells import CELLS, PULSES_SEED, Cell, clocks

Floats = npt.NDArray[np.float64]


NEAR = 0.06
"""An edge further from a true pulse, s, is a false one; of several none counts."""


WAKE = 3e-4
"""Least time that waking the process of a simulated device takes here, s: it is in the
host's stamps, and no bound knows it."""


@dataclass(frozen=True)
class Result:
    """What came out for one device.

    Attributes:
        cell: The device.
        mode, grade: How its times were made, and what is said of them.
        bound: Error bound, s; None: unknown.
        error: Largest difference from the times of the reference for the same pulse,
            beyond what one sample of each explains, s.
        within: Part of the edges whose error against the truth is within the bound.
        edges: Edges that were compared.
        silent_losses: Losses that nobody counted, found from the clocks.

    """

    cell: Cell
    mode: str
    grade: str
    bound: float | None
    error: float
    within: float
    edges: int
    silent_losses: int


def record(
    folder: Path, seed: int, seconds: float, cells: Sequence[Cell] = CELLS
) -> list[Result]:
    """Record and judge one session in an empty folder; its first cell is the reference.

    Raises:
        RuntimeError: It was not recorded.

    """
    (folder / "data").mkdir()
    path = folder / "session.yaml"
    path.write_text(json.dumps(settings(seed, seconds, cells)))
    command = [sys.executable, "-m", "rigd.daemon", "record", str(path), "--json"]
    run = subprocess.run([*command, "--force"], capture_output=True, text=True)
    session = folder / "data" / f"s{seed}"
    if not (session / "manifest.json").is_file():
        raise RuntimeError(run.stdout[-2000:] + run.stderr)
    return judge(session, seed, cells)


def settings(seed: int, seconds: float, cells: Sequence[Cell]) -> dict[str, object]:
    """The session file."""
    rng = np.random.default_rng(seed)
    devices = {cell.name: cell.device(rng, seed) for cell in cells}
    return {
        "id": f"s{seed}",
        "description": "Clocks",
        "subject": {"id": "simulated", "species": "Mus musculus"},
        "duration": seconds,
        "rig": {"devices": devices, "clocks": clocks(cells)},
    }


def judge(folder: Path, seed: int, cells: Sequence[Cell] = CELLS) -> list[Result]:
    """Compare the times of all devices with the truth.

    Only pulses count that the device saw as they were, without a false one before.
    """
    manifest = Manifest.load(folder / "manifest.json")
    start_ns = json.loads((folder / "record.json").read_text())["start_monotonic_ns"]
    paths = SessionPaths(folder, manifest.subject, manifest.session)
    with h5py.File(paths.session_file) as session:
        late = {
            cell.name: _lateness_in(session, cell, start_ns, seed) for cell in cells
        }
    reference = late[cells[0].name]
    return [_result(c, manifest.clocks[c.name], late[c.name], reference) for c in cells]


def _result(
    cell: Cell, entry: DomainEntry, late: dict[int, float], reference: dict[int, float]
) -> Result:
    both = [pulse for pulse in late if pulse in reference]
    apart = np.array([late[pulse] - reference[pulse] for pulse in both])
    error = np.maximum(apart - 1 / cell.rate, -apart - 1 / CELLS[0].rate)
    whole = np.array(list(late.values()))
    beyond = np.maximum(whole - 1 / cell.rate, -whole)
    bound = entry.error
    return Result(
        cell,
        entry.mode,
        entry.grade,
        bound,
        error=float(np.max(error, initial=0.0)),
        within=0.0 if bound is None else float(np.mean(beyond <= bound + WAKE)),
        edges=len(late),
        silent_losses=len(entry.silent_losses),
    )


def _lateness_in(
    session: h5py.File, cell: Cell, start_ns: int, seed: int
) -> dict[int, float]:
    series = session[f"acquisition/{cell.stream}"]
    line = SyncPulses(seed=PULSES_SEED, missing=cell.bad_edges, extra=cell.bad_edges)
    late = lateness(series["data"][:], series["timestamps"][:], start_ns)
    pulses = np.array(list(late), np.int64)
    device = derived_seed(seed, cell.stream)
    clean = line.levels(pulses, device) & ~line.levels(pulses - 1, device)
    return {pulse: late[pulse] for pulse in pulses[clean].tolist()}


def lateness(
    rows: npt.NDArray[np.uint8], times: Floats, start_ns: int
) -> dict[int, float]:
    """Time of the first sample after each true edge minus the edge's true time, s.

    By the true time of the edge, ns; from 0 to one sample where all is right.
    """
    high = (rows & 1) != 0
    first = np.flatnonzero(high[1:] & ~high[:-1]) + 1
    # A sample that is missing between the two levels tells nothing of the edge.
    steps = times[first] - times[first - 1]
    first = first[steps < 1.5 * np.median(np.diff(times))]
    begin, end = (start_ns + round(t * 1e9) for t in (times[0], times[-1]))
    pulses = SyncPulses(seed=PULSES_SEED).onsets(begin - 10**9, end + 10**9)
    truth = (pulses - start_ns) / 1e9
    edges = times[first]
    alone = np.searchsorted(edges, truth + NEAR) - np.searchsorted(edges, truth - NEAR)
    seen = np.flatnonzero(alone == 1)
    at = np.searchsorted(edges, truth[seen] - NEAR)
    late = edges[at] - truth[seen]
    return dict(zip(pulses[seen].tolist(), late.tolist(), strict=True))
