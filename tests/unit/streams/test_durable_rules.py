"""The rules of a stream on the disk, one by one."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from rigd.streams.durable_stream import (
    PARTS_IN_VAIN,
    DurableStream,
    PartFailedError,
    journal_path,
)
from rigd.streams.journal import Checkpoint, End, Extent, Inline, Part, Record
from rigd.streams.journal_file import Found, JournalError, scan
from rigd.streams.ledger import ENDED_REGULARLY
from rigd.streams.stream_file import StreamFile
from tests.support.durable_model import KEY, KINDS, Item, Source
from tests.unit.streams.test_file_lock import held_by_another

CHANNELS = KINDS["channels"]
"""Chunks of 8 rows; 4 blocks fill a chunk of their table."""

A = TypeVar("A", bound=Record)


class Bench:
    """A stream, what its source has sent, and its journal."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "s.nwb"
        self.path.write_bytes(CHANNELS.skeleton)
        self.source = Source(CHANNELS)
        self.streams: list[DurableStream] = []
        self.open()

    @property
    def stream(self) -> DurableStream:
        return self.streams[-1]

    def open(self) -> None:
        """Open the stream, as a writer does that is started (again)."""
        layout, form = CHANNELS.layout, CHANNELS.format
        self.streams.append(DurableStream(self.path, layout, form, KEY))

    def die(self) -> None:
        """Leave all as it stands."""
        self.stream._threads.shutdown()
        self.stream._journal.close()

    def take(self, count: int, rows: int = 3) -> None:
        """Take so many blocks more."""
        for _ in range(count):
            sequence = len(self.source.items)
            self.source.items.append(Item("block", rows, 1 + sequence % 7))
            self.source.apply(self.stream, sequence)
            self.stream.note(self.source.standing(sequence + 1))

    def sync(self) -> Checkpoint:
        """Bring what is there to the disk."""
        assert self.stream.begin_sync()
        self.finish_sync()
        return self.stream.synced

    def finish_sync(self) -> None:
        """Wait for a sync that is under way."""
        while not self.stream.take_sync():
            time.sleep(0.001)

    def records(self, kind: type[A]) -> list[A]:
        """The records of a kind in the journal."""
        found = (
            f.record for f in scan(journal_path(self.path)) if isinstance(f, Found)
        )
        return [record for record in found if isinstance(record, kind)]

    def close(self) -> None:
        """Let HDF5 go of all files."""
        for stream in self.streams:
            stream._threads.shutdown()
            for file in (*stream._abandoned, stream._file):
                if file._file:
                    file._file.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def fail(*_: object, **__: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


# --- where it goes on -----------------------------------------------------------------


def test_it_goes_on_at_its_last_checkpoint(bench: Bench) -> None:
    bench.take(4)
    bench.sync()
    bench.take(3)
    kept = bench.sync()
    bench.take(2)
    bench.die()
    bench.open()
    assert bench.stream.synced == kept
    assert bench.stream.rows == kept.rows[0] < 9 * 3
    assert bench.records(Part)[-1] == Part(1, kept.rows)


def test_it_goes_on_before_what_may_be_missing(bench: Bench) -> None:
    bench.take(1)
    sound = bench.sync()
    start = journal_path(bench.path).stat().st_size
    bench.take(1)
    bench.sync()
    bench.die()
    with journal_path(bench.path).open("r+b") as file:
        file.seek(start + 20)
        file.write(b"?" * 8)
    bench.open()
    assert bench.stream.synced == sound


def test_nothing_kept_is_gone_on_from_the_beginning(bench: Bench) -> None:
    bench.take(2)
    bench.die()
    bench.open()
    assert bench.stream.synced.standing.sequence == 0
    assert bench.stream.rows == 0


def test_it_does_not_go_on_while_another_writes(bench: Bench) -> None:
    bench.take(2)
    bench.sync()
    bench.die()
    before = journal_path(bench.path).read_bytes()
    with held_by_another(journal_path(bench.path)) as pid:
        with pytest.raises(JournalError, match=f"written by process {pid}"):
            bench.open()
        assert journal_path(bench.path).read_bytes() == before
        assert not list(bench.path.parent.glob("*part*"))


ASK = """
import sys
from pathlib import Path
from rigd.streams.file_lock import holder
print(holder(Path(sys.argv[1])))
"""


def holder_as_others_see(path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ASK, path], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_it_holds_its_journal_all_along(bench: Bench) -> None:
    journal = journal_path(bench.path)
    bench.stream.make_room(100, 10)
    bench.take(5)
    bench.sync()
    bench.stream.begin_part()
    assert holder_as_others_see(journal) == str(os.getpid())
    bench.die()
    assert holder_as_others_see(journal) == "None"
    bench.open()
    assert holder_as_others_see(journal) == str(os.getpid())


def test_an_end_that_was_found_is_told(bench: Bench) -> None:
    assert bench.stream.ended_before is None
    bench.stream.close(bench.source.standing(0), ENDED_REGULARLY, "enough")
    bench.open()
    assert bench.stream.ended_before == End(True, ENDED_REGULARLY, "enough")


# --- what counts ----------------------------------------------------------------------


def test_a_sync_that_fails_does_not_count(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.take(2)
    kept = bench.sync()
    bench.take(2)
    with monkeypatch.context() as broken:
        broken.setattr(StreamFile, "sync", fail)
        assert bench.stream.begin_sync()
        with pytest.raises(PartFailedError, match="Input/output error"):
            bench.finish_sync()
    assert bench.stream.synced == kept
    assert bench.records(Checkpoint) == [kept]
    assert not bench.stream.take_sync()


def test_a_journal_sync_that_fails_does_not_count(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.take(2)
    kept = bench.sync()
    bench.take(2)
    monkeypatch.setattr(type(bench.stream._journal), "sync", _dead)
    assert bench.stream.begin_sync()
    with pytest.raises(JournalError):
        bench.finish_sync()
    assert bench.stream.synced == kept


def _dead(_: object) -> None:
    raise JournalError("the journal can't be written")


def test_a_part_that_is_left_keeps_the_sync_under_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.take(1)
    sync = StreamFile.sync

    def slow(file: StreamFile) -> None:
        time.sleep(0.1)
        sync(file)

    monkeypatch.setattr(StreamFile, "sync", slow)
    assert bench.stream.begin_sync()
    assert bench.stream.begin_part() == bench.source.standing(1)
    assert bench.records(Part)[-1].rows == bench.records(Checkpoint)[-1].rows


def test_a_close_that_fails_is_no_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.take(2)
    kept = bench.sync()
    bench.take(1)
    with monkeypatch.context() as broken:
        broken.setattr(StreamFile, "close", fail)
        with pytest.raises(PartFailedError):
            bench.stream.close(bench.source.standing(3), ENDED_REGULARLY, "")
    assert bench.stream.synced == kept
    assert bench.records(End) == []
    assert bench.stream.begin_part() == kept.standing
    bench.stream.close(kept.standing, ENDED_REGULARLY, "")
    assert bench.records(End) == [End(False, ENDED_REGULARLY, "")]


def test_a_sync_that_fails_at_the_end_is_no_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.take(2)
    monkeypatch.setattr(StreamFile, "sync", fail)
    assert bench.stream.begin_sync()
    with pytest.raises(PartFailedError):
        bench.stream.close(bench.source.standing(2), ENDED_REGULARLY, "")
    assert bench.records(End) == []


# --- what is written down -------------------------------------------------------------


def test_chunks_of_a_part_that_failed_are_forgotten(bench: Bench) -> None:
    bench.take(4, rows=4)  # two full chunks whose records are only gathered
    bench.stream.begin_part()
    assert bench.records(Extent) == []
    assert [part.number for part in bench.records(Part)] == [0, 1]


def test_each_row_of_an_open_chunk_is_inline_once(bench: Bench) -> None:
    for _ in range(3):
        bench.take(1, rows=2)
        bench.sync()
    rows = [(r.row, r.rows) for r in bench.records(Inline) if r.dataset == 0]
    assert rows == [(0, 2), (2, 2), (4, 2)]


def test_a_new_part_has_its_rows_inline_anew(bench: Bench) -> None:
    bench.take(1, rows=2)
    bench.sync()
    bench.take(1, rows=2)
    bench.stream.begin_part()
    bench.source.items.pop()
    bench.take(1, rows=3)
    bench.sync()
    rows = [(r.part, r.row, r.rows) for r in bench.records(Inline) if r.dataset == 0]
    assert rows == [(0, 0, 2), (1, 2, 3)]


def test_rows_whose_sync_failed_are_inline_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.take(1, rows=2)
    bench.sync()
    bench.take(1, rows=2)
    with monkeypatch.context() as broken:
        broken.setattr(StreamFile, "sync", fail)
        bench.stream.begin_sync()
        bench.stream.begin_part()
    assert not bench.stream.begin_sync()  # nothing of the old part is waiting
    bench.source.items.pop()
    bench.take(1, rows=2)
    bench.sync()
    rows = [(r.part, r.row, r.rows) for r in bench.records(Inline) if r.dataset == 0]
    assert rows == [(0, 0, 2), (0, 2, 2), (1, 2, 2)]


def test_moments_of_a_part_that_failed_are_forgotten(bench: Bench) -> None:
    bench.take(2)
    bench.stream.begin_part()
    assert not bench.stream.begin_sync()


def test_a_part_that_is_begun_says_where(bench: Bench) -> None:
    bench.take(2)
    kept = bench.sync()
    bench.stream.begin_part()
    bench.die()
    bench.open()
    assert [part.rows for part in bench.records(Part)] == [
        (0,) * len(CHANNELS.layout.datasets), kept.rows, kept.rows,
    ]  # fmt: skip


def test_nothing_new_is_not_synced(bench: Bench) -> None:
    assert not bench.stream.begin_sync()
    bench.take(1)
    bench.sync()
    assert not bench.stream.begin_sync()


# --- when to give up ------------------------------------------------------------------


def test_parts_that_fail_one_after_the_other_end_it(bench: Bench) -> None:
    for _ in range(PARTS_IN_VAIN):
        bench.stream.begin_part()
    with pytest.raises(OSError, match="parts in a row failed with nothing kept"):
        bench.stream.begin_part()


def test_what_is_kept_in_between_counts(bench: Bench) -> None:
    for _ in range(2 * PARTS_IN_VAIN):
        bench.stream.begin_part()
        bench.take(1)
        bench.sync()
    assert bench.stream.parts == 1 + 2 * PARTS_IN_VAIN
