"""When a device that is held ready counts as gone, and when it is tried again."""

from typing import Any

import pytest

from rigd.config.rig import Device
from rigd.daemon.armed_device import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_SILENCE,
    START_ALLOWANCE,
    TRIAL_ALLOWANCE,
    ArmedDevice,
    DeviceState,
    Terms,
)
from rigd.streams.trial_report import TrialReport


def device(**changes: Any) -> Device:
    stream = {
        "description": "a test",
        "options": {"signal": "counter"},
        "nwb": {"type": "TimeSeries"},
    }
    values = {"driver": "simulated", "streams": {"count": stream}}
    return Device.model_validate({**values, **changes})


def opening(trial: float = 0.0) -> ArmedDevice:
    made = ArmedDevice(Terms(device(), trial, None))
    made.begin(now=100.0)
    return made


def armed() -> ArmedDevice:
    made = opening()
    made.heard_at = 101.0
    made.arm(TrialReport(device="box"), now=101.0)
    return made


@pytest.mark.parametrize("trial", [0.0, 2.0])
def test_a_device_that_does_not_open_is_overdue(trial: float) -> None:
    patience = START_ALLOWANCE + 20.0 + (trial + TRIAL_ALLOWANCE if trial else 0.0)
    assert opening(trial).overdue(100.0 + patience) is None
    assert "open_timeout of 20 s" in str(opening(trial).overdue(100.1 + patience))


def test_a_process_that_says_nothing_is_overdue() -> None:
    assert armed().overdue(101.0 + LONGEST_SILENCE) is None
    assert "said nothing for 7 s" in str(armed().overdue(102.0 + LONGEST_SILENCE))


def test_what_is_missing_is_tried_again_ever_more_rarely() -> None:
    missing, now, pauses = opening(), 100.0, []
    for _ in range(6):
        missing.fail("unplugged", now)
        assert (missing.state, missing.error) == (DeviceState.MISSING, "unplugged")
        pauses.append(missing.next_try - now)
        now = missing.next_try
        missing.begin(now)
    assert pauses == [FIRST_PAUSE * 2**n for n in range(4)] + [LONGEST_PAUSE] * 2
    missing.arm(None, now)
    missing.fail("unplugged again", now)
    assert missing.next_try == now + FIRST_PAUSE


def test_what_is_known_first_is_the_reason() -> None:
    missing = armed()
    missing.error = "DeviceError: unplugged"
    missing.fail("exit code 1", 102.0)
    assert missing.error == "DeviceError: unplugged"


def test_after_a_session_a_device_is_held_as_it_was_wanted() -> None:
    one = armed()
    one.look_again(200.0, may_be_held=True)
    assert (one.state, one.next_try) == (DeviceState.MISSING, 200.0)
    one.look_again(200.0, may_be_held=False)
    assert str(one.state) == "closed"
    one.is_disarmed = True
    one.look_again(200.0, may_be_held=True)
    assert str(one.state) == "disarmed"


def test_only_what_opening_depends_on_must_be_the_same() -> None:
    terms = Terms(device(), 0.0, None)
    assert terms.fit(device(description="other words"))
    assert not terms.fit(device(options={"seed": 3}))
