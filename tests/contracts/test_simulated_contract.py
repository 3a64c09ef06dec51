"""The simulated driver keeps the contract, whatever the signal and whatever fails."""

from typing import Any

import pytest

from rigd.streams.driver import Driver
from rigd.streams.drivers.simulated import SimulatedDriver
from rigd.streams.simulated_options import SimulatedOptions, SimulatedStreamOptions
from tests.contracts.driver_contract import DriverContract, Factory, HoldableContract

STREAMS: dict[str, dict[str, Any]] = {
    "counter": {"signal": "counter", "channels": 4, "rate": "1 kHz"},
    "frames": {"signal": "counter", "shape": [3, 4], "dtype": "float32", "rate": 50},
    "sine": {"signal": "sine", "channels": 2, "rate": 500},
    "noise": {"signal": "noise", "channels": 2, "dtype": "int16"},
    "neural": {"signal": "neural", "channels": 16},
    "digital": {"signal": "digital", "sync": {"line": 0}},
    "camera": {"signal": "camera", "height": 8, "width": 16, "rate": 100},
    "encoder": {"signal": "encoder"},
    "events": {"signal": "events", "rate": 100},
}
DEVICES: dict[str, dict[str, Any]] = {
    "in real time": {"clock": {"offset": "-1 d", "drift_ppm": 80, "jitter": "1 ms"}},
    "paced by its consumer": {"realtime": False, "duration": "20 s"},
    "with faults": {
        "duration": "0.25 s",
        "faults": [
            {"at": "50 ms", "lose": "33 ms"},
            {"at": "100 ms", "restart": True},
            {"at": "180 ms", "silent": "40 ms"},
        ],
    },
}


def simulated(options: dict[str, Any], streams: dict[str, dict[str, Any]]) -> Driver:
    return SimulatedDriver(
        "box",
        SimulatedOptions.model_validate(options),
        {n: SimulatedStreamOptions.model_validate(s) for n, s in streams.items()},
    )


class TestEachSignal(DriverContract):
    SECONDS = 0.1

    @pytest.fixture(scope="class", params=STREAMS)
    @classmethod
    def make_driver(cls, request: pytest.FixtureRequest) -> Factory:
        streams = {request.param: STREAMS[request.param]}
        return lambda: simulated({}, streams)


class TestAllSignalsTogether(HoldableContract):
    @pytest.fixture(scope="class", params=DEVICES)
    @classmethod
    def make_driver(cls, request: pytest.FixtureRequest) -> Factory:
        options = DEVICES[request.param]
        return lambda: simulated(options, STREAMS)
