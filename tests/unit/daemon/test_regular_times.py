"""A starting time and a rate are written only where they are as good as the times."""

from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from pynwb import NWBHDF5IO

from rigd.config.clocks import Realignment
from rigd.daemon.finalizer import finalize
from rigd.daemon.realigning import realign
from rigd.daemon.regular_times import regular_times
from rigd.daemon.verify import verify
from tests.support.nwb_session import FORMATS
from tests.support.recorded_folder import (
    EVENT_RATE,
    prepared_folder,
    record_stream,
)

Floats = npt.NDArray[np.float64]


def pieces(times: Floats) -> list[Floats]:
    return np.array_split(times, 7)


def test_a_line_is_found_whatever_the_pieces() -> None:
    times = 5.0 + np.arange(1000) / 250
    found = regular_times(lambda: pieces(times), rows=1000, first=5.0, last=times[-1])
    assert found is not None
    assert found.start == pytest.approx(5.0)
    assert found.rate == pytest.approx(250.0)
    assert found.deviation < 1e-9


def test_a_bow_is_halved_and_told() -> None:
    steps = np.linspace(-1, 1, 1001)
    times = np.arange(1001) / 1000 + 2e-3 * (1 - steps**2)
    found = regular_times(
        lambda: pieces(times), rows=1001, first=times[0], last=times[-1]
    )
    assert found is not None
    assert found.deviation == pytest.approx(1e-3, rel=1e-3)
    line = found.start + np.arange(1001) / found.rate
    assert np.max(np.abs(times - line)) == pytest.approx(found.deviation, rel=1e-6)


def test_rows_without_a_time_have_no_line() -> None:
    times = np.array([0.0, np.nan, 2.0])
    assert regular_times(lambda: [times], rows=3, first=0.0, last=2.0) is None
    assert regular_times(lambda: [times[:1]], rows=1, first=0.0, last=0.0) is None
    assert regular_times(lambda: [times], rows=3, first=None, last=None) is None


def test_it_is_written_or_refused(tmp_path: Path) -> None:
    paths, record = prepared_folder(tmp_path / "session")
    folder = paths.folder
    for name, form in FORMATS.items():
        samples = int(6 * (form.rate or EVENT_RATE))
        gap = (90, 6) if name == "camera" else None
        file = paths.stream_file(name)
        record_stream(file, record, name, samples=samples, gap=gap)
    finalize(folder)
    with h5py.File(paths.session_file) as file:
        explicit = file["acquisition/analog/timestamps"][:]

    def nothing(step: str, stream: str | None) -> None:
        return

    asked = {"streams": {"analog": {"timestamps": "regular"}}}
    realign(folder, Realignment.model_validate(asked), nothing)
    with NWBHDF5IO(paths.session_file, "r") as reader:
        series = reader.read().acquisition["analog"]
        assert series.timestamps is None
        line = series.starting_time + np.arange(len(series.data)) / series.rate
    assert np.max(np.abs(line - explicit)) < 1e-3
    assert verify(folder) == []
    streams = {name: {"timestamps": "regular"} for name in ("ttl", "camera")}
    asked = {"streams": streams}
    manifest = realign(folder, Realignment.model_validate(asked), nothing)
    refused = [reason for reason in manifest.reasons if "is refused" in reason]
    assert any("its rows are events" in reason for reason in refused)
    assert any("ms from a line, 2 ms asked" in reason for reason in refused)
    with h5py.File(paths.session_file) as file:
        assert len(file["events/ttl/timestamp"]) > 0
