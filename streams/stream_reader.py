"""Reads a closed stream file: its account, its blocks, the times and numbers in it."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from rigd.streams.block import NO_TIME
from rigd.streams.durable_stream import HDF5_ERRORS
from rigd.streams.ledger import RUNNING, Ledger, LostInterval
from rigd.streams.stream_layout import DatasetLayout, StreamLayout

BLOCKS_AT_ONCE = 1 << 16
"""Blocks that are read together: 3 MiB."""

ROWS_AT_ONCE = 1 << 20
"""Row times that are read together: 8 MiB."""


class StreamFileError(Exception):
    """A stream file that can't be used: missing, open, damaged, or not of this stream.

    The text says what is wrong, without the name of the file.
    """


class MissingStreamFileError(StreamFileError):
    """There is no file."""


class StreamReader:
    """An open stream file. Use it with `with`.

    Attributes:
        rows: Rows of the data.

    """

    def __init__(self, path: Path, layout: StreamLayout) -> None:
        """Open the file.

        Raises:
            StreamFileError: It is missing, can't be read, or lacks a dataset.

        """
        self._layout = layout
        self._file = _open(path)
        try:
            self._check_datasets()
            self.rows = len(self._file[layout.data[0].path])
        except HDF5_ERRORS as error:
            self._file.close()
            raise StreamFileError(f"the file can't be read: {error}") from error
        except BaseException:
            self._file.close()
            raise

    def _check_datasets(self) -> None:
        layout = self._layout
        wanted = (*layout.data, layout.timestamps, layout.row_times, layout.ids)
        paths = [dataset.path for dataset in wanted if dataset is not None]
        paths += [layout.blocks.path, layout.lost.path, layout.state]
        missing = [path for path in paths if path not in self._file]
        if missing:
            raise StreamFileError(f"the file has no {', '.join(missing)}")

    def __enter__(self) -> "StreamReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # --- the account --------------------------------------------------------------

    def ledger(self) -> Ledger:
        """What came and what was lost.

        While the writer had not closed the file (RUNNING), `state` may be older than
        the lost intervals, so these are counted.
        """
        state = self._file[self._layout.state][()]
        intervals = tuple(_interval(entry) for entry in self._read(self._layout.lost))
        ended = int(state["ended"])
        named = sum(interval.count for interval in intervals)
        return Ledger(
            received=self.rows,
            lost=named if ended == RUNNING else int(state["lost"]),
            repeated=int(state["repeated"]),
            rejected=int(state["rejected"]),
            intervals=intervals,
            ended=ended,
            reason=bytes(state["reason"]).decode(errors="replace"),
        )

    def check_readable(self) -> None:
        """Read the first and the last row: a damaged file shows here already.

        Raises:
            StreamFileError: They can't be read.

        """
        if self.rows == 0:
            return
        for dataset in self._layout.data:
            try:
                self._file[dataset.path][0], self._file[dataset.path][-1]
            except HDF5_ERRORS as error:
                raise StreamFileError(
                    f"{dataset.path} can't be read: {error}"
                ) from error

    def uneven_datasets(self) -> list[str]:
        """Say which datasets have more or fewer rows than the data; empty if none."""
        layout = self._layout
        beside = (*layout.data, layout.timestamps, layout.row_times, layout.ids)
        rows = {d.path: len(self._file[d.path]) for d in beside if d is not None}
        rows[layout.blocks.path] = sum(
            int(piece["rows"].sum(dtype=np.int64)) for piece in self.blocks()
        )
        return [
            f"{path} tells of {count} rows, the data of {self.rows}"
            for path, count in rows.items()
            if count != self.rows
        ]

    def contradictions(self) -> list[str]:
        """Say where the final account differs from what it sums up; empty if nowhere.

        Nothing is said while there is no final account (RUNNING).
        """
        state = self._file[self._layout.state][()]
        if int(state["ended"]) == RUNNING:
            return []
        named = int(self._read(self._layout.lost)["count"].sum(dtype=np.int64))
        counted = {
            "rows": (int(state["rows"]), self.rows),
            "lost samples": (int(state["lost"]), named),
        }
        return [
            f"its account tells of {told} {what}, its file of {found}"
            for what, (told, found) in counted.items()
            if told != found
        ]

    # --- blocks and times ---------------------------------------------------------

    def blocks(self) -> Iterator[npt.NDArray[Any]]:
        """The entries of `sync/blocks`, in pieces of bounded size."""
        dataset = self._file[self._layout.blocks.path]
        for start in range(0, len(dataset), BLOCKS_AT_ONCE):
            yield dataset[start : start + BLOCKS_AT_ONCE]

    def row_of_sample(self, sample: int, epoch: int) -> int:
        """Row of the first sample from `sample` of `epoch` on; all rows if none is."""
        row = 0
        for blocks in self.blocks():
            last = blocks["first_sample"].astype(np.int64) + blocks["rows"] - 1
            later = blocks["epoch"] > epoch
            found = np.flatnonzero(
                later | ((blocks["epoch"] == epoch) & (last >= sample))
            )
            rows = blocks["rows"].astype(np.int64)
            if len(found):
                block = int(found[0])
                into = sample - int(blocks["first_sample"][block])
                skipped = 0 if later[block] else max(0, into)
                return row + int(rows[:block].sum()) + skipped
            row += int(rows.sum())
        return row

    def block_span(self) -> tuple[int, int] | None:
        """Host times of the first and the last block, ns; None without blocks."""
        dataset = self._file[self._layout.blocks.path]
        if len(dataset) == 0:
            return None
        return int(dataset[0]["host_ns"]), int(dataset[-1]["host_ns"])

    def row_ns(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Device times of the rows [start, stop), ns; NO_TIME where there is none.

        Raises:
            StreamFileError: The rows of this stream have no device times.

        """
        if self._layout.row_times is None:
            raise StreamFileError("the rows have no device times")
        times: npt.NDArray[np.int64] = self._file[self._layout.row_times.path][
            start:stop
        ]
        return times

    def rows_of(
        self, field: str | None, start: int, stop: int, column: int | None = None
    ) -> npt.NDArray[Any]:
        """The rows [start, stop) of the data, or of one of its fields.

        Args:
            field: Field of a structured dtype; None: the stream has none.
            start: First row.
            stop: Row after the last.
            column: One column of rows that have several; None: all of a row.

        """
        place = next(d.path for d in self._layout.data if d.field == field)
        which = slice(start, stop)
        rows: npt.NDArray[Any] = self._file[place][
            which if column is None else (which, column)
        ]
        return rows

    def clock_readings(self) -> npt.NDArray[Any]:
        """The entries of `sync/clock`, dtype `wire.CLOCK_DTYPE`."""
        return self._read(self._layout.clock)

    def untimed_rows(self) -> int:
        """Count the rows without a device time of their own."""
        pieces = range(0, self.rows, ROWS_AT_ONCE)
        return sum(
            int(np.count_nonzero(self.row_ns(row, row + ROWS_AT_ONCE) == NO_TIME))
            for row in pieces
        )

    def blocks_with_last_row_ns(
        self,
    ) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.int64]]]:
        """Blocks in pieces, each with the device times of its blocks' last rows, ns.

        Blocks without rows are left out.
        """
        row = 0
        for piece in self.blocks():
            blocks = piece[piece["rows"] > 0]
            if len(blocks) == 0:
                continue
            ends = row + np.cumsum(blocks["rows"], dtype=np.int64)
            yield blocks, self._row_ns_at(ends - 1)
            row = int(ends[-1])

    def _row_ns_at(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Device times of single rows, given in ascending order."""
        found = np.empty(len(rows), np.int64)
        for start in range(int(rows[0]), int(rows[-1]) + 1, ROWS_AT_ONCE):
            times = self.row_ns(start, start + ROWS_AT_ONCE)
            first, last = np.searchsorted(rows, [start, start + ROWS_AT_ONCE])
            found[first:last] = times[rows[first:last] - start]
        return found

    def _read(self, dataset: DatasetLayout) -> npt.NDArray[Any]:
        entries: npt.NDArray[Any] = self._file[dataset.path][()]
        return entries


def _open(path: Path) -> h5py.File:
    if not path.exists():
        raise MissingStreamFileError("the file is missing")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if "already open" in str(error) or "unable to lock" in str(error):
            raise StreamFileError(
                "a writer has the file open, or left it without closing it"
            ) from error
        raise StreamFileError(f"the file can't be read: {error}") from error


def _interval(entry: Any) -> LostInterval:
    return LostInterval(
        first=int(entry["first_sample"]),
        count=int(entry["count"]),
        row=int(entry["row"]),
        epoch=int(entry["epoch"]),
        cause=bytes(entry["cause"]).decode(errors="replace"),
    )
