import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pynwb
import pytest
from pynwb import NWBHDF5IO, NWBFile

from rigd.daemon.links import audit, external_links
from rigd.daemon.session_file import (
    LostTime,
    SessionFileError,
    StreamEntry,
    build_session_file,
)
from rigd.streams.clock_map import Fit, Mode
from rigd.streams.ledger import ENDED_WITH_REASON, Ledger, LostInterval
from tests.support.nwb_session import (
    FORMATS,
    OFFSET,
    linked_session,
    recorded_session,
    sample_rows,
    session_seconds,
    stream_entries,
)

COUNTS = {"ap": 500, "analog": 300, "camera": 10, "wheel": 20, "ttl": 9}


@pytest.fixture(scope="module")
def session_nwb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session file of all types, to be looked at only."""
    return linked_session(tmp_path_factory.mktemp("session"), COUNTS).session_file


@pytest.fixture
def nwbfile(session_nwb: Path) -> Iterator[NWBFile]:
    with NWBHDF5IO(session_nwb, "r") as reader:
        yield reader.read()


def test_it_is_valid_and_its_links_lead_home(session_nwb: Path) -> None:
    assert pynwb.validate(path=session_nwb) == []
    assert audit(session_nwb) == []


def test_it_is_read_only_and_leaves_nothing_beside_it(session_nwb: Path) -> None:
    assert stat.S_IMODE(session_nwb.stat().st_mode) == 0o444
    assert {path.name for path in session_nwb.parent.iterdir()} == {
        session_nwb.name, "streams",
    }  # fmt: skip


@pytest.mark.parametrize("name", [name for name in COUNTS if name != "ttl"])
def test_a_series_is_linked_and_has_its_own_times(nwbfile: NWBFile, name: str) -> None:
    series = nwbfile.acquisition[name]
    rows = sample_rows(FORMATS[name], COUNTS[name])
    np.testing.assert_array_equal(series.data[:], rows)
    assert series.data.file.filename.endswith(f"/streams/sub-m1_ses-one_{name}.nwb")
    times = session_seconds(FORMATS[name], COUNTS[name])
    np.testing.assert_array_equal(series.timestamps[:], times)
    assert series.timestamps.compression == "gzip"
    assert series.unit == FORMATS[name].unit
    assert series.conversion == FORMATS[name].conversion


def test_a_table_has_its_own_times_and_text(nwbfile: NWBFile) -> None:
    table = nwbfile.events["ttl"].to_dataframe()
    rows = sample_rows(FORMATS["ttl"], 9)
    assert list(table.columns) == ["timestamp", "line", "text", "position"]
    assert list(table["timestamp"]) == list(session_seconds(FORMATS["ttl"], 9))
    assert list(table["line"]) == list(rows["line"])
    assert list(table["text"]) == [f"tür {i}" for i in range(9)]
    np.testing.assert_array_equal(np.stack(table["position"]), rows["position"])
    assert list(table.index) == list(range(9))


def test_numbers_of_a_table_are_linked(session_nwb: Path) -> None:
    links = {link.object for link in external_links(session_nwb)}
    assert {name for name in links if name.startswith("/events")} == {
        "/events/ttl/line", "/events/ttl/position", "/events/ttl/sync",
    }  # fmt: skip


def test_electrodes_devices_and_subject_are_its_own(nwbfile: NWBFile) -> None:
    electrodes = nwbfile.acquisition["ap"].electrodes.to_dataframe()
    assert list(electrodes["rel_y"]) == [0, 0, 20, 20]
    assert sorted(nwbfile.devices) == ["board", "probe0", "probe0_probe"]
    assert nwbfile.acquisition["camera"].device is nwbfile.devices["board"]
    assert nwbfile.subject.subject_id == "m1"
    assert nwbfile.identifier == "8e4f0c1e-9e3b-4b0f-8a53-7c1f0d6a3c11"


def test_raw_clocks_are_linked_and_stand_in_a_series(
    session_nwb: Path, nwbfile: NWBFile
) -> None:
    clock = nwbfile.processing["recording"]["analog_clock"]
    with h5py.File(session_nwb, "r") as file:
        blocks = file["acquisition/analog/sync/blocks"][:]
    assert list(clock.data[:, 0]) == list(blocks["first_sample"])
    assert clock.data[:, 1].sum() == COUNTS["analog"]
    assert list(clock.data[:, 2]) == list(blocks["device_ns"])
    assert clock.timestamps[0] == pytest.approx(OFFSET + 0.6)


# --- what went wrong ------------------------------------------------------------------


def no_times() -> list[npt.NDArray[Any]]:
    raise AssertionError("the times of a stream that is left out are not asked for")


def test_losses_and_faults_stand_in_the_tables(tmp_path: Path) -> None:
    counts = {"ap": 50, "analog": 30, "wheel": 0}
    paths, session, record = recorded_session(tmp_path, counts)
    ap, analog, wheel = stream_entries(record, counts)
    ledger = Ledger(50, 7, 1, 2, (), ENDED_WITH_REASON, "unplugged")
    fit = Fit(Mode.HOST_CLOCK, 12, 4.5, 1e-5, 1e-4, None)
    lost = (
        LostTime(LostInterval(9, 7, 5, 0, "device"), 0.3, 0.4),
        LostTime(LostInterval(4, 0, 4, 0, "source down"), 0.1, 0.2),
        LostTime(LostInterval(0, 2, 0, 1, "late"), None, None),
    )
    entries = [
        replace(
            ap, ledger=ledger, fits=[(0, fit), (1, fit)], lost=lost, verdict="degraded"
        ),
        replace(analog, ledger=None, times=no_times, fault="truncated"),
        wheel,
    ]
    build_session_file(
        paths, session, record, entries,
        verdict="incomplete", reasons=["analog: truncated", "ap: lost 7"],
    )  # fmt: skip
    with NWBHDF5IO(paths.session_file, "r") as reader:
        nwbfile = reader.read()
        assert sorted(nwbfile.acquisition) == ["ap", "wheel"]
        module = nwbfile.processing["recording"]
        verdict = module["verdict"].to_dataframe()
        assert list(verdict["verdict"]) == ["incomplete"] * 2
        assert list(verdict["reason"]) == ["analog: truncated", "ap: lost 7"]
        rows = module["ledger"].to_dataframe().set_index("stream")
        assert list(rows["expected"]) == [57, -1, 0]
        assert list(rows["lost"]) == [7, -1, 0]
        assert list(rows["end"]) == ["early", "unknown", "regular"]
        assert list(rows["reason"]) == ["unplugged", "truncated", ""]
        fits = module["alignment"].to_dataframe()
        assert list(fits["stream"]) == ["ap", "ap"]
        assert list(fits["epoch"]) == [0, 1]
        assert list(fits["drift_ppm"]) == [4.5, 4.5]
        assert np.isnan(fits["error"]).all()
        invalid = nwbfile.invalid_times.to_dataframe()
        assert list(invalid["start_time"]) == [0.1, 0.3]
        assert list(invalid["stop_time"]) == [0.2, 0.4]
        assert [list(tags) for tags in invalid["tags"]] == [
            ["ap", "source down"], ["ap", "device"],
        ]  # fmt: skip
        table = module["lost"].to_dataframe()
        assert list(table["count"]) == [7, 0, 2]
        assert list(table["start"].fillna(-1)) == [0.3, 0.1, -1]
        rate = ap.record.stream_format.rate
        assert rate is not None
        assert list(table["estimate"]) == [-1, round(0.1 * rate) - 1, -1]


def test_streams_without_a_row_are_there_and_empty(tmp_path: Path) -> None:
    paths = linked_session(tmp_path, dict.fromkeys(COUNTS, 0))
    assert pynwb.validate(path=paths.session_file) == []
    with NWBHDF5IO(paths.session_file, "r") as reader:
        nwbfile = reader.read()
        assert {len(s.data) for s in nwbfile.acquisition.values()} == {0}
        assert {len(s.timestamps) for s in nwbfile.acquisition.values()} == {0}
        assert nwbfile.acquisition["ap"].electrodes.to_dataframe().shape[0] == 4
        table = nwbfile.events["ttl"]
        assert table.colnames == ("timestamp", "line", "text", "position")
        assert len(table.to_dataframe()) == 0


def test_a_session_in_which_no_stream_is_usable_has_a_file(tmp_path: Path) -> None:
    paths, session, record = recorded_session(tmp_path, {"ap": 5})
    (entry,) = stream_entries(record, {"ap": 5})
    entry = replace(entry, ledger=None, times=no_times, fault="gone")
    build_session_file(paths, session, record, [entry], verdict="failed")
    assert pynwb.validate(path=paths.session_file) == []
    with NWBHDF5IO(paths.session_file, "r") as reader:
        assert len(reader.read().acquisition) == 0


def with_times(entry: StreamEntry, times: npt.NDArray[np.float64]) -> StreamEntry:
    return replace(entry, times=lambda: [times])


@pytest.mark.parametrize("count", [4, 6])
def test_times_must_be_as_many_as_rows(tmp_path: Path, count: int) -> None:
    paths, session, record = recorded_session(tmp_path, {"analog": 5})
    (entry,) = stream_entries(record, {"analog": 5})
    entry = with_times(entry, np.arange(count, dtype=float))
    with pytest.raises(SessionFileError, match=f"`analog`: {count} rows.*5 are needed"):
        build_session_file(paths, session, record, [entry], verdict="complete")
    assert os.listdir(tmp_path) == ["streams"]


def test_columns_of_different_length_are_refused(tmp_path: Path) -> None:
    paths, session, record = recorded_session(tmp_path, {"ttl": 5})
    path = paths.stream_file("ttl")
    path.chmod(0o644)
    with h5py.File(path, "r+") as file:
        file["events/ttl/line"].resize(4, axis=0)
    entries = stream_entries(record, {"ttl": 5})
    with pytest.raises(SessionFileError, match="`ttl`.*recovered first"):
        build_session_file(paths, session, record, entries, verdict="complete")


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    paths, session, record = recorded_session(tmp_path, {"ap": 5})
    paths.stream_file("ap").unlink()
    entries = stream_entries(record, {"ap": 5})
    with pytest.raises(SessionFileError, match="`ap`: can't open"):
        build_session_file(paths, session, record, entries, verdict="complete")
    assert not paths.session_file.exists()


def test_a_file_of_another_stream_is_refused(tmp_path: Path) -> None:
    paths, session, record = recorded_session(tmp_path, {"analog": 5, "wheel": 5})
    paths.stream_file("wheel").replace(paths.stream_file("analog"))
    entries = stream_entries(record, {"analog": 5})
    with pytest.raises(SessionFileError, match="`analog`.*is not its file"):
        build_session_file(paths, session, record, entries, verdict="complete")


def test_links_that_lead_elsewhere_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    this, other = tmp_path / "this", tmp_path / "other"
    for folder in (this, other):
        folder.mkdir()
    paths, session, record = recorded_session(this, {"ap": 5})
    recorded_session(other, {"ap": 5})
    monkeypatch.setenv("HDF5_EXT_PREFIX", str(other))
    entries = stream_entries(record, {"ap": 5})
    with pytest.raises(SessionFileError, match="HDF5_EXT_PREFIX"):
        build_session_file(paths, session, record, entries, verdict="complete")
    assert os.listdir(this) == ["streams"]


def test_building_again_replaces_the_file(tmp_path: Path) -> None:
    counts = {"analog": 30}
    paths, session, record = recorded_session(tmp_path, counts)
    for verdict in ("incomplete", "complete"):
        entries = stream_entries(record, counts)
        build_session_file(paths, session, record, entries, verdict=verdict)
    with NWBHDF5IO(paths.session_file, "r") as reader:
        table = reader.read().processing["recording"]["verdict"].to_dataframe()
        assert list(table["verdict"]) == ["complete"]
