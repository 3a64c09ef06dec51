"""Device counters of few bits: where they wrap, and where they start anew.

For drivers whose hardware counts in 16 or 32 bits. Only the host's clock can tell a
wrap from a restart: after a wrap the count goes on where it was.
"""

import numpy as np

from rigd.streams.clock_map import Integers

DISAGREE = 2.0
"""A count that is off by more than this many seconds, whatever the number of wraps,
has started anew. Longer than a host stalls between two reads."""


def unwrapped(
    raw: Integers, host_ns: Integers, *, rate: float, bits: int
) -> tuple[Integers, Integers]:
    """Undo the wraps of a counter.

    A restart whose new count happens to lie within 2 s of the expected one looks like a
    wrap: 4 s of a period, 0.1 % of the restarts of 32 bits at 1 MHz. A device that
    tells its restarts should be believed instead.

    Args:
        raw: Counts as read, in order, shape (n,).
        host_ns: CLOCK_MONOTONIC at each reading, ns.
        rate: Counts per second.
        bits: Width of the counter.

    Returns:
        Counts that do not wrap, within each epoch; number of restarts before each.

    """
    size = 1 << bits
    step = np.diff(raw)
    expected = np.diff(host_ns) * (rate / 1e9)
    wraps = np.rint((expected - step) / size).astype(np.int64)
    is_new = np.abs(step + wraps * size - expected) > DISAGREE * rate
    wraps[is_new] = 0
    turns = np.concatenate([np.zeros(1, np.int64), np.cumsum(wraps)])
    epoch = np.concatenate([np.zeros(1, np.int64), np.cumsum(is_new)])
    starts = np.flatnonzero(np.diff(epoch, prepend=-1))
    before = turns[starts][epoch]
    counts: Integers = raw + size * (turns - before)
    return counts, epoch
