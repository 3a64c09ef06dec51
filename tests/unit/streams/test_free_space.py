"""Pieces of a memory never overlap, and all of it comes back."""

from hypothesis import given
from hypothesis import strategies as st

from rigd.streams.free_space import FreeSpace


def test_the_lowest_piece_is_given_first() -> None:
    space = FreeSpace(10, 110)
    assert [space.take(40), space.take(40), space.take(40)] == [10, 50, None]
    space.give_back(10, 40)
    assert [space.take(30), space.take(20), space.take(10)] == [10, 90, 40]


def largest_gap(taken: list[tuple[int, int]]) -> int:
    ends = [0, *sorted(start + size for start, size in taken)]
    starts = [*sorted(start for start, _ in taken), 100]
    return max(start - end for end, start in zip(ends, starts, strict=True))


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=80))
def test_pieces_do_not_overlap_and_join_again(steps: list[tuple[bool, int]]) -> None:
    space, taken = FreeSpace(0, 100), list[tuple[int, int]]()
    for is_given_back, number in steps:
        if is_given_back and taken:
            start, size = taken.pop(number % len(taken))
            space.give_back(start, size)
            continue
        found = space.take(number)
        if found is not None:
            assert 0 <= found <= 100 - number
            assert all(found >= s + n or found + number <= s for s, n in taken)
            taken.append((found, number))
        else:
            assert number > largest_gap(taken)
    for start, size in taken:
        space.give_back(start, size)
    assert space.take(100) == 0
