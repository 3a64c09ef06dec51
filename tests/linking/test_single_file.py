"""One file to share: a byte copy in which each link is replaced by what it leads to."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from pynwb import NWBHDF5IO

from rigd.config.paths import SessionPaths
from rigd.daemon.links import external_links
from tests.support.nwb_session import FORMATS, linked_session, sample_rows

COUNTS = {"ap": 500, "analog": 30, "ttl": 6}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> SessionPaths:
    return linked_session(tmp_path_factory.mktemp("session"), COUNTS)


def copy_whole(session: Path, target: Path) -> None:
    shutil.copyfile(session, target)
    with h5py.File(target, "r+") as file:
        for link in external_links(session):
            del file[link.object]
            with h5py.File(session.parent / link.target, "r") as source:
                source.copy(link.inner, file, name=link.object)


def test_the_copy_stands_alone(paths: SessionPaths, tmp_path: Path) -> None:
    target = tmp_path / "one.nwb"
    copy_whole(paths.session_file, target)
    assert external_links(target) == []
    assert pynwb.validate(path=target) == []
    with NWBHDF5IO(target, "r") as reader:
        nwbfile = reader.read()
        for name in ("ap", "analog"):
            data = nwbfile.acquisition[name].data
            assert data.file.filename == str(target)
            rows = sample_rows(FORMATS[name], COUNTS[name])
            np.testing.assert_array_equal(data[:], rows)
        electrodes = nwbfile.acquisition["ap"].electrodes.to_dataframe()
        assert list(electrodes["rel_x"]) == [0, 16, 0, 16]
        assert len(nwbfile.events["ttl"].to_dataframe()) == 6


def test_the_copy_keeps_filters_and_raw_clocks(
    paths: SessionPaths, tmp_path: Path
) -> None:
    target = tmp_path / "one.nwb"
    copy_whole(paths.session_file, target)
    with h5py.File(target, "r") as file, h5py.File(paths.session_file, "r") as session:
        assert file["acquisition/analog/data"].compression == "gzip"
        for name in ("acquisition/ap", "acquisition/analog", "events/ttl"):
            np.testing.assert_array_equal(
                file[name]["sync/blocks"][:], session[name]["sync/blocks"][:]
            )


def test_an_export_by_pynwb_drops_sync_but_not_the_clock_series(
    paths: SessionPaths, tmp_path: Path
) -> None:
    target = tmp_path / "one.nwb"
    with (
        NWBHDF5IO(paths.session_file, "r") as reader,
        NWBHDF5IO(target, "w") as writer,
    ):
        writer.export(src_io=reader, write_args={"link_data": False})
    assert external_links(target) == []
    with h5py.File(target, "r") as file:
        assert "sync" not in file["acquisition/ap"]
        assert len(file["processing/recording/ap_clock/data"]) > 0
