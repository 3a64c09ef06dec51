"""When a process that has died is started again, and when it is given up. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How fast and how often.

    Attributes:
        delays: Seconds from the first, second, ... death to the next start; the last
            counts for all that follow. Together with the time that a start takes they
            stay well below the length of a ring (10 s), so that nothing is lost.
        most: Deaths within `window` after which it is started again; one more, and it
            is given up.
        window: Seconds after which a death is forgotten.
        most_failed_starts: Starts of a writer in a row that come to nothing, after
            which it is given up: its file is not there, or not usable. A device may
            come back, so sources have all their tries.
        silence: Seconds without a word after which a process counts as dead and is
            killed: long enough for a disk that stalls, short enough that a ring still
            holds what comes until its writer is back.

    """

    delays: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0)
    most: int = 10
    window: float = 60.0
    most_failed_starts: int = 3
    silence: float = 6.0

    def next_start(self, deaths: Sequence[float]) -> float | None:
        """Return when to start again; None: not any more.

        `deaths` are the times of all deaths so far (s), the newest last.
        """
        newest = deaths[-1]
        recent = sum(newest - death < self.window for death in deaths)
        if recent > self.most:
            return None
        return newest + self.delays[min(recent, len(self.delays)) - 1]

    def is_dead(self, silent: float, *, allowed: float = 0.0) -> bool:
        """Whether a process that has said nothing for `silent` seconds counts as dead.

        `allowed` is how long what it does just now may take.
        """
        return silent > max(self.silence, allowed)

    def is_hopeless(self, failed_starts: int) -> bool:
        """Whether a writer has failed to come up once too often in a row."""
        return failed_starts >= self.most_failed_starts

    def why_given_up(self, failed_starts: int = 0) -> str:
        """Say why there is no further start."""
        if self.is_hopeless(failed_starts):
            return f"it could not be started {failed_starts} times and is given up"
        return (
            f"it has died more than {self.most} times within {self.window:g} s "
            "and is given up"
        )
