"""The ring keeps what is not acknowledged, in order, within its bounds."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rigd.streams.ring import Message, Ring


def message(number: int, size: int = 10, rows: int = 1) -> Message:
    return Message((str(number).encode(),), size, rows)


def test_an_empty_ring_takes_a_message_of_any_size() -> None:
    ring = Ring(100)
    assert ring.has_room(1000, 1)
    ring.push(message(0, size=1000))
    assert not ring.has_room(1, 1)


def test_rows_bound_the_ring_too() -> None:
    ring = Ring(1000, rows=3)
    ring.push(message(0, rows=3))
    assert not ring.has_room(1, 1)
    assert ring.fill == 1.0


def test_rewind_before_the_oldest_starts_at_the_oldest() -> None:
    ring = Ring(1000)
    for number in range(5):
        ring.push(message(number))
    ring.release(3)
    ring.rewind(0)
    waiting = ring.unsent()
    assert waiting is not None
    assert waiting.frames == (b"3",)


class RingMachine(RuleBasedStateMachine):
    """A ring against a plain list of all messages ever made."""

    def __init__(self) -> None:
        super().__init__()
        self.ring = Ring(100)
        self.made = 0
        self.released = 0

    @rule(size=st.integers(1, 60))
    def push(self, size: int) -> None:
        if self.ring.has_room(size, 1):
            assert self.ring.used + size <= 100 or self.ring.used == 0
            self.ring.push(message(self.made, size))
            self.made += 1

    @rule(sequence=st.integers(0, 60))
    def release(self, sequence: int) -> None:
        self.ring.release(sequence)
        self.released = max(self.released, min(sequence, self.made))

    @rule(sequence=st.integers(0, 60))
    def rewind(self, sequence: int) -> None:
        self.ring.rewind(sequence)

    @rule()
    def send_one(self) -> None:
        if self.ring.unsent() is not None:
            self.ring.mark_sent()

    @invariant()
    def the_message_at_the_cursor_has_its_number(self) -> None:
        assert self.ring.first == self.released
        assert self.ring.next == self.made
        assert self.released <= self.ring.cursor <= self.made
        waiting = self.ring.unsent()
        if waiting is not None:
            assert waiting.frames == (str(self.ring.cursor).encode(),)
        else:
            assert self.ring.cursor == self.made


TestRingMachine = RingMachine.TestCase


@given(st.lists(st.integers(1, 50), max_size=30))
def test_used_is_what_is_kept(sizes: list[int]) -> None:
    ring = Ring(10**6)
    for number, size in enumerate(sizes):
        ring.push(message(number, size))
    ring.release(len(sizes) // 2)
    assert ring.used == sum(sizes[len(sizes) // 2 :])
    ring.release(len(sizes))
    assert (ring.used, ring.used_rows) == (0, 0)
