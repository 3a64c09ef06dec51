"""The `sync` group: raw clocks stay in the stream file, the session file links it."""

import h5py
import numpy as np
import pynwb
import pytest
from pynwb import NWBHDF5IO, TimeSeries

from rigd.config.paths import SessionPaths
from tests.support.nwb_session import linked_session

COUNTS = {"ap": 500, "wheel": 8, "ttl": 6}
CONTAINERS = {
    "ap": "/acquisition/ap", "wheel": "/acquisition/wheel", "ttl": "/events/ttl",
}  # fmt: skip


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> SessionPaths:
    return linked_session(tmp_path_factory.mktemp("session"), COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_raw_clocks_are_the_same_through_the_session_file(
    paths: SessionPaths, name: str
) -> None:
    where = f"{CONTAINERS[name]}/sync/blocks"
    with (
        h5py.File(paths.session_file, "r") as session,
        h5py.File(paths.stream_file(name), "r") as stream,
    ):
        blocks = session[where][:]
        np.testing.assert_array_equal(blocks, stream[where][:])
        assert blocks["rows"].sum() == COUNTS[name]
        assert np.all(np.diff(blocks["host_ns"]) > 0)


def test_a_stream_of_events_keeps_the_device_time_of_each_row(
    paths: SessionPaths,
) -> None:
    with h5py.File(paths.session_file, "r") as session:
        sync = session["acquisition/wheel/sync"]
        assert list(np.diff(sync["row_device_ns"][:])) == [100_000_000] * 7


def test_pynwb_reads_and_validates_files_with_sync(paths: SessionPaths) -> None:
    for path in (paths.session_file, *(paths.stream_file(name) for name in COUNTS)):
        assert pynwb.validate(path=path) == []
        with NWBHDF5IO(path, "r") as reader:
            reader.read()


def test_sync_survives_a_derived_file_that_keeps_the_links(
    paths: SessionPaths,
) -> None:
    target = paths.folder / "derived.nwb"
    with NWBHDF5IO(paths.session_file, "r") as reader:
        nwbfile = reader.read()
        nwbfile.add_analysis(TimeSeries(name="a", data=[1.0], unit="m", rate=1.0))
        with NWBHDF5IO(target, "w") as writer:
            writer.export(src_io=reader, nwbfile=nwbfile)
    with h5py.File(target, "r") as file:
        assert len(file["acquisition/ap/sync/blocks"]) == len(range(0, 500, 7))
