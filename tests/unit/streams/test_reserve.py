"""Space is really set aside, nobody sees it, and it is given back."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from rigd.streams import reserve as module
from rigd.streams.block import StreamFormat
from rigd.streams.durable_stream import DurableStream, journal_path
from rigd.streams.ledger import ENDED_REGULARLY
from rigd.streams.reserve import (
    DiskFullError,
    HeldSpace,
    Reserve,
    give_back_held_space,
)
from rigd.streams.room import StreamRoom
from rigd.streams.standing import Standing
from rigd.streams.stream_layout import stream_layout
from rigd.streams.stream_reserve import held_path
from rigd.streams.wire import RECORD
from tests.support.small_disk import fill, small_disk
from tests.support.stream_files import make_stream_file

KIB, MIB = 2**10, 2**20
FORMAT = StreamFormat(np.dtype("<i4"), (4,), 1000.0)
LAYOUT = stream_layout("s", FORMAT, chunk=(64,))


@pytest.fixture(params=["tmpfs", "ext4", "xfs"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    size = 320 if request.param == "xfs" else 16
    with small_disk(tmp_path, size * MIB, request.param) as place:
        yield place


def allocated(path: Path) -> int:
    return path.stat().st_blocks * 512


def free(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bfree * found.f_frsize


def test_is_set_aside_and_given_back(disk: Path) -> None:
    path = disk / "file"
    path.write_bytes(b"x" * 1000)
    before = free(disk)
    held = Reserve(path, 0)
    held.hold(2 * MIB)
    assert path.stat().st_size == 1000
    assert before - free(disk) >= 2 * MIB - 64 * KIB
    held.give_back()
    assert path.read_bytes() == b"x" * 1000
    assert allocated(path) <= 64 * KIB
    assert before - free(disk) <= 64 * KIB


def test_what_is_set_aside_can_be_written_on_a_full_disk(disk: Path) -> None:
    path = disk / "file"
    path.write_bytes(b"")
    held = Reserve(path, 0)
    held.hold(MIB)
    fill(disk)
    with pytest.raises(OSError, match="No space left"):
        (disk / "other").write_bytes(b"y" * 256 * KIB)
    with path.open("ab", buffering=0) as file:
        assert file.write(b"x" * MIB) == MIB
    with pytest.raises(DiskFullError, match="the disk is full: file can't keep"):
        held.hold(MIB)
    held.give_back()


def test_held_space_grows_and_is_removed(disk: Path) -> None:
    before = free(disk)
    held = HeldSpace(disk / "s.reserve")
    held.grow(MIB)
    held.grow(3 * MIB)
    held.grow(2 * MIB)
    held.close()
    assert 3 * MIB - 64 * KIB <= before - free(disk) <= 4 * MIB
    with pytest.raises(DiskFullError, match="no room for"):
        HeldSpace(disk / "t.reserve").grow(900 * MIB)
    give_back_held_space(disk)
    assert not list(disk.glob("*.reserve"))


def test_without_fallocate_nothing_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, start: int, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(module, "set_aside", refuse)
    path = tmp_path / "file"
    path.write_bytes(b"x")
    held = Reserve(path, 0)
    held.hold(MIB)
    assert not held.is_supported
    held.give_back()


def block(first: int, rows: int) -> tuple[bytes, bytes]:
    data = np.arange(first * 4, (first + rows) * 4, dtype="<i4")
    return RECORD.pack(first, first, 0, 1, rows, 0, 0, 0), data.tobytes()


def append(stream: DurableStream, rows: int) -> None:
    record, body = block(stream.rows, rows)
    stream.make_room(rows, 1)
    stream.append([record], [body], [rows])
    stream.note(Standing(sequence=stream.rows, sender=1, next=stream.rows))


def append_for_ever(stream: DurableStream) -> None:
    while True:
        append(stream, 500)
        sync(stream)


def sync(stream: DurableStream) -> None:
    stream.begin_sync()
    while stream.is_syncing:
        stream.take_sync()


def test_chunks_are_found_at_the_end_of_the_file(disk: Path) -> None:
    """The reserve lies behind the size by which the writer finds its chunks."""
    path = disk / "s.nwb"
    make_stream_file(path, LAYOUT)
    stream = DurableStream(path, LAYOUT, FORMAT, 5)
    asked: list[object] = []
    for dataset in stream._file.datasets:
        dataset._id = Asking(dataset._id, asked)
    for _ in range(100):
        append(stream, 32)
        sync(stream)
        assert allocated(path) >= path.stat().st_size + 256 * KIB
    assert not asked, "HDF5 was asked for the place of a chunk"
    assert held_path(path).stat().st_size >= 8 * 3200
    stream.close(Standing(sequence=3200, next=3200), ENDED_REGULARLY, "")
    for file in (path, journal_path(path)):
        assert allocated(file) <= file.stat().st_size + 128 * KIB
    with h5py.File(path) as file:
        np.testing.assert_array_equal(
            file["acquisition/s/data"][:].ravel(), np.arange(3200 * 4)
        )


class Asking:
    """A dataset id that notes when it is asked for the place of a chunk."""

    def __init__(self, real: object, asked: list[object]) -> None:
        self._real = real
        self._asked = asked

    def __getattr__(self, name: str) -> object:
        if name == "get_chunk_info_by_coord":
            self._asked.append(name)
        return getattr(self._real, name)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_ends_well_on_a_full_disk(disk: Path, compression: str) -> None:
    layout = stream_layout("s", FORMAT, compression=compression)
    path = disk / "s.nwb"
    make_stream_file(path, layout)
    stream = DurableStream(path, layout, FORMAT, 5)
    append(stream, 500)
    fill(disk)
    with pytest.raises(DiskFullError):
        append_for_ever(stream)
    rows = stream.rows
    stream.close(Standing(sequence=rows, next=rows), ENDED_REGULARLY, "")
    with h5py.File(path) as file:
        np.testing.assert_array_equal(
            file["acquisition/s/data"][:].ravel(), np.arange(rows * 4)
        )


def test_room_of_tiles_counts_the_rim() -> None:
    images = StreamFormat(np.dtype("u1"), (100, 100), 30.0)
    layout = stream_layout("s", images, chunk=(4, 60, 60))
    room = StreamRoom(layout)
    assert room.data(8, 2) == 8 * 4 * 3600 + 2 * 48
    assert room.extents(8) == 2 * 4 * 64
    assert room.chunks == 16 * 3600 + 1024 * (48 + 24 + 40)
