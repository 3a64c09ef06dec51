"""What was expected, received and lost, and why: the words and the arithmetic."""

from dataclasses import dataclass

import numpy as np

CAUSES = (
    "device",
    "driver",
    "ring full",
    "transport",
    "writer down",
    "disk",
    "rejected",
)
"""Why samples are missing.

device: the device's own count jumped; driver: the driver says so; ring full: the
source had no room, the writer was too slow; transport: lost between the two;
writer down: nobody took them; disk: could not be written; rejected: came in a message
that was not of this stream.
"""

LOST_DTYPE = np.dtype(
    [
        ("first_sample", "<u8"),
        ("count", "<u8"),
        ("row", "<u8"),
        ("epoch", "<u4"),
        ("cause", "S12"),
    ]
)
"""One lost interval, an entry of `sync/lost`: samples [first_sample, +count) of this
epoch are missing between rows `row` - 1 and `row` of the data."""

STATE_DTYPE = np.dtype(
    [
        ("rows", "<u8"),
        ("lost", "<u8"),
        ("repeated", "<u8"),
        ("rejected", "<u8"),
        ("ended", "<u1"),
        ("reason", "S240"),
    ]
)
"""The one entry of `sync/state`: rows kept, samples lost, blocks that came twice (and
were dropped), messages refused, and how the stream ended (`ENDED`)."""

RUNNING, ENDED_REGULARLY, ENDED_WITH_REASON = 0, 1, 2
"""Values of `ended`: the writer has not closed the file; the source said END with no
reason; the stream ended for the reason that stands beside it."""


@dataclass(frozen=True, slots=True)
class LostInterval:
    """A run of samples that never came (see `LOST_DTYPE`)."""

    first: int
    count: int
    row: int
    epoch: int
    cause: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """The account of one stream. Always received + lost = expected.

    Attributes:
        received: Rows in the stream file.
        lost: Samples that are missing from it.
        repeated: Blocks that came twice and were dropped.
        rejected: Messages that were refused.
        intervals: Where and why samples are missing, in order.
        ended: One of RUNNING, ENDED_REGULARLY, ENDED_WITH_REASON.
        reason: Why the stream ended, if not regularly.

    """

    received: int
    lost: int
    repeated: int
    rejected: int
    intervals: tuple[LostInterval, ...]
    ended: int
    reason: str

    @property
    def expected(self) -> int:
        """Samples that the source counted."""
        return self.received + self.lost

    @property
    def by_cause(self) -> dict[str, int]:
        """Lost samples by cause, causes without loss left out."""
        total: dict[str, int] = {}
        for interval in self.intervals:
            total[interval.cause] = total.get(interval.cause, 0) + interval.count
        return total
