"""The life of a simulated device, planned from its faults before it starts.

Times are nanoseconds of run time: since the device started, by its own clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rigd.streams.simulated_options import Fault

FOREVER = 2**62


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the device's life in which everything stays as it is.

    Attributes:
        begin, end: Run time [begin, end) in ns.
        epoch: Number of times that the counters have started anew.
        counter_start: Run time at which they last did, or would have done if the device
            had noticed all that it lost.
        lost: The samples of this stretch never come.
        unnoticed: The device does not count them either.

    """

    begin: int
    end: int
    epoch: int = 0
    counter_start: int = 0
    lost: bool = False
    unnoticed: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """All phases, without holes between them, and the times of silence.

    Attributes:
        phases: The phases in order; a device that never ends has a last one without
            end (FOREVER).
        silences: Run times [begin, end) in which nothing is delivered.
        dies_at: Run time at which the device is gone; None if it ends regularly or
            never.

    """

    phases: tuple[Phase, ...]
    silences: tuple[tuple[int, int], ...] = ()
    dies_at: int | None = None

    def released(self, run_ns: int) -> int:
        """When samples that are complete at `run_ns` may leave the device."""
        for begin, end in self.silences:
            if begin <= run_ns < end:
                return end
        return run_ns


def plan(faults: Sequence[Fault], duration: float | None) -> Timeline:
    """Lay out a life of `duration` seconds (None: endless) with its faults in order."""
    last = FOREVER if duration is None else _ns(duration)
    death = next((_ns(fault.at) for fault in faults if fault.die), None)
    dies = death is not None and death < last
    end = min(last, FOREVER if death is None else death)
    return Timeline(
        tuple(_phases(faults, end)),
        tuple((_ns(f.at), _ns(f.end)) for f in faults if f.silent),
        death if dies else None,
    )


def _phases(faults: Sequence[Fault], end: int) -> list[Phase]:
    phases: list[Phase] = []
    epoch = counter_start = begin = 0
    for fault in faults:
        at, over = min(_ns(fault.at), end), min(_ns(fault.end), end)
        if fault.lose:
            phases.append(Phase(begin, at, epoch, counter_start))
            phases.append(Phase(at, over, epoch, counter_start, lost=True))
            begin = over
        elif fault.slip:
            phases.append(Phase(begin, at, epoch, counter_start))
            phases.append(Phase(at, over, epoch, counter_start, unnoticed=True))
            counter_start, begin = counter_start + over - at, over
        elif fault.restart and at < end:
            phases.append(Phase(begin, at, epoch, counter_start))
            epoch, counter_start, begin = epoch + 1, at, at
    phases.append(Phase(begin, end, epoch, counter_start))
    return [phase for phase in phases if phase.begin < phase.end]


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
