"""Datasets that pynwb makes and h5py fills: memory does not grow with their length."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from hdmf.backends.hdf5 import H5DataIO

from rigd.daemon.stream_entry import Arrays

ROWS_AT_ONCE = 1 << 16
"""Rows that are read, written or compressed together."""

GZIP_LEVEL = 1
"""Times take 0.46 bytes a row by it, in half the time of level 4 with 0.42 bytes."""


class RowsError(Exception):
    """A dataset got more or fewer rows than it was made for."""


@dataclass(frozen=True)
class _Pending:
    what: str
    data: H5DataIO
    arrays: Arrays


@dataclass
class OwnData:
    """The datasets that are a file's own: added first, filled when pynwb has written.

    The datasets must be filled while the file is open.
    """

    _pending: list[_Pending] = field(default_factory=list)

    def add(
        self,
        what: str,
        arrays: Arrays,
        shape: tuple[int, ...],
        dtype: npt.DTypeLike = np.float64,
    ) -> H5DataIO:
        """Announce a dataset; return what pynwb's constructors take for it.

        Args:
            what: What it is, for error messages.
            arrays: Its rows.
            shape: Its shape, rows first.
            dtype: Type of one element; text is stored without compression, which HDF5
                can't do for it.

        """
        packing: dict[str, Any] = {
            "compression": "gzip",
            "shuffle": True,
            "compression_opts": 1,
        }
        data = H5DataIO(
            shape=shape,
            maxshape=(None, *shape[1:]),
            dtype=np.dtype(dtype),
            chunks=(min(ROWS_AT_ONCE, max(1, shape[0])), *shape[1:]),
            **({} if np.dtype(dtype).hasobject else packing),
        )
        self._pending.append(_Pending(what, data, arrays))
        return data

    def fill(self) -> None:
        """Write all rows of all datasets.

        Raises:
            RowsError: A dataset's rows are not as many as announced.

        """
        for pending in self._pending:
            _fill(pending)


def _fill(pending: _Pending) -> None:
    dataset = pending.data.dataset
    row = 0
    for array in pending.arrays:
        if row + len(array) <= len(dataset):
            dataset[row : row + len(array)] = array
        row += len(array)
    if row != len(dataset):
        raise RowsError(f"{pending.what}: {row} rows came, {len(dataset)} are needed")
