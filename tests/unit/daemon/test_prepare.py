import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from pynwb import NWBHDF5IO, NWBFile

from rigd.config.dump import dump_session
from rigd.daemon.prepare import PrepareError, prepare
from rigd.daemon.storable import NotStorableError
from rigd.streams.stream_file import StreamFile
from tests.support.nwb_session import (
    FORMATS,
    append_rows,
    make_record,
    make_session,
    sample_rows,
    session_paths,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One prepared file of each type, to be looked at only."""
    return prepared(tmp_path_factory.mktemp("session"))


def prepared(folder: Path) -> dict[str, Path]:
    paths, session = session_paths(folder), make_session()
    made = prepare(paths, session, make_record(paths, session))
    assert made == [paths.stream_file(name) for name in FORMATS]
    return dict(zip(FORMATS, made, strict=True))


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_is_valid_nwb_before_the_first_row(
    files: dict[str, Path], name: str
) -> None:
    assert pynwb.validate(path=files[name]) == []
    with NWBHDF5IO(files[name], "r") as reader:
        nwbfile = reader.read()
        assert nwbfile.subject.subject_id == "m1"
        assert nwbfile.session_id == "one"
        assert nwbfile.identifier.endswith(f"_{name}")
        assert list(nwbfile.was_generated_by[0]) == ["rigd", "0.1.0"]


@pytest.mark.parametrize("name", FORMATS)
def test_all_datasets_are_laid_out_and_empty(files: dict[str, Path], name: str) -> None:
    paths, session = session_paths(files[name].parent.parent), make_session()
    layout = make_record(paths, session).streams[name].layout(name)
    with h5py.File(files[name], "r") as file:
        for dataset in (*layout.data, layout.timestamps, layout.ids, layout.blocks):
            if dataset is not None:
                found = file[dataset.path]
                assert found.dtype == dataset.dtype
                assert found.shape == (0, *dataset.shape)
                assert found.maxshape == (None, *dataset.shape)
                assert found.chunks == dataset.chunk


def test_only_data_are_compressed_and_only_where_asked(files: dict[str, Path]) -> None:
    with h5py.File(files["analog"], "r") as file:
        data = file["acquisition/analog/data"]
        assert (data.compression, data.compression_opts, data.shuffle) == (
            "gzip", 1, True,
        )  # fmt: skip
        assert file["acquisition/analog/sync/blocks"].compression is None
    with h5py.File(files["ap"], "r") as file:
        assert file["acquisition/ap/data"].compression is None


def test_scale_stands_on_the_dataset(files: dict[str, Path]) -> None:
    with h5py.File(files["ap"], "r") as file:
        attributes = dict(file["acquisition/ap/data"].attrs)
    assert attributes == {
        "unit": "volts", "conversion": 2e-6, "offset": 0.5, "resolution": 1e-6,
    }  # fmt: skip


def test_settings_go_before_what_the_device_says(tmp_path: Path) -> None:
    rig = make_session().rig.model_dump()
    rig["devices"]["board"]["streams"]["analog"] |= {"unit": "pascal", "offset": 3.0}
    paths, session = session_paths(tmp_path), make_session(rig=rig)
    record = make_record(paths, session, {"analog": FORMATS["analog"]})
    (path,) = prepare(paths, session, record)
    with h5py.File(path, "r") as file:
        attributes = file["acquisition/analog/data"].attrs
        assert attributes["unit"] == "pascal"
        assert attributes["offset"] == 3.0
        assert attributes["conversion"] == 1.0


def test_descriptions_say_whose_times_these_are(files: dict[str, Path]) -> None:
    with NWBHDF5IO(files["ap"], "r") as reader:
        series = reader.read().acquisition["ap"]
        assert (series.starting_time, series.rate) == (0.0, 30_000.0)
        assert series.description.startswith(
            "Broadband. Times in this file are nominal"
        )
        assert "The session file has aligned times" in series.description
    with NWBHDF5IO(files["wheel"], "r") as reader:
        series = reader.read().acquisition["wheel"]
        assert "the device's own clock" in series.description
        assert series.rate is None


def test_electrodes_are_those_of_the_probe(files: dict[str, Path]) -> None:
    with NWBHDF5IO(files["ap"], "r") as reader:
        nwbfile: NWBFile = reader.read()
        electrodes = nwbfile.acquisition["ap"].electrodes.to_dataframe()
        assert list(electrodes["rel_x"]) == [0, 16, 0, 16]
        assert list(electrodes["rel_y"]) == [0, 0, 20, 20]
        assert list(electrodes["contact"]) == ["0", "1", "2", "3"]
        assert set(electrodes["location"]) == {"CA1"}
        assert "rel_z" not in electrodes
        # The rig has a device and a probe of the same name.
        assert sorted(nwbfile.devices) == ["probe0", "probe0_probe"]
        model = nwbfile.devices["probe0_probe"].model
        assert (model.manufacturer, model.model_number) == ("Maker", "NP/2")


def test_columns_of_a_table_keep_their_order_and_meaning(
    files: dict[str, Path],
) -> None:
    with NWBHDF5IO(files["ttl"], "r") as reader:
        table = reader.read().events["ttl"]
        assert table.colnames == ("timestamp", "line", "text", "position")
        assert table["line"].description == "Pin"
        assert table.source_description == "board"


@pytest.mark.parametrize("name", FORMATS)
def test_rows_appended_under_swmr_are_read_by_pynwb(tmp_path: Path, name: str) -> None:
    paths, session = session_paths(tmp_path), make_session()
    record = make_record(paths, session, {name: FORMATS[name]})
    (path,) = prepare(paths, session, record)
    rows = sample_rows(FORMATS[name], 20)
    append_rows(path, record.streams[name].layout(name), rows)
    assert pynwb.validate(path=path) == []
    with NWBHDF5IO(path, "r") as reader:
        nwbfile = reader.read()
        if name == "ttl":
            table = nwbfile.events["ttl"].to_dataframe()
            assert list(table["line"]) == list(rows["line"])
            assert list(table["text"]) == list(rows["text"])
            assert list(table.index) == list(range(20))
        else:
            np.testing.assert_array_equal(nwbfile.acquisition[name].data[:], rows)


def test_a_live_file_is_read_by_pynwb(tmp_path: Path) -> None:
    path = prepared(tmp_path)["ap"]
    with h5py.File(path, "r+", libver="v110") as writer:
        writer.swmr_mode = True
        data = writer["acquisition/ap/data"]
        data.resize(5, axis=0)
        data[:] = 3
        data.flush()
        live = h5py.File(path, "r", swmr=True)
        with live, NWBHDF5IO(file=live, mode="r") as reader:
            assert reader.read().acquisition["ap"].data[:].sum() == 3 * 5 * 4


@pytest.mark.parametrize("name", FORMATS)
def test_the_writer_takes_the_file(tmp_path: Path, name: str) -> None:
    paths, session = session_paths(tmp_path), make_session()
    record = make_record(paths, session, {name: FORMATS[name]})
    (path,) = prepare(paths, session, record)
    file = StreamFile(path, record.streams[name].layout(name), FORMATS[name])
    assert file.rows == 0
    file.close()
    assert pynwb.validate(path=path) == []


def test_a_stream_that_nwb_can_not_hold_is_refused_before_any_file(
    tmp_path: Path,
) -> None:
    paths, session = session_paths(tmp_path), make_session()
    record = make_record(paths, session)
    wheel = record.streams["wheel"].model_copy(
        update={"format": FORMATS["ttl"].to_json()}
    )
    streams = {"ap": record.streams["ap"], "wheel": wheel}
    with pytest.raises(NotStorableError, match="stream `wheel`"):
        prepare(paths, session, record.model_copy(update={"streams": streams}))
    assert list(tmp_path.rglob("*.nwb")) == []


def test_channels_and_electrodes_must_be_as_many(tmp_path: Path) -> None:
    rig = make_session().rig.model_dump()
    rig["probes"]["probe0"]["electrodes"]["count"] = 5
    paths, session = session_paths(tmp_path), make_session(rig=rig)
    with pytest.raises(NotStorableError, match="4 channels.*5 electrodes"):
        prepare(paths, session, make_record(paths, session))


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = prepared(tmp_path)["ap"]
    before = path.read_bytes()
    paths, session = session_paths(tmp_path), make_session()
    with pytest.raises(PrepareError, match="never overwritten"):
        prepare(paths, session, make_record(paths, session))
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir() if p.name.startswith(".")] == []


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rigd.daemon.prepare", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_it_runs_as_a_process_from_what_stands_in_the_folder(tmp_path: Path) -> None:
    paths, session = session_paths(tmp_path), make_session()
    paths.settings.write_text(dump_session(session))
    make_record(paths, session).save(paths.record)
    done = run(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert all(paths.stream_file(name).is_file() for name in FORMATS)
    again = run(tmp_path)
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
    assert "never overwritten" in again.stderr


def test_a_folder_without_a_session_is_told_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "record.json" in done.stderr


def test_a_probe_file_that_is_gone_is_told_in_one_line(tmp_path: Path) -> None:
    rig = make_session().rig.model_dump()
    probe = tmp_path / "probe.json"
    rig["probes"]["probe0"] |= {"electrodes": None, "file": probe}
    contacts = [{"contact_positions": [[0, i] for i in range(4)]}]
    probe.write_text(
        json.dumps({"specification": "probeinterface", "probes": contacts})
    )
    paths, session = session_paths(tmp_path), make_session(rig=rig)
    record = make_record(paths, session)
    probe.unlink()
    with pytest.raises(PrepareError, match=r"stream `ap`: probe file .*probe.json"):
        prepare(paths, session, record)
