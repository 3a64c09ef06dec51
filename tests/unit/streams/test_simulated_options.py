"""Options are read with units; what means nothing is refused with what is allowed."""

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from rigd.config.base import Model
from rigd.streams.signals import SIGNALS, Camera, Counter, Neural, SyncPulses
from rigd.streams.simulated_options import (
    ClockOptions,
    Fault,
    SimulatedOptions,
    SimulatedStreamOptions,
)


def test_units_are_understood() -> None:
    options = SimulatedOptions.model_validate(
        {"clock": {"offset": "-3 d", "jitter": "1 ms"}, "block": "5 ms"}
    )
    assert options.clock.offset == -3 * 86400
    assert options.clock.jitter == pytest.approx(0.001)
    assert options.block == pytest.approx(0.005)


def test_the_option_offers_every_signal() -> None:
    offered = get_args(SimulatedStreamOptions.model_fields["signal"].annotation)
    assert set(offered) == set(SIGNALS)


@pytest.mark.parametrize("signal", SIGNALS)
def test_every_signal_needs_no_more_than_its_name(signal: str) -> None:
    options = SimulatedStreamOptions.model_validate({"signal": signal})
    assert options.make_signal(3) == SIGNALS[signal](seed=3)


def test_settings_reach_the_signal() -> None:
    options = SimulatedStreamOptions.model_validate(
        {"signal": "counter", "shape": [2, 3], "dtype": "u4", "rate": "2 kHz"}
    )
    assert options.make_signal(1) == Counter(
        seed=1, shape=(2, 3), dtype="u4", rate=2000.0
    )


def test_stream_options_survive_json() -> None:
    options = SimulatedStreamOptions(signal="digital", sync=SyncPulses(line=3))
    dumped = options.model_dump_json()
    assert SimulatedStreamOptions.model_validate_json(dumped) == options


@pytest.mark.parametrize(
    "model",
    [SimulatedOptions, SimulatedStreamOptions, Fault, ClockOptions, SyncPulses],
)
def test_every_option_is_explained(model: type[Model]) -> None:
    assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"signal": "camera", "channels": 3}, "signal `camera` has no `channels`"),
        ({"signal": "events", "sync": {}}, "signal `events` has no `sync`; it has"),
        ({"signal": "neural", "spike_rate": 99}, "at most 50 Hz"),
        ({"signal": "digital", "lines": 2, "sync": {"line": 5}}, "2 lines"),
        ({"signal": "digital", "sync": {"period": "1 ms"}}, "below 10 ms"),
        ({"signal": "counter", "shape": [1, 1, 1, 1]}, "at most 3 items"),
        ({"signal": "triangle"}, "'counter', 'sine'"),
    ],
)
def test_meaningless_streams_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SimulatedStreamOptions.model_validate(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"faults": [{"at": 1}]}, "the one at 1 s has none of them"),
        ({"faults": [{"at": 1, "lose": 1, "die": True}]}, "has lose and die"),
        (
            {"faults": [{"at": 1, "lose": 2}, {"at": 2, "restart": True}]},
            "the one at 2 s begins before the one at 1 s is over",
        ),
        (
            {"faults": [{"at": 1, "die": True}, {"at": 2, "restart": True}]},
            "faults must follow each other",
        ),
        ({"block": "1 s"}, "less than or equal to 0.1"),
        ({"duration": 0}, "greater than 0"),
        ({"clock": {"drift_ppm": 1e6}}, "less than or equal to 100000"),
    ],
)
def test_meaningless_devices_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SimulatedOptions.model_validate(values)


def test_defaults_are_as_documented() -> None:
    assert (Neural().channels, Neural().rate) == (384, 30_000)
    assert (Camera().height, Camera().width, Camera().rate) == (480, 640, 30)
