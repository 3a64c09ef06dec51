"""What a journal says in short, whatever is missing of it."""

from pathlib import Path

import pytest

from rigd.streams.journal import (
    Checkpoint,
    End,
    Extent,
    Head,
    Inline,
    Part,
    Record,
    Recovered,
    Skeleton,
    frame,
    payload,
)
from rigd.streams.journal_file import Damage, JournalError
from rigd.streams.journal_state import JournalState, read_state
from rigd.streams.standing import Standing

HEAD = Head(7, "s", [{"path": "/a"}, {"path": "/b"}], "none")


def checkpoint(rows: int, part: int = 0) -> Checkpoint:
    return Checkpoint(Standing(sequence=rows), (rows, rows), part)


def state_of(*records: Record | Damage) -> JournalState:
    state = JournalState(HEAD, b"")
    for position, one in enumerate(records):
        if isinstance(one, Damage):
            state.take_damage(one)
        else:
            state.take(one, position)
    return state


BAD = Damage(1, 2)


def test_the_last_checkpoint_counts() -> None:
    state = state_of(Part(0, (0, 0)), checkpoint(3), checkpoint(5))
    assert (state.checkpoint, state.sound) == (checkpoint(5), checkpoint(5))
    assert state.rows == (5, 5)
    assert state.end is None


def test_without_a_checkpoint_there_are_no_rows() -> None:
    assert state_of(Part(0, (0, 0))).rows == (0, 0)


def test_a_checkpoint_after_damage_is_not_sound() -> None:
    state = state_of(Part(0, (0, 0)), checkpoint(3), BAD, checkpoint(5))
    assert (state.checkpoint, state.sound) == (checkpoint(5), checkpoint(3))


def test_the_one_after_it_is_sound_again() -> None:
    state = state_of(BAD, checkpoint(5), checkpoint(6))
    assert state.sound == checkpoint(6)


def test_a_part_goes_back_to_where_it_begins() -> None:
    state = state_of(
        Part(0, (0, 0)), checkpoint(3), BAD, checkpoint(5), Part(1, (3, 3))
    )
    assert state.checkpoint == checkpoint(3)


def test_a_part_whose_beginning_is_lost_begins_at_the_checkpoint_before() -> None:
    state = state_of(Part(0, (0, 0)), checkpoint(3), BAD, checkpoint(5, part=2))
    assert state.parts == [Part(0, (0, 0)), Part(2, (3, 3))]
    extent = Extent(0, 0, 1, 0, 0, 1, 4, 0)
    assert state_of(checkpoint(3), extent).parts[-1] == Part(4, (3, 3))


def test_an_end_is_over_when_a_part_follows() -> None:
    end = End(True, 1, "")
    assert state_of(checkpoint(3), end).end == end
    assert state_of(checkpoint(3), end, Part(1, (3, 3))).end is None
    assert state_of(checkpoint(3), end, checkpoint(4, part=1)).end is None


@pytest.mark.parametrize(
    "stray",
    [
        Part(1, (0,)),
        Part(0, (0, 0)),
        Checkpoint(Standing(), (9, 9, 9), 1),
        Checkpoint(Standing(), (9, 9), 0),
        Extent(2, 0, 1, 0, 0, 1, 1, 0),
        Extent(0, 0, 1, 0, 0, 1, 0, 0),
        Inline(2, 0, 1, 1, b""),
        Inline(0, 0, 1, 0, b""),
    ],
)
def test_records_that_can_not_be_of_it_do_not_count(stray: Record) -> None:
    before = (Part(0, (0, 0)), checkpoint(3), Part(1, (3, 3)))
    state = state_of(*before, stray)
    assert state.is_torn
    assert (state.checkpoint, state.parts) == (checkpoint(3), [before[0], before[2]])


def test_it_is_sure_if_nothing_is_damaged_after_the_last_checkpoint() -> None:
    assert state_of(BAD, *[checkpoint(n) for n in range(3)]).is_sure
    assert not state_of(checkpoint(1), BAD).is_sure


def test_recoveries_are_listed_in_order() -> None:
    done = [Recovered(n, 0, 0, 0, 1, "") for n in range(2)]
    assert state_of(*done).recoveries == done


# --- from a file ----------------------------------------------------------------------


def write(path: Path, *records: Record) -> Path:
    content = b""
    for record in records:
        content += frame(payload(record), key=HEAD.key, position=len(content))
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("records", "what"),
    [
        ((), "no whole head"),
        ((Skeleton(b"x"),), "no whole head"),
        ((HEAD,), "no whole skeleton"),
        ((HEAD, checkpoint(1), Skeleton(b"x")), "no whole skeleton"),
    ],
)
def test_without_its_beginning_it_is_no_journal(
    tmp_path: Path, records: tuple[Record, ...], what: str
) -> None:
    with pytest.raises(JournalError, match=what):
        read_state(write(tmp_path / "j", *records))


def test_one_of_a_later_version_is_refused(tmp_path: Path) -> None:
    later = Head(7, "s", HEAD.datasets, "none", version=2)
    path = write(tmp_path / "j", later, Skeleton(b"x"), checkpoint(1))
    with pytest.raises(JournalError, match="version 2, this rigd reads up to 1: use"):
        read_state(path)


def test_damage_before_the_first_record_is_kept_in_mind(tmp_path: Path) -> None:
    path = write(tmp_path / "j", HEAD, Skeleton(b"x"), HEAD, Skeleton(b"x"))
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)
    state = read_state(path)
    assert (state.head, state.skeleton) == (HEAD, b"x")
    assert [damage.start for damage in state.damage] == [0]
