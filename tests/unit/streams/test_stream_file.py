"""What is appended is what a reader gets, whatever the cuts, chunks and filters."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rigd.streams.block import NO_TIME, StreamFormat
from rigd.streams.ledger import LostInterval
from rigd.streams.stream_file import StoredChunk, StreamFile, device_seconds
from rigd.streams.stream_layout import ALIGNMENT, StreamLayout, stream_layout
from rigd.streams.wire import RECORD
from tests.support.stream_files import make_stream_file

FORMATS = {
    "scalar": StreamFormat(np.dtype("<f8"), (), 100.0),
    "channels": StreamFormat(np.dtype("<i2"), (5,), 30000.0),
    "frames": StreamFormat(np.dtype("|u1"), (6, 4), 30.0),
    "colour": StreamFormat(np.dtype("|u1"), (6, 4, 3), 30.0),
    "complex": StreamFormat(np.dtype("<c8"), (2,), 30.0),
}


def rows_of(stream: StreamFormat, count: int, seed: int = 0) -> npt.NDArray[Any]:
    raw = np.random.default_rng(seed).integers(
        0, 100, count * stream.row_bytes, dtype=np.uint8
    )
    return raw.view(stream.dtype).reshape(count, *stream.shape)


def record(sequence: int, first: int, rows: int) -> bytes:
    return RECORD.pack(sequence, first, NO_TIME, 5, rows, 0, 0, 0)


def append_all(
    file: StreamFile, data: npt.NDArray[Any], cuts: list[int], show: bool = False
) -> None:
    first = 0
    for number, last in enumerate([*sorted(cuts), len(data)]):
        if last > first:
            body = data[first:last].tobytes()
            file.append([record(number, first, last - first)], [body], [last - first])
            first = last
            if show:
                file.show()


def opened(
    tmp_path: Path, layout: StreamLayout, stream: StreamFormat
) -> tuple[Path, StreamFile]:
    path = tmp_path / "s.nwb"
    make_stream_file(path, layout)
    return path, StreamFile(path, layout, stream)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("show", [False, True])
def test_round_trip(tmp_path: Path, name: str, compression: str, show: bool) -> None:
    stream = FORMATS[name]
    layout = stream_layout("s", stream, chunk=(16,), compression=compression)
    data = rows_of(stream, 100)
    path, file = opened(tmp_path, layout, stream)
    append_all(file, data, [1, 2, 17, 40, 64], show)
    file.close()
    with h5py.File(path) as reader:
        np.testing.assert_array_equal(reader["acquisition/s/data"][:], data)
        blocks = reader["acquisition/s/sync/blocks"][:]
    assert blocks["rows"].sum() == 100
    assert list(blocks["first_sample"]) == [0, 1, 2, 17, 40, 64]


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 200), max_size=12),
    chunk=st.integers(1, 40),
    columns=st.integers(1, 5),
)
def test_any_cut_and_any_chunk_give_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], chunk: int, columns: int
) -> None:
    stream = FORMATS["channels"]
    layout = stream_layout("s", stream, chunk=(chunk, columns))
    data = rows_of(stream, 200)
    path, file = opened(tmp_path_factory.mktemp("cut"), layout, stream)
    append_all(file, data, cuts, show=True)
    file.close()
    with h5py.File(path) as reader:
        np.testing.assert_array_equal(reader["acquisition/s/data"][:], data)


def test_a_live_reader_sees_the_last_row_shown(tmp_path: Path) -> None:
    stream = FORMATS["channels"]
    data = rows_of(stream, 70)
    path, file = opened(tmp_path, stream_layout("s", stream, chunk=(32,)), stream)
    for last in (10, 33, 64, 70):
        first = file.rows
        file.append([record(0, first, last - first)], [data[first:last].tobytes()], [1])
        file.show()
        with h5py.File(path, "r", swmr=True) as reader:
            np.testing.assert_array_equal(reader["acquisition/s/data"][:], data[:last])
    file.close()


def test_events_become_columns_with_their_times(tmp_path: Path) -> None:
    dtype = np.dtype([("line", "|u1"), ("value", "|u1"), ("xy", "<f4", (2,))])
    stream = StreamFormat(dtype, (), None, row_times=True)
    layout = stream_layout("ttl", stream, nwb_type="EventsTable")
    events = np.array([(1, 1, (0.5, 1)), (2, 0, (1.5, 2)), (3, 1, (2.5, 3))], dtype)
    times = np.array([1_500_000_000, NO_TIME, 3_000_000_001], "<i8")
    path, file = opened(tmp_path, layout, stream)
    file.append([record(0, 0, 3)], [events.tobytes() + times.tobytes()], [3])
    file.append_lost(LostInterval(3, 4, 3, 0, "ring full"))
    file.write_state(lost=4, repeated=1, rejected=2, ended=1, reason="")
    file.close()
    with h5py.File(path) as reader:
        group = reader["events/ttl"]
        for field in ("line", "value", "xy"):
            np.testing.assert_array_equal(group[field][:], events[field])
        np.testing.assert_array_equal(group["sync/row_device_ns"][:], times)
        np.testing.assert_array_equal(group["timestamp"][:], [1.5, np.nan, 3.000000001])
        lost = group["sync/lost"][0]
        assert (lost["first_sample"], lost["count"], lost["cause"]) == (
            3, 4, b"ring full",
        )  # fmt: skip
        np.testing.assert_array_equal(group["id"][:], [0, 1, 2])
        assert group["sync/state"][()]["rows"] == 3


def test_a_missing_device_time_is_nan() -> None:
    times = np.array([0, NO_TIME], "<i8")
    np.testing.assert_array_equal(device_seconds(times), [0.0, np.nan])


def test_gzip_chunks_are_what_hdf5_itself_would_have_written(tmp_path: Path) -> None:
    """The encoder and HDF5's own filters give the same stored bytes."""
    stream = FORMATS["channels"]
    layout = stream_layout("s", stream, chunk=(64,), compression="gzip")
    data = rows_of(stream, 64)
    path, file = opened(tmp_path, layout, stream)
    append_all(file, data, [])
    file.close()
    own = tmp_path / "own.h5"
    with h5py.File(own, "w") as reference:
        reference.create_dataset(
            "d", data=data, chunks=(64, 5), compression=1, shuffle=True
        )
        expected = reference["d"].id.read_direct_chunk((0, 0))
    with h5py.File(path) as reader:
        assert reader["acquisition/s/data"].id.read_direct_chunk((0, 0)) == expected


