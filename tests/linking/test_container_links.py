"""Linking whole containers through a shared BuildManager: why the session file doesn't.

A TimeSeries can be linked whole. It brings the times of the stream file along, which
are not aligned. An ElectricalSeries can be written so too, validates, and can't be
used: its electrodes are references into a table that lies in the other file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pynwb
import pytest
from hdmf.build.errors import ReferenceTargetNotBuiltError
from pynwb import NWBHDF5IO, NWBFile, get_manager

from rigd.daemon.links import Link, external_links
from tests.support.nwb_session import recorded_session

ROWS = 30


def session_of(name: str, stream_file: Path, target: Path) -> None:
    """Write a session file that links the stream's container."""
    manager = get_manager()
    nwbfile = NWBFile(
        session_description="linked by hand",
        identifier="x",
        session_start_time=datetime(2026, 11, 25, tzinfo=UTC),
    )
    with NWBHDF5IO(stream_file, "r", manager=manager) as reader:
        nwbfile.add_acquisition(reader.read().acquisition[name])
        with NWBHDF5IO(target, "w", manager=manager) as writer:
            writer.write(nwbfile)


@contextmanager
def linked(folder: Path, name: str) -> Iterator[tuple[Path, NWBHDF5IO, NWBFile]]:
    paths = recorded_session(folder, {name: ROWS})[0]
    target = folder / "by_hand.nwb"
    session_of(name, paths.stream_file(name), target)
    with NWBHDF5IO(target, "r") as reader:
        yield target, reader, reader.read()


def test_a_time_series_is_linked_whole_with_its_unaligned_times(tmp_path: Path) -> None:
    with linked(tmp_path, "analog") as (target, _, nwbfile):
        assert external_links(target) == [
            Link(
                "/acquisition/analog",
                "streams/sub-m1_ses-one_analog.nwb",
                "/acquisition/analog",
            )
        ]
        assert pynwb.validate(path=target) == []
        series = nwbfile.acquisition["analog"]
        assert series.data.shape == (ROWS, 2)
        assert series.starting_time == 0.0
        assert "nominal" in series.description


def test_an_electrical_series_loses_its_electrodes(tmp_path: Path) -> None:
    with linked(tmp_path, "ap") as (target, _, nwbfile):
        assert pynwb.validate(path=target) == []
        series = nwbfile.acquisition["ap"]
        assert series.data.shape == (ROWS, 4)
        with pytest.raises(ValueError, match="has not been built"):
            series.electrodes.to_dataframe()


def test_an_electrical_series_can_not_be_exported_to_one_file(tmp_path: Path) -> None:
    with (
        linked(tmp_path, "ap") as (_, reader, nwbfile),
        NWBHDF5IO(tmp_path / "one.nwb", "w") as writer,
        pytest.raises(ReferenceTargetNotBuiltError, match="electrodes"),
    ):
        writer.export(src_io=reader, nwbfile=nwbfile, write_args={"link_data": False})


def test_without_a_shared_manager_a_container_can_not_be_linked(tmp_path: Path) -> None:
    paths = recorded_session(tmp_path, {"analog": ROWS})[0]
    nwbfile = NWBFile(
        session_description="linked by hand",
        identifier="x",
        session_start_time=datetime(2026, 11, 25, tzinfo=UTC),
    )
    with (
        NWBHDF5IO(paths.stream_file("analog"), "r") as reader,
        NWBHDF5IO(tmp_path / "by_hand.nwb", "w") as writer,
    ):
        nwbfile.add_acquisition(reader.read().acquisition["analog"])
        with pytest.raises(ValueError, match="container_source"):
            writer.write(nwbfile)
