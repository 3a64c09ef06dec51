"""Who reads journals by their documentation alone reads the same as rigd does."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from xxhash import xxh3_64_intdigest

from rigd.streams.durable_stream import journal_path, part_path
from rigd.streams.journal import (
    FRAME,
    LARGEST,
    LAST_TYPE,
    VERSION,
    Checkpoint,
    Record,
    Type,
)
from rigd.streams.journal_file import Damage, Found, scan
from rigd.streams.recovery import recover
from tests.support.plain_journal import read_journal
from tests.unit.streams.test_recovery_cut_off import FORMAT, LAYOUT, crashed

DOCUMENT = Path(__file__).parents[3] / "docs" / "journal-format.md"


def fields_of(record: Record) -> dict[str, Any]:
    values = asdict(record)
    if isinstance(record, Checkpoint):
        return {**values.pop("standing"), **values}
    return values


def found_by_rigd(path: Path) -> list[tuple[int, str, dict[str, Any]]]:
    return [
        (one.position, type(one.record).__name__.upper(), fields_of(one.record))
        for one in scan(path)
        if isinstance(one, Found)
    ]


@pytest.mark.parametrize("state", ["crashed", "spread", "recovered"])
def test_the_plain_reader_agrees(tmp_path: Path, state: str) -> None:
    path = crashed(tmp_path, parts=3, ended=state == "spread")
    if state == "recovered":
        recover(path, LAYOUT, FORMAT)
    records = read_journal(journal_path(path))
    assert records == found_by_rigd(journal_path(path))
    assert {name for _, name, _ in records} >= {"HEAD", "SKELETON", "PART", "EXTENT"}


def test_it_agrees_on_a_damaged_journal_too(tmp_path: Path) -> None:
    path = journal_path(crashed(tmp_path, parts=3, ended=True))
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 10, len(content), len(content) // 10):
        content[place] ^= 16
    path.write_bytes(content)
    assert any(isinstance(one, Damage) for one in scan(path))
    assert read_journal(path) == found_by_rigd(path)


def test_the_chunks_lie_where_the_document_says(tmp_path: Path) -> None:
    path = crashed(tmp_path, parts=3, ended=True)
    chunks = [f for _, name, f in read_journal(journal_path(path)) if name == "EXTENT"]
    assert {chunk["part"] for chunk in chunks} == {0, 1, 2}
    for chunk in chunks:
        content = part_path(path, chunk["part"]).read_bytes()
        stored = content[chunk["offset"] : chunk["offset"] + chunk["size"]]
        assert xxh3_64_intdigest(stored) == chunk["digest"]


def test_the_document_names_all_types_and_limits() -> None:
    text = DOCUMENT.read_text()
    named = dict(re.findall(r"^### (\d+) ([A-Z]+)", text, re.MULTILINE))
    assert named == {str(int(kind)): kind.name for kind in Type}
    assert f"Version {VERSION}" in text
    assert f"{FRAME.size} bytes" in text
    assert f"{LARGEST} bytes" in text
    assert f"up to {LAST_TYPE}" in text
