"""A simulated device sends what it says, when it says, with the faults asked for."""

import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from rigd.streams.block import Block, Ended, Item, Lost
from rigd.streams.driver import DeviceError
from rigd.streams.drivers.simulated import LARGEST_NS, SimulatedDriver
from rigd.streams.registry import find_driver
from rigd.streams.sampling import Integers
from rigd.streams.signals import SyncPulses
from rigd.streams.simulated_options import SimulatedOptions, SimulatedStreamOptions

COUNTER = {"signal": "counter", "channels": 2, "rate": 1000}
ALL_SIGNALS: dict[str, dict[str, Any]] = {
    "counter": COUNTER,
    "sine": {"signal": "sine"},
    "noise": {"signal": "noise"},
    "neural": {"signal": "neural", "channels": 8},
    "digital": {"signal": "digital", "sync": {}},
    "true_time": {"signal": "true_time"},
    "camera": {"signal": "camera", "height": 4, "width": 8, "rate": 100},
    "encoder": {"signal": "encoder"},
    "events": {"signal": "events", "rate": 50},
}


def simulated(
    options: dict[str, Any] | None = None, **streams: dict[str, Any]
) -> SimulatedDriver:
    return SimulatedDriver(
        "box",
        SimulatedOptions.model_validate(options or {}),
        {
            name: SimulatedStreamOptions.model_validate(stream)
            for name, stream in (streams or {"counter": COUNTER}).items()
        },
    )


def started(
    options: dict[str, Any] | None = None, **streams: dict[str, Any]
) -> SimulatedDriver:
    driver = simulated(options, **streams)
    driver.open()
    driver.start()
    return driver


def read_for(driver: SimulatedDriver, seconds: float) -> list[Item]:
    items: list[Item] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        items += driver.read(0.02)
    return items


def read_into(items: list[Item], driver: SimulatedDriver) -> None:
    """Read until the first stream says that it is over."""
    while not any(isinstance(item, Ended) for item in items):
        items += driver.read(0.02)


def read_all(driver: SimulatedDriver) -> list[Item]:
    items: list[Item] = []
    read_into(items, driver)
    return items


def blocks_of(items: list[Item], stream: str) -> list[Block]:
    return [i for i in items if isinstance(i, Block) and i.stream == stream]


def rows_of(items: list[Item], stream: str, epoch: int = 0) -> Any:
    blocks = [b for b in blocks_of(items, stream) if b.epoch == epoch]
    return np.concatenate([block.data for block in blocks])


def is_uneven(numbers: Integers) -> bool:
    return len(np.unique(numbers)) > 1


def test_it_is_installed() -> None:
    assert find_driver("simulated") is SimulatedDriver


@pytest.mark.parametrize("realtime", [True, False])
def test_what_is_sent_is_what_is_expected(realtime: bool) -> None:
    faults = [{"at": 0.1, "lose": 0.05}, {"at": 0.2, "restart": True}]
    driver = started(
        {"realtime": realtime, "duration": 0.3, "seed": 4, "faults": faults},
        **ALL_SIGNALS,
    )
    items = read_all(driver)
    for name in ALL_SIGNALS:
        for block in blocks_of(items, name):
            count = len(block.data)
            expected = driver.expected_rows(name, block.first, count, epoch=block.epoch)
            times = driver.expected_device_ns(name, block.first, count)
            np.testing.assert_array_equal(block.data, expected)
            assert block.device_ns == times[0]
            if block.row_ns is not None:
                np.testing.assert_array_equal(block.row_ns, times)


def test_a_duration_gives_exactly_its_samples_and_a_regular_end() -> None:
    items = read_all(started({"realtime": False, "duration": 1.0}))
    assert len(rows_of(items, "counter")) == 1000
    assert items[-1] == Ended("counter", "")


def test_the_device_clock_shows_its_offset_and_the_nominal_rate() -> None:
    clock = {"offset": -5, "drift_ppm": 1000}
    driver = started({"realtime": False, "duration": 1, "clock": clock})
    blocks = blocks_of(read_all(driver), "counter")
    assert [b.device_ns for b in blocks] == [
        -5 * 10**9 + block.first * 10**6 for block in blocks
    ]


def test_no_sample_comes_before_its_true_time() -> None:
    clock = {"drift_ppm": 50_000}
    before_ns = time.monotonic_ns()
    blocks = blocks_of(read_for(started({"clock": clock}), 0.3), "counter")
    for block in blocks:
        last = block.first + len(block.data) - 1
        assert block.host_ns >= before_ns + last * 1e6 / 1.05


def test_drift_changes_the_true_rate() -> None:
    begun = time.monotonic()
    driver = started({"clock": {"drift_ppm": 100_000}})
    blocks = blocks_of([*read_for(driver, 0.3), *driver.stop()], "counter")
    elapsed = time.monotonic() - begun
    sent = blocks[-1].first + len(blocks[-1].data)
    assert 0.3 * 1100 - 1 <= sent <= elapsed * 1100 + 2


