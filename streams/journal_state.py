"""What a journal says in short: whose it is, its parts, last checkpoint and end."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rigd.streams.journal import (
    VERSION,
    Checkpoint,
    End,
    Extent,
    Head,
    Inline,
    Part,
    Record,
    Recovered,
    Skeleton,
)
from rigd.streams.journal_file import Damage, Found, JournalError, scan


@dataclass(slots=True)
class JournalState:
    """The short of a journal.

    Attributes:
        head, skeleton: Whose journal it is, and its HDF5 file before the first row.
        parts: The HDF5 files, in order. One whose beginning is lost begins where the
            checkpoint before it stood: at this row or later, never before.
        checkpoint: The last one that counts.
        sound: The last one that nothing can be missing of: no damage lies between it
            and the one before.
        end: How the stream ended; None: it did not.
        damage: Bytes that are no record.
        records: Number of whole records.
        recoveries: The recoveries that the stream has been through, in order.
        checked: Where the last checkpoint lies, in bytes.
        is_torn: Some records can't be of this journal; they do not count.

    """

    head: Head
    skeleton: bytes
    parts: list[Part] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    sound: Checkpoint | None = None
    end: End | None = None
    damage: list[Damage] = field(default_factory=list)
    records: int = 0
    recoveries: list[Recovered] = field(default_factory=list)
    checked: int = 0
    is_torn: bool = False
    _is_damaged: bool = False

    def take(self, record: Record, position: int) -> None:
        """Note one more record, found at `position`."""
        self.records += 1
        if self._is_stray(record):
            self.is_torn = True
        elif isinstance(record, Part):
            self._begin_part(record)
        elif isinstance(record, Checkpoint):
            self._find_part(record.part)
            self.checkpoint, self.checked = record, position
            if not self._is_damaged:
                self.sound = record
            self._is_damaged = False
        elif isinstance(record, Extent | Inline):
            self._find_part(record.part)
        elif isinstance(record, Recovered):
            self.recoveries.append(record)
        elif isinstance(record, End):
            self.end = record

    def take_damage(self, damage: Damage) -> None:
        """Note bytes that are no record."""
        self.damage.append(damage)
        self._is_damaged = True

    def _is_stray(self, record: Record) -> bool:
        """Whether a record has the wrong number of datasets, or is of a past part."""
        datasets, last = len(self.head.datasets), self._last_part
        if isinstance(record, Part):
            return len(record.rows) != datasets or record.number <= last
        if isinstance(record, Checkpoint):
            return len(record.rows) != datasets or record.part < last
        if isinstance(record, Extent | Inline):
            return record.dataset >= datasets or record.part < last
        return False

    @property
    def _last_part(self) -> int:
        return self.parts[-1].number if self.parts else -1

    def _begin_part(self, part: Part) -> None:
        """Go back to where the part begins: later rows of earlier ones do not count."""
        self.parts.append(part)
        self.end = None
        self._is_damaged = False
        if any(row > first for row, first in zip(self.rows, part.rows, strict=True)):
            self.checkpoint = self.sound

    def _find_part(self, number: int) -> None:
        """Note a part whose own record is lost."""
        if number > self._last_part:
            self.parts.append(Part(number, self.rows))
            self.end = None

    @property
    def is_sure(self) -> bool:
        """Whether no checkpoint can be missing after the last one that was found."""
        return all(damage.start < self.checked for damage in self.damage)

    @property
    def rows(self) -> tuple[int, ...]:
        """Rows of each dataset at the last checkpoint."""
        if self.checkpoint is None:
            return (0,) * len(self.head.datasets)
        return self.checkpoint.rows


def read_state(
    path: Path, records: Iterable[Found | Damage] | None = None
) -> JournalState:
    """Read a journal from its first to its last record.

    Args:
        path: The journal.
        records: What it holds, if it is open already.

    Raises:
        JournalError: It has no head or skeleton that is whole, or is of a later
            version of rigd.
        OSError: It can't be read.

    """
    head: Head | None = None
    skeleton: bytes | None = None
    state: JournalState | None = None
    before: list[Damage] = []
    for found in scan(path) if records is None else records:
        if isinstance(found, Damage):
            if state is None:
                before.append(found)
            else:
                state.take_damage(found)
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
    state.damage[:0] = before
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
