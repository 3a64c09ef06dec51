"""Rows by a journal: a chunk counts if its bytes are those that were stored."""

import os
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from xxhash import xxh3_64_intdigest

from rigd.streams.durable_stream import DurableStream, journal_path
from rigd.streams.journal import Extent
from rigd.streams.journal_file import Found, scan
from rigd.streams.journal_state import read_state
from rigd.streams.journaled_rows import (
    Cut,
    JournaledRows,
    Tiles,
    inflate,
    join_tiles,
    read_chunk,
    tile_count,
    unshuffle,
)
from rigd.streams.ledger import ENDED_REGULARLY
from rigd.streams.recovery import lost_before
from rigd.streams.stream_file import GrowingDataset, shuffle_gzip
from rigd.streams.stream_layout import DatasetLayout
from tests.support.durable_model import KEY, KINDS, Item, Kind, Source


def tile(number: int, row: int = 0, dataset: int = 0) -> Extent:
    return Extent(dataset, row, 4, number, 0, 1, 0, 0)


# --- stored chunks --------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


GOOD = Extent(0, 0, 1, 0, 2, 5, 0, xxh3_64_intdigest(b"23456"))


def test_a_chunk_is_read_where_it_lies(stored: int) -> None:
    assert read_chunk(stored, GOOD) == b"23456"


@pytest.mark.parametrize(
    "changes",
    [{"offset": 3}, {"size": 4}, {"digest": 1}, {"offset": 2**63}, {"size": 2**32 - 1}],
)
def test_another_one_is_not_taken_for_it(stored: int, changes: dict[str, int]) -> None:
    assert read_chunk(stored, replace(GOOD, **changes)) is None


def test_a_chunk_is_inflated_if_it_has_the_right_size() -> None:
    content = np.arange(12, dtype="<i2").tobytes()
    deflated = shuffle_gzip(memoryview(content), 2)
    assert unshuffle(inflate(deflated, 24), 2) == content
    for bad in (deflated[:-3], b"", b"?" * 9, zlib.compress(bytes(25))):
        assert inflate(bad, 24) == b""


# --- tiles ----------------------------------------------------------------------------


def test_tiles_of_the_same_rows_are_gathered() -> None:
    tiles = Tiles()
    assert [tiles.take(tile(n), 3) for n in (0, 1, 2)] == [False, False, True]
    assert tiles.take(tile(0, row=4), 1)


@pytest.mark.parametrize(
    "others",
    [
        [tile(1), tile(2)],
        [tile(0), tile(2), tile(1)],
        [tile(0), tile(1, row=4), tile(2)],
        [tile(0), tile(1, dataset=1), tile(2)],
    ],
)
def test_tiles_that_do_not_follow_make_no_rows(others: list[Extent]) -> None:
    tiles = Tiles()
    assert not any(tiles.take(one, 3) for one in others)


@pytest.mark.parametrize("chunk", [(4, 2, 3), (4, 3, 5), (4, 2, 2), (4, 3, 1)])
def test_tiles_are_put_together_as_they_were_cut(
    tmp_path: Path, chunk: tuple[int, ...]
) -> None:
    layout = DatasetLayout("/d", np.dtype("<i2"), (3, 5), chunk)
    rows = np.arange(4 * 15, dtype="<i2").reshape(4, 3, 5)
    with h5py.File(tmp_path / "f", "w") as file:
        data = file.create_dataset(
            "d", (0, 3, 5), "<i2", maxshape=(None, 3, 5), chunks=chunk
        )
        growing = GrowingDataset(data, layout)
        whole = memoryview(rows.tobytes())
        tiles = [bytes(content) for _, content in growing._tiles(whole)]
    assert len(tiles) == tile_count(layout)
    assert join_tiles(layout, tiles) == rows.tobytes()


# --- where to cut ---------------------------------------------------------------------


def written(folder: Path, kind: Kind, *items: Item) -> Path:
    path = folder / "s.nwb"
    path.write_bytes(kind.skeleton)
    source = Source(kind)
    stream = DurableStream(path, kind.layout, kind.format, KEY, durable=False)
    for number, item in enumerate(items):
        source.items.append(item)
        source.apply(stream, number)
    stream.close(source.standing(len(items)), ENDED_REGULARLY, "")
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Blocks of 3, 4 and 5 rows, with 2 samples lost after the first."""
    items = [Item("block", 3, 1), Item("lost", 2, 0), Item("block", 4, 2)]
    return written(tmp_path, KINDS["channels"], *items, Item("block", 5, 3))


def opened(path: Path) -> JournaledRows:
    state = read_state(journal_path(path))
    return JournaledRows(path, KINDS["channels"].layout, state)


@pytest.mark.parametrize(
    ("rows", "cut"),
    [
        (2, Cut(0, 0, 0, 0)),
        (3, Cut(1, 3, 3, 0)),
        (11, Cut(2, 7, 9, 0)),
        (12, Cut(3, 12, 14, 0)),
        (99, Cut(3, 12, 14, 0)),
    ],
)
def test_a_stream_is_cut_between_blocks(path: Path, rows: int, cut: Cut) -> None:
    layout = KINDS["channels"].layout
    with opened(path) as source:
        known = source.known_lost(layout.datasets.index(layout.lost), 1)
        blocks = layout.datasets.index(layout.blocks)
        assert source.last_cut(blocks, 3, rows, known) == cut


def test_a_stream_is_cut_where_its_account_is_gone(path: Path) -> None:
    layout = KINDS["channels"].layout
    with opened(path) as source:
        none = source.known_lost(layout.datasets.index(layout.lost), 0)
        blocks = layout.datasets.index(layout.blocks)
        assert source.last_cut(blocks, 3, 99, none) == Cut(1, 3, 3, 0)


@pytest.mark.parametrize(
    ("cut", "sure", "kept", "following"),
    [
        (Cut(1, 3, 3, 0), 0, 1, 5),  # goes on where the rows end
        (Cut(1, 3, 2, 0), 0, 0, 2),  # belongs to what is cut off
        (Cut(1, 3, 2, 0), 1, 1, 5),  # is acknowledged
        (Cut(2, 7, 9, 0), 0, 1, 9),  # stands before the cut
        (Cut(0, 0, 0, 0), 0, 0, 0),  # stands after it
    ],
)
def test_losses_before_a_cut_stay(
    path: Path, cut: Cut, sure: int, kept: int, following: int
) -> None:
    layout = KINDS["channels"].layout
    with opened(path) as source:
        known = source.known_lost(layout.datasets.index(layout.lost), 1)
    intervals, after = lost_before(cut, known, 12, sure)
    assert (len(intervals), after) == (kept, following)


def test_bad_chunks_are_counted_once(path: Path) -> None:
    records = [one.record for one in scan(journal_path(path)) if isinstance(one, Found)]
    extent = next(one for one in records if isinstance(one, Extent))
    content = bytearray(path.read_bytes())
    content[extent.offset] ^= 1
    path.write_bytes(content)
    state = read_state(journal_path(path))
    with opened(path) as source:
        for _ in range(2):
            assert source.count(state.rows)[0] == 0
            assert source.bad_chunks == 1


def test_a_missing_file_is_named_and_its_rows_are_not_there(path: Path) -> None:
    path.unlink()
    with opened(path) as source:
        assert source.missing_files() == [path]
        assert source.count(read_state(journal_path(path)).rows)[0] == 0
