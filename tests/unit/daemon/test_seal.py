"""Sealing makes a file read-only and says what is in it."""

import hashlib
from pathlib import Path

import pytest
from xxhash import xxh3_64_intdigest

from rigd.daemon.seal import is_sealed, seal
from rigd.streams.journal import Extent

CONTENT = bytes(range(256)) * 40
CHUNK = Extent(
    0, 0, 10, 0, offset=100, size=1000, part=0,
    digest=xxh3_64_intdigest(CONTENT[100:1100]),
)  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(CONTENT)
    return path


def test_a_sealed_file_is_read_only_and_known(file: Path) -> None:
    assert not is_sealed(file)
    made = seal(file)
    assert is_sealed(file)
    assert file.stat().st_mode & 0o777 == 0o444
    assert made.size == len(CONTENT)
    assert made.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_sealing_twice_is_the_same(file: Path) -> None:
    assert seal(file) == seal(file)


def test_where_chunks_are_known_the_rest_can_stand_for_the_whole(file: Path) -> None:
    made = seal(file, [CHUNK], whole=False)
    assert made.sha256 is None
    assert made.rest == hashlib.sha256(CONTENT[:100] + CONTENT[1100:]).hexdigest()
    assert is_sealed(file)


def test_without_a_journal_the_whole_is_read_all_the_same(file: Path) -> None:
    assert seal(file, None, whole=False) == seal(file)


def test_chunks_that_changed_before_sealing_are_found(file: Path) -> None:
    assert seal(file, [CHUNK]).bad == ()
    file.chmod(0o644)
    file.write_bytes(CONTENT[:500] + b"?" + CONTENT[501:])
    assert seal(file, [CHUNK]).bad == (CHUNK,)


def test_a_missing_file_can_not_be_sealed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        seal(tmp_path / "missing")
