"""Devices with clocks of their own, seen through the paths of real ones, and the truth.

True time is the host's monotonic clock, in seconds since the session's start. A
device's clock has a constant skew, a warm-up, a slow sine (air conditioning) and a
random walk of its skew. Its samples come in packets, late by the least time of the
path, an exponential part, rare long tails, whole-host stalls, and the rhythm in which
the host asks.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Levels = npt.NDArray[np.bool_]
Random = np.random.Generator


@dataclass(frozen=True)
class DriftStyle:
    """How the speed of a clock changes.

    Attributes:
        walk: Random walk of the skew, ppm per square root of an hour.
        warm_up: Change of the skew after the start, ppm, with time constant `tau` (s).
        sine: Amplitude of a slow sine, ppm, with `period` (s).

    """

    walk: float
    warm_up: float
    tau: float
    sine: float
    period: float


TYPICAL = DriftStyle(walk=0.2, warm_up=1.0, tau=600.0, sine=0.1, period=1500.0)
HARSH = DriftStyle(walk=1.0, warm_up=5.0, tau=900.0, sine=0.5, period=1200.0)


@dataclass(frozen=True)
class Path:
    """How samples come from a device to the host.

    Attributes:
        rate: Samples per second.
        packet: Samples in a packet.
        least: Least time of the path, s.
        excess: Mean of the exponential rest, s.
        poll: The host asks in this rhythm, s; its clock is up to 30 ppm off.
        tail: Part of the packets that are 50 to 200 ms late.

    """

    rate: float
    packet: int
    least: float
    excess: float
    poll: float
    tail: float


USB = Path(30000.0, 300, 150e-6, 150e-6, 125e-6, 1e-3)
SERIAL = Path(1000.0, 1, 300e-6, 300e-6, 16e-3, 1e-4)
CAMERA = Path(30.0, 1, 8e-3, 0.5e-3, 125e-6, 5e-3)
WIRELESS = Path(50.0, 1, 5e-3, 12e-3, 7.5e-3, 2e-2)

STALLS = 1 / 120
"""The whole host stalls for 50 to 200 ms so often, 1/s."""

WAKE_UP = 20e-6
"""Mean time until the reading process runs, s."""


class DeviceClock:
    """A free-running clock; it reads 0 at true time 0."""

    def __init__(self, random: Random, length: float, style: DriftStyle) -> None:
        true = np.arange(-20.0, length + 60.0, 1.0)
        sign = 1 if random.random() < 0.5 else -1
        ppm = np.full(len(true), random.uniform(-100, 100))
        ppm += sign * style.warm_up * (1 - np.exp(-(true - true[0]) / style.tau))
        ppm += np.cumsum(random.normal(0, style.walk / 60.0, len(true)))
        phase = random.random()
        ppm += style.sine * np.sin(2 * np.pi * (true / style.period + phase))
        gained = np.cumsum((ppm[1:] + ppm[:-1]) / 2) * 1e-6
        device = true + np.concatenate([[0.0], gained])
        self._true = true
        self._device = device - np.interp(0.0, true, device)

    def device(self, true: Floats) -> Floats:
        """Device seconds at true seconds."""
        return np.asarray(np.interp(true, self._true, self._device))

    def true(self, device: Floats) -> Floats:
        """True seconds at device seconds."""
        return np.asarray(np.interp(device, self._device, self._true))


@dataclass(frozen=True)
class Faults:
    """What goes wrong with a device.

    Attributes:
        restart: True time at which its counter starts anew, after 3 s without samples.
        gap: True time from which packets are lost for 5 s; the counter goes on.
        silent: True time from which packets are lost, and the counter does not notice.
        silent_for: How long that lasts, s.

    """

    restart: float | None = None
    gap: float | None = None
    silent: float | None = None
    silent_for: float = 0.0


NO_FAULTS = Faults()
RESTART_LASTS = 3.0
GAP_LASTS = 5.0


@dataclass(frozen=True)
class Hole:
    """Packets that never came: true time from `begin` to `end`.

    `skipped` samples were not counted by the device; 0: it counted the lost ones.
    """

    begin: float
    end: float
    skipped: int


@dataclass(frozen=True)
class Run:
    """One uninterrupted run of a device's counter, true and device seconds."""

    start: float
    stop: float
    device_start: float
    counter_start: int
    holes: tuple[Hole, ...] = ()


@dataclass
class Device:
    """What arrived from a device, an entry a packet, and the truth behind it.

    Attributes:
        counter: Sample index of the last sample of each packet.
        host: When it was read, true s.
        true: When the last sample was taken, true s.
        run: Number of the run.

    """

    path: Path
    clock: DeviceClock
    runs: list[Run] = field(default_factory=list)
    counter: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    host: Floats = field(default_factory=lambda: np.empty(0))
    true: Floats = field(default_factory=lambda: np.empty(0))
    run: Integers = field(default_factory=lambda: np.empty(0, np.int64))


