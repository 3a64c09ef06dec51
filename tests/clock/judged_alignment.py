"""Alignments of simulated devices, and how far they are from the truth."""

from dataclasses import dataclass, replace

import numpy as np

from rigd.streams.alignment import Alignment, align
from rigd.streams.clock_evidence import Anchors, ClockEvidence, ClockSettings, Edges
from rigd.streams.clock_map import Grade, Mode
from tests.clock.simulated_devices import Device, Floats, Integers, Levels

START_NS = 7 * 10**14
"""CLOCK_MONOTONIC at true time 0."""

SAMPLES = 20_000
"""Times of so many samples of a device are compared with the truth."""

OURS, REFERENCE = "ours", "reference"


def ns(seconds: Floats) -> Integers:
    """Whole nanoseconds."""
    nearest: Integers = np.rint(seconds * 1e9).astype(np.int64)
    return nearest


def evidence_of(
    device: Device,
    name: str,
    edges: tuple[Integers, Integers] | None,
    settings: ClockSettings,
) -> ClockEvidence:
    """What a recording knows of a simulated device that gives no times of its own.

    Args:
        device: The device.
        name: Name of its domain.
        edges: First sample after each edge, and the run it is in.
        settings: What is asked for; its latency is filled in.

    """
    rate = device.path.rate
    seen = None
    if edges is not None:
        seen = Edges(
            edges[1], ns(np.asarray(edges[0] - 0.5, np.float64) / rate), 1 / rate
        )
    return ClockEvidence(
        name,
        Anchors(device.run, ns(device.counter / rate), ns(device.host) + START_NS),
        1 / rate,
        device.path.packet / rate,
        seen,
        settings=replace(settings, latency=device.path.least),
    )


@dataclass(frozen=True)
class Judged:
    """One aligned session.

    Attributes:
        alignment: The device's alignment.
        errors: Error of the time of each looked-at sample, s.
        device: The device.
        seen: Which of the certain samples have a true time.

    """

    alignment: Alignment
    errors: Floats
    device: Device
    seen: Levels

    @property
    def worst(self) -> float:
        """Largest error, s."""
        return float(np.max(np.abs(self.errors)))

    @property
    def usual_worst(self) -> float:
        """Error that 99.7 % of the samples keep to, s."""
        return float(np.quantile(np.abs(self.errors), 0.997))

    @property
    def bound(self) -> float:
        """Stated bound, s."""
        return np.inf if self.alignment.error is None else self.alignment.error

    @property
    def deceives(self) -> bool:
        """Say whether it is wrong by more than it says, and is graded well."""
        return self.usual_worst > self.bound and self.alignment.grade < Grade.D

    @property
    def mode(self) -> Mode:
        """How its times were made."""
        return self.alignment.mode


def judge_pair(
    ours: ClockEvidence, device: Device, reference: ClockEvidence, other: Device
) -> Judged:
    """Align a device with a reference's clock; errors are against this clock."""
    found = align([reference, ours], start_ns=START_NS, reference=reference.name)
    x, epoch, true = looked_at(device)
    got = found[ours.name].clock.times(x, epoch)
    wanted = found[reference.name].clock.times(*positions(other, true))
    certain = is_certain(found[ours.name], x, epoch)
    errors = (got - wanted)[certain]
    seen = np.isfinite(errors)
    return Judged(found[ours.name], errors[seen], device, seen)


def is_certain(alignment: Alignment, x: Integers, epoch: Integers) -> Levels:
    """Leave out samples of which the alignment says that a loss may be after them."""
    certain = np.ones(len(x), bool)
    for loss in alignment.losses:
        certain &= (epoch != loss.epoch) | (x < loss.earliest) | (x >= loss.x)
    return certain


def judge_alone(ours: ClockEvidence, device: Device) -> Judged:
    """Align a device with the host's clock; errors are against true time."""
    found = align([ours], start_ns=START_NS)[ours.name]
    x, epoch, true = looked_at(device)
    errors = (found.clock.times(x, epoch) - true)[is_certain(found, x, epoch)]
    return Judged(found, errors, device, np.ones(len(errors), bool))


def looked_at(device: Device) -> tuple[Integers, Integers, Floats]:
    """Last samples of packets: place on the axis, run, true time; all near holes."""
    true, rate = device.true, device.path.rate
    step = max(1, len(true) // SAMPLES)
    packet = device.path.packet / rate
    holes = np.flatnonzero(np.diff(true) > 1.5 * packet)
    chosen = np.union1d(np.arange(0, len(true), step), np.union1d(holes, holes + 1))
    return ns(device.counter[chosen] / rate), device.run[chosen], true[chosen]


def positions(device: Device, true: Floats) -> tuple[Integers, Integers]:
    """Place on the axis and run of a device at true times; run -1 outside all runs."""
    x = np.zeros(len(true), np.int64)
    run_number = np.full(len(true), -1, np.int64)
    for number, run in enumerate(device.runs):
        mine = (true >= run.start) & (true < run.stop)
        seconds = device.clock.device(true[mine]) - run.device_start
        x[mine] = ns(seconds + run.counter_start / device.path.rate)
        run_number[mine] = number
    return x, run_number
