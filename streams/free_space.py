"""Which pieces of a memory are free. No I/O.

The lowest piece that is large enough is given first, so that what is used stays small
and in the processor's cache, however large the memory.
"""

from bisect import bisect
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block lies: bytes [offset, offset + size) of a memory."""

    offset: int
    size: int


class FreeSpace:
    """Gives pieces of [start, end) and takes them back, in any order."""

    def __init__(self, start: int, end: int) -> None:
        self._free = [(start, end)] if start < end else []

    def take(self, size: int) -> int | None:
        """Return where a piece of `size` bytes begins; None if there is none."""
        for number, (start, end) in enumerate(self._free):
            if end - start > size:
                self._free[number] = (start + size, end)
                return start
            if end - start == size:
                del self._free[number]
                return start
        return None

    def give_back(self, start: int, size: int) -> None:
        """Take back a piece, and join it with the free ones beside it."""
        piece = (start, start + size)
        number = bisect(self._free, piece)
        if number < len(self._free) and self._free[number][0] == piece[1]:
            piece = (piece[0], self._free.pop(number)[1])
        if number > 0 and self._free[number - 1][1] == piece[0]:
            number -= 1
            piece = (self._free.pop(number)[0], piece[1])
        self._free.insert(number, piece)
