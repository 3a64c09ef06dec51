"""A sender written in C from docs/wire-protocol.md alone records bit for bit."""

import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest
import zmq

from rigd.streams.block import StreamFormat
from tests.support.writer_process import running_writer

SOURCE = Path(__file__).with_name("sender.c")
CHANNELS, ROWS, BLOCKS = 16, 30, 400
LOST_BLOCK = 5


def libzmq() -> Path:
    """Find the libzmq that pyzmq's wheel brings."""
    folder = Path(zmq.__file__).parent.parent / "pyzmq.libs"
    found = sorted(folder.glob("libzmq*.so*"))
    if not found:
        pytest.skip("pyzmq was not installed from a wheel: no libzmq to link with")
    return found[0]


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    program = tmp_path_factory.mktemp("c") / "sender"
    library = libzmq()
    subprocess.run(
        [
            compiler, "-std=gnu11", "-O2", "-Wall", "-Werror", "-o", str(program),
            str(SOURCE), str(library), f"-Wl,-rpath,{library.parent}",
        ],
        check=True,
    )  # fmt: skip
    return program


def test_a_c_program_records_bit_for_bit(sender: Path, tmp_path: Path) -> None:
    stream = StreamFormat(np.dtype("<i2"), (CHANNELS,), 30000.0)
    with running_writer(tmp_path, stream) as writer:
        told = subprocess.run(
            [
                sender, writer.endpoint, "s", str(ROWS), str(BLOCKS), str(CHANNELS),
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )  # fmt: skip
        writer.wait_for_end()
    assert told.stdout == b"400 blocks, 401 acknowledged\n"
    with h5py.File(writer.path) as file:
        data = file["acquisition/s/data"][:]
        lost = file["acquisition/s/sync/lost"][:]
        state = file["acquisition/s/sync/state"][()]
    np.testing.assert_array_equal(data.view(np.uint16), expected_rows())
    assert lost[["first_sample", "count", "row", "cause"]].tolist() == [
        (LOST_BLOCK * ROWS, ROWS, LOST_BLOCK * ROWS, b"driver")
    ]
    assert (state["rows"], state["lost"], state["rejected"]) == (
        ROWS * (BLOCKS - 1), ROWS, 0,
    )  # fmt: skip


SESSION = """\
id: foreign
description: Samples of a program in C
subject: {{id: M042, species: Mus musculus}}
rig:
  devices:
    amplifier:
      driver: external
      streams:
        amplifier_ap:
          options: {{dtype: <i2, shape: [{channels}], rate: 30 kHz}}
          endpoint: ipc://{socket}
"""


def test_a_c_program_is_recorded_by_a_session(sender: Path, tmp_path: Path) -> None:
    """Through the driver `external`: the sender ends the stream, and so the session."""
    socket = tmp_path / "amplifier.sock"
    settings = tmp_path / "session.yaml"
    settings.write_text(SESSION.format(channels=CHANNELS, socket=socket))
    program = subprocess.Popen(
        [
            sender, f"ipc://{socket}", "amplifier_ap", str(ROWS), str(BLOCKS),
            str(CHANNELS), "1000",
        ],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    recorded = subprocess.run(
        [
            sys.executable, "-m", "rigd.daemon", "record", str(settings), "--plain",
            "--data-root", str(tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=90,
    )  # fmt: skip
    told, _ = program.communicate(timeout=30)
    assert told == b"400 blocks, 401 acknowledged\n"
    assert "verdict: degraded" in recorded.stdout, recorded.stdout + recorded.stderr
    (session,) = (tmp_path / "foreign").glob("*.nwb")
    with h5py.File(session) as file:
        series = file["acquisition/amplifier_ap"]
        data, times = series["data"][:], series["timestamps"][:]
    np.testing.assert_array_equal(data.view(np.uint16), expected_rows())
    gap = times[LOST_BLOCK * ROWS] - times[LOST_BLOCK * ROWS - 1]
    assert gap > ROWS / 30000


def expected_rows() -> npt.NDArray[np.uint16]:
    """What the program sends, without the block that it says is lost."""
    samples = np.arange(ROWS * BLOCKS).reshape(BLOCKS, ROWS)
    samples = np.delete(samples, LOST_BLOCK, axis=0).reshape(-1, 1)
    return (samples * CHANNELS + np.arange(CHANNELS)).astype(np.uint16)
