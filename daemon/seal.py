"""Seals a file: brought to the disk, read-only, its size and digest known."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rigd.daemon.content import read_content, read_rest
from rigd.daemon.session_record import sync_to_disk
from rigd.streams.journal import Extent

SEALED_MODE = 0o444
"""Permissions of a sealed file: everyone may read it, nobody may write it."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What is known of a sealed file.

    Attributes:
        size: Bytes.
        sha256: Of the whole file, in hex; None: not taken.
        rest: SHA-256 of all bytes outside of chunks, where it stands for the whole.
        bad: Chunks that are not what the journal says.

    """

    size: int
    sha256: str | None
    rest: str | None = None
    bad: tuple[Extent, ...] = ()


def seal(
    path: Path, chunks: Sequence[Extent] | None = None, *, whole: bool = True
) -> Seal:
    """Make the file read-only, bring it and its folder to the disk, know its content.

    A file that is sealed already is read again; the result is the same.

    Args:
        path: The file.
        chunks: Its chunks by a journal, if there is one.
        whole: Read the whole file. False: what lies outside of `chunks`, which have
            checksums already; without `chunks`, the whole file all the same.

    Raises:
        OSError: The file is missing, or belongs to someone else.

    """
    make_read_only(path)
    size = path.stat().st_size
    if chunks is not None and not whole:
        return Seal(size, None, read_rest(path, chunks))
    content = read_content(path, chunks or ())
    return Seal(size, content.sha256, bad=content.bad)


def make_read_only(path: Path) -> None:
    """Make the file read-only; bring it and its folder to the disk.

    Raises:
        OSError: The file is missing, or belongs to someone else.

    """
    if path.stat().st_mode & 0o777 != SEALED_MODE:
        path.chmod(SEALED_MODE)
    sync_to_disk(path)
    sync_to_disk(path.parent)


def is_sealed(path: Path) -> bool:
    """Say whether nobody may write the file.

    Raises:
        OSError: The file is missing.

    """
    return not path.stat().st_mode & 0o222
