"""What is said of a stream's clock while it is recorded."""

import numpy as np
import numpy.typing as npt
import pytest

from rigd.config.clocks import SyncLine
from rigd.streams.block import NO_TIME, StreamFormat
from rigd.streams.live_clock import WINDOWS, LiveClock
from rigd.streams.run import Run
from rigd.streams.wire import RECORD

RATE = 1000.0
ROWS = 50
START = 10**12


def blocks(
    seconds: float, ppm: float, offset_ns: int = 0, *, first: int = 0
) -> tuple[list[bytes], list[bytes]]:
    """Blocks of 50 ms that come up to 2 ms late; a pulse each second on bit 3."""
    late = np.random.default_rng(1).exponential(5e5, int(seconds * 20) + 1)
    records, bodies = [], []
    for number in range(int(seconds * RATE / ROWS)):
        sample = first + number * ROWS
        last = sample + ROWS - 1
        true = last / RATE / (1 + ppm * 1e-6)
        host_ns = START + int(true * 1e9 + late[number])
        device_ns = NO_TIME if offset_ns == 0 else offset_ns + int(sample * 1e9 / RATE)
        records.append(RECORD.pack(number, sample, device_ns, host_ns, ROWS, 0, 0, 0))
        index = np.arange(sample, sample + ROWS)
        level = (index % 1000 >= 500) & (index % 1000 < 550)
        bodies.append((level.astype("u1") << 3).tobytes())
    return records, bodies


def feed(
    clock: LiveClock, records: list[bytes], bodies: list[bytes], *, at_once: int = 1
) -> None:
    """Hand blocks over, so many in a run."""
    for start in range(0, len(records), at_once):
        _, first, _, _, _, epoch, _, _ = RECORD.unpack(records[start])
        run = Run(first, 0, epoch)
        for record, body in zip(
            records[start : start + at_once],
            bodies[start : start + at_once],
            strict=True,
        ):
            run.add(record, body, RECORD.unpack(record)[4])
        clock.take(run)


FORM = StreamFormat(np.dtype("u1"), (), RATE)
SYNC = SyncLine(stream="lines", line=3)


@pytest.mark.parametrize("offset_ns", [0, 5 * 10**15])
def test_drift_offset_and_pulses_are_told(offset_ns: int) -> None:
    clock = LiveClock(FORM, SYNC)
    records, bodies = blocks(60.0, 40.0, offset_ns)
    feed(clock, records, bodies, at_once=2)
    status = clock.status(START + 61 * 10**9)
    assert status.drift_ppm == pytest.approx(40.0, abs=5.0)
    assert status.offset_seconds == pytest.approx((START - offset_ns) / 1e9, abs=0.01)
    assert status.error_seconds is not None
    assert status.error_seconds < 2e-3
    assert status.pulses == 60
    assert status.pulse_age_seconds == pytest.approx(1.5, abs=0.1)
    assert status.longest_interval_seconds == pytest.approx(1.0, abs=0.06)


def test_little_is_said_of_little() -> None:
    clock = LiveClock(FORM, None)
    assert clock.status(START).offset_seconds is None
    feed(clock, *blocks(2.0, 0.0))
    status = clock.status(START + 2 * 10**9)
    assert status.drift_ppm is None
    assert status.offset_seconds is not None
    assert status.pulses is None


def test_a_restart_begins_anew() -> None:
    clock = LiveClock(FORM, None)
    feed(clock, *blocks(30.0, 40.0, 10**15))
    feed(clock, *blocks(3.0, 40.0, 10**9, first=40_000))
    assert clock.status(START).drift_ppm is None


def test_memory_is_bounded() -> None:
    clock = LiveClock(FORM, None)
    for part in range(700):
        feed(clock, *blocks(1.0, 10.0, first=part * 1000))
    assert len(clock._readings) == WINDOWS
    assert clock.status(START).drift_ppm == pytest.approx(10.0, abs=5.0)


def test_events_and_analog_channels_have_pulses_too() -> None:
    events = StreamFormat(
        np.dtype([("line", "u1"), ("value", "u1")]), (), None, row_times=True
    )
    clock = LiveClock(events, SyncLine(stream="ttl", line=2))
    rows: npt.NDArray[np.void] = np.array(
        [(2, 1), (2, 0), (1, 1), (2, 1)], events.dtype
    )
    body = rows.tobytes() + np.arange(4, dtype="<i8").tobytes()
    feed(clock, [RECORD.pack(0, 0, 0, START, 4, 0, 0, 0)], [body])
    assert clock.status(START).pulses == 2
    volts = StreamFormat(np.dtype("<f4"), (2,), RATE)
    line = SyncLine(stream="analog", column=1, threshold=1.5, hysteresis=0.5)
    analog = LiveClock(volts, line)
    wave = np.zeros((50, 2), "<f4")
    wave[10:20, 1] = 3.0
    wave[30:40, 1] = 3.0
    entry = RECORD.pack(0, 0, NO_TIME, START, 50, 0, 0, 0)
    feed(analog, [entry], [wave.tobytes()])
    assert analog.status(START).pulses == 2


def test_a_line_that_can_not_be_there_is_refused() -> None:
    with pytest.raises(ValueError, match="line 9 is not one of the 8 lines"):
        LiveClock(FORM, SyncLine(stream="lines", line=9))
    form = StreamFormat(np.dtype("<f4"), (4,), RATE)
    with pytest.raises(ValueError, match="give `column`, 0 to 3"):
        LiveClock(form, SyncLine(stream="lines", threshold=1.0))
