"""Whether the times of a stream are as good as a starting time and a rate."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from rigd.streams.clock_map import Floats


@dataclass(frozen=True, slots=True)
class RegularTimes:
    """A starting time and a rate, and how far they are from the times.

    Attributes:
        start: Session seconds of the first row.
        rate: Rows per second.
        deviation: Largest distance of a row's time from these, s.

    """

    start: float
    rate: float
    deviation: float


def regular_times(
    arrays: Callable[[], Iterable[Floats]],
    *,
    rows: int,
    first: float | None,
    last: float | None,
) -> RegularTimes | None:
    """Find the best starting time for the mean rate; None for too few rows or NaN.

    Args:
        arrays: Gives the times of all rows, array by array.
        rows: Number of rows.
        first: Time of the first row.
        last: Time of the last row.

    """
    if first is None or last is None or rows < 2 or last <= first:
        return None
    step = (last - first) / (rows - 1)
    low, high = 0.0, 0.0
    row = 0
    for times in arrays():
        away = times - (first + step * np.arange(row, row + len(times)))
        low = float(np.min(away, initial=low))
        high = float(np.max(away, initial=high))
        row += len(times)
    if np.isnan(low) or np.isnan(high):
        return None
    return RegularTimes(first + (low + high) / 2, 1 / step, (high - low) / 2)
