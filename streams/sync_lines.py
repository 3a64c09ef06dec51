"""What a sync line is in a stream of a given format. Rules only, no I/O."""

import math
from enum import Enum, auto

import numpy as np

from rigd.config.clocks import SyncLine
from rigd.streams.block import StreamFormat
from rigd.streams.pulses import AnalogEdges, Edge, LineEdges

OPPOSITE = {"rising": Edge.FALLING, "falling": Edge.RISING}
"""The edge that counts in stored numbers where `conversion` is negative."""


class SyncKind(Enum):
    """How pulses show in the rows of a stream."""

    DIGITAL = auto()
    """A bit of integers."""
    ANALOG = auto()
    """A level of numbers."""
    EVENTS = auto()
    """Rows with times of their own."""


def sync_kind(sync: SyncLine, form: StreamFormat) -> SyncKind:
    """Say how the pulses of `sync` show in a stream of this format.

    Raises:
        ValueError: They can't be in there: what is the matter, what to do.

    """
    who = f"`sync` of stream `{sync.stream}`"
    if form.rate is None:
        return _event_kind(sync, form, who)
    _check_column(sync, form, who)
    if sync.line is not None:
        if form.dtype.kind not in "iu":
            raise ValueError(
                f"{who}: `line` is a bit of an integer, but rows are {form.dtype}; "
                "for an analog channel give `threshold`"
            )
        if sync.line >= 8 * form.dtype.itemsize:
            raise ValueError(
                f"{who}: line {sync.line} is not one of the "
                f"{8 * form.dtype.itemsize} lines, 0 to {8 * form.dtype.itemsize - 1}"
            )
        return SyncKind.DIGITAL
    if sync.threshold is None:
        raise ValueError(
            f"{who}: give `line` for a digital line, or `threshold` for an analog "
            "channel"
        )
    return SyncKind.ANALOG


def _event_kind(sync: SyncLine, form: StreamFormat, who: str) -> SyncKind:
    if sync.threshold is not None or sync.column is not None:
        raise ValueError(f"{who}: events have neither `threshold` nor `column`")
    names = form.dtype.names or ()
    if sync.line is not None and "line" not in names:
        raise ValueError(
            f"{who}: its events have no field `line` but {', '.join(names) or 'none'}; "
            "without `line:` each row is a pulse"
        )
    return SyncKind.EVENTS


def _check_column(sync: SyncLine, form: StreamFormat, who: str) -> None:
    columns = int(np.prod(form.shape, dtype=int))
    if len(form.shape) > 1:
        raise ValueError(f"{who}: rows of shape {form.shape} carry no pulses")
    if sync.column is None and columns > 1:
        raise ValueError(f"{who}: give `column`, 0 to {columns - 1}")
    if sync.column is not None and sync.column >= columns:
        raise ValueError(f"{who}: there is no column {sync.column}, but {columns}")


def edge_finder(sync: SyncLine, form: StreamFormat) -> LineEdges | AnalogEdges:
    """Make what finds the pulses of `sync` in the rows of a sampled stream.

    Raises:
        ValueError: They can't be in there.

    """
    rate = form.rate
    kind = sync_kind(sync, form)
    if kind is SyncKind.EVENTS or rate is None:
        raise ValueError(f"stream `{sync.stream}` is one of events, not of samples")
    least = math.ceil(sync.least_width * rate)
    if kind is SyncKind.DIGITAL:
        return LineEdges(sync.line or 0, sync.edge, least)
    return AnalogEdges(
        ((sync.threshold or 0.0) - form.offset) / form.conversion,
        sync.hysteresis / abs(form.conversion),
        sync.edge if form.conversion > 0 else OPPOSITE[sync.edge],
        least,
    )
