"""Seals a file: brought to the disk, read-only, its size and digest known."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rigd.daemon.session_record import sync_to_disk

SEALED_MODE = 0o444
"""Permissions of a sealed file: everyone may read it, nobody may write it."""

BYTES_AT_ONCE = 1 << 22
"""Bytes that are read together for a digest."""

Told = Callable[[int], None]
"""Is told how many bytes were read since the last call."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What is known of a sealed file: bytes, SHA-256 in hex (None: not taken)."""

    size: int
    sha256: str | None


def seal(path: Path, *, digest: bool = True, told: Told | None = None) -> Seal:
    """Make the file read-only, bring it and its folder to the disk, read it once.

    A file that is sealed already is read again; the result is the same.

    Args:
        path: The file.
        digest: Take the SHA-256, which reads the whole file.
        told: Hears of the bytes read.

    Raises:
        OSError: The file is missing, or belongs to someone else.

    """
    if path.stat().st_mode & 0o777 != SEALED_MODE:
        path.chmod(SEALED_MODE)
    sync_to_disk(path)
    sync_to_disk(path.parent)
    return Seal(path.stat().st_size, sha256(path, told) if digest else None)


def sha256(path: Path, told: Told | None = None) -> str:
    """Return the SHA-256 of the file in hex, with bounded memory.

    Raises:
        OSError: The file can't be read.

    """
    total = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(BYTES_AT_ONCE):
            total.update(piece)
            if told is not None:
                told(len(piece))
    return total.hexdigest()


def is_sealed(path: Path) -> bool:
    """Say whether nobody may write the file.

    Raises:
        OSError: The file is missing.

    """
    return not path.stat().st_mode & 0o222
