"""One session: recorded by the real processes, its times compared with the truth."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from rigd.config.paths import SessionPaths
from rigd.daemon.manifest import DomainEntry, Manifest
from tests.clock_sessions.cells import REFERENCE, Device

Floats = npt.NDArray[np.float64]

AT_MOST = 3600.0
"""Seconds after which a session in simulated time is stopped, done or not."""

NAPS = 300
"""So often is sleeping tried, to see how long this computer takes to wake a process."""


@dataclass(frozen=True)
class Result:
    """What came out for one device.

    Attributes:
        device: The device.
        mode, grade: How its times were made, and what is said of them.
        bound: Error bound on the session clock, s; None: unknown.
        error: Largest error of its times, s: against the reference's times of the same
            moments for a device with a line, else against the truth.
        within: Part of the times whose error against the truth is within the bound.
        rows: Times that were compared.
        silent_losses: Losses that nobody counted, found from the clocks.
        warnings: What is said of its clock.

    """

    device: Device
    mode: str
    grade: str
    bound: float | None
    error: float
    within: float
    rows: int
    silent_losses: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Times:
    """True seconds of a device's rows, and by how much its timestamps are later."""

    true: Floats
    late: Floats


def record(
    folder: Path,
    seed: int,
    seconds: float,
    devices: Sequence[Device],
    *,
    is_real_time: bool = False,
) -> Path:
    """Record one session in an empty folder; return the session's folder.

    In simulated time what this computer does meanwhile is in no stamp.

    Raises:
        RuntimeError: It was not recorded.

    """
    (folder / "data").mkdir()
    path = folder / "session.yaml"
    wake = wake_time() if is_real_time else None
    path.write_text(json.dumps(settings(seed, seconds, devices, wake)))
    command = [sys.executable, "-m", "rigd.daemon", "record", str(path), "--json"]
    run = subprocess.run([*command, "--force"], capture_output=True, text=True)
    session = folder / "data" / f"s{seed}"
    if not (session / "manifest.json").is_file():
        raise RuntimeError(run.stdout[-2000:] + run.stderr)
    return session


def realign(session: Path) -> None:
    """Align a recorded session again by the software of today.

    Raises:
        RuntimeError: It was not aligned.

    """
    command = [sys.executable, "-m", "rigd.daemon", "realign", str(session), "--json"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode > 1:
        raise RuntimeError(run.stdout[-2000:] + run.stderr)


def settings(
    seed: int, seconds: float, devices: Sequence[Device], wake: float | None
) -> dict[str, object]:
    """The session file; `wake` is `wake_time`, None: devices in simulated time."""
    random = np.random.default_rng(seed)
    rig = {
        "devices": {
            device.name: device.settings(
                random, seed + 1000 * number, seconds, is_real_time=wake is not None
            )
            for number, device in enumerate(devices)
        },
        "clocks": {"devices": {d.name: d.clock(wake or 0.0) for d in devices}},
    }
    return {
        "id": f"s{seed}",
        "description": "Clocks",
        "subject": {"id": "simulated", "species": "Mus musculus"},
        "duration": AT_MOST if wake is None else seconds,
        "rig": rig,
    }


def wake_time() -> float:
    """Least time by which this computer wakes a process too late, s.

    It is in all host stamps of simulated devices, as the path of a real one is.
    """
    least = np.inf
    for _ in range(NAPS):
        due = time.monotonic_ns() + 2_000_000
        time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
        least = min(least, (time.monotonic_ns() - due) / 1e9)
    return float(least)


def judge(folder: Path, devices: Sequence[Device]) -> list[Result]:
    """Compare the times of all devices of a session with the truth."""
    manifest = Manifest.load(folder / "manifest.json")
    start_ns = json.loads((folder / "record.json").read_text())["start_monotonic_ns"]
    paths = SessionPaths(folder, manifest.subject, manifest.session)
    with h5py.File(paths.session_file) as session:
        times = {d.name: _times_in(session, d.truth, start_ns) for d in devices}
    return [
        _result(d, manifest.clocks[d.name], times[d.name], times.get(REFERENCE))
        for d in devices
    ]


def _times_in(session: h5py.File, stream: str, start_ns: int) -> Times:
    series = session[f"acquisition/{stream}"]
    true = (series["data"][:] - start_ns) / 1e9
    return Times(true, series["timestamps"][:] - true)


def _result(
    device: Device, entry: DomainEntry, own: Times, reference: Times | None
) -> Result:
    certain = _is_certain(entry, own)
    true, late = own.true[certain], own.late[certain]
    error = late
    if device.line is not None and reference is not None:
        during = (true >= reference.true[0]) & (true <= reference.true[-1])
        error = late[during] - np.interp(true[during], reference.true, reference.late)
    bound = entry.error
    return Result(
        device,
        entry.mode,
        entry.grade,
        bound,
        error=float(np.max(np.abs(error))),
        within=0.0 if bound is None else float(np.mean(np.abs(late) <= bound)),
        rows=len(error),
        silent_losses=len(entry.silent_losses),
        warnings=tuple(entry.warnings),
    )


def _is_certain(entry: DomainEntry, own: Times) -> npt.NDArray[np.bool_]:
    """Leave out what the alignment says a silent loss may be after, or before."""
    stamps = own.true + own.late
    certain = np.ones(len(stamps), bool)
    for start, stop, uncertainty in entry.silent_losses:
        certain &= (stamps < start - uncertainty) | (stamps > stop + uncertainty)
    return certain
