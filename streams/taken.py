"""What a receiver takes off the wire, and what makes a message unusable. No I/O."""

from dataclasses import dataclass
from typing import Any

from rigd.streams.ledger import CAUSES
from rigd.streams.run import Run
from rigd.streams.wire import CLOCK_DTYPE, LOST_COUNT, SAMPLES_END, Header, Kind


@dataclass(frozen=True, slots=True)
class Malformed:
    """A numbered message of this sender that can't be used; its samples are lost."""

    what: str


@dataclass(frozen=True, slots=True)
class Told:
    """A numbered message other than DATA: its header and body."""

    header: Header
    body: bytes


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What follows comes from another sender than what was before."""


Taken = Run | Told | Malformed | TakenOver


def fault_of(told: Told) -> str:
    """Say what makes a numbered message unusable; empty: nothing."""
    kind, size = told.header.kind, len(told.body)
    if kind is Kind.LOST and size >= LOST_COUNT.size:
        return _fault_of_loss(told)
    if kind is Kind.LOST or (kind is Kind.CLOCK and size % CLOCK_DTYPE.itemsize):
        return f"{size} bytes in a {kind.name} message"
    return ""


def _fault_of_loss(told: Told) -> str:
    first = told.header.first
    (count,) = LOST_COUNT.unpack_from(told.body)
    cause = told.body[LOST_COUNT.size :].decode(errors="replace")
    if cause not in CAUSES:
        return f"LOST with the cause {cause[:64]!r}; it must be one of {list(CAUSES)}"
    if count == 0 or first + count > SAMPLES_END:
        what = f"LOST of {count} samples from {first} on; indices end at {SAMPLES_END}"
        return f"{what}, and none is no loss"
    return ""


def fault_of_rows(first: int, rows: int) -> str:
    """Say what makes the rows of a block impossible; empty: nothing."""
    if not rows:
        return "a block of 0 rows"
    if first + rows > SAMPLES_END:
        return f"rows {first} to {first + rows}; indices end at {SAMPLES_END}"
    return ""


def follow_each_other(blocks: list[Any]) -> bool:
    """Say whether the rows of blocks (`RECORD`s) are one piece, without a hole."""
    _, next_sample, _, _, _, first_epoch, _, _ = blocks[0]
    for _, first, _, _, rows, epoch, _, _ in blocks:
        if first != next_sample or epoch != first_epoch:
            return False
        next_sample += rows
    return True
