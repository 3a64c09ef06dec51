"""Two LSL outlets of another process, recorded by the example: values as sent."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

pytest.importorskip("pylsl", reason="rigd[lsl] is not installed")

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "examples" / "lsl.yaml"
SECONDS = float(os.environ.get("RIGD_LSL_SECONDS", "5"))

OUTLETS = '''
"""Sends until standard input closes; then prints what was sent, and when."""
import json, random, select, sys, time
import pylsl
eeg = pylsl.StreamOutlet(pylsl.StreamInfo("eeg", "EEG", 8, 250, "float32", "eeg-1"), 25)
markers = pylsl.StreamOutlet(
    pylsl.StreamInfo("markers", "Markers", 1, 0, "string", "markers-1"))
chance, rows, stamps, texts, marks = random.Random(3), 0, [], [], []
start = pylsl.local_clock()
while not select.select([sys.stdin], [], [], 0.002)[0]:
    while rows < (pylsl.local_clock() - start) * 250:
        stamp = start + rows / 250
        eeg.push_sample([rows + channel / 8 for channel in range(8)], stamp)
        stamps.append(stamp)
        rows += 1
    if chance.random() < 0.01:
        text, stamp = f"trial {len(texts)} \\u03b1", pylsl.local_clock()
        markers.push_sample([text], stamp)
        texts.append(text)
        marks.append(stamp)
print(json.dumps({"stamps": stamps, "texts": texts, "marks": marks}))
time.sleep(0.5)
'''


@pytest.fixture
def loopback(tmp_path: Path) -> dict[str, str]:
    """An environment in which LSL keeps to this machine and this test."""
    settings = tmp_path / "lsl_api.cfg"
    settings.write_text(
        "[ports]\nIPv6 = disable\n[multicast]\nResolveScope = machine\n"
        "AddressesOverride = {127.0.0.1}\nListenAddress = 127.0.0.1\n"
        f"[lab]\nKnownPeers = {{127.0.0.1}}\nSessionID = rigd-{os.getpid()}\n"
        "[log]\nlevel = -3\n"
    )
    return {**os.environ, "LSLAPICFG": str(settings)}


def rows_between(stamps: list[float], recorded_ns: Any) -> list[int]:
    """Numbers of the sent samples from the first to the last recorded stamp."""
    sent = np.round(np.array(stamps) * 1e9).astype(np.int64)
    inside = (sent >= recorded_ns[0]) & (sent <= recorded_ns[-1])
    return list(np.flatnonzero(inside))


@pytest.mark.timeout(180)
def test_the_example_records_what_was_sent(
    tmp_path: Path, loopback: dict[str, str]
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    outlets = subprocess.Popen(
        [sys.executable, "-c", OUTLETS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=loopback,
    )
    time.sleep(1)
    recorded = subprocess.run(
        [
            sys.executable, "-m", "rigd.daemon", "record", str(EXAMPLE), "--plain",
            "--data-root", str(root), "--duration", str(SECONDS),
        ],
        env=loopback,
        capture_output=True,
        text=True,
        timeout=120,
    )  # fmt: skip
    told, _ = outlets.communicate(b"\n", timeout=20)
    sent = json.loads(told)
    assert recorded.returncode == 0, recorded.stdout + recorded.stderr
    assert "verdict: complete" in recorded.stdout
    (session,) = root.glob("*/*.nwb")
    with h5py.File(session) as file:
        eeg = file["acquisition/eeg"]
        numbers = rows_between(sent["stamps"], eeg["sync/row_device_ns"][:])
        expected = np.array(numbers)[:, None] + np.arange(8) / 8
        np.testing.assert_array_equal(eeg["data"][:], expected.astype(np.float32))
        assert len(numbers) >= 250 * (SECONDS - 1)
        marks = file["events/markers"]
        inside = rows_between(sent["marks"], marks["sync/row_device_ns"][:])
        texts = [text.decode() for text in marks["text"][:]]
        assert texts == [sent["texts"][number] for number in inside]
        assert texts
        times = eeg["timestamps"][:]
    assert np.all(np.diff(times) > 0)
