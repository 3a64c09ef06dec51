"""Sealing makes a file read-only and says what is in it."""

import hashlib
from pathlib import Path

import pytest

from rigd.daemon.seal import BYTES_AT_ONCE, is_sealed, seal, sha256


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * (BYTES_AT_ONCE // 256) + b"rest")
    return path


def test_a_sealed_file_is_read_only_and_known(file: Path) -> None:
    read: list[int] = []
    assert not is_sealed(file)
    made = seal(file, told=read.append)
    assert is_sealed(file)
    assert file.stat().st_mode & 0o777 == 0o444
    assert made.size == BYTES_AT_ONCE + 4
    assert made.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert sum(read) == made.size
    assert max(read) <= BYTES_AT_ONCE


def test_sealing_twice_is_the_same(file: Path) -> None:
    assert seal(file) == seal(file)


def test_the_digest_can_be_left_out(file: Path) -> None:
    assert seal(file, digest=False).sha256 is None
    assert is_sealed(file)


def test_the_digest_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert sha256(tmp_path / "empty") == hashlib.sha256(b"").hexdigest()


def test_a_missing_file_can_not_be_sealed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        seal(tmp_path / "missing")
