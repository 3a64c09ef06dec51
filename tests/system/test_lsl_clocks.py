"""Two LSL outlets on clocks of their own, aligned against the truth that they send.

Each outlet's process lives in a time namespace in which CLOCK_MONOTONIC is shifted.
CLOCK_BOOTTIME is not: that is the truth, and goes out as the samples.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from rigd.daemon.manifest import Manifest

pytest.importorskip("pylsl", reason="rigd[lsl] is not installed")

Floats = npt.NDArray[np.float64]

RATE = 200
SECONDS = float(os.environ.get("RIGD_LSL_CLOCK_SECONDS", "16"))
LIMIT = 1e-3
"""Largest error on a busy machine, s."""

OUTLET = f"""
import sys, time, pylsl
name = sys.argv[1]
info = pylsl.StreamInfo(name, "truth", 1, {RATE}, "double64", name)
outlet = pylsl.StreamOutlet(info)
due = time.clock_gettime(time.CLOCK_BOOTTIME)
while True:
    due += 1 / {RATE}
    time.sleep(max(0.0, due - time.clock_gettime(time.CLOCK_BOOTTIME)))
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    stamp = pylsl.local_clock()
    after = time.clock_gettime(time.CLOCK_BOOTTIME)
    outlet.push_sample([(before + after) / 2], stamp)
"""

CLOCKS = {"early": 1000, "late": 86_400}
"""Seconds by which each outlet's clock is ahead."""


@pytest.fixture(autouse=True)
def _needs_time_namespaces() -> None:
    """Skip where the kernel, or the rights, do not suffice."""
    try:
        subprocess.run([*shifted(1), "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no time namespaces here: {error}")


def shifted(seconds: int) -> list[str]:
    """Begin of a command that runs with another CLOCK_MONOTONIC."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return [
        "unshare", *user, "--time", "--monotonic", str(seconds), "--fork",
        "--kill-child",
    ]  # fmt: skip


@pytest.fixture
def loopback(tmp_path: Path) -> dict[str, str]:
    settings = tmp_path / "lsl_api.cfg"
    settings.write_text(
        "[ports]\nIPv6 = disable\n[multicast]\nResolveScope = machine\n"
        "AddressesOverride = {127.0.0.1}\nListenAddress = 127.0.0.1\n"
        f"[lab]\nKnownPeers = {{127.0.0.1}}\nSessionID = rigd-clocks-{os.getpid()}\n"
        "[log]\nlevel = -3\n"
    )
    return {**os.environ, "LSLAPICFG": str(settings)}


def session(folder: Path) -> Path:
    """A session of one device: that its outlets have two clocks is to be found."""
    streams = {name: {"options": {"source_id": name}} for name in CLOCKS}
    device = {"driver": "lsl", "options": {"clock_interval": 1}, "streams": streams}
    values = {
        "id": "s1",
        "description": "Two clocks",
        "subject": {"id": "m7", "species": "Homo sapiens"},
        "tolerance": 0.02,
        "rig": {"devices": {"lsl": device}},
    }
    path = folder / "session.yaml"
    path.write_text(json.dumps(values))
    (folder / "data").mkdir()
    return path


def outlet(name: str, loopback: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [*shifted(CLOCKS[name]), sys.executable, "-c", OUTLET, name]
    return subprocess.Popen(command, env=loopback)


@pytest.mark.timeout(240)
def test_outlets_on_other_clocks_are_aligned_to_the_truth(
    tmp_path: Path, loopback: dict[str, str]
) -> None:
    path = session(tmp_path)
    outlets = [outlet(name, loopback) for name in CLOCKS]
    try:
        time.sleep(1)
        recorded = subprocess.run(
            [
                sys.executable, "-m", "rigd.daemon", "record", str(path), "--plain",
                "--duration", str(SECONDS),
            ],
            env=loopback,
            capture_output=True,
            text=True,
            timeout=200,
        )  # fmt: skip
    finally:
        for process in outlets:
            process.kill()
            process.wait()
    assert recorded.returncode == 0, recorded.stdout + recorded.stderr
    folder = tmp_path / "data" / "s1"
    manifest = Manifest.load(folder / "manifest.json")
    assert {tuple(clock.streams) for clock in manifest.clocks.values()} == {
        (name,) for name in CLOCKS
    }
    start_ns = json.loads((folder / "record.json").read_text())["start_monotonic_ns"]
    for clock in manifest.clocks.values():
        (name,) = clock.streams
        error = errors(folder, name, start_ns / 1e9)
        print(
            f"{name}: {clock.mode}, bound {clock.error}, error median "
            f"{np.median(error) * 1e6:.1f} us, least {error.min() * 1e6:.1f} us, most "
            f"{error.max() * 1e6:.1f} us, drift {clock.segments[0].drift_ppm}"
        )
        assert clock.mode == "two_way"
        assert clock.error is not None
        within = np.mean(np.abs(error) <= clock.error)
        assert within >= 0.997, f"{name}: bound {clock.error} s holds for {within:.2%}"
        assert np.median(np.abs(error)) < LIMIT


def errors(
    folder: Path, name: str, start: float
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Times of the session file minus the truth, s."""
    monotonic_ahead = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    (file,) = folder.glob("sub-*.nwb")
    with h5py.File(file) as recorded:
        times = recorded[f"acquisition/{name}/timestamps"][:]
        truth = recorded[f"acquisition/{name}/data"][:].reshape(-1)
    return np.asarray(times + start - (truth - monotonic_ahead / 1e9))
