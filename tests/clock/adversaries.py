"""Evidence that misleads: none of it may give times that are wrong and look right."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from rigd.streams.clock_evidence import ClockEvidence, ClockSettings
from tests.clock.judged_alignment import (
    OURS,
    REFERENCE,
    Judged,
    evidence_of,
    judge_pair,
    ns,
)
from tests.clock.simulated_devices import (
    CAMERA,
    HARSH,
    SERIAL,
    TYPICAL,
    USB,
    DeviceClock,
    Floats,
    Path,
    Random,
    pulse_train,
    seen_edges,
    simulate_device,
)

Trick = Callable[[Random, Floats, float], Floats]
"""What our line shows instead of the pulses: source of chance, pulses, length."""


def other_random_line(random: Random, pulses: Floats, length: float) -> Floats:
    """Another line with random pulses: two devices' lines swapped."""
    edges = np.cumsum(random.uniform(0.1, 1.9, int(length * 1.2)))
    return edges[edges < length]


def other_regular_line(random: Random, pulses: Floats, length: float) -> Floats:
    """Another 1 Hz generator."""
    clock = DeviceClock(random, length, TYPICAL)
    return clock.true(np.arange(random.uniform(0.3, 1.3), length, 1.0))


def wrong_period(random: Random, pulses: Floats, length: float) -> Floats:
    """A regular line of another period."""
    return np.arange(0.3, length, random.choice([0.5, 0.999, 1.01, 2.0]))


def half_gone(random: Random, pulses: Floats, length: float) -> Floats:
    """Every second pulse, or half of them by chance, are not seen."""
    if random.random() < 0.5:
        return pulses[::2]
    return pulses[random.random(len(pulses)) < 0.5]


def one_period_late(random: Random, pulses: Floats, length: float) -> Floats:
    """The line is late by exactly one usual interval."""
    return pulses + float(np.median(np.diff(pulses)))


def dead_after_a_minute(random: Random, pulses: Floats, length: float) -> Floats:
    """The cable falls off after a minute."""
    return pulses[pulses < 60]


def mains_hum(random: Random, pulses: Floats, length: float) -> Floats:
    """50 Hz from the mains, instead of pulses."""
    return np.arange(0.3, length, 0.02)


def hum_on_top(random: Random, pulses: Floats, length: float) -> Floats:
    """50 Hz from the mains, and the pulses."""
    return np.union1d(pulses, np.arange(0.3, length, 0.02))


def bouncing(random: Random, pulses: Floats, length: float) -> Floats:
    """Each edge comes several times within 5 ms."""
    again = pulses[:, None] + random.uniform(0, 5e-3, (len(pulses), 2))
    return np.sort(np.concatenate([pulses, again.reshape(-1)]))


def wrong_edge(random: Random, pulses: Floats, length: float) -> Floats:
    """Ends of pulses of 50 ms are taken for their beginnings."""
    return pulses + 0.05


def unchanged(random: Random, pulses: Floats, length: float) -> Floats:
    """Pulses are right; something else is wrong."""
    return pulses


TRICKS: Mapping[str, Trick] = {
    "lines swapped": other_random_line,
    "another 1 Hz line": other_regular_line,
    "wrong period": wrong_period,
    "half the pulses gone": half_gone,
    "one period late": one_period_late,
    "dead after a minute": dead_after_a_minute,
    "mains hum": mains_hum,
    "hum on top": hum_on_top,
    "bouncing": bouncing,
    "wrong edge": wrong_edge,
    "early stamps": unchanged,
}


def run(trick: str, seed: int, minutes: float = 10) -> Judged:
    """Align one session in which the evidence of one device misleads."""
    random, length = np.random.default_rng(seed), minutes * 60
    style = HARSH if seed % 2 else TYPICAL
    path: Path = (USB, SERIAL, CAMERA)[seed % 3]
    kind = ("random", "regular")[seed // 3 % 2]
    reference = simulate_device(random, length, USB, style)
    ours = simulate_device(random, length, path, style)
    pulses = pulse_train(random, length, kind, reference.clock)
    shown = TRICKS[trick](random, pulses, length)
    asked = ClockSettings()
    evidence = evidence_of(ours, OURS, seen_edges(random, ours, shown, 0, 0), asked)
    if trick == "early stamps":
        evidence = _with_early_stamps(random, evidence)
    if seed // 6 % 2:
        evidence = replace(evidence, settings=replace(asked, latency=None))
    other = evidence_of(
        reference, REFERENCE, seen_edges(random, reference, pulses, 0.01, 0.01), asked
    )
    return judge_pair(evidence, ours, other, reference)


def _with_early_stamps(random: Random, evidence: ClockEvidence) -> ClockEvidence:
    """Five stamps are 5 to 80 ms too early, and the line is not connected."""
    host = evidence.anchors.host_ns.copy()
    which = random.integers(0, len(host), 5)
    host[which] -= ns(random.uniform(5e-3, 80e-3, 5))
    anchors = replace(evidence.anchors, host_ns=host)
    return replace(evidence, anchors=anchors, edges=None)