def test_blocks_gather_the_time_asked_for() -> None:
    blocks = blocks_of(read_for(started({"block": 0.02}), 0.2), "counter")
    ends = [block.first + len(block.data) for block in blocks]
    assert all(end % 20 == 0 for end in ends)


def test_blocks_of_one_read_share_the_batch() -> None:
    driver = started(None, a=COUNTER, b=COUNTER)
    batches: list[int] = []
    for _ in range(10):
        items = driver.read(0.1)
        assert {i.stream for i in items} == {"a", "b"}
        (batch,) = {item.batch for item in items if isinstance(item, Block)}
        batches.append(batch)
    assert batches == list(range(10))


def test_a_stall_is_made_up_for_in_short_blocks() -> None:
    driver = started()
    time.sleep(0.35)
    items = [item for _ in range(3) for item in driver.read(0)]
    sizes = [len(block.data) for block in blocks_of(items, "counter")]
    assert sizes == [LARGEST_NS // 10**6] * 3


def test_jitter_delays_but_does_not_reorder() -> None:
    driver = started({"clock": {"jitter": 0.02}})
    before_ns = time.monotonic_ns()
    blocks = blocks_of(read_for(driver, 0.4), "counter")
    lateness = np.array(
        [b.host_ns - before_ns - (b.first + len(b.data)) * 10**6 for b in blocks]
    )
    firsts = [block.first for block in blocks]
    assert firsts == sorted(firsts)
    assert lateness.max() > 5e6
    assert is_uneven(np.array([len(block.data) for block in blocks]))


def test_without_real_time_stamps_are_when_a_host_would_have_looked() -> None:
    path = {"latency": 3e-4, "jitter": 3e-4, "poll": 0.016, "drift_ppm": 1e4}
    options = {"realtime": False, "duration": 5, "block": 1e-3, "clock": path}
    driver = started(options)
    items = read_all(driver)
    blocks = blocks_of(items, "counter")
    assert sum(len(block.data) for block in blocks) == 5000
    assert 4000 / 16 < len(blocks) < 6000 / 16 + 50  # one a poll, or cut by a read
    last = np.array([b.first + len(b.data) for b in blocks])
    ready_ns = 1e6 * (last - last[0]) / 1.01
    late_ns = np.array([b.host_ns - blocks[0].host_ns for b in blocks]) - ready_ns
    assert np.ptp(late_ns) < 20e6
    assert np.all(np.diff([b.host_ns for b in blocks]) >= 0)


def test_without_real_time_silence_is_simulated() -> None:
    faults = [{"at": 1, "silent": 2}]
    items = read_all(started({"realtime": False, "duration": 5, "faults": faults}))
    stamps = [b.host_ns for b in blocks_of(items, "counter")]
    assert len(rows_of(items, "counter")) == 5000
    assert max(np.diff(stamps)) == pytest.approx(2e9, abs=0.15e9)


def test_stop_returns_what_was_left_in_the_device() -> None:
    driver = started({"block": 0.1})
    time.sleep(0.25)
    before_ms = 250
    rows = rows_of(list(driver.stop()), "counter")
    assert len(rows) >= before_ms
    np.testing.assert_array_equal(rows, driver.expected_rows("counter", 0, len(rows)))
    assert driver.read(0) == ()


def test_lost_samples_are_counted() -> None:
    items = read_all(
        started(
            {"realtime": False, "duration": 1, "faults": [{"at": 0.25, "lose": 0.1}]}
        )
    )
    assert [i for i in items if isinstance(i, Lost)] == [
        Lost("counter", 250, 50, "device"),
        Lost("counter", 300, 50, "device"),
    ]
    assert len(rows_of(items, "counter")) == 900


def test_a_restart_starts_counters_and_clock_anew() -> None:
    faults = [{"at": 0.6, "restart": True}]
    options = {"realtime": False, "duration": 1, "faults": faults, "seed": 1}
    items = read_all(started(options, **ALL_SIGNALS))
    for name, count in {"counter": 400, "camera": 40}.items():
        again = [b for b in blocks_of(items, name) if b.epoch == 1]
        assert (again[0].first, again[0].device_ns) == (0, 0)
        assert sum(len(b.data) for b in again) == count


def test_silence_delays_but_loses_nothing() -> None:
    faults = [{"at": 0.1, "silent": 0.15}]
    begun_ns = time.monotonic_ns()
    driver = started({"duration": 0.3, "faults": faults})
    items = read_all(driver)
    assert len(rows_of(items, "counter")) == 300
    held = [b for b in blocks_of(items, "counter") if 100 <= b.first < 240]
    assert held
    assert min(b.host_ns for b in held) >= begun_ns + 0.25e9


def test_a_dead_device_fails_after_its_last_sample() -> None:
    driver = started({"realtime": False, "faults": [{"at": 0.25, "die": True}]})
    items: list[Item] = []
    with pytest.raises(DeviceError, match=r"`box` is gone 0\.25 s after its start"):
        read_into(items, driver)
    assert len(rows_of(items, "counter")) == 250
    assert not any(isinstance(item, Ended) for item in items)


def test_a_stream_may_never_deliver() -> None:
    mute = {**COUNTER, "never_delivers": True}
    options = {"realtime": False, "duration": 1}
    driver = simulated(options, mute=mute, counter=COUNTER)
    assert set(driver.open()) == {"mute", "counter"}
    driver.start()
    items = read_all(driver)
    assert [i for i in items if i.stream == "mute"] == [Ended("mute")]
    assert len(rows_of(items, "counter")) == 1000


def test_opening_may_hang() -> None:
    code = (
        "from rigd.streams.drivers.simulated import *\n"
        "options = SimulatedOptions(hang_on_open=True)\n"
        "print('opening', flush=True)\n"
        "SimulatedDriver('box', options, {}).open()\n"
        "print('opened', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "opening\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.kill()
        assert process.stdout.read() == ""


@pytest.mark.parametrize(("drift", "epoch"), [(0, 0), (2000, 0), (2000, 1)])
def test_devices_see_the_sync_pulses_at_their_true_times(
    drift: int, epoch: int
) -> None:
    options = {
        "seed": drift,
        "clock": {"drift_ppm": drift, "offset": -drift},
        "faults": [{"at": 10.7, "restart": True}],
    }
    sync = {"signal": "digital", "rate": 10_000, "sync": {"seed": 1}}
    driver = simulated(options, ttl=sync)
    driver.open()
    before_ns = time.monotonic_ns()
    driver.start()
    slack_ns = time.monotonic_ns() - before_ns
    # Two seconds hold at least one pulse, seen or not: the rows are known in advance.
    rows = driver.expected_rows("ttl", 0, 20_000, epoch=epoch) & 1
    rises = np.flatnonzero(np.diff(rows.astype(int)) == 1) + 1
    seen_ns = before_ns + (epoch * 10.7e9 + rises * 1e5) / (1 + drift * 1e-6)
    onsets = SyncPulses(seed=1).onsets(before_ns, before_ns + 15 * 10**9)
    late_ns = seen_ns - [onsets[np.abs(onsets - t).argmin()] for t in seen_ns]
    assert len(seen_ns) >= 1
    assert late_ns.min() >= -slack_ns - 2
    assert late_ns.max() <= 1e5 + 2


@pytest.mark.parametrize("signal", ["digital", "true_time"])
def test_what_hangs_on_true_time_can_not_be_told_before_the_start(signal: str) -> None:
    driver = simulated(None, ttl=ALL_SIGNALS[signal])
    with pytest.raises(ValueError, match="`ttl` has sync pulses or true times"):
        driver.expected_rows("ttl", 0, 10)


def test_true_times_are_those_of_the_computer_when_rows_were_taken() -> None:
    options = {
        "clock": {"drift_ppm": 1000, "offset": 77},
        "faults": [{"at": 1, "slip": 0.5}, {"at": 2, "restart": True}],
    }
    driver = simulated(options, truth={"signal": "true_time", "rate": 100})
    driver.open()
    before_ns = time.monotonic_ns()
    driver.start()
    slack_ns = time.monotonic_ns() - before_ns
    for epoch, row, run_s in [(0, 0, 0.0), (0, 99, 0.99), (0, 100, 1.5), (1, 7, 2.07)]:
        true_ns = int(driver.expected_rows("truth", row, 1, epoch=epoch)[0])
        since_ns = true_ns - before_ns - round(run_s * 1e9 / 1.001)
        assert -2 <= since_ns <= slack_ns + 2


def test_streams_of_one_kind_differ_by_name_and_seed() -> None:
    noise = {"signal": "noise"}
    one, other = simulated({"seed": 1}, a=noise, b=noise), simulated(None, a=noise)
    rows = [one.expected_rows("a", 0, 9), one.expected_rows("b", 0, 9)]
    rows.append(other.expected_rows("a", 0, 9))
    assert len({row.tobytes() for row in rows}) == 3


def test_unpaced_reads_return_at_once() -> None:
    driver = started({"realtime": False})
    assert driver.paced_by_consumer
    begun = time.monotonic()
    rows = sum(
        len(block.data)
        for _ in range(100)
        for block in blocks_of(list(driver.read(1.0)), "counter")
    )
    assert rows == 10_000
    assert time.monotonic() - begun < 2
