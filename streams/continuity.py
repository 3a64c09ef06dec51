"""Is the next block where the stream left off? A verdict for each, without I/O.

Within an epoch sample indices only grow. A jump forward is a loss, an index that was
there already is a repeat (dropped), a new epoch starts again at index 0, an old one
comes too late.
"""

from dataclasses import dataclass

from rigd.streams.ledger import LostInterval


@dataclass(slots=True)
class Continuity:
    """Where a stream stands: the next expected sample index of the current epoch.

    Attributes:
        next: Sample index that should come next.
        epoch: Number of times the counter has started anew.
        suspect: Cause of the next jump where something is known about it already.

    """

    next: int = 0
    epoch: int = 0
    suspect: str = "device"

    def follows(self, first: int, epoch: int) -> bool:
        """Say whether a block starts exactly where the stream left off."""
        return first == self.next and epoch == self.epoch

    def is_late(self, epoch: int) -> bool:
        """Say whether a block is of an epoch that is over."""
        return epoch < self.epoch

    def repeated_rows(self, first: int, rows: int, epoch: int) -> int:
        """Count the rows at the start of a block that were there already."""
        if epoch != self.epoch:
            return 0
        return max(0, min(rows, self.next - first))

    def jump_to(self, first: int, epoch: int, row: int) -> LostInterval | None:
        """Move to `first` of `epoch`; return what is missing in between, if anything.

        `row` is the row of the data that comes next.
        """
        if epoch > self.epoch:
            self.epoch, self.next = epoch, 0
        missing = first - self.next
        cause, self.suspect = self.suspect, "device"
        if missing <= 0:
            return None
        interval = LostInterval(self.next, missing, row, epoch, cause)
        self.next = first
        return interval
