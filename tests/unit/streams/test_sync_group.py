from pathlib import Path

import h5py
import numpy as np

from rigd.streams.block import StreamFormat
from rigd.streams.ledger import LOST_DTYPE, STATE_DTYPE
from rigd.streams.stream_layout import stream_layout
from rigd.streams.sync_group import add_sync
from rigd.streams.wire import CLOCK_DTYPE, RECORD_DTYPE


def test_sync_is_empty_and_can_grow(tmp_path: Path) -> None:
    layout = stream_layout("a", StreamFormat(np.dtype("<i2"), (4,), row_times=True))
    with h5py.File(tmp_path / "a.nwb", "w", libver="v110") as file:
        add_sync(file, layout)
        sync = file[layout.sync]
        assert sorted(sync) == ["blocks", "clock", "lost", "row_device_ns", "state"]
        for name, dtype in (
            ("blocks", RECORD_DTYPE),
            ("clock", CLOCK_DTYPE),
            ("lost", LOST_DTYPE),
            ("row_device_ns", np.dtype("<i8")),
        ):
            assert sync[name].dtype == dtype
            assert sync[name].shape == (0,)
            assert sync[name].maxshape == (None,)
            assert sync[name].chunks[0] >= 1024
            assert sync[name].compression is None


def test_state_is_one_entry_of_zeros_that_swmr_can_overwrite(tmp_path: Path) -> None:
    layout = stream_layout("a", StreamFormat(np.dtype("<i2"), (4,), 100.0))
    with h5py.File(tmp_path / "a.nwb", "w", libver="v110") as file:
        add_sync(file, layout)
        assert "row_device_ns" not in file[layout.sync]
        state = file[layout.state]
        assert state.chunks is None
        assert state[()] == np.zeros((), STATE_DTYPE)
        file.flush()
        file.swmr_mode = True
        state[...] = np.array((7, 0, 0, 0, 2, b"unplugged"), STATE_DTYPE)
    with h5py.File(tmp_path / "a.nwb", "r") as file:
        assert file[layout.state][()]["reason"] == b"unplugged"