def test_a_chunk_that_is_not_at_the_end_is_found_by_the_index(tmp_path: Path) -> None:
    """As a rule it lies in what the file has grown by; HDF5 may put it elsewhere."""
    layout = stream_layout("s", FORMATS["channels"], chunk=(16,), compression="gzip")
    path, file = opened(tmp_path, layout, FORMATS["channels"])
    growing = file.datasets[0]
    noted: list[StoredChunk] = []
    growing._stored = noted.append
    data = rows_of(FORMATS["channels"], 32).tobytes()
    growing.append(data)
    first, second = noted
    end = path.stat().st_size
    assert first.offset + first.size < end
    place = (0,) * (1 + len(FORMATS["channels"].shape))
    assert growing._find(place, first.size, first.digest, end) == first.offset
    with pytest.raises(OSError, match="is not there"):
        growing._find(place, first.size, first.digest + 1, end)
    file.close()


def test_a_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    stream = FORMATS["channels"]
    path = tmp_path / "s.nwb"
    make_stream_file(path, stream_layout("s", stream, chunk=(16,)))
    with pytest.raises(ValueError, match="expected"):
        StreamFile(path, stream_layout("s", stream, chunk=(32,)), stream)


@pytest.mark.parametrize("show", [False, True])
def test_large_chunks_begin_at_pages(tmp_path: Path, show: bool) -> None:
    """And what is told of them is where they are."""
    stream = StreamFormat(np.dtype("<i2"), (40,), 30000.0)
    layout = stream_layout("s", stream, chunk=(1024,))
    path = tmp_path / "s.nwb"
    make_stream_file(path, layout)
    noted: list[tuple[int, StoredChunk]] = []
    file = StreamFile(
        path, layout, stream, stored=lambda number, chunk: noted.append((number, chunk))
    )
    append_all(file, rows_of(stream, 5000), list(range(300, 5000, 300)), show)
    file.close()
    told = [chunk for number, chunk in noted if number == 0]
    with h5py.File(path) as reader:
        chunks = reader["acquisition/s/data"].id
        found = [chunks.get_chunk_info(n).byte_offset for n in range(5)]
    assert [chunk.offset for chunk in told] == found
    assert [offset % ALIGNMENT for offset in found] == [0] * 5


def test_a_chunk_that_others_have_overwritten_is_seen(tmp_path: Path) -> None:
    stream = FORMATS["channels"]
    layout = stream_layout("s", stream, chunk=(64,))
    path = tmp_path / "s.nwb"
    make_stream_file(path, layout)
    noted: list[StoredChunk] = []
    file = StreamFile(
        path, layout, stream, stored=lambda number, chunk: noted.append(chunk)
    )
    data = rows_of(stream, 64)
    file.append([record(0, 0, 32)], [data[:32].tobytes()], [32])
    file.show()
    (place,) = file.datasets[0]._places.values()
    with path.open("r+b") as other:
        other.seek(place)
        other.write(b"\xff" * 8)
    with pytest.raises(OSError, match="has changed"):
        file.append([record(1, 32, 32)], [data[32:].tobytes()], [32])
    assert noted == []
