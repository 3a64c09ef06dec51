"""One session: record it with the real processes, compare its times with the truth."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from rigd.daemon.manifest import Manifest
from rigd.streams.signals import SyncPulses
from tests.clock_sessions.cells import CELLS, PULSES_SEED, Cell, clocks

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """What came out for one device.

    Attributes:
        cell: The device.
        mode, grade: How its times were made, and what is said of them.
        bound: Error bound, s; None: unknown.
        error: Largest error of a row's time beyond what one sample explains, s, apart
            from the least way to the host (`least_way`).
        within: Part of the edges whose whole error is within the bound.
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


def record(folder: Path, seed: int, seconds: float) -> list[Result]:
    """Record and judge one session in an empty folder.

    Raises:
        RuntimeError: It was not recorded.

    """
    (folder / "data").mkdir()
    path = folder / "session.yaml"
    path.write_text(json.dumps(settings(seed, seconds)))
    command = [sys.executable, "-m", "rigd.daemon", "record", str(path), "--json"]
    run = subprocess.run([*command, "--force"], capture_output=True, text=True)
    session = folder / "data" / f"s{seed}"
    if not (session / "manifest.json").is_file():
        raise RuntimeError(run.stdout[-2000:] + run.stderr)
    return judge(session)


def settings(seed: int, seconds: float) -> dict[str, object]:
    """The session file."""
    rng = np.random.default_rng(seed)
    devices = {cell.name: cell.device(rng, seed) for cell in CELLS}
    return {
        "id": f"s{seed}",
        "description": "Clocks",
        "subject": {"id": "simulated", "species": "Mus musculus"},
        "duration": seconds,
        "rig": {"devices": devices, "clocks": clocks()},
    }


def judge(folder: Path) -> list[Result]:
    """Compare the times of all devices with the truth."""
    manifest = Manifest.load(folder / "manifest.json")
    start_ns = json.loads((folder / "record.json").read_text())["start_monotonic_ns"]
    (file,) = folder.glob("sub-*.nwb")
    results = []
    with h5py.File(file) as session:
        late = {cell.name: _lateness_in(session, cell, start_ns) for cell in CELLS}
    way = least_way(late["reference"], CELLS[0].rate)
    for cell in CELLS:
        entry = manifest.clocks[cell.name]
        bound = entry.error
        whole = beyond(late[cell.name], cell.rate)
        results.append(
            Result(
                cell,
                entry.mode,
                entry.grade,
                bound,
                float(np.max(beyond(late[cell.name] - way, cell.rate))),
                0.0 if bound is None else float(np.mean(whole <= bound + way)),
                len(whole),
                len(entry.silent_losses),
            )
        )
    return results


def _lateness_in(session: h5py.File, cell: Cell, start_ns: int) -> Floats:
    series = session[f"acquisition/{cell.stream}"]
    return lateness(series["data"][:], series["timestamps"][:], start_ns)


def least_way(late: Floats, rate: float) -> float:
    """Least time from a sample to the host here, which is the same for all devices, s.

    The simulated devices wait in a process that must first be woken.
    """
    return float(np.median(late)) - 0.5 / rate


def beyond(late: Floats, rate: float) -> Floats:
    """Part of the lateness that one sample does not explain, s, 0 or more."""
    found: Floats = np.maximum(np.maximum(-late, late - 1 / rate), 0.0)
    return found


def lateness(rows: npt.NDArray[np.uint8], times: Floats, start_ns: int) -> Floats:
    """Time of each first sample after an edge minus the edge's true time, s.

    From 0 to one sample where all is right.
    """
    high = (rows & 1) != 0
    first = np.flatnonzero(high[1:] & ~high[:-1]) + 1
    # A sample that is missing between the two levels tells nothing of the edge.
    steps = times[first] - times[first - 1]
    first = first[steps < 1.5 * np.median(np.diff(times))]
    begin, end = (start_ns + round(t * 1e9) for t in (times[0], times[-1]))
    pulses = SyncPulses(seed=PULSES_SEED).onsets(begin - 10**9, end + 10**9)
    truth = (pulses - start_ns) / 1e9
    near = np.searchsorted(truth, times[first]).clip(1, len(truth) - 1)
    before = np.abs(truth[near - 1] - times[first]) < np.abs(truth[near] - times[first])
    found: Floats = times[first] - truth[near - before]
    return found
