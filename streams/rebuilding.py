"""Puts the rows of one dataset together from a journal's records, in order.

No I/O: stored chunks are handed in. Rows come out once and in order, up to a limit (the
last checkpoint); a row that can't be had is a hole, and nothing after a hole is given
out.
"""

from collections.abc import Iterator

from rigd.streams.journal import Inline


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
        self._last = limit
        self._inline = bytearray()
        self.rows = 0
        self.bad_chunks = 0

    def wants(self, row: int) -> bool:
        """Whether rows from `row` on can still be of use."""
        return row < self._last

    def take_part(self, first: int, last: int | None = None) -> Iterator[bytes]:
        """Begin a part at row `first`: inline rows up to it are all there is.

        `last` is where the following part begins: what this one says of later rows
        does not count, the other has them again.
        """
        yield from self._give(first)
        self._inline.clear()
        self._last = self._limit if last is None else min(self._limit, last)

    def take_inline(self, record: Inline) -> None:
        """Keep rows until their chunk comes, or the end."""
        if len(record.content) != record.rows * self._row_bytes:
            return
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
            return
        yield from self._give(row)
        if row <= self.rows < last:
            start = (self.rows - row) * self._row_bytes
            wanted = min(last, self._last)
            if wanted > self.rows:
                yield content[start : (wanted - row) * self._row_bytes]
                self.rows = wanted
            del self._inline[: (last - row) * self._row_bytes - start]

    def finish(self) -> Iterator[bytes]:
        """Give out what is left inline."""
        yield from self._give(self._last)

    def _give(self, last: int) -> Iterator[bytes]:
        """Give out inline rows before row `last`."""
        wanted = min(last, self._last) - self.rows
        rows = min(wanted, len(self._inline) // self._row_bytes)
        if rows > 0:
            yield bytes(self._inline[: rows * self._row_bytes])
            del self._inline[: rows * self._row_bytes]
            self.rows += rows
