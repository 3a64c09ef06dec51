"""What the session file needs to know of one stream."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from rigd.daemon.regular_times import RegularTimes
from rigd.daemon.stream_record import StreamRecord
from rigd.streams.clock_map import Fit
from rigd.streams.ledger import Ledger, LostInterval

Arrays = Iterable[npt.NDArray[Any]]
"""The rows of a dataset, array by array, in order."""


@dataclass(frozen=True)
class LostTime:
    """From when to when samples are missing, in session seconds; None: not known."""

    interval: LostInterval
    start: float | None
    stop: float | None

    def estimate(self, rate: float | None) -> int | None:
        """Samples that an outage has taken, by its length and the nominal rate.

        None where they were counted, so that no estimate is needed, or can't be told.
        """
        if not self.interval.is_outage or rate is None:
            return None
        if self.start is None or self.stop is None:
            return None
        return max(0, round((self.stop - self.start) * rate) - 1)


@dataclass(frozen=True)
class StreamEntry:
    """A stream of the session, as the session file is to show it.

    Attributes:
        name: Name of the stream.
        record: The stream as it was recorded.
        times: Gives the session seconds of all rows of its file, float64. Called once.
        ledger: What came and what was lost; None if unknown.
        fits: Epoch, and how the times were made, of each segment.
        lost: When samples are missing.
        regular: Starting time and rate to be written instead of times, if any.
        verdict: What the stream says of itself.
        fault: Why its file can't be linked; empty if it can.

    """

    name: str
    record: StreamRecord
    times: Callable[[], Arrays]
    ledger: Ledger | None = None
    fits: Sequence[tuple[int, Fit]] = ()
    lost: Sequence[LostTime] = ()
    regular: RegularTimes | None = None
    verdict: str = ""
    fault: str = ""
