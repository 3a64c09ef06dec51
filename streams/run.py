"""Samples on their way from the wire to the file: blocks that follow each other."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

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
        bodies: The blocks' bytes. Those of blocks that came together are one piece,
            unless each row has a time of its own.
        body_rows: Rows of each body.

    """

    first: int
    rows: int
    epoch: int
    blocks: int = 0
    records: list[Any] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    body_rows: list[int] = field(default_factory=list)

    def add(self, record: Any, body: Any, rows: int) -> None:
        """Add a block."""
        self.rows += rows
        self.blocks += 1
        self.records.append(record)
        self.bodies.append(body)
        self.body_rows.append(rows)

    def singly(self) -> Iterator["Run"]:
        """Cut into runs of one block each."""
        for records, body, rows in zip(
            self.records, self.bodies, self.body_rows, strict=True
        ):
            row_bytes, start = len(body) // max(1, rows), 0
            for block in np.frombuffer(records, RECORD_DTYPE):
                count = int(block["rows"])
                single = Run(int(block["first_sample"]), 0, self.epoch)
                stop = start + count * row_bytes
                single.add(block.tobytes(), body[start:stop], count)
                start = stop
                yield single
