"""The clocks as they were read, in a form that NWB knows.

Each stream file has them in its `sync` group, which the session file links. pynwb does
not read that group and drops it from exports, so the session file has them once more:
one TimeSeries per stream, one row per block.
"""

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from pynwb import TimeSeries

from rigd.daemon.own_data import ROWS_AT_ONCE, OwnData

COLUMNS = ("first_sample", "rows", "device_ns", "epoch")
"""Columns of the series, fields of `wire.RECORD_DTYPE`."""

DESCRIPTION = (
    "Raw clock readings of the stream `{stream}`, one row for each block. Columns: "
    "index of its first sample, counted by the device; number of rows; device clock at "
    "the first sample (ns; -2**63: none); number of times the device's counter had "
    "started anew. Timestamps: the computer's clock when the block had been read, in "
    "seconds from the start of the session."
)


def raw_clock(
    own: OwnData, stream: str, blocks: h5py.Dataset, start_ns: int
) -> TimeSeries:
    """Make the series of one stream.

    Args:
        own: Takes its datasets.
        stream: Name of the stream.
        blocks: Its `sync/blocks`, in an open file.
        start_ns: CLOCK_MONOTONIC at the start of the session.

    """
    what = f"clock readings of stream `{stream}`"
    return TimeSeries(
        name=f"{stream}_clock",
        description=DESCRIPTION.format(stream=stream),
        unit="n/a",
        data=own.add(what, _readings(blocks), (len(blocks), len(COLUMNS)), np.int64),
        timestamps=own.add(what, _host_seconds(blocks, start_ns), (len(blocks),)),
    )


def _pieces(blocks: h5py.Dataset) -> Iterator[npt.NDArray[Any]]:
    for start in range(0, len(blocks), ROWS_AT_ONCE):
        yield blocks[start : start + ROWS_AT_ONCE]


def _readings(blocks: h5py.Dataset) -> Iterator[npt.NDArray[np.int64]]:
    for piece in _pieces(blocks):
        yield np.stack([piece[name].astype(np.int64) for name in COLUMNS], axis=1)


def _host_seconds(
    blocks: h5py.Dataset, start_ns: int
) -> Iterator[npt.NDArray[np.float64]]:
    for piece in _pieces(blocks):
        yield (piece["host_ns"] - start_ns) / 1e9