def simulate_device(
    random: Random,
    length: float,
    path: Path,
    style: DriftStyle,
    faults: Faults = NO_FAULTS,
    *,
    start: float | None = None,
) -> Device:
    """Run a device from a random start (0 to 2 s) to the end of the session."""
    clock = DeviceClock(random, length, style)
    first = random.uniform(0, 2.0) if start is None else start
    bounds = [(first, length)]
    if faults.restart is not None:
        bounds = [(first, faults.restart), (faults.restart + RESTART_LASTS, length)]
    device = Device(path, clock)
    parts = []
    for number, (begin, end) in enumerate(bounds):
        offset = int(random.uniform(0, 3) * 86400 * path.rate) if number == 0 else 0
        run = Run(begin, end, float(clock.device(np.array([begin]))[0]), offset)
        run, counter, host, true = _packets(random, device, run, faults, length)
        device.runs.append(run)
        parts.append((counter, host, true, np.full(len(counter), number)))
    device.counter, device.host, device.true, device.run = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return device


def _packets(
    random: Random, device: Device, run: Run, faults: Faults, length: float
) -> tuple[Run, Integers, Floats, Floats]:
    """Packets of one run that arrive: last sample, host time, true time."""
    path, clock = device.path, device.clock
    end = float(clock.device(np.array([run.stop]))[0])
    samples = int((end - run.device_start) * path.rate)
    last = (np.arange(samples // path.packet) + 1) * path.packet - 1
    true = clock.true(run.device_start + last / path.rate)
    keep = np.ones(len(last), bool)
    counter = last.copy()
    for begin, lasts, is_silent in (
        (faults.gap, GAP_LASTS, False),
        (faults.silent, faults.silent_for, True),
    ):
        if begin is None or not run.start < begin < run.stop:
            continue
        missing = np.flatnonzero((true > begin) & (true <= begin + lasts))
        if len(missing) == 0:
            continue
        keep[missing] = False
        ends = np.array([missing[0], missing[-1] + 1]) * path.packet / path.rate
        lost = clock.true(run.device_start + ends)
        skipped = len(missing) * path.packet if is_silent else 0
        counter[missing[-1] + 1 :] -= skipped
        hole = Hole(float(lost[0]), float(lost[1]), skipped)
        run = replace(run, holes=(*run.holes, hole))
    host = arrival(random, true, path, length)
    return run, (counter + run.counter_start)[keep], host[keep], true[keep]


def arrival(random: Random, ready: Floats, path: Path, length: float) -> Floats:
    """Host times at which packets that were complete at `ready` are read."""
    delay = path.least + random.exponential(path.excess, len(ready))
    late = random.random(len(ready)) < path.tail
    delay[late] += random.uniform(50e-3, 200e-3, int(late.sum()))
    time = ready + delay
    period = path.poll * (1 + random.uniform(-30, 30) * 1e-6)
    phase = random.uniform(0, period)
    time = np.ceil((time - phase) / period) * period + phase
    time = time + random.exponential(WAKE_UP, len(ready))
    stalls = random.poisson(STALLS * length)
    starts = random.uniform(0, length, stalls)
    lasts = random.uniform(50e-3, 200e-3, stalls)
    for begin, end in zip(starts, starts + lasts, strict=True):
        time[(time > begin) & (time < end)] = end
    return np.maximum.accumulate(time)


# --- pulses ---------------------------------------------------------------------------


def pulse_train(
    random: Random, length: float, kind: str, reference: DeviceClock
) -> Floats:
    """True times of the rising edges of a sync line.

    Args:
        random: Source of chance.
        length: Length of the session, s.
        kind: `random` (intervals of 100 to 1900 ms), `regular` (1 Hz by a clock of its
            own) or `locked` (1 Hz, made from the reference's sample clock).
        reference: Clock of the reference.

    """
    regular = np.arange(0.3, length, 1.0)
    if kind == "locked":
        return reference.true(regular)
    if kind == "regular":
        edges = DeviceClock(random, length, TYPICAL).true(regular)
    else:
        edges = np.cumsum(random.uniform(0.1, 1.9, int(length * 1.2)))
        edges = edges[edges < length]
    return edges + random.normal(0, 2e-6, len(edges))


def seen_edges(
    random: Random, device: Device, pulses: Floats, bad: float, missing: float
) -> tuple[Integers, Integers]:
    """Edges as a device saw them: first sample after each, and number of the run.

    Args:
        random: Source of chance.
        device: The device.
        pulses: True times of the edges on the line.
        bad: Part of extra edges, as many as that of all pulses.
        missing: Part of the edges that it does not see.

    """
    samples, runs = [], []
    for number, run in enumerate(device.runs):
        mine = pulses[(pulses > run.start + 1e-3) & (pulses < run.stop - 1e-3)]
        extra = random.poisson(bad * max(1, len(mine)))
        for hole in run.holes:
            mine = mine[(mine <= hole.begin) | (mine >= hole.end)]
        mine = mine[random.random(len(mine)) >= missing]
        at = random.uniform(run.start + 0.01, run.stop - 0.01, extra)
        true = np.sort(np.concatenate([mine, at]))
        seconds = device.clock.device(true) - run.device_start
        sample = np.ceil(seconds * device.path.rate).astype(np.int64)
        for hole in run.holes:
            sample = np.where(true >= hole.end, sample - hole.skipped, sample)
        samples.append(sample + run.counter_start)
        runs.append(np.full(len(sample), number))
    return np.concatenate(samples), np.concatenate(runs)
