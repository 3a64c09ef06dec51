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

    """

    delays: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0)
    most: int = 10
    window: float = 60.0

    def next_start(self, deaths: Sequence[float]) -> float | None:
        """Return when to start again; None: not any more.

        `deaths` are the times of all deaths so far (s), the newest last.
        """
        newest = deaths[-1]
        recent = sum(newest - death < self.window for death in deaths)
        if recent > self.most:
            return None
        return newest + self.delays[min(recent, len(self.delays)) - 1]

    def why_given_up(self) -> str:
        """Say why there is no further start."""
        return (
            f"it has died more than {self.most} times within {self.window:g} s "
            "and is given up"
        )
