"""The rate of a stream, measured on the host's clock within seconds.

What the device sends arrives late, never early: a block that was on its way for the
shortest time tells best how far the device had come. So the rate is measured from the
least delayed block at the beginning of the trial to the one at its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 8
"""Blocks that a measurement takes."""

QUARTER = 4
"""The least delayed block is looked for in the first and the last part of so many."""

ROUNDS = 3
"""Which block is least delayed depends on the rate: found in so many rounds."""

NEAREST = 5
"""Least delays that tell how well the smallest of them is known."""

HOST_ERROR = 100e-6
"""Seconds by which the host may notice a transfer late, whatever the device does."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A block has arrived: rows of the stream up to then, and when (host clock, s)."""

    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class MeasuredRate:
    """Rows per second by the host's clock.

    Attributes:
        rate: Rows per second.
        ppm: How much faster than declared, in parts per million.
        uncertainty_ppm: How far `ppm` may be wrong.

    """

    rate: float
    ppm: float
    uncertainty_ppm: float


def measured_rate(arrivals: Sequence[Arrival], nominal: float) -> MeasuredRate | None:
    """Measure the rate of a stream that declares `nominal` rows per second.

    Returns None where the arrivals are too few, or come all at once.
    """
    if len(arrivals) < FEWEST:
        return None
    part = (arrivals[-1].seconds - arrivals[0].seconds) / QUARTER
    begin = [a for a in arrivals if a.seconds <= arrivals[0].seconds + part]
    end = [a for a in arrivals if a.seconds >= arrivals[-1].seconds - part]
    rate, elapsed = nominal, 0.0
    for _ in range(ROUNDS):
        first, last = (min(some, key=_Delay(rate)) for some in (begin, end))
        elapsed = last.seconds - first.seconds
        if elapsed <= 0 or last.rows <= first.rows:
            return None
        rate = (last.rows - first.rows) / elapsed
    doubt = _doubt(begin, rate) + _doubt(end, rate) + HOST_ERROR
    return MeasuredRate(
        rate=rate,
        ppm=(rate / nominal - 1) * 1e6,
        uncertainty_ppm=doubt / elapsed * 1e6,
    )


@dataclass(frozen=True, slots=True)
class _Delay:
    """How late a block is against a line of the given rate, up to a constant."""

    rate: float

    def __call__(self, arrival: Arrival) -> float:
        return arrival.seconds - arrival.rows / self.rate


def _doubt(part: Sequence[Arrival], rate: float) -> float:
    """Seconds by which the smallest of some delays may exceed the smallest possible.

    Twice as much as the smallest few lie apart: where delays are random, a rate is
    further off its true value in fewer than one of a thousand trials.
    """
    delays = sorted(map(_Delay(rate), part))[:NEAREST]
    if len(delays) < 2:
        return 1 / rate
    return 2 * (delays[-1] - delays[0])
