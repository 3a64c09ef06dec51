"""Which way of making times is taken for a stretch: the best its evidence allows."""

from collections.abc import Callable

import numpy as np

from rigd.streams.clock_map import Mode
from rigd.streams.clock_modes import (
    LEAST_KNOT_DISTANCE,
    Made,
    Refused,
    Task,
    by_host_stamps,
    by_nominal_rate,
    by_pulses,
    by_round_trips,
    by_shared_clock,
    by_utc,
)

MODES: dict[Mode, Callable[[Task], Made | Refused]] = {
    Mode.SHARED_CLOCK: by_shared_clock,
    Mode.SYNC_LINE: by_pulses,
    Mode.TWO_WAY: by_round_trips,
    Mode.DEVICE_UTC: by_utc,
    Mode.HOST_CLOCK: by_host_stamps,
    Mode.NOMINAL: by_nominal_rate,
}
"""From the best to the last resort."""


def best_of(task: Task, leads: bool = False) -> tuple[Made, list[str]]:
    """Make times by the mode that was asked for, or the next best.

    Args:
        task: The stretch.
        leads: Its line is the reference: it is not compared with another.

    Returns:
        The times, and why better evidence was not used, in full sentences.

    """
    asked = task.evidence.settings.mode
    notes: list[str] = []
    for mode in _candidates(task, leads):
        made = MODES[mode](task)
        if isinstance(made, Made) and not _rises(made):
            notes.append(f"`{mode}` can't be used: its times would not increase")
            continue
        if isinstance(made, Made):
            if notes:
                notes.append(f"its times rest on `{made.mode}` instead")
            return made, [*notes, *made.doubts, *made.remarks]
        notes.append(f"`{mode}` can't be used: {'; '.join(made.faults)}")
    made = by_nominal_rate(task)
    return made, [*notes, f"`{asked}`: its times follow the nominal rate"]


def _rises(made: Made) -> bool:
    """Say whether times increase from knot to knot, those that are one left out."""
    apart = np.concatenate([[True], np.diff(made.x) > LEAST_KNOT_DISTANCE])
    return bool(np.all(np.diff(made.t[apart]) > 0))


def _candidates(task: Task, leads: bool) -> list[Mode]:
    """Modes to try in order: the one asked for, then what there is evidence of."""
    settings, evidence = task.evidence.settings, task.evidence
    given = {
        Mode.SHARED_CLOCK: settings.shares_clock_with is not None,
        Mode.SYNC_LINE: not leads and evidence.edges is not None,
        Mode.TWO_WAY: evidence.round_trips is not None,
        Mode.DEVICE_UTC: settings.utc_uncertainty is not None,
        Mode.HOST_CLOCK: True,
        Mode.NOMINAL: True,
    }
    asked = settings.mode
    if asked is Mode.AUTO or asked not in MODES or (leads and asked is Mode.SYNC_LINE):
        return [mode for mode in MODES if given[mode]]
    worse = list(MODES)[list(MODES).index(asked) + 1 :]
    return [asked, *(mode for mode in worse if given[mode])]
