"""Reads a file once for all that is to be known of its content.

A stream file consists of the chunks that its journal has checksums of, and of the rest:
HDF5's index, attributes, small datasets. One pass gives the SHA-256 of the whole, that
of the rest, and the chunks that are not what was recorded.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from xxhash import xxh3_64_intdigest

from rigd.streams.journal import Extent
from rigd.streams.journal_file import Found, scan

BYTES_AT_ONCE = 1 << 22
"""Bytes that are read together outside of chunks."""

Told = Callable[[int], None]
"""Is told how many bytes were read since the last call."""


def _silent(count: int) -> None:
    return


@dataclass(frozen=True, slots=True)
class Content:
    """What was found in a file.

    Attributes:
        sha256: Of the whole file, in hex; None: not taken.
        rest: SHA-256 of all bytes outside of chunks, in hex.
        bad: Chunks that are not what the journal says.

    """

    sha256: str | None
    rest: str
    bad: tuple[Extent, ...]


def read_content(
    path: Path,
    chunks: Sequence[Extent] = (),
    *,
    whole: bool = True,
    told: Told = _silent,
) -> Content:
    """Read a file from its first to its last byte, with bounded memory.

    Args:
        path: The file.
        chunks: The chunks it should hold.
        whole: Take the SHA-256 of the whole file too.
        told: Hears of the bytes read.

    Raises:
        OSError: The file can't be read.

    """
    digest, rest = hashlib.sha256(), hashlib.sha256()
    bad = []
    with path.open("rb", buffering=0) as file:
        for piece in pieces(chunks, os.fstat(file.fileno()).st_size):
            content = os.pread(file.fileno(), piece.size, piece.offset)
            if whole:
                digest.update(content)
            if piece.chunk is None:
                rest.update(content)
            elif not is_chunk(content, piece.chunk):
                bad.append(piece.chunk)
            told(len(content))
    bad += misplaced(chunks, path.stat().st_size)
    return Content(digest.hexdigest() if whole else None, rest.hexdigest(), tuple(bad))


def read_rest(path: Path, chunks: Sequence[Extent], told: Told = _silent) -> str:
    """Return the SHA-256 of all bytes outside of chunks, without reading these.

    Raises:
        OSError: The file can't be read.

    """
    rest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        for piece in pieces(chunks, os.fstat(file.fileno()).st_size):
            if piece.chunk is None:
                rest.update(os.pread(file.fileno(), piece.size, piece.offset))
            told(piece.size)
    return rest.hexdigest()


def journaled_chunks(journal: Path) -> list[Extent]:
    """Return the chunks of a whole stream file by its journal.

    Raises:
        OSError: The journal can't be read.

    """
    records = (found.record for found in scan(journal) if isinstance(found, Found))
    return [record for record in records if isinstance(record, Extent)]


def is_chunk(content: bytes, chunk: Extent) -> bool:
    """Whether these bytes are the chunk that was stored."""
    return len(content) == chunk.size and xxh3_64_intdigest(content) == chunk.digest


# --- pieces ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that are read together: a chunk, or a part of the rest."""

    offset: int
    size: int
    chunk: Extent | None = None


def pieces(chunks: Sequence[Extent], size: int) -> Iterator[Piece]:
    """Cut a file of `size` bytes into its chunks and the rest, in order."""
    position = 0
    for chunk in _placed(chunks, size):
        yield from _rest(position, chunk.offset)
        yield Piece(chunk.offset, chunk.size, chunk)
        position = chunk.offset + chunk.size
    yield from _rest(position, size)


def misplaced(chunks: Sequence[Extent], size: int) -> list[Extent]:
    """Return the chunks that can't lie where they should: beyond the end, or twice."""
    placed = {id(chunk) for chunk in _placed(chunks, size)}
    return [chunk for chunk in chunks if id(chunk) not in placed]


def _placed(chunks: Sequence[Extent], size: int) -> Iterator[Extent]:
    """The chunks in the order in which they lie in the file."""
    position = 0
    for chunk in sorted(chunks, key=lambda chunk: chunk.offset):
        if chunk.offset >= position and chunk.offset + chunk.size <= size:
            yield chunk
            position = chunk.offset + chunk.size


def _rest(start: int, stop: int) -> Iterator[Piece]:
    for offset in range(start, stop, BYTES_AT_ONCE):
        yield Piece(offset, min(BYTES_AT_ONCE, stop - offset))
