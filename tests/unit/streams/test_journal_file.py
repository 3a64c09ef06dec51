"""Whole records are found whatever lies between them, and nothing else is."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rigd.streams.journal import (
    MAGIC,
    Checkpoint,
    End,
    Head,
    Inline,
    Part,
    Record,
    Skeleton,
    frame,
    payload,
)
from rigd.streams.journal_file import (
    BEGINNING,
    SCAN_BYTES,
    Damage,
    Found,
    Journal,
    JournalError,
    scan,
    write_new,
)
from rigd.streams.standing import Standing
from tests.support.journal_records import RECORDS

KEY = 0x1234_5678_9ABC_DEF0
HEAD = Head(KEY, "ap", [], "none")
START: list[Record] = [HEAD, Skeleton(b"hdf5"), HEAD, Skeleton(b"hdf5")]
TAIL: list[Record] = [
    Part(0, (0,)),
    Inline(0, 0, 2, 0, b"abcd"),
    Checkpoint(Standing(sequence=2), (2,)),
    Inline(0, 2, 1, 0, b"ef"),
    Checkpoint(Standing(sequence=3), (3,)),
    End(True, 1, ""),
]


def written(records: list[Record], start: int = 0) -> bytes:
    """The bytes of records from byte `start` of a journal on."""
    content = b""
    for record in records:
        content += frame(payload(record), key=KEY, position=start + len(content))
    return content


def places(records: list[Record]) -> list[tuple[int, int]]:
    """Where each record begins and ends."""
    ends = [len(written(records[: n + 1])) for n in range(len(records))]
    return list(zip([0, *ends], ends, strict=False))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.journal"


# --- writing --------------------------------------------------------------------------


def test_what_is_added_is_found(path: Path) -> None:
    journal = Journal.create(path, HEAD, b"hdf5")
    for record in TAIL:
        journal.add(record)
    journal.write()
    journal.sync()
    journal.close()
    found = list(scan(path))
    assert [one.record for one in found if isinstance(one, Found)] == START + TAIL
    assert path.read_bytes() == written(START + TAIL)


def test_what_is_only_gathered_can_be_dropped(path: Path) -> None:
    journal = Journal.create(path, HEAD, b"hdf5")
    journal.add(TAIL[0])
    journal.write_now(TAIL[1])
    assert journal.waiting == 1
    journal.drop()
    journal.write()
    journal.close()
    assert path.read_bytes() == written([*START, TAIL[1]])


def test_a_journal_goes_on_behind_a_torn_record(path: Path) -> None:
    Journal.create(path, HEAD, b"hdf5").close()
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(written(TAIL[:1], size)[:-3])
    torn = path.stat().st_size
    journal = Journal(path, KEY)
    for record in TAIL:
        journal.add(record)
    journal.write()
    journal.close()
    found = list(scan(path))[len(START) :]
    assert found[0] == Damage(size, torn)
    assert [one.record for one in found[1:] if isinstance(one, Found)] == TAIL


def test_there_is_never_half_a_beginning(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fail)
        with pytest.raises(JournalError, match="Input/output error"):
            Journal.create(path, HEAD, b"hdf5")
    assert not path.exists()
    Journal.create(path, HEAD, b"hdf5").close()
    assert path.read_bytes() == written(START)
    assert not path.with_name(path.name + BEGINNING).exists()


def test_a_journal_is_not_begun_over_another(path: Path) -> None:
    path.write_bytes(b"precious")
    with pytest.raises(JournalError, match="exists already"):
        Journal.create(path, HEAD, b"")
    assert path.read_bytes() == b"precious"


def test_only_a_journal_that_is_there_can_be_opened(path: Path) -> None:
    with pytest.raises(JournalError, match="No such file"):
        Journal(path, KEY)


def test_two_processes_do_not_write_one_journal(path: Path) -> None:
    journal = Journal.create(path, HEAD, b"")
    code = (
        "import sys; from pathlib import Path;"
        "from rigd.streams.journal_file import Journal;"
        "Journal(Path(sys.argv[1]), 1)"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True
    )
    journal.close()
    assert f"is being written by process {os.getpid()}" in other.stderr


CALLS: dict[str, Callable[[Journal], None]] = {
    "write": lambda journal: journal.write_now(TAIL[0]),
    "fdatasync": lambda journal: journal.sync(),
}


@pytest.mark.parametrize("failing", CALLS)
@pytest.mark.parametrize("following", CALLS)
def test_what_has_failed_once_is_not_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, following: str
) -> None:
    journal = Journal.create(path, HEAD, b"hdf5")

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, failing, fail)
        with pytest.raises(JournalError, match="No space left"):
            CALLS[failing](journal)
    with pytest.raises(JournalError, match="has failed before"):
        CALLS[following](journal)
    journal.close()
    assert path.read_bytes() == written(START)


def test_short_writes_are_completed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, view: write(fd, view[:3]))
    journal = Journal.create(path, HEAD, b"hdf5")
    journal.add(TAIL[0])
    journal.write()
    journal.close()
    assert path.read_bytes() == written([*START, TAIL[0]])


def test_a_new_file_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "part"
    write_new(path, b"content")
    assert path.read_bytes() == b"content"
    with pytest.raises(FileExistsError):
        write_new(path, b"other")
    assert path.read_bytes() == b"content"

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_new(tmp_path / "other", b"content")
    assert not (tmp_path / "other").exists()


# --- scanning -------------------------------------------------------------------------


def scanned(path: Path, content: bytes) -> list[Found | Damage]:
    path.write_bytes(content)
    return list(scan(path))


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=300) | st.binary().map(lambda b: MAGIC + b))
def test_any_bytes_can_be_scanned(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "j"
    assert scanned(path, content) == ([Damage(0, len(content))] if content else [])


@settings(max_examples=100, deadline=None)
@given(records=st.lists(RECORDS, max_size=6), data=st.data())
def test_damage_is_told_exactly_and_all_else_is_found(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], data: st.DataObject
) -> None:
    everything = START + [one for one in records if not isinstance(one, Head)]
    content = bytearray(written(everything))
    hit = data.draw(st.sets(st.integers(2, len(everything) - 1)))
    spans = places(everything)
    for number in hit:
        start, stop = spans[number]
        at = data.draw(st.integers(start, stop - 1))
        content[at] ^= data.draw(st.integers(1, 255))
    found = scanned(tmp_path_factory.mktemp("hit") / "j", bytes(content))
    assert [(one.position, one.record) for one in found if isinstance(one, Found)] == [
        (start, record)
        for number, (record, (start, _)) in enumerate(
            zip(everything, spans, strict=True)
        )
        if number not in hit
    ]
    damaged = {
        byte
        for one in found
        if isinstance(one, Damage)
        for byte in range(one.start, one.stop)
    }
    assert damaged == {byte for number in hit for byte in range(*spans[number])}


def test_a_journal_cut_anywhere_gives_its_whole_records(path: Path) -> None:
    everything = START + TAIL
    content, spans = written(everything), places(everything)
    for cut in range(len(content) + 1):
        found = scanned(path, content[:cut])
        whole = [
            record
            for record, (_, stop) in zip(everything, spans, strict=True)
            if stop <= cut
        ]
        assert [one.record for one in found if isinstance(one, Found)] == whole
        end = spans[len(whole) - 1][1] if whole else 0
        damage = [one for one in found if isinstance(one, Damage)]
        assert damage == ([Damage(end, cut)] if end < cut else [])


def test_rows_that_look_like_records_are_not_taken_for_records(path: Path) -> None:
    """Not even as they would stand in a journal of another stream at this place."""
    start = len(written(START))
    other = frame(payload(Checkpoint(Standing(), (9,))), key=KEY + 1, position=0)
    inside = written(TAIL, start)
    nested = b"".join(
        frame(payload(Checkpoint(Standing(), (9,))), key=KEY + 1, position=start + at)
        for at in range(500)
    )
    rows = inside + other + nested
    content = bytearray(written([*START, Inline(0, 0, len(rows), 0, rows), TAIL[-1]]))
    content[start + 8] ^= 1
    found = scanned(path, bytes(content))[len(START) :]
    assert [type(one) for one in found] == [Damage, Found]
    assert isinstance(found[1], Found)
    assert found[1].record == TAIL[-1]


def test_a_second_head_serves_when_the_first_is_damaged(path: Path) -> None:
    content = bytearray(written(START + TAIL))
    content[20] ^= 1
    found = scanned(path, bytes(content))
    assert isinstance(found[0], Damage)
    assert [one.record for one in found if isinstance(one, Found)] == START[1:] + TAIL


def test_records_across_the_border_of_what_is_read_together(path: Path) -> None:
    start = written(START)
    for away in range(-20, 4):
        gap = bytes(SCAN_BYTES + away)
        tail = written(TAIL, len(start) + len(gap))
        found = scanned(path, start + gap + tail)[len(START) :]
        assert found[0] == Damage(len(start), len(start) + len(gap))
        assert len(found) == 1 + len(TAIL)


def test_the_rest_of_a_journal_of_another_stream_is_damage(path: Path) -> None:
    content = written(START)
    rest = frame(payload(TAIL[0]), key=KEY + 1, position=len(content))
    found = scanned(path, content + rest)[len(START) :]
    assert found == [Damage(len(content), len(content) + len(rest))]


def test_many_signs_of_a_beginning_do_not_slow_the_search(path: Path) -> None:
    """Damaged rows may be full of what looks like the head of a long record."""
    content = written(START) + (MAGIC * 50_000)
    found = scanned(path, content + written(TAIL, len(content)))[len(START) :]
    assert isinstance(found[0], Damage)
    assert len(found) == 1 + len(TAIL)
