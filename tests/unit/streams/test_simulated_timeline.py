"""Faults become phases without holes between them."""

from typing import Any

import pytest

from rigd.streams.simulated_options import Fault
from rigd.streams.simulated_timeline import FOREVER, Phase, Timeline, plan

S = 10**9


def planned(duration: float | None, *faults: dict[str, Any]) -> Timeline:
    return plan([Fault.model_validate(fault) for fault in faults], duration)


def test_without_faults_there_is_one_endless_phase() -> None:
    assert planned(None) == Timeline((Phase(0, FOREVER),))


def test_a_duration_ends_it() -> None:
    assert planned(2.0) == Timeline((Phase(0, 2 * S),))


def test_losses_and_restarts_make_phases() -> None:
    timeline = planned(
        10, {"at": 1, "lose": 2}, {"at": 4, "restart": True}, {"at": 5, "lose": 1}
    )
    assert timeline.phases == (
        Phase(0, 1 * S),
        Phase(1 * S, 3 * S, lost=True),
        Phase(3 * S, 4 * S),
        Phase(4 * S, 5 * S, epoch=1, counter_start=4 * S),
        Phase(5 * S, 6 * S, epoch=1, counter_start=4 * S, lost=True),
        Phase(6 * S, 10 * S, epoch=1, counter_start=4 * S),
    )


def test_a_loss_right_after_a_loss_leaves_no_empty_phase() -> None:
    timeline = planned(3, {"at": 0, "lose": 1}, {"at": 1, "lose": 1})
    assert [(p.begin, p.end, p.lost) for p in timeline.phases] == [
        (0, S, True),
        (S, 2 * S, True),
        (2 * S, 3 * S, False),
    ]


def test_faults_after_the_end_are_left_out() -> None:
    timeline = planned(2, {"at": 1, "lose": 5}, {"at": 7, "restart": True})
    assert timeline == Timeline((Phase(0, S), Phase(S, 2 * S, lost=True)))


def test_a_slip_moves_the_counter() -> None:
    timeline = planned(6, {"at": 2, "slip": 1})
    assert timeline.phases == (
        Phase(0, 2 * S),
        Phase(2 * S, 3 * S, unnoticed=True),
        Phase(3 * S, 6 * S, counter_start=S),
    )


def test_death_ends_it() -> None:
    assert planned(None, {"at": 1, "die": True}) == Timeline((Phase(0, S),), dies_at=S)


@pytest.mark.parametrize("duration", [0.5, 1.0])
def test_a_device_that_has_ended_does_not_die(duration: float) -> None:
    assert planned(duration, {"at": 1, "die": True}).dies_at is None


def test_silence_holds_back_what_falls_into_it() -> None:
    timeline = planned(None, {"at": 1, "silent": 2})
    assert timeline.phases == (Phase(0, FOREVER),)
    assert timeline.released(S - 1) == S - 1
    assert timeline.released(S) == 3 * S
    assert timeline.released(3 * S - 1) == 3 * S
    assert timeline.released(3 * S) == 3 * S
