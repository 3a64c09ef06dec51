"""Which streams tick together, and what is made of their clocks."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from rigd.config.clocks import Clocks
from rigd.daemon.clock_domains import (
    SessionClocks,
    StreamClock,
    align_streams,
    find_domains,
    tick_together,
)
from rigd.streams.clock_evidence import Anchors, Edges
from rigd.streams.clock_map import Axis, Mode
from rigd.streams.sample_counter import Run, SampleCounter

START = 10**13
SECONDS = 120
SEEDS = iter(range(10**6))


def anchors(
    *, offset: float = 0.0, ppm: float = 0.0, step: float = 0.01, late: float = 2e-4
) -> Anchors:
    """Blocks of a device whose clock shows `offset` at the start of the session."""
    true = np.arange(1.0, SECONDS, step)
    device = np.rint((offset + true * (1 + ppm * 1e-6)) * 1e9).astype(np.int64)
    delay = np.random.default_rng(next(SEEDS)).exponential(late, len(true))
    host = START + np.rint((true + delay) * 1e9).astype(np.int64)
    return Anchors(np.zeros(len(true), np.int64), device, host)


def stream(found: Anchors, *, rate: float | None = 1000.0) -> StreamClock:
    counter = None if rate is None else SampleCounter(rate, (Run(0, 0, 0.0),))
    return StreamClock(found, counter, True, rate, 0.01, len(found))


def aligned(
    clocks: dict[str, StreamClock], devices: dict[str, str], settings: object = None
) -> SessionClocks:
    asked = Clocks.model_validate(settings or {})
    return align_streams(clocks, devices, asked, tolerance=1e-3, start_ns=START)


def test_streams_of_a_device_tick_together() -> None:
    clocks = {
        "ap": stream(anchors(offset=50.0, ppm=40.0)),
        "ttl": stream(anchors(offset=50.0, ppm=40.0, step=7.3, late=5e-3), rate=None),
        "frames": stream(anchors(offset=-9.0)),
    }
    devices = {"ap": "probe", "ttl": "probe", "frames": "camera"}
    found = find_domains(clocks, devices)
    assert [(d.name, d.streams) for d in found] == [
        ("probe", ("ap", "ttl")),
        ("camera", ("frames",)),
    ]


def test_a_stream_that_plainly_ticks_otherwise_is_on_its_own() -> None:
    clocks = {
        "eeg": stream(anchors(offset=50.0, step=0.1), rate=None),
        "gaze": stream(anchors(offset=-4000.0, step=0.2), rate=None),
        "marks": stream(anchors(offset=50.0, step=9.0), rate=None),
    }
    found = find_domains(clocks, dict.fromkeys(clocks, "lsl"))
    assert [(d.name, d.streams) for d in found] == [
        ("lsl", ("eeg", "marks")),
        ("lsl.gaze", ("gaze",)),
    ]


def test_drift_does_not_part_what_belongs_together() -> None:
    dense, sparse = anchors(ppm=3000.0), anchors(ppm=3000.0, step=30.0)
    assert tick_together(dense, sparse)
    assert not tick_together(dense, anchors(offset=1.0, ppm=3000.0, step=30.0))


def test_sparse_events_have_the_times_of_their_device() -> None:
    true = np.array([10.0, 60.0, 110.0])
    clocks = {
        "ap": stream(anchors(offset=50.0, ppm=40.0)),
        "ttl": stream(anchors(offset=50.0, ppm=40.0, step=50.0, late=0.1), rate=None),
    }
    found = aligned(clocks, dict.fromkeys(clocks, "probe"))
    device = np.rint((50.0 + true * (1 + 40e-6)) * 1e9).astype(np.int64)
    times = found.maps["ttl"].times(device, 0)
    assert np.max(np.abs(times - true)) < 1e-3
    assert found.maps["ap"].axis is Axis.SAMPLE
    assert found.maps["ttl"].axis is Axis.DEVICE


def test_a_shared_clock_needs_no_readings_of_its_own_rate() -> None:
    clocks = {
        "ap": stream(anchors(ppm=40.0)),
        "analog": stream(anchors(ppm=40.0, step=1.0, late=2e-3)),
    }
    settings = {"devices": {"box": {"same_as": "probe"}}}
    found = aligned(clocks, {"ap": "probe", "analog": "box"}, settings)
    assert found.alignments["box"].mode is Mode.SHARED_CLOCK
    assert found.domain_of("analog") == found.domains[1]


def test_time_shift_and_tolerance_are_those_of_the_settings() -> None:
    settings = {
        "devices": {"camera": {"tolerance": 0.5}},
        "streams": {"frames": {"time_shift": 0.25}},
    }
    clocks = {"frames": stream(anchors())}
    plain = aligned(clocks, {"frames": "camera"})
    shifted = aligned(clocks, {"frames": "camera"}, settings)
    at = np.array([5000], np.int64)
    moved = shifted.maps["frames"].times(at, 0) - plain.maps["frames"].times(at, 0)
    assert moved[0] == pytest.approx(0.25)
    assert shifted.tolerance_of("camera") == 0.5
    assert plain.tolerance_of("camera") == 1e-3


def pulses(offset: float, ppm: float) -> npt.NDArray[np.int64]:
    true = 1.0 + np.cumsum(np.random.default_rng(4).uniform(0.1, 1.9, 110))
    device = offset + true[true < SECONDS - 1] * (1 + ppm * 1e-6)
    return np.rint(device * 1e9).astype(np.int64)


def test_pulses_tie_devices_to_each_other() -> None:
    clocks, devices, sync = {}, {}, {}
    for name, offset, ppm in (("one", 7.0, 60.0), ("two", 90_000.0, -80.0)):
        at = pulses(offset, ppm)
        edges = Edges(np.zeros(len(at), np.int64), at, 1 / 30_000)
        read = stream(anchors(offset=offset, ppm=ppm), rate=30_000.0)
        clocks[f"{name}_lines"] = replace(read, edges=edges)
        devices[f"{name}_lines"] = name
        sync[name] = {"sync": {"stream": f"{name}_lines", "line": 0}}
    found = aligned(clocks, devices, {"devices": sync})
    modes = {alignment.mode for alignment in found.alignments.values()}
    assert Mode.SYNC_LINE in modes
    one, two = (
        found.alignments[name].clock.times(pulses(offset, ppm), 0)
        for name, offset, ppm in (("one", 7.0, 60.0), ("two", 90_000.0, -80.0))
    )
    assert np.max(np.abs(one - two)) < 33e-6
    assert all(domain.pulses == len(one) for domain in found.domains)


def test_streams_without_readings_have_no_clock() -> None:
    none = Anchors(*(np.empty(0, np.int64) for _ in range(3)))
    clocks = {
        "events": StreamClock(none, None, False, None, 0.0, 12),
        "empty": StreamClock(none, None, False, 100.0, 0.0, 0),
    }
    found = aligned(clocks, dict.fromkeys(clocks, "box"))
    assert found.domains == ()
    assert found.maps["events"].axis is Axis.ARRIVAL
    assert found.maps["empty"].segments == ()
    assert found.domain_of("events") is None
