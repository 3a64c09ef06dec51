"""Where the wire and the account of a stream stand at one moment."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """What a checkpoint keeps beside the rows, so that a writer can go on from it.

    Attributes:
        sequence, sender: The next wanted message of which sender.
        next, epoch: The next expected sample index of the current epoch.
        lost, repeated, rejected: Counts of the ledger.

    """

    sequence: int = 0
    sender: int = 0
    next: int = 0
    epoch: int = 0
    lost: int = 0
    repeated: int = 0
    rejected: int = 0
