"""The trial process: opens one device, lets it sample for a moment, says what came.

It is a process of its own so that a driver that hangs or dies harms nobody. Nothing is
stored. The device is given back before it says anything of it.
"""

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from rigd.config.base import Model
from rigd.config.clocks import SyncLine
from rigd.streams.block import StreamFormat
from rigd.streams.driver import DeviceError, Driver
from rigd.streams.messages import TrialTerms
from rigd.streams.process import TermFlag, die_with_parent, read_specification
from rigd.streams.quick_process import end_quickly
from rigd.streams.registry import configured_driver
from rigd.streams.trial_report import Trial, TrialReport

OPENED = "opened"
"""The line that says that the device has opened."""

READ_TIMEOUT = 0.02
"""Seconds that one read may wait."""

FIRST_ROWS = 5.0
"""Seconds in which a stream should deliver something."""

FIRST_PERIODS = 3
"""... but at least so many of its sampling periods, and ..."""

LONGEST_WAIT = 30.0
"""... at most so many seconds."""


class TrialSpec(Model):
    """Everything a trial needs to know."""

    device: str
    driver: str
    options: dict[str, Any]
    streams: dict[str, dict[str, Any]] = Field(min_length=1)
    """Options of each stream, by name."""
    terms: TrialTerms
    """How long it samples, and where it has pulses."""
    parent: int
    """Process that asks; the trial dies with it."""


def try_device(spec: TrialSpec, term: TermFlag) -> TrialReport:
    """Open, start, read, stop and close the device."""
    driver = configured_driver(spec.driver, spec.device, spec.options, spec.streams)
    try:
        return _try(driver, spec, term)
    except DeviceError as error:
        return TrialReport(device=spec.device, error=str(error))
    finally:
        driver.close()


def _try(driver: Driver, spec: TrialSpec, term: TermFlag) -> TrialReport:
    formats = {n: f for n, f in driver.open().items() if n in spec.streams}
    print(OPENED, flush=True)
    return try_open_device(spec.device, driver, formats, spec.terms, term)


def try_open_device(
    device: str,
    driver: Driver,
    formats: Mapping[str, StreamFormat],
    terms: TrialTerms,
    term: TermFlag,
) -> TrialReport:
    """Let an open device sample for a moment, and say what came of its streams."""
    if not driver.foreign:
        driver.start()
    trial = Trial(formats, _now(), terms.sync)
    error = None if driver.foreign else _sample(driver, trial, terms, term)
    return TrialReport(
        device=device,
        error=error,
        foreign=driver.foreign,
        paced_by_consumer=driver.paced_by_consumer,
        streams=trial.reports(_now()),
    )


def _sample(
    driver: Driver, trial: Trial, terms: TrialTerms, term: TermFlag
) -> str | None:
    """Read for so many seconds, longer if nothing has come; say what went wrong."""
    started = _now()
    # Without a pace of its own it has no rate that could be measured.
    seconds = 0.0 if driver.paced_by_consumer else terms.seconds
    patience = longest_patience(trial.slowest_rate, terms.sync)
    while not term.raised and not trial.is_over:
        elapsed = _now() - started
        if elapsed >= seconds and not (trial.lacks_something and elapsed < patience):
            break
        try:
            trial.take(driver.read(READ_TIMEOUT))
        except DeviceError as error:
            return str(error)
    driver.stop()
    return None


def longest_patience(slowest_rate: float | None, sync: SyncLine | None) -> float:
    """Seconds to wait at most for the first rows, and the first pulse."""
    rows = 1 / slowest_rate if slowest_rate else 0.0
    pulses = sync.period or 0.0 if sync else 0.0
    return min(LONGEST_WAIT, max(FIRST_ROWS, FIRST_PERIODS * max(rows, pulses)))


def _now() -> float:
    return time.monotonic()


def main() -> int:
    """Try a device by the specification on standard input; print the report."""
    logging.basicConfig(stream=sys.stderr)
    spec = read_specification(TrialSpec)
    term = TermFlag()
    die_with_parent(spec.parent)
    print(try_device(spec, term).model_dump_json(), flush=True)
    return 0


if __name__ == "__main__":
    end_quickly()
    sys.exit(main())
