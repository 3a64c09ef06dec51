"""Samples on their way from the wire to the file: blocks that follow each other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rigd.streams.free_space import Place
from rigd.streams.wire import RECORD_DTYPE


@dataclass(slots=True)
class Run:
    """Blocks that follow each other in sequence and in sample index.

    Attributes:
        first: Sample index of the first row.
        rows: Rows of all blocks.
        epoch: That of all blocks.
        blocks: How many blocks.
        records: The blocks' entries for `sync/blocks`, 48 bytes each; those of blocks
            that came together are one piece.
        bodies: The blocks' bytes. Those of blocks that came together, or that lie one
            behind the other, are one piece, unless each row has a time of its own.
        body_rows: Rows of each body.

    """

    first: int
    rows: int
    epoch: int
    blocks: int = 0
    records: list[Any] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    body_rows: list[int] = field(default_factory=list)
    _last: Place | None = None

    def add(self, record: Any, body: Any, rows: int) -> None:
        """Add a block."""
        self.rows += rows
        self.blocks += 1
        self.records.append(record)
        self.bodies.append(body)
        self.body_rows.append(rows)
        self._last = None

    def add_shared(
        self, record: Any, place: Place, rows: int, view: Callable[[Place], Any]
    ) -> None:
        """Add a block; one that lies behind the last one is one piece with it.

        `place` is where it lies in the sender's memory, `view` shows what lies there.
        """
        last = self._last
        if last is None or last.offset + last.size != place.offset:
            self.add(record, view(place), rows)
            self._last = place
            return
        self._last = Place(last.offset, last.size + place.size)
        self.rows += rows
        self.blocks += 1
        self.records.append(record)
        self.bodies[-1] = view(self._last)
        self.body_rows[-1] += rows

    def singly(self) -> Iterator["Run"]:
        """Cut into runs of one block each."""
        bodies, start = self.bodies, 0
        whole = memoryview(bodies[0] if len(bodies) == 1 else b"".join(bodies))
        row_bytes = len(whole) // max(1, self.rows)
        for block in np.frombuffer(b"".join(self.records), RECORD_DTYPE):
            count = int(block["rows"])
            single = Run(int(block["first_sample"]), 0, self.epoch)
            stop = start + count * row_bytes
            single.add(block.tobytes(), whole[start:stop], count)
            start = stop
            yield single
