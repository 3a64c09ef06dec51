from itertools import product

import pytest

from rigd.daemon.session_state import (
    FIRST,
    LAST,
    TABLE,
    Event,
    IllegalEventError,
    State,
    mermaid,
    next_state,
)


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_every_pair_leads_where_the_table_says_or_is_refused(
    state: State, event: Event
) -> None:
    if (state, event) in TABLE:
        assert next_state(state, event) is TABLE[state, event]
    else:
        with pytest.raises(IllegalEventError, match=f"`{event}` in state `{state}`"):
            next_state(state, event)


def test_an_undisturbed_session_goes_from_idle_to_done() -> None:
    state = FIRST
    walked = [state]
    for event in (
        Event.REQUESTED,
        Event.CHECKED,
        Event.ARMED,
        Event.STOPPED,
        Event.DRAINED,
        Event.FINALIZED,
    ):
        state = next_state(state, event)
        walked.append(state)
    assert walked == [
        State.IDLE,
        State.CHECKING,
        State.ARMING,
        State.RECORDING,
        State.DRAINING,
        State.FINALIZING,
        State.DONE,
    ]


def reachable_from(state: State) -> set[State]:
    found = {state}
    while True:
        more = {target for (s, _), target in TABLE.items() if s in found} - found
        if not more:
            return found
        found |= more


def test_every_state_is_reached_and_every_life_can_end() -> None:
    assert reachable_from(FIRST) == set(State)
    for state in State:
        assert reachable_from(state) & LAST


def test_nothing_leads_out_of_the_last_states() -> None:
    assert not [state for state, _ in TABLE if state in LAST]


def test_every_state_on_the_way_can_fail() -> None:
    for state in set(State) - LAST - {State.IDLE}:
        assert next_state(state, Event.FAILED) is State.FAILED


def test_samples_are_never_left_behind_without_draining() -> None:
    """The only regular way out of `recording` is `draining`."""
    ways = {target for (s, _), target in TABLE.items() if s is State.RECORDING}
    assert ways == {State.DRAINING, State.FAILED}


def test_the_refusal_names_what_is_allowed() -> None:
    with pytest.raises(IllegalEventError, match="allowed here: drained, failed"):
        next_state(State.DRAINING, Event.CHECKED)
    with pytest.raises(IllegalEventError, match="allowed here: none"):
        next_state(State.DONE, Event.FAILED)


def test_the_diagram_has_one_arrow_per_entry() -> None:
    lines = mermaid().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> idle"]
    for (state, event), target in TABLE.items():
        assert f"    {state} --> {target}: {event}" in lines
    assert len(lines) == 2 + len(TABLE) + len(LAST)
