"""Stream files made by h5py alone, for tests of what appends to and reads them."""

from pathlib import Path

import h5py
import numpy as np

from rigd.streams.ledger import STATE_DTYPE
from rigd.streams.stream_layout import DatasetLayout, StreamLayout


def make_stream_file(path: Path, layout: StreamLayout) -> None:
    """Make an empty stream file with all datasets of `layout`, without NWB."""
    datasets = [*layout.data, layout.blocks, layout.clock, layout.lost]
    optional = (layout.timestamps, layout.row_times, layout.ids)
    datasets += [dataset for dataset in optional if dataset is not None]
    with h5py.File(path, "w-", libver="v110") as file:
        for dataset in datasets:
            gzip = layout.compression == "gzip" and dataset in layout.data
            make_dataset(file, dataset, gzip=gzip)
        file.create_dataset(layout.state, data=np.zeros((), STATE_DTYPE))


def make_dataset(file: h5py.File, dataset: DatasetLayout, *, gzip: bool) -> None:
    """Make one empty growing dataset."""
    file.create_dataset(
        dataset.path,
        shape=(0, *dataset.shape),
        maxshape=(None, *dataset.shape),
        chunks=dataset.chunk,
        dtype=dataset.dtype,
        compression="gzip" if gzip else None,
        compression_opts=1 if gzip else None,
        shuffle=gzip,
    )
