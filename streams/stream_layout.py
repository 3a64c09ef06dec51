"""Where everything lies inside a stream file. No I/O: paths, dtypes and shapes only.

/acquisition/<stream>/data              rows (EventsTable: /events/<stream>/<column>)
/acquisition/<stream>/timestamps        event-like: device seconds, float64
/events/<stream>/id                     EventsTable: number of the row, int64
.../sync/blocks                         one entry a block: `wire.RECORD_DTYPE`
.../sync/row_device_ns                  device clock a row, where the format has it
.../sync/clock                          clock readings: `wire.CLOCK_DTYPE`
.../sync/lost                           lost intervals: `ledger.LOST_DTYPE`
.../sync/state                          one entry: `ledger.STATE_DTYPE`
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rigd.streams.block import StreamFormat
from rigd.streams.chunking import chunk_rows, chunk_shape
from rigd.streams.ledger import LOST_DTYPE
from rigd.streams.wire import CLOCK_DTYPE, RECORD_DTYPE

SMALL_CHUNK = 1024
"""Rows of a chunk of the rarely written datasets."""

ALIGNED_FROM, ALIGNMENT = 64 * 1024, 4096
"""Chunks of so many bytes begin at a page of the kernel's cache: it takes less CPU."""


@dataclass(frozen=True, slots=True)
class DatasetLayout:
    """One growing dataset: its path in the file, element type, row and chunk shape.

    `field` is the field of a structured dtype that it holds; None holds whole rows.
    """

    path: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    field: str | None = None


@dataclass(frozen=True, slots=True)
class StreamLayout:
    """All datasets of one stream file, and the group that holds them."""

    container: str
    data: tuple[DatasetLayout, ...]
    timestamps: DatasetLayout | None
    blocks: DatasetLayout
    row_times: DatasetLayout | None
    clock: DatasetLayout
    lost: DatasetLayout
    compression: str
    ids: DatasetLayout | None = None
    """Numbers of the rows, 0, 1, 2, ...: a table without them can't be read by NWB."""

    @property
    def datasets(self) -> tuple[DatasetLayout, ...]:
        """All growing datasets, data before what speaks of it.

        Their order is that of the dataset numbers in a journal.
        """
        optional = (self.ids, self.row_times, self.timestamps)
        return (
            *self.data,
            *(dataset for dataset in optional if dataset is not None),
            self.clock,
            self.lost,
            self.blocks,
        )

    @property
    def sync(self) -> str:
        """Path of the group with the raw clocks and the ledger."""
        return f"{self.container}/sync"

    @property
    def state(self) -> str:
        """Path of the dataset with the one `STATE_DTYPE` entry."""
        return f"{self.sync}/state"


def stream_layout(
    name: str,
    stream: StreamFormat,
    *,
    nwb_type: str = "TimeSeries",
    chunk: tuple[int, ...] | None = None,
    compression: str = "none",
) -> StreamLayout:
    """Lay out the file of the stream `name`.

    Raises:
        ValueError: The chunk does not fit the rows, or a structured dtype is not to
            be an EventsTable, or the other way round.

    """
    fields = stream.dtype.names
    table = nwb_type == "EventsTable"
    if table and (fields is None or stream.rate is not None):
        raise ValueError(
            f"stream `{name}`: an EventsTable needs an event-like stream with a "
            f"structured dtype, this one has {stream.dtype} at {stream.rate} Hz"
        )
    if fields is not None and not table:
        raise ValueError(
            f"stream `{name}`: rows with the fields {', '.join(fields)} are an "
            f"EventsTable, not a {nwb_type}"
        )
    container = f"/events/{name}" if table else f"/acquisition/{name}"
    shape = chunk_shape(stream, chunk)
    rows = shape[0]
    data: tuple[DatasetLayout, ...]
    if fields is None:
        data = (DatasetLayout(f"{container}/data", stream.dtype, stream.shape, shape),)
    else:
        data = tuple(
            DatasetLayout(
                f"{container}/{field}",
                stream.dtype[field].base,
                stream.dtype[field].shape,
                (rows, *stream.dtype[field].shape),
                field,
            )
            for field in fields
        )
    sync = f"{container}/sync"
    small = (SMALL_CHUNK,)
    seconds = "timestamp" if table else "timestamps"
    time_chunk = (chunk_rows(8, stream.rate),)
    return StreamLayout(
        container=container,
        data=data,
        timestamps=None
        if stream.rate is not None
        else DatasetLayout(f"{container}/{seconds}", np.dtype("<f8"), (), time_chunk),
        blocks=DatasetLayout(f"{sync}/blocks", RECORD_DTYPE, (), small),
        row_times=DatasetLayout(
            f"{sync}/row_device_ns", np.dtype("<i8"), (), time_chunk
        )
        if stream.row_times
        else None,
        clock=DatasetLayout(f"{sync}/clock", CLOCK_DTYPE, (), small),
        lost=DatasetLayout(f"{sync}/lost", LOST_DTYPE, (), small),
        compression=compression,
        ids=DatasetLayout(f"{container}/id", np.dtype("<i8"), (), time_chunk)
        if table
        else None,
    )
