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
    "source down",
    "late",
)
"""Why samples are missing.

device: the device's own count jumped; driver: the driver says so; ring full: the
source had no room, the writer was too slow; transport: lost between the two;
writer down: nobody took them; disk: could not be written; rejected: came in a message
that was not of this stream; source down: the source had died, nobody read the device;
late: came after its epoch was over, so that it has no place among the rows.
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
epoch are missing between rows `row` - 1 and `row` of the data.

A count of 0 is an outage: from `first_sample` of this epoch on, samples are missing
that nobody has numbered, since the source had died and its successor counts anew (or
on, in which case their number follows in an interval of its own). How long it was is
known from the times of the rows on both sides; how many samples it took is not, and is
not guessed.
"""

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
were dropped), messages refused, and how the stream ended (`ENDED`).

A block comes twice (`repeated`) when its message or its samples are there already. One
of an epoch that is over is late, whatever it holds: its sender has numbered it anew, so
its samples are counted as lost, cause "late".
"""

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

    @property
    def is_outage(self) -> bool:
        """Whether nobody counted what is missing here."""
        return self.count == 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """The account of one stream. Always received + lost = expected.

    What is missing in an outage was never counted, so it is in neither; the outage is
    an interval all the same.

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
    def outages(self) -> tuple[LostInterval, ...]:
        """Intervals in which nobody counted."""
        return tuple(i for i in self.intervals if i.is_outage)

    @property
    def by_cause(self) -> dict[str, int]:
        """Lost samples by cause, causes without loss left out."""
        total: dict[str, int] = {}
        for interval in self.intervals:
            if not interval.is_outage:
                total[interval.cause] = total.get(interval.cause, 0) + interval.count
        return total
