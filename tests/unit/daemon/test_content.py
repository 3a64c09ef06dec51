"""One pass over a file tells of its whole, of its chunks, and of the rest."""

import hashlib
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from rigd.daemon.content import (
    BYTES_AT_ONCE,
    misplaced,
    pieces,
    read_content,
    read_rest,
)
from rigd.streams.journal import Extent


def chunk(offset: int, size: int, content: bytes = b"", row: int = 0) -> Extent:
    digest = xxh3_64_intdigest(content[offset : offset + size])
    return Extent(0, row, 1, 0, offset, size, 0, digest)


@given(st.lists(st.integers(0, 10_000), min_size=2, unique=True))
def test_pieces_cover_a_file_once_in_order(cuts: list[int]) -> None:
    cuts.sort()
    chunks = [chunk(a, b - a) for a, b in list(pairwise(cuts))[::2]]
    found = list(pieces(chunks[::-1], 10_000))
    assert [piece.chunk for piece in found if piece.chunk] == chunks
    position = 0
    for piece in found:
        assert piece.offset == position
        position += piece.size
    assert position == 10_000
    assert misplaced(chunks, 10_000) == []


def test_the_rest_is_read_in_bounded_pieces() -> None:
    sizes = [piece.size for piece in pieces([], 2 * BYTES_AT_ONCE + 1)]
    assert sizes == [BYTES_AT_ONCE, BYTES_AT_ONCE, 1]


def test_chunks_that_overlap_or_lie_beyond_the_end_are_bad() -> None:
    good, over, beyond = chunk(10, 20), chunk(20, 20), chunk(95, 10)
    assert misplaced([beyond, over, good], 100) == [beyond, over]


def test_all_is_known_after_one_pass(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4
    path = tmp_path / "file"
    path.write_bytes(content)
    chunks = [chunk(0, 100, content), chunk(300, 50, content)]
    read: list[int] = []
    found = read_content(path, chunks, told=read.append)
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.rest == hashlib.sha256(content[100:300] + content[350:]).hexdigest()
    assert found.rest == read_rest(path, chunks)
    assert found.bad == ()
    assert sum(read) == len(content)


def test_a_changed_byte_in_a_chunk_names_it(tmp_path: Path) -> None:
    content = bytes(1000)
    chunks = [chunk(0, 100, content), chunk(300, 50, content)]
    path = tmp_path / "file"
    path.write_bytes(content[:349] + b"x" + content[350:])
    assert read_content(path, chunks, whole=False).bad == (chunks[1],)
    assert read_content(path, chunks, whole=False).sha256 is None
