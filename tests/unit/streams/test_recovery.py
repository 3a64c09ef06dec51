"""A stream comes out whole, or with words for what can't be had, or is refused."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from rigd.streams.durable_stream import DurableStream, journal_path, part_path
from rigd.streams.journal import Extent, Head, frame, payload
from rigd.streams.journal_file import Found, JournalError, scan
from rigd.streams.ledger import ENDED_REGULARLY
from rigd.streams.recovery import (
    MISSING,
    NOT_ENDED,
    SPREAD,
    RecoveryError,
    is_whole,
    recover,
    why_recover,
)
from rigd.streams.stream_reader import StreamReader
from tests.support.durable_model import KEY, KINDS, Item, Source
from tests.unit.streams.test_file_lock import held_by_another

KIND = KINDS["channels"]
BLOCKS, ROWS = 12, 4
"""Blocks of a stream, and rows of each: six chunks."""


def begin(path: Path) -> tuple[DurableStream, Source]:
    path.write_bytes(KIND.skeleton)
    return DurableStream(path, KIND.layout, KIND.format, KEY), Source(KIND)


def take(stream: DurableStream, source: Source, first: int, stop: int) -> None:
    for number in range(first, stop):
        if number == len(source.items):
            source.items.append(Item("block", ROWS, 1 + number))
        source.apply(stream, number)
        stream.note(source.standing(number + 1))


def close_files(stream: DurableStream) -> None:
    for file in (*stream._abandoned, stream._file):
        if file._file:
            file._file.close()


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A stream that came to its end."""
    path = tmp_path / "s.nwb"
    stream, source = begin(path)
    take(stream, source, 0, BLOCKS)
    stream.close(source.standing(BLOCKS), ENDED_REGULARLY, "")
    return path


@pytest.fixture
def spread(tmp_path: Path) -> Path:
    """The same in two files."""
    path = tmp_path / "s.nwb"
    stream, source = begin(path)
    take(stream, source, 0, 6)
    assert stream.begin_sync()
    stream._wait_for_sync()
    stream.begin_part()
    take(stream, source, 6, BLOCKS)
    stream.close(source.standing(BLOCKS), ENDED_REGULARLY, "")
    close_files(stream)
    return path


def rows_of(path: Path) -> bytes:
    with h5py.File(path) as file:
        found: bytes = file[KIND.layout.data[0].path][()].tobytes()
        return found


def sent(rows: int) -> bytes:
    source = Source(KIND)
    source.items = [Item("block", ROWS, 1 + number) for number in range(BLOCKS)]
    return source.expected(BLOCKS)[0][: rows * KIND.format.row_bytes]


def do_recover(path: Path) -> None:
    recover(path, KIND.layout, KIND.format)


# --- why ------------------------------------------------------------------------------


def test_a_whole_stream_needs_nothing(whole: Path) -> None:
    assert why_recover(whole, KIND.layout) == ""
    assert is_whole(whole)


def test_a_stream_in_several_files_is_put_together(spread: Path) -> None:
    assert why_recover(spread, KIND.layout) == SPREAD
    assert not is_whole(spread)
    do_recover(spread)
    assert is_whole(spread)
    assert rows_of(spread) == sent(BLOCKS * ROWS)
    assert not part_path(spread, 1).exists()


def test_a_stream_without_an_end_is_told(tmp_path: Path) -> None:
    path = tmp_path / "s.nwb"
    stream, _ = begin(path)
    stream._journal.close()
    assert why_recover(path, KIND.layout) == NOT_ENDED
    close_files(stream)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def shrink(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file[KIND.layout.data[0].path].resize(3, axis=0)


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (Path.unlink, MISSING),
        (empty, "damaged|can't be read"),
        (cut, "can't be read"),
        (shrink, "fewer rows"),
    ],
)
def test_a_file_that_is_not_what_its_journal_says_is_told(
    whole: Path, harm: Callable[[Path], None], why: str
) -> None:
    harm(whole)
    reason = why_recover(whole, KIND.layout)
    assert any(one in reason for one in why.split("|"))


# --- what is lost ---------------------------------------------------------------------


def chunks(path: Path) -> list[Extent]:
    records = [one.record for one in scan(journal_path(path)) if isinstance(one, Found)]
    return [r for r in records if isinstance(r, Extent) and r.dataset == 0]


def test_rows_after_a_bad_chunk_are_lost_and_accounted_for(spread: Path) -> None:
    bad = chunks(spread)[1]
    content = bytearray(spread.read_bytes())
    content[bad.offset] ^= 1
    spread.write_bytes(content)
    done = recover(spread, KIND.layout, KIND.format)
    assert (done.rows, done.missing, done.bad_chunks) == (bad.row, 48 - bad.row, 1)
    assert rows_of(spread) == sent(done.rows)
    with StreamReader(spread, KIND.layout) as reader:
        ledger = reader.ledger()
        assert reader.contradictions() == []
    assert (ledger.expected, ledger.by_cause) == (48, {"disk": done.missing})


def test_what_was_found_is_kept(spread: Path) -> None:
    bad = chunks(spread)[0]
    content = bytearray(spread.read_bytes())
    content[bad.offset] ^= 1
    spread.write_bytes(content)
    do_recover(spread)
    assert (spread.parent / "crashed" / "1" / spread.name).read_bytes() == content
    assert (spread.parent / "crashed" / "1" / part_path(spread, 1).name).exists()


# --- refused --------------------------------------------------------------------------


def contents(path: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in path.parent.iterdir()}


def newer(journal: Path) -> None:
    """Let the journal be of a later version."""
    records = [one.record for one in scan(journal) if isinstance(one, Found)]
    content = b""
    for record in records:
        if isinstance(record, Head):
            record = replace(record, version=99)
        content += frame(payload(record), key=KEY, position=len(content))
    journal.write_bytes(content)


def of_another(journal: Path) -> None:
    """Put the journal of a stream with other datasets there."""
    other = KINDS["events"]
    folder = journal.parent / "other"
    folder.mkdir()
    path = folder / "s.nwb"
    path.write_bytes(other.skeleton)
    stream = DurableStream(path, other.layout, other.format, KEY)
    stream.close(Source(other).standing(0), ENDED_REGULARLY, "")
    journal_path(path).replace(journal)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("harm", "error", "what"),
    [
        (empty, JournalError, "no whole head"),
        (newer, JournalError, "of version 99"),
        (of_another, RecoveryError, "of another stream"),
        (Path.unlink, OSError, "No such file"),
    ],
)
def test_a_journal_that_can_not_be_used_is_refused(
    spread: Path,
    harm: Callable[[Path], None],
    error: type[Exception],
    what: str,
) -> None:
    harm(journal_path(spread))
    before = contents(spread)
    with pytest.raises(error, match=what):
        do_recover(spread)
    assert contents(spread) == before


def test_a_missing_part_is_asked_for(spread: Path) -> None:
    part_path(spread, 1).unlink()
    before = contents(spread)
    with pytest.raises(RecoveryError, match="s.part1.nwb is missing, and 24 rows"):
        do_recover(spread)
    assert contents(spread) == before


def test_a_stream_that_is_being_written_is_left_alone(spread: Path) -> None:
    before = contents(spread)
    with held_by_another(journal_path(spread)) as pid:
        with pytest.raises(RecoveryError, match=f"written by process {pid}"):
            do_recover(spread)
        assert contents(spread) == before
