"""Linking single datasets: the way the session file goes."""

from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from hdmf.backends.hdf5 import H5DataIO
from pynwb import NWBHDF5IO, NWBFile, TimeSeries

from rigd.config.paths import SessionPaths
from rigd.daemon.links import Link, external_links
from tests.support.nwb_session import FORMATS, recorded_session, sample_rows

ROWS = 30


@pytest.fixture
def paths(tmp_path: Path) -> SessionPaths:
    return recorded_session(tmp_path, {"analog": ROWS})[0]


def empty_session() -> NWBFile:
    return NWBFile(
        session_description="linked by hand",
        identifier="x",
        session_start_time=datetime(2026, 11, 25, tzinfo=UTC),
    )


def link(source: h5py.Dataset, target: Path, **scale: object) -> None:
    nwbfile = empty_session()
    nwbfile.add_acquisition(
        TimeSeries(
            name="linked",
            data=H5DataIO(source, link_data=True),
            timestamps=np.arange(ROWS) * 0.001 + 0.25,
            **({"unit": "newton"} | scale),
        )
    )
    with NWBHDF5IO(target, "w") as writer:
        writer.write(nwbfile)


def test_data_are_linked_and_timestamps_are_the_sessions_own(
    paths: SessionPaths,
) -> None:
    target = paths.folder / "by_hand.nwb"
    with NWBHDF5IO(paths.stream_file("analog"), "r") as reader:
        link(reader.read().acquisition["analog"].data, target)
    assert external_links(target) == [
        Link(
            "/acquisition/linked/data",
            "streams/sub-m1_ses-one_analog.nwb",
            "/acquisition/analog/data",
        )
    ]
    assert pynwb.validate(path=target) == []
    with NWBHDF5IO(target, "r") as reader:
        series = reader.read().acquisition["linked"]
        rows = sample_rows(FORMATS["analog"], ROWS)
        np.testing.assert_array_equal(series.data[:], rows)
        assert series.timestamps[0] == 0.25
        assert series.rate is None


def test_unit_and_factors_come_from_the_stream_file(paths: SessionPaths) -> None:
    """Hence they must be right there before the first sample."""
    target = paths.folder / "by_hand.nwb"
    with h5py.File(paths.stream_file("analog"), "r") as source:
        link(source["acquisition/analog/data"], target, unit="A", conversion=9.0)
    with NWBHDF5IO(target, "r") as reader:
        series = reader.read().acquisition["linked"]
        assert (series.unit, series.conversion) == ("newton", 1.0)


def test_a_link_to_a_link_leads_to_the_stream_file(paths: SessionPaths) -> None:
    first, second = paths.folder / "first.nwb", paths.folder / "second.nwb"
    with h5py.File(paths.stream_file("analog"), "r") as source:
        link(source["acquisition/analog/data"], first)
    with NWBHDF5IO(first, "r") as reader:
        link(reader.read().acquisition["linked"].data, second)
    (found,) = external_links(second)
    assert found.target == "streams/sub-m1_ses-one_analog.nwb"


def test_data_and_times_must_be_as_many(paths: SessionPaths) -> None:
    with h5py.File(paths.stream_file("analog"), "r") as source:
        data = H5DataIO(source["acquisition/analog/data"], link_data=True)
        with pytest.raises(ValueError, match="Length of data does not match"):
            TimeSeries(name="s", unit="V", data=data, timestamps=np.arange(ROWS + 1.0))
