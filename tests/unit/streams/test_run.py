"""Blocks that lie one behind the other are one piece, and can still be told apart."""

from hypothesis import given
from hypothesis import strategies as st

from rigd.streams.free_space import Place
from rigd.streams.run import Run
from rigd.streams.wire import RECORD

ROW = 4
"""Bytes of a row."""


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from([None, 0, 8]))))
def test_blocks_are_the_same_however_they_lie(
    blocks: list[tuple[int, int | None]],
) -> None:
    """Each block lies apart (None), or so many bytes behind the one before it."""
    memory = memoryview(bytes(range(1, 201)) * 10)

    def view(place: Place) -> memoryview:
        return memory[place.offset : place.offset + place.size]

    run, end, first, given_blocks = Run(7, 0, 3), 0, 7, []
    for number, (rows, gap) in enumerate(blocks):
        record = RECORD.pack(number, first, 0, 0, rows, 3, 0, 0)
        first += rows
        if gap is None:
            body = bytes([number % 256]) * (ROW * rows)
            run.add(record, body, rows)
        else:
            place = Place(end + gap, ROW * rows)
            end = place.offset + place.size
            body = bytes(view(place))
            run.add_shared(record, place, rows, view)
        given_blocks.append((record, body))
    assert run.rows == sum(run.body_rows) == first - 7
    assert run.blocks == len(blocks)
    assert b"".join(run.bodies) == b"".join(body for _, body in given_blocks)
    joined = sum(
        gap == 0 and before is not None
        for (_, before), (_, gap) in zip(blocks, blocks[1:], strict=False)
    )
    assert len(run.bodies) == len(run.body_rows) == len(blocks) - joined
    single = [
        (bytes(one.records[0]), bytes(one.bodies[0]), one.first, one.rows, one.epoch)
        for one in run.singly()
    ]
    expected, at = [], 7
    for record, body in given_blocks:
        expected.append((record, body, at, len(body) // ROW, 3))
        at += len(body) // ROW
    assert single == expected
