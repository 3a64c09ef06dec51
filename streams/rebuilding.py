"""Puts the rows of one dataset together from a journal's records, in order.

No I/O: stored chunks are fetched through a function. Rows come out once and in order,
up to a limit (the last checkpoint); a row that can't be had is a hole, and nothing
after a hole is given out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rigd.streams.journal import Extent, Inline

Fetch = Callable[[Extent], bytes | None]
"""Gives the decoded bytes of a chunk of whole rows; None: it is not what was stored."""


@dataclass(slots=True)
class Open:
    """Rows that wait for their chunk: inline bytes from row `first` on."""

    first: int
    content: bytearray = field(default_factory=bytearray)


class Rebuilder:
    """Takes one dataset's records in the order of the journal; gives out rows.

    Attributes:
        rows: Rows given out so far.
        bad_chunks: Chunks that were not what the journal says, their rows inline or
            not.

    """

    def __init__(self, row_bytes: int, limit: int) -> None:
        """Give out rows of `row_bytes` bytes, at most `limit`."""
        self._row_bytes = row_bytes
        self._limit = limit
        self._inline = bytearray()
        self.rows = 0
        self.bad_chunks = 0

    def take_part(self, first: int) -> Iterator[bytes]:
        """Begin a new part at row `first`: inline rows up to it are all there is."""
        yield from self._give(first)
        self._inline.clear()

    def take_inline(self, record: Inline) -> None:
        """Keep rows until their chunk comes, or the end."""
        waiting = self.rows + len(self._inline) // self._row_bytes
        skip = waiting - record.row
        if 0 <= skip < record.rows:
            self._inline += record.content[skip * self._row_bytes :]

    def take_chunk(self, row: int, rows: int, content: bytes | None) -> Iterator[bytes]:
        """Give out a chunk's rows; or, where it is damaged, those that came inline."""
        last = row + rows
        if content is None:
            self.bad_chunks += 1
            yield from self._give(last)
        elif row <= self.rows < last:
            start = (self.rows - row) * self._row_bytes
            wanted = min(last, self._limit)
            if wanted > self.rows:
                yield content[start : (wanted - row) * self._row_bytes]
                self.rows = wanted
            del self._inline[: (last - row) * self._row_bytes - start]

    def finish(self) -> Iterator[bytes]:
        """Give out what is left inline."""
        yield from self._give(self._limit)

    def _give(self, last: int) -> Iterator[bytes]:
        """Give out inline rows before row `last`."""
        wanted = min(last, self._limit) - self.rows
        rows = min(wanted, len(self._inline) // self._row_bytes)
        if rows > 0:
            yield bytes(self._inline[: rows * self._row_bytes])
            del self._inline[: rows * self._row_bytes]
            self.rows += rows
