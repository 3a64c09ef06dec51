"""Creates the `sync` group of a stream file: raw clocks, lost intervals, final state.

NWB's schema has the group and says nothing of what is in it, so h5py makes it.
"""

from typing import Any

import h5py
import numpy as np

from rigd.streams.ledger import STATE_DTYPE
from rigd.streams.stream_layout import DatasetLayout, StreamLayout


def add_sync(file: h5py.File, layout: StreamLayout) -> None:
    """Create the empty, extendable datasets of `sync` and the one entry of `state`.

    To be called before SWMR starts: nothing may be created after that. The container
    of the stream must exist.
    """
    for dataset in (layout.blocks, layout.row_times, layout.clock, layout.lost):
        if dataset is not None:
            file.create_dataset(dataset.path, **growing(dataset))
    file.create_dataset(layout.state, data=np.zeros((), STATE_DTYPE))


def growing(dataset: DatasetLayout) -> dict[str, Any]:
    """Say to HDF5 that `dataset` is empty, and extendable by rows."""
    return {
        "shape": (0, *dataset.shape),
        "maxshape": (None, *dataset.shape),
        "chunks": dataset.chunk,
        "dtype": dataset.dtype,
    }
