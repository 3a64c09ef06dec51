"""What a journal says in short: whose it is, its parts, last checkpoint and end."""

from dataclasses import dataclass, field
from pathlib import Path

from rigd.streams.journal import (
    VERSION,
    Checkpoint,
    End,
    Extent,
    Head,
    Part,
    Record,
    Recovered,
    Skeleton,
)
from rigd.streams.journal_file import Damage, JournalError, scan


@dataclass(slots=True)
class JournalState:
    """The short of a journal.

    Attributes:
        head, skeleton: Whose journal it is, and its HDF5 file before the first row.
        parts: The HDF5 files, in order.
        checkpoint: The last one of all.
        end: How the stream ended; None: it did not.
        damage: Bytes that are no record.
        records: Number of whole records.
        recoveries: The recoveries that the stream has been through, in order.
        checked: Where the last checkpoint lies, in bytes.
        is_torn: The record of a part's beginning is missing.

    """

    head: Head
    skeleton: bytes
    parts: list[Part] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    end: End | None = None
    damage: list[Damage] = field(default_factory=list)
    records: int = 0
    recoveries: list[Recovered] = field(default_factory=list)
    checked: int = 0
    is_torn: bool = False

    def take(self, record: Record, position: int) -> None:
        """Note one more record, found at `position`.

        A chunk of a part that was never begun tells that the record of its beginning
        is lost. From there on nothing is sure, and nothing counts.
        """
        self.records += 1
        self.is_torn = self.is_torn or self._is_stray(record)
        if self.is_torn:
            self.end = None
        elif isinstance(record, Part):
            self.parts.append(record)
            self.end = None
        elif isinstance(record, Checkpoint):
            self.checkpoint = record
            self.checked = position
        elif isinstance(record, Recovered):
            self.recoveries.append(record)
        elif isinstance(record, End):
            self.end = record

    def _is_stray(self, record: Record) -> bool:
        if isinstance(record, Extent):
            return not self.parts or record.part != self.parts[-1].number
        if isinstance(record, Part | Checkpoint):
            return len(record.rows) != len(self.head.datasets)
        return False

    @property
    def is_sure(self) -> bool:
        """Whether no checkpoint can be missing after the last one that was found."""
        return not self.is_torn and all(
            damage.start < self.checked for damage in self.damage
        )

    @property
    def rows(self) -> tuple[int, ...]:
        """Rows of each dataset at the last checkpoint."""
        if self.checkpoint is None:
            return (0,) * len(self.head.datasets)
        return self.checkpoint.rows


def read_state(path: Path) -> JournalState:
    """Read a journal from its first to its last record.

    Raises:
        JournalError: It has no head or skeleton that is whole, or is of a later
            version of rigd.
        OSError: It can't be read.

    """
    head: Head | None = None
    skeleton: bytes | None = None
    state: JournalState | None = None
    damage: list[Damage] = []
    for found in scan(path):
        if isinstance(found, Damage):
            damage.append(found)
            continue
        record = found.record
        if isinstance(record, Head):
            head = head or record
        elif isinstance(record, Skeleton):
            skeleton = skeleton or record.content
        else:
            state = state or _begin(path, head, skeleton)
            state.take(record, found.position)
    state = state or _begin(path, head, skeleton)
    state.damage = damage
    return state


def _begin(path: Path, head: Head | None, skeleton: bytes | None) -> JournalState:
    if head is None or skeleton is None:
        what = "head" if head is None else "skeleton"
        raise JournalError(f"{path} has no whole {what}: it is no journal, or damaged")
    if head.version > VERSION:
        raise JournalError(
            f"{path} is of version {head.version}, this rigd reads up to {VERSION}: "
            "use the rigd that recorded it, or a newer one"
        )
    return JournalState(head, skeleton)
