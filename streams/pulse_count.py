"""Counts the pulses of a sync line in the blocks of its stream, as they come."""

from typing import Any

import numpy as np
import numpy.typing as npt

from rigd.config.clocks import SyncLine
from rigd.streams.block import Block, StreamFormat
from rigd.streams.pulses import AnalogEdges, LineEdges, event_edges


class PulseCount:
    """How many pulses have come on one sync line.

    A line that can't be in a stream of this format has none.
    """

    def __init__(self, sync: SyncLine, form: StreamFormat) -> None:
        self.count = 0
        self._sync = sync
        self._form = form
        self._edges = _edges(sync, form)

    def feed(self, block: Block) -> None:
        """Take a block of the stream."""
        if self._form.rate is None:
            self.count += _events(self._sync, block.data)
        elif self._edges is not None:
            rows = block.data.reshape(len(block.data), -1)
            column = rows[:, min(self._sync.column or 0, rows.shape[1] - 1)]
            found = self._edges.feed(column, block.first, block.epoch)
            self.count += len(found)


def _edges(sync: SyncLine, form: StreamFormat) -> LineEdges | AnalogEdges | None:
    """What finds the edges of a sampled line; None: it can't be in there."""
    if form.rate is None or len(form.shape) > 1 or form.dtype.names is not None:
        return None
    width = int(sync.least_width * form.rate)
    if sync.threshold is not None:
        level = (sync.threshold - form.offset) / form.conversion
        fall = sync.hysteresis / abs(form.conversion)
        return AnalogEdges(level, fall, sync.edge, width)
    if form.dtype.kind not in "iu" or (sync.line or 0) >= 8 * form.dtype.itemsize:
        return None
    return LineEdges(sync.line or 0, sync.edge, width)


def _events(sync: SyncLine, rows: npt.NDArray[Any]) -> int:
    """Events that are pulses: all of them where no line is named."""
    names = rows.dtype.names or ()
    if sync.line is None:
        return len(rows)
    if "line" not in names:
        return 0
    values = rows["value"] if "value" in names else np.ones(len(rows), np.int64)
    mine = event_edges(rows["line"], values, line=sync.line, edge=sync.edge)
    return int(np.count_nonzero(mine))
