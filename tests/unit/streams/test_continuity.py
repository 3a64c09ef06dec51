"""Gaps, repeats and restarts: received + lost is always what was expected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigd.streams.continuity import EPOCHS_OF_A_RUN, Continuity
from rigd.streams.ledger import LostInterval


def test_a_block_that_follows() -> None:
    state = Continuity(next=100)
    assert state.follows(100, 0)
    assert not state.follows(101, 0)
    assert not state.follows(100, 1)


def test_a_jump_is_a_loss_by_the_device() -> None:
    state = Continuity(next=100)
    assert state.jump_to(150, 0, row=90) == LostInterval(100, 50, 90, 0, "device")
    assert state.next == 150


def test_a_known_cause_is_used_once() -> None:
    state = Continuity(next=100, suspect="rejected")
    first = state.jump_to(110, 0, row=100)
    second = state.jump_to(120, 0, row=100)
    assert first is not None
    assert second is not None
    assert (first.cause, second.cause) == ("rejected", "device")


def test_a_new_epoch_starts_at_0() -> None:
    state = Continuity(next=100)
    assert state.jump_to(0, 1, row=100) is None
    assert (state.next, state.epoch) == (0, 1)
    assert state.is_late(0)
    assert not state.is_late(1)


def test_a_new_epoch_that_starts_later_has_lost_its_start() -> None:
    state = Continuity(next=100)
    assert state.jump_to(7, 2, row=100) == LostInterval(0, 7, 100, 2, "device")


def test_repeated_rows() -> None:
    state = Continuity(next=100)
    assert state.repeated_rows(90, 5, 0) == 5
    assert state.repeated_rows(90, 20, 0) == 10
    assert state.repeated_rows(100, 20, 0) == 0
    assert state.repeated_rows(0, 20, 1) == 0


def test_another_sender_that_begins_an_epoch_leaves_an_outage_alone() -> None:
    state = Continuity(next=100, epoch=1)
    assert state.take_over(row=90) == LostInterval(100, 0, 90, 1, "source down")
    assert state.jump_to(0, EPOCHS_OF_A_RUN, row=90) is None
    assert state.jump_to(10, EPOCHS_OF_A_RUN, row=90) == LostInterval(
        0, 10, 90, EPOCHS_OF_A_RUN, "device"
    )


def test_another_sender_that_counts_on_tells_how_much_the_outage_took() -> None:
    state = Continuity(next=100, epoch=1)
    state.take_over(row=90)
    assert state.jump_to(130, 1, row=90) == LostInterval(100, 30, 90, 1, "source down")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 20)), max_size=40))
def test_received_and_lost_add_up(steps: list[tuple[int, int]]) -> None:
    state = Continuity()
    received = lost = index = 0
    for gap, rows in steps:
        index += gap
        if not state.follows(index, 0):
            interval = state.jump_to(index, 0, row=received)
            lost += interval.count if interval else 0
        received += rows
        index += rows
        state.next = index
    assert received + lost == state.next == index


@pytest.mark.parametrize("suspicion", ["rejected", "source down"])
def test_suspicion_ends_with_the_next_row(suspicion: str) -> None:
    state = Continuity(next=10)
    if suspicion == "rejected":
        state.suspect = suspicion
    else:
        state.take_over(10)
    state.go_on(12)
    assert state.jump_to(20, 0, 12) == LostInterval(12, 8, 12, 0, "device")
