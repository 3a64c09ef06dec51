"""Samples that came with one stamp: a host that asks seldom reads several at once.

Only the last of them has a host stamp; the others came with it, and are as much later
as they are older.
"""

import numpy as np

from rigd.streams.clock_map import Floats

COMMON = 0.01
"""Steps from one stamp to the next that are rarer than this tell nothing of the unit in
which samples come."""

LEAST_STEPS = 20
MOST_IN_ONE = 64
"""With more units in one batch the time of one is short beside the rhythm."""

MOST_SAMPLES = 1_000_000
"""Of more samples only those of every second, third, ... batch are taken."""

SAME = 1e-7
"""Device times are whole nanoseconds: steps that differ by less, s, are the same."""


def unit_of(x: Floats) -> float:
    """Find the time in which a device's samples come to the host one by one, s.

    A device that sends packets steps by whole packets. Where a host reads whatever has
    come since it asked last, it is the difference of its usual steps.

    Args:
        x: Device time of each stamp, s, ascending.

    Returns:
        Seconds; 0 where the steps have no common part.

    """
    step = np.diff(x)
    if len(step) < LEAST_STEPS:
        return 0.0
    rounded, count = np.unique(np.rint(step / SAME), return_counts=True)
    usual = rounded[(count >= COMMON * len(step)) & (rounded > 0)]
    if np.sum(count[np.isin(rounded, usual)]) < 0.5 * len(step):
        return 0.0
    apart = np.diff(usual)
    least = min(float(usual[0]), float(np.min(apart[apart > 1], initial=np.inf)))
    return least * SAME


def with_earlier_samples(x: Floats, late: Floats) -> tuple[Floats, Floats]:
    """Give each stamp to all samples that came with it.

    Args:
        x: Device time of the last sample of each batch, s, ascending.
        late: Its lateness, s.

    Returns:
        Device times, ascending, and latenesses of all.

    """
    unit = unit_of(x)
    if unit <= 0:
        return x, late
    count = np.rint(np.diff(x, prepend=x[0] - unit) / unit).astype(np.int64)
    usual = float(np.median(count))
    if not 1 < usual <= MOST_IN_ONE:
        return x, late
    count = np.where(count > 4 * usual, 1, np.maximum(count, 1))
    some = np.arange(0, len(x), 1 + int(usual * len(x)) // MOST_SAMPLES)
    x, late, count = x[some], late[some], count[some]
    of = np.repeat(np.arange(len(x)), count)
    older = (np.cumsum(count)[of] - 1 - np.arange(len(of))) * unit
    return x[of] - older, late[of] + older
