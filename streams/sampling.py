"""When simulated samples are taken: pure functions of the sample index.

Times are nanoseconds since the device's counter started, on the device's own clock.
Chance comes from a hash of the index, not from a generator with a state: any sample
can be asked for at any time, in any order, and is always the same.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SPREAD = 0.9
"""Part of its slot in which an irregular sample falls: the intervals between two are
0.1 to 1.9 times their mean."""


def uniform(seed: int, index: Integers) -> Floats:
    """Draw a number in [0, 1) for each index: SplitMix64 of seed and index."""
    z = np.atleast_1d(index).astype(np.uint64) + np.uint64(1)
    z = z * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = (z ^ (z >> np.uint64(31))) >> np.uint64(11)
    return z.astype(np.float64) * 2.0**-53


def irregular(seed: int, index: Integers, slot: int) -> Integers:
    """Give each index a place of its own: `slot` * index plus a part of the slot."""
    return index * slot + (uniform(seed, index) * (SPREAD * slot)).astype(np.int64)


def derived_seed(seed: int, name: str) -> int:
    """Seed of one stream of a device: 64 bits of a hash of both."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


class Schedule(Protocol):
    """Says when each sample is taken."""

    def times(self, first: int, count: int) -> Integers:
        """Times of the samples [first, first + count), ns."""
        ...

    def count_before(self, time: int) -> int:
        """Count the samples taken before `time` (ns)."""
        ...


@dataclass(frozen=True, slots=True)
class Regular:
    """Sample k at k / rate (Hz)."""

    rate: float

    def times(self, first: int, count: int) -> Integers:
        """Times of the samples [first, first + count), ns."""
        index = np.arange(first, first + count, dtype=np.float64)
        return np.rint(index * 1e9 / self.rate).astype(np.int64)

    def count_before(self, time: int) -> int:
        """Count the samples taken before `time` (ns)."""
        return math.ceil(max(0, time) * self.rate / 1e9)


@dataclass(frozen=True, slots=True)
class Irregular:
    """Samples at random intervals of 0.1 to 1.9 times `slot` (ns)."""

    seed: int
    slot: int

    def times(self, first: int, count: int) -> Integers:
        """Times of the samples [first, first + count), ns."""
        return irregular(
            self.seed, np.arange(first, first + count, dtype=np.int64), self.slot
        )

    def count_before(self, time: int) -> int:
        """Count the samples taken before `time` (ns)."""
        index = max(0, time) // self.slot
        return index + int(self.times(index, 1)[0] < time)
