"""The driver that the documentation shows keeps the contract."""

from types import ModuleType

import pytest

from rigd.streams.driver import Driver
from tests.contracts.driver_contract import DriverContract, Factory
from tests.support.documentation import code_blocks


class TestDocumentedDriver(DriverContract):
    @pytest.fixture(scope="class")
    @classmethod
    def make_driver(cls) -> Factory:
        (code,) = code_blocks("docs/how-to/write-a-driver.md", "python")
        module = ModuleType("load_driver")
        exec(compile(code, "write-a-driver.md", "exec"), module.__dict__)

        def make() -> Driver:
            options = module.LoadOptions(interval="50 ms")
            streams = {"load": module.LoadStreamOptions()}
            driver: Driver = module.LoadDriver("computer", options, streams)
            return driver

        return make
