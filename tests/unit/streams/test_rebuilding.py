"""Rows come out once, in order, and none after a hole."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from rigd.streams.journal import Inline
from rigd.streams.rebuilding import Rebuilder


def row(number: int) -> bytes:
    return number.to_bytes(2, "little")


def rows(first: int, stop: int) -> bytes:
    return b"".join(row(number) for number in range(first, stop))


def inline(first: int, stop: int) -> Inline:
    return Inline(0, first, stop - first, 0, rows(first, stop))


@dataclass
class Output:
    """A rebuilder of rows of two bytes, and what it gave out."""

    limit: int
    content: bytes = b""
    rebuilder: Rebuilder = field(init=False)

    def __post_init__(self) -> None:
        self.rebuilder = Rebuilder(2, self.limit)
        self.part(0)

    def part(self, first: int, last: int | None = None) -> None:
        self.content += b"".join(self.rebuilder.take_part(first, last))

    def inline(self, first: int, stop: int) -> None:
        self.rebuilder.take_inline(inline(first, stop))

    def chunk(self, first: int, stop: int, *, good: bool = True) -> None:
        content = rows(first, stop) if good else None
        taken = self.rebuilder.take_chunk(first, stop - first, content)
        self.content += b"".join(taken)

    def finish(self) -> bytes:
        self.content += b"".join(self.rebuilder.finish())
        return self.content


def test_rows_of_open_chunks_come_at_the_end() -> None:
    output = Output(10)
    output.chunk(0, 4)
    output.inline(4, 6)
    output.inline(6, 7)
    assert output.finish() == rows(0, 7)


def test_a_chunk_takes_the_place_of_what_came_inline() -> None:
    output = Output(10)
    output.inline(0, 3)
    output.chunk(0, 4)
    output.inline(4, 5)
    assert output.finish() == rows(0, 5)


def test_of_a_bad_chunk_the_rows_that_came_inline_are_given() -> None:
    output = Output(10)
    output.inline(0, 3)
    output.chunk(0, 4, good=False)
    output.chunk(4, 8)
    assert output.finish() == rows(0, 3)
    assert output.rebuilder.bad_chunks == 1


def test_nothing_after_a_hole_is_given() -> None:
    output = Output(20)
    output.chunk(0, 4)
    output.chunk(8, 12)
    output.inline(12, 14)
    assert output.finish() == rows(0, 4)


def test_what_is_beyond_the_limit_is_not_given() -> None:
    output = Output(6)
    output.chunk(0, 4)
    output.chunk(4, 8)
    assert not output.rebuilder.wants(6)
    assert output.finish() == rows(0, 6)


def test_rows_that_come_inline_again_are_not_doubled() -> None:
    output = Output(10)
    output.inline(0, 3)
    output.inline(1, 5)
    output.inline(2, 4)
    assert output.finish() == rows(0, 5)


def test_an_inline_record_of_another_size_is_left_out() -> None:
    output = Output(10)
    output.rebuilder.take_inline(Inline(0, 0, 3, 0, rows(0, 2)))
    assert output.finish() == b""


def test_a_part_begins_anew_where_it_says() -> None:
    output = Output(10)
    output.inline(0, 6)
    output.part(4)
    output.rebuilder.take_inline(Inline(0, 4, 1, 1, b"!!"))
    assert output.finish() == rows(0, 4) + b"!!"


def test_what_a_part_has_beyond_the_next_one_does_not_count() -> None:
    output = Output(10)
    output.part(0, last=5)
    output.chunk(0, 8)
    output.part(5)
    output.chunk(5, 9)
    assert output.finish() == rows(0, 9)


@given(
    st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), max_size=9),
    st.integers(0, 40),
)
def test_what_is_given_is_a_beginning_of_what_was_written(
    chunks: list[tuple[int, bool, bool]], limit: int
) -> None:
    """Each chunk of so many rows is good or not, and its rows came inline or not."""
    output = Output(limit)
    first, complete = 0, 0
    for size, is_good, was_inline in chunks:
        stop = first + size
        if was_inline:
            output.inline(first, stop)
        output.chunk(first, stop, good=is_good)
        if complete == first and (is_good or was_inline):
            complete = stop
        first = stop
    assert output.finish() == rows(0, min(complete, limit))
