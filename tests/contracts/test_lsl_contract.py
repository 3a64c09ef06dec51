"""The LSL driver keeps the contract with numbers and texts from another process."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

pytest.importorskip("pylsl")

from rigd.streams.drivers.lsl import LslDriver  # noqa: E402
from rigd.streams.drivers.lsl_options import (  # noqa: E402
    LslOptions,
    LslStreamOptions,
)
from tests.contracts.driver_contract import DriverContract, Factory  # noqa: E402
from tests.lsl_outlets import Outlets, use_loopback  # noqa: E402


class TestLsl(DriverContract):
    SECONDS = 1.5

    @pytest.fixture(scope="class")
    @classmethod
    def make_driver(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
        use_loopback(tmp_path_factory.mktemp("lsl"))
        eeg, marks = uuid4().hex, uuid4().hex
        with Outlets() as outlets:
            outlets.ask("open", eeg, channels=8, rate=500)
            outlets.ask("open", marks, dtype="string")
            outlets.ask("run", eeg, rate=500)
            outlets.ask("run", marks, rate=20)
            yield lambda: LslDriver(
                "lab",
                LslOptions(clock_interval=0.2),
                {
                    "eeg": LslStreamOptions(source_id=eeg),
                    "marks": LslStreamOptions(source_id=marks),
                },
            )
