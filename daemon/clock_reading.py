"""Reads what a stream file tells of its device's clock, block by block.

Memory does not grow with the samples: anchors are thinned, and of the rows only pulses
and nothing else are kept.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from rigd.config.clocks import SyncLine
from rigd.daemon.clock_domains import StreamClock
from rigd.daemon.stream_record import StreamRecord
from rigd.daemon.sync_edges import read_edges
from rigd.streams.block import NO_TIME
from rigd.streams.clock_evidence import (
    Anchors,
    RoundTrips,
    device_anchors,
    thinned,
)
from rigd.streams.sample_counter import follow_counter
from rigd.streams.stream_reader import StreamReader


def read_stream_clock(
    reader: StreamReader, record: StreamRecord, sync: SyncLine | None
) -> StreamClock:
    """Read the evidence of one stream; `sync` says where its pulses are, if any.

    Raises:
        StreamFileError: The file contradicts itself.
        ValueError: `sync` does not fit the stream.

    """
    form = record.stream_format
    span = reader.block_span() or (0, 0)
    counter = None
    pieces = _row_time_anchors(reader, form.row_times)
    anchors = thinned(_before(span, pieces), span_ns=span)
    timed = len(anchors) > 0
    if not timed and form.rate is not None:
        counter = follow_counter(reader.blocks(), form.rate)
        pieces = map(counter.anchors, reader.blocks())
        anchors = thinned(_before(span, pieces), span_ns=span)
        timed = any(np.any(b["device_ns"] != NO_TIME) for b in reader.blocks())
    return StreamClock(
        anchors,
        counter,
        has_device_times=timed,
        rate=form.rate,
        transfer=_transfer(reader, form.rate),
        blocks=sum(map(len, reader.blocks())),
        edges=None if sync is None else read_edges(reader, sync, form, counter),
        round_trips=_round_trips(reader),
    )


def _row_time_anchors(reader: StreamReader, row_times: bool) -> Iterator[Anchors]:
    if row_times:
        for blocks, last_row_ns in reader.blocks_with_last_row_ns():
            yield device_anchors(blocks, last_row_ns)


def _before(span_ns: tuple[int, int], pieces: Iterable[Anchors]) -> Iterator[Anchors]:
    """Leave out what came last, unless it came first too.

    It is what was still in the device when it was stopped: it has not waited until a
    transfer was full, nor for its turn, so it says nothing of the way of the others.
    """
    first_ns, last_ns = span_ns
    for anchors in pieces:
        known = anchors.host_ns < last_ns if first_ns < last_ns else anchors.host_ns > 0
        yield anchors.take(known)


def _transfer(reader: StreamReader, rate: float | None) -> float:
    """Median time of the samples of a block, of the first piece of blocks."""
    first = next(reader.blocks(), None)
    if rate is None or first is None or len(first) == 0:
        return 0.0
    return float(np.median(first["rows"])) / rate


def _round_trips(reader: StreamReader) -> RoundTrips | None:
    """Clock readings; they belong to the epoch of the block nearest in host time."""
    readings = reader.clock_readings()
    if len(readings) == 0:
        return None
    host_ns = readings["host_ns"].astype(np.int64)
    return RoundTrips(
        epoch=_epochs_at(reader, host_ns),
        x=readings["device_ns"].astype(np.int64),
        host_ns=host_ns,
        uncertainty_ns=readings["uncertainty_ns"].astype(np.int64),
    )


def _epochs_at(
    reader: StreamReader, host_ns: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """The epoch that was under way at host times."""
    starts: dict[int, int] = {}
    for blocks in reader.blocks():
        epochs, first = np.unique(blocks["epoch"], return_index=True)
        for epoch, index in zip(epochs.tolist(), first.tolist(), strict=True):
            starts.setdefault(epoch, int(blocks["host_ns"][index]))
    known = sorted(starts)
    if not known:
        return np.zeros(len(host_ns), np.int64)
    begins = np.array([starts[epoch] for epoch in known])
    place = np.clip(np.searchsorted(begins, host_ns, side="right") - 1, 0, None)
    return np.array(known, np.int64)[place]
