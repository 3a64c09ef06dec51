"""What one stream keeps free, so that it can be brought to its end at any moment.

Before rows are appended there is room for them, for all that closing the stream file
and its journal takes then, and for their times in the session file. So a stream that
gets no more room can stop in good order, and nothing half-written is left behind.
"""

from pathlib import Path

from rigd.streams.block import StreamFormat
from rigd.streams.reserve import SUFFIX, DiskFullError, HeldSpace, Reserve
from rigd.streams.room import LEAST_STEP, StreamRoom, step_of
from rigd.streams.stream_layout import StreamLayout

FEW_ROWS, BLOCKS_AHEAD = 64, 256
"""Rows of a stream without a rate, and blocks, that are made room for together."""


def ahead_of(stream_format: StreamFormat) -> int:
    """Rows for which space is set aside together: those of a second, or a few."""
    return max(FEW_ROWS, int(stream_format.rate or 0.0))


def held_path(stream_file: Path) -> Path:
    """Return the file that holds space for the times of a stream's rows."""
    return stream_file.with_suffix(SUFFIX)


class StreamReserve:
    """The space that one stream has set aside."""

    def __init__(
        self, stream_file: Path, layout: StreamLayout, stream_format: StreamFormat
    ) -> None:
        """Set nothing aside yet.

        Raises:
            DiskFullError: There is no room.
            OSError: The disk fails.

        """
        self._session = HeldSpace(held_path(stream_file))
        self._room = StreamRoom(layout)
        self._step = step_of(stream_format)
        self._journal = Reserve(stream_file.with_suffix(".journal"), self._step)
        self._data: Reserve | None = None
        self._ahead = ahead_of(stream_format)
        self._held = (0, 0)

    @property
    def is_supported(self) -> bool:
        """Whether the file system can set space aside."""
        return self._journal.is_supported

    def move_to(self, part: Path) -> None:
        """Set space aside behind another HDF5 file from now on.

        Raises:
            OSError: The disk refuses.

        """
        self.leave_part()
        self._data = Reserve(part, self._step)
        self.look_again()

    def leave_part(self) -> None:
        """Let go of an HDF5 file that has failed.

        Raises:
            OSError: The disk refuses.

        """
        before, self._data = self._data, None
        if before is not None:
            before.give_back()

    def hold(self, rows: int, blocks: int, *, more: int, waiting: int) -> None:
        """Have room for `more` rows and for the end.

        Args:
            rows: Rows of the stream when these are there.
            blocks: Blocks in which all of them came.
            more: Rows that are to be appended now.
            waiting: Bytes that the journal has gathered.

        Raises:
            DiskFullError: There is no room.
            OSError: The disk fails.

        """
        if rows <= self._held[0] and blocks <= self._held[1]:
            return
        ahead = self._ahead
        try:
            self._hold(rows + ahead, blocks + BLOCKS_AHEAD, more + ahead, waiting)
        except DiskFullError:
            self._hold(rows, blocks, more, waiting)
        else:
            self._held = rows + ahead, blocks + BLOCKS_AHEAD

    def look_again(self) -> None:
        """Rely no more on what was set aside: the journal has grown meanwhile."""
        self._held = (0, 0)

    def _hold(self, rows: int, blocks: int, more: int, waiting: int) -> None:
        room = self._room
        if self._data is not None:
            self._data.hold(room.data(more, blocks) + room.data_end)
        self._journal.hold(waiting + room.extents(more) + room.journal_end)
        self._session.grow(self._rounded(room.in_session(rows, blocks)))

    def _rounded(self, size: int) -> int:
        return -(-size // LEAST_STEP) * LEAST_STEP

    def give_back(self) -> None:
        """Let go of what is behind both files; the session's share stays.

        Raises:
            OSError: The disk refuses.

        """
        if self._data is not None:
            self._data.give_back()
        self._journal.give_back()
        self._session.close()
