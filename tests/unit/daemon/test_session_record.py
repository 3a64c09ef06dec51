"""The record of a session's start comes back as it was saved, or not at all."""

import json
from pathlib import Path

import pytest

from rigd.daemon.session_record import SessionRecord
from tests.support.nwb_session import make_record, make_session, session_paths


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "record.json"
    make_record(session_paths(tmp_path), make_session()).save(path)
    return path


def test_there_and_back(saved: Path, tmp_path: Path) -> None:
    made = make_record(session_paths(tmp_path), make_session())
    found = SessionRecord.load(saved)
    assert found.model_dump(mode="json") == made.model_dump(mode="json")
    assert found.streams["ttl"].stream_format == made.streams["ttl"].stream_format


def test_how_it_is_written_does_not_matter(saved: Path) -> None:
    before = SessionRecord.load(saved)
    saved.write_text(json.dumps(json.loads(saved.read_text()), sort_keys=True))
    assert SessionRecord.load(saved) == before


@pytest.mark.parametrize(
    ("key", "value"),
    [("start_monotonic_ns", 1), ("subject", "m2"), ("sha256", "0"), ("more", 1)],
)
def test_a_changed_value_is_refused(saved: Path, key: str, value: object) -> None:
    saved.write_text(json.dumps(json.loads(saved.read_text()) | {key: value}))
    with pytest.raises(ValueError, match="put the file back as it was"):
        SessionRecord.load(saved)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe{}", b"[]", b"{}", b"1", b"{"])
def test_what_is_no_record_is_refused(saved: Path, content: bytes) -> None:
    saved.write_bytes(content)
    with pytest.raises(ValueError, match="."):
        SessionRecord.load(saved)


def test_each_changed_byte_is_noticed(saved: Path) -> None:
    content, before = saved.read_bytes(), SessionRecord.load(saved)
    for place in range(0, len(content), 7):
        changed = bytearray(content)
        changed[place] ^= 1
        saved.write_bytes(changed)
        try:
            assert SessionRecord.load(saved) == before  # white space, or a key's case
        except ValueError:
            continue
