"""Is the next block where the stream left off? A verdict for each, without I/O.

Within an epoch sample indices only grow. A jump forward is a loss, an index that was
there already is a repeat (dropped), a new epoch starts again at index 0, an old one
comes too late: its samples are lost.

Another sender may take over. It counts on in the same epoch, so that a jump tells what
is missing, or begins an epoch of its own.
"""

from dataclasses import dataclass

from rigd.streams.ledger import LostInterval

EPOCHS_OF_A_RUN = 2**16
"""A source that was started again for the n-th time counts its epochs from n times
this: they follow all epochs that its predecessors may have used."""


@dataclass(slots=True)
class Continuity:
    """Where a stream stands: the next expected sample index of the current epoch.

    Attributes:
        next: Sample index that should come next.
        epoch: Number of times the counter has started anew.
        suspect: Cause of the next jump where something is known about it already.
        is_taken_over: Another sender has taken over, and none of its rows was kept yet:
            what goes back in the epoch of its predecessor is late, not repeated.

    """

    next: int = 0
    epoch: int = 0
    suspect: str = "device"
    is_taken_over: bool = False

    def follows(self, first: int, epoch: int) -> bool:
        """Say whether a block starts exactly where the stream left off."""
        return first == self.next and epoch == self.epoch

    def is_late(self, epoch: int) -> bool:
        """Say whether a block is of an epoch that is over."""
        return epoch < self.epoch

    def take_over(self, row: int) -> LostInterval:
        """Let another sender go on; return the outage before it.

        `row` is the row of the data that comes next.
        """
        self.is_taken_over = True
        self.suspect = "source down"
        return LostInterval(self.next, 0, row, self.epoch, "source down")

    def repeated_rows(self, first: int, rows: int, epoch: int) -> int:
        """Count the rows at the start of a block that were there already."""
        if epoch != self.epoch:
            return 0
        return max(0, min(rows, self.next - first))

    def go_on(self, following: int) -> None:
        """Rows were kept; sample `following` comes next, and nothing is suspect."""
        self.next = following
        self.suspect = "device"
        self.is_taken_over = False

    def jump_to(self, first: int, epoch: int, row: int) -> LostInterval | None:
        """Move to `first` of `epoch`; return what is missing in between, if anything.

        `row` is the row of the data that comes next.
        """
        if epoch > self.epoch:
            self.epoch, self.next = epoch, 0
            if self.suspect == "source down":  # the new epoch has seen no outage
                self.suspect = "device"
        missing = first - self.next
        if missing <= 0:
            return None
        cause, self.suspect = self.suspect, "device"
        interval = LostInterval(self.next, missing, row, epoch, cause)
        self.next = first
        return interval
