"""Pulses counted on every kind of sync line."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rigd.config.clocks import SyncLine
from rigd.streams.block import Block, StreamFormat
from rigd.streams.pulse_count import PulseCount

EVENTS = np.dtype([("line", "u1"), ("value", "u1")])


def count(
    sync: SyncLine, form: StreamFormat, rows: npt.NDArray[Any], *, size: int
) -> int:
    pulses = PulseCount(sync, form)
    for first in range(0, len(rows), size):
        pulses.feed(Block("s", first, rows[first : first + size], host_ns=0))
    return pulses.count


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_digital_and_analog(size: int) -> None:
    levels = np.tile(np.repeat([0, 1], 25), 20)
    digital = StreamFormat(np.dtype("u1"), rate=1000.0)
    line = SyncLine(stream="s", line=3)
    assert count(line, digital, (levels << 3).astype("u1"), size=size) == 20
    falling = line.model_copy(update={"edge": "falling"})
    assert count(falling, digital, (levels << 3).astype("u1"), size=size) == 19
    analog = StreamFormat(np.dtype("<i2"), (4,), rate=1000.0, conversion=0.001)
    rows = np.zeros((len(levels), 4), "<i2")
    rows[:, 2] = levels * 3300 + np.arange(len(levels)) % 3
    threshold = SyncLine(stream="s", column=2, threshold=1.5, hysteresis=0.5)
    assert count(threshold, analog, rows, size=size) == 20


def test_events() -> None:
    form = StreamFormat(EVENTS, row_times=True)
    rows = np.array([(1, 1), (2, 1), (1, 0), (1, 1)], EVENTS)
    assert count(SyncLine(stream="s", line=1), form, rows, size=3) == 2
    assert count(SyncLine(stream="s"), form, rows, size=3) == 4


@pytest.mark.parametrize(
    ("sync", "form"),
    [
        (SyncLine(stream="s", line=9), StreamFormat(np.dtype("u1"), rate=1.0)),
        (SyncLine(stream="s", line=0), StreamFormat(np.dtype("<f4"), rate=1.0)),
        (SyncLine(stream="s", line=0), StreamFormat(np.dtype("u1"), (4, 4), rate=1.0)),
    ],
)
def test_what_can_not_carry_pulses_has_none(sync: SyncLine, form: StreamFormat) -> None:
    rows = np.ones((10, *form.shape), form.dtype)
    rows[::2] = 0
    assert count(sync, form, rows, size=10) == 0
