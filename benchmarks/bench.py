"""What every benchmark is given, and what all of them do."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import Written, write_cached


@dataclass(frozen=True, slots=True)
class Bench:
    """Where to write, how often, and how much.

    Attributes:
        folder: A folder on the disk that is to be measured.
        rounds: How often each comparison is repeated.
        scale: 1 for a full run; less makes every amount and duration smaller.

    """

    folder: Path
    rounds: int
    scale: float = 1.0

    def size(self, full: float) -> int:
        """Scale a number of bytes."""
        return int(full * self.scale)

    def seconds(self, full: float) -> float:
        """Scale a duration; a few seconds are needed to see anything."""
        return max(4.0, full * self.scale)

    @contextmanager
    def place(self) -> Iterator[Path]:
        """Make a folder for files and sockets, removed with all in it."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            yield Path(name)

    def write_warm(self, size: int) -> Written:
        """Write as much twice; the second time counts.

        The first makes the machine hand over the memory that the page cache needs:
        that costs up to ten times what writing does, and whoever is first would pay.
        """
        with self.place() as place:
            write_cached(place / "warm", size)
            return write_cached(place / "raw", size)
