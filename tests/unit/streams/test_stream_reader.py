"""A closed stream file is read in pieces; a bad one is refused with words."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rigd.streams import stream_reader
from rigd.streams.block import NO_TIME, StreamFormat
from rigd.streams.ledger import (
    ENDED_WITH_REASON,
    RUNNING,
    LostInterval,
)
from rigd.streams.stream_file import StreamFile
from rigd.streams.stream_layout import StreamLayout, stream_layout
from rigd.streams.stream_reader import (
    MissingStreamFileError,
    StreamFileError,
    StreamReader,
)
from rigd.streams.wire import RECORD
from tests.support.stream_files import make_stream_file

FORMAT = StreamFormat(np.dtype("<i2"), (2,), None, row_times=True)
ROW_NS = [10, 20, NO_TIME, 40, NO_TIME, NO_TIME, 70]
ROWS = [2, 1, 4]


@pytest.fixture
def layout() -> StreamLayout:
    return stream_layout("s", FORMAT)


@pytest.fixture
def path(tmp_path: Path, layout: StreamLayout) -> Path:
    """Seven rows in three blocks, three samples lost, ended early."""
    path = tmp_path / "s.nwb"
    make_stream_file(path, layout)
    file = StreamFile(path, layout, FORMAT)
    first = row = 0
    for number, rows in enumerate(ROWS):
        if number == 1:
            file.append_lost(LostInterval(first, 3, row, 0, "ring full"))
            first += 3
        times = np.array(ROW_NS[row : row + rows], "<i8")
        entry = RECORD.pack(number, first, times[0], 100 + number, rows, 0, 0, 0)
        body = np.full((rows, 2), number, "<i2").tobytes() + times.tobytes()
        file.append([entry], [body], [rows])
        first, row = first + rows, row + rows
    file.write_state(
        lost=3, repeated=1, rejected=2, ended=ENDED_WITH_REASON, reason="cable"
    )
    file.close()
    return path


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_reader, "BLOCKS_AT_ONCE", 2)
    monkeypatch.setattr(stream_reader, "ROWS_AT_ONCE", 2)


def test_the_account_is_read(path: Path, layout: StreamLayout) -> None:
    with StreamReader(path, layout) as reader:
        ledger = reader.ledger()
        assert reader.uneven_datasets() == []
        assert reader.contradictions() == []
        reader.check_readable()
    assert (ledger.received, ledger.lost, ledger.expected) == (7, 3, 10)
    assert (ledger.repeated, ledger.rejected) == (1, 2)
    assert (ledger.ended, ledger.reason) == (ENDED_WITH_REASON, "cable")
    assert ledger.intervals == (LostInterval(2, 3, 2, 0, "ring full"),)


@pytest.mark.usefixtures("small_pieces")
def test_blocks_come_in_pieces(path: Path, layout: StreamLayout) -> None:
    with StreamReader(path, layout) as reader:
        pieces = list(reader.blocks())
        assert reader.block_span() == (100, 102)
    assert [len(piece) for piece in pieces] == [2, 1]
    assert np.concatenate(pieces)["first_sample"].tolist() == [0, 5, 6]


@pytest.mark.usefixtures("small_pieces")
def test_the_times_of_the_last_rows_are_found(path: Path, layout: StreamLayout) -> None:
    with StreamReader(path, layout) as reader:
        pieces = list(reader.blocks_with_last_row_ns())
        assert reader.row_ns(1, 4).tolist() == ROW_NS[1:4]
        assert reader.untimed_rows() == 3
    assert [last.tolist() for _, last in pieces] == [[20, NO_TIME], [70]]


def test_an_empty_file_has_no_blocks(tmp_path: Path, layout: StreamLayout) -> None:
    path = tmp_path / "empty.nwb"
    make_stream_file(path, layout)
    with StreamReader(path, layout) as reader:
        reader.check_readable()
        assert reader.rows == 0
        assert reader.block_span() is None
        assert list(reader.blocks_with_last_row_ns()) == []
        assert reader.ledger().ended == RUNNING
        assert reader.uneven_datasets() == reader.contradictions() == []


def test_while_running_the_intervals_are_counted(
    path: Path, layout: StreamLayout
) -> None:
    set_state(path, layout, ended=RUNNING, lost=0)
    with StreamReader(path, layout) as reader:
        assert reader.ledger().lost == 3
        assert reader.contradictions() == []


def set_state(path: Path, layout: StreamLayout, **values: int) -> None:
    with h5py.File(path, "r+") as file:
        state = file[layout.state][()]
        for name, value in values.items():
            state[name] = value
        file[layout.state][...] = state


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"rows": 9}, "its account tells of 9 rows, its file of 7"),
        ({"lost": 1}, "its account tells of 1 lost samples, its file of 3"),
    ],
)
def test_contradictions_are_said(
    path: Path, layout: StreamLayout, values: dict[str, int], said: str
) -> None:
    set_state(path, layout, **values)
    with StreamReader(path, layout) as reader:
        assert reader.contradictions() == [said]


@pytest.mark.parametrize("name", ["data", "timestamps", "sync/row_device_ns"])
def test_uneven_datasets_are_said(path: Path, layout: StreamLayout, name: str) -> None:
    with h5py.File(path, "r+") as file:
        file[f"acquisition/s/{name}"].resize(6, axis=0)
    with StreamReader(path, layout) as reader:
        assert reader.uneven_datasets()


def test_a_stream_without_row_times_has_none(tmp_path: Path) -> None:
    layout = stream_layout("s", StreamFormat(np.dtype("<i2"), (), 10.0))
    make_stream_file(tmp_path / "s.nwb", layout)
    with (
        StreamReader(tmp_path / "s.nwb", layout) as reader,
        pytest.raises(StreamFileError, match="no device times"),
    ):
        reader.row_ns(0, 1)


def no_hdf5(path: Path, layout: StreamLayout) -> None:
    path.write_bytes(b"?" * 4096)


def of_another_stream(path: Path, layout: StreamLayout) -> None:
    path.unlink()
    make_stream_file(path, stream_layout("other", FORMAT))


def cut_short(path: Path, layout: StreamLayout) -> None:
    path.write_bytes(path.read_bytes()[:3000])


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (no_hdf5, "can't be read"),
        (cut_short, "can't be read"),
        (of_another_stream, "the file has no /acquisition/s/data"),
    ],
)
def test_what_can_not_be_used_is_refused(
    path: Path, layout: StreamLayout, harm: Callable[..., Any], what: str
) -> None:
    harm(path, layout)
    with pytest.raises(StreamFileError, match=what):
        StreamReader(path, layout)


def test_a_missing_file_is_refused(tmp_path: Path, layout: StreamLayout) -> None:
    with pytest.raises(MissingStreamFileError, match="is missing"):
        StreamReader(tmp_path / "none.nwb", layout)


HOLD = """
import h5py, sys
with h5py.File(sys.argv[1], "r+", libver="v110") as file:
    file.swmr_mode = True
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_file_that_is_being_written_is_refused(
    path: Path, layout: StreamLayout
) -> None:
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"open\n"
        with pytest.raises(StreamFileError, match="a writer has the file open"):
            StreamReader(path, layout)
        writer.communicate(b"")
    StreamReader(path, layout).close()
