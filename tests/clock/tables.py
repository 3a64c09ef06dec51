"""Many runs, and the tables that are printed of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median

import numpy as np

from rigd.streams.clock_evidence import ClockSettings
from rigd.streams.clock_map import Grade
from rigd.streams.pulses_in_step import LONG_IN_STEP
from tests.clock import adversaries
from tests.clock.cells import Cell
from tests.clock.judged_alignment import OURS, Judged, evidence_of, judge_alone
from tests.clock.published import RULES, worst_error
from tests.clock.simulated_devices import (
    CAMERA,
    HARSH,
    SERIAL,
    USB,
    Faults,
    Path,
    simulate_device,
)

US = 1e6


@dataclass(frozen=True)
class CellRun:
    """One run of a cell: errors in s.

    Attributes:
        worst: Largest error of ours.
        usual_worst: Error that 99.7 % of the samples keep to.
        bound: Stated bound.
        published: Largest error of each published rule, on the same anchors.
        grade, mode: What ours says of itself.
        in_step: It says that its pulses were in step with samples for long: locked to
            them, in effect.

    """

    worst: float
    usual_worst: float
    bound: float
    published: Mapping[str, float]
    grade: str
    mode: str
    in_step: bool = False


def cell_run(cell: Cell, seed: int) -> CellRun:
    """Run a cell once."""
    judged = cell.run(seed)
    others = {name: worst_error(rule, judged) for name, rule in RULES.items()}
    return CellRun(
        judged.worst,
        judged.usual_worst,
        judged.bound,
        others,
        judged.alignment.grade,
        judged.mode,
        any(match.in_step >= LONG_IN_STEP for match in judged.alignment.matches),
    )


def cell_line(cell: Cell, runs: Sequence[CellRun]) -> tuple[str, bool]:
    """One line of the table of accuracy, and whether all limits were kept.

    All runs are judged alike. Those of which the alignment says that their pulses were
    in step with samples for long are told apart besides.
    """
    worst = [run.worst for run in runs]
    held = sum(run.usual_worst <= run.bound for run in runs)
    is_kept = max(worst) < cell.always_below and held == len(runs)
    if cell.median_below is not None:
        is_kept = is_kept and median(worst) < cell.median_below
    limit = "" if cell.median_below is None else f"{cell.median_below * US:g}/"
    published = "  ".join(
        f"{name} {_two([run.published[name] for run in runs])}" for name in RULES
    )
    grades = _counts(Counter(run.grade for run in runs))
    bound = _us(median(run.bound for run in runs))
    return (
        f"{cell.name:27} {cell.minutes:3g} min {cell.trouble:6} n {len(runs):3}  "
        f"max median/worst {_two(worst)} us (limit {limit}{cell.always_below * US:.0f})"
        f"{_in_step(runs)}  bound held {held}/{len(runs)} median {bound}"
        f"  {grades}  | {published}  {'ok' if is_kept else 'NOT KEPT'}"
    ), is_kept


def _in_step(runs: Sequence[CellRun]) -> str:
    """Tell runs in step with samples from the others, where there are both."""
    locked = [run.worst for run in runs if run.in_step]
    free = [run.worst for run in runs if not run.in_step]
    if not locked or not free:
        return ""
    return f"  in step n {len(locked)} {_two(locked)}, others {_two(free)}"


def _two(values: Sequence[float]) -> str:
    return f"{_us(median(values))}/{_us(max(values))}"


def _us(seconds: float) -> str:
    micro = seconds * US
    return f"{micro:.1f}" if micro < 1000 else f"{micro / 1000:.3g}k"


# --- silent losses --------------------------------------------------------------------

LOSSES: Sequence[tuple[str, Path, float]] = (
    ("one packet of 10 ms at 30 kHz", USB, 0.0101),
    ("one frame at 30/s", CAMERA, 0.0334),
    ("0.1 s at 30 kHz", USB, 0.1),
    ("0.1 s by serial", SERIAL, 0.1),
)


def lost_once(path: Path, lasts: float, seed: int) -> bool:
    """Whether one silent loss is found, where it was, and nothing else."""
    random = np.random.default_rng(seed)
    at = random.uniform(10, 290)
    faults = Faults(silent=at, silent_for=lasts)
    device = simulate_device(random, 300, path, HARSH, faults)
    holes = device.runs[0].holes
    judged: Judged = judge_alone(
        evidence_of(device, OURS, None, ClockSettings()), device
    )
    losses = judged.alignment.losses
    if len(losses) != len(holes):
        return False
    near = path.packet / path.rate + 1e-3
    return all(
        abs((loss.stop - loss.start) - (hole.end - hole.begin)) < near
        and loss.start - near < hole.end
        and loss.stop + near + (loss.x - loss.earliest) / 1e9 > hole.begin
        for loss, hole in zip(losses, holes, strict=True)
    )


def loss_table(pool: ProcessPoolExecutor, seeds: int, seed: int) -> tuple[str, bool]:
    """How many silent losses were found, by kind."""
    lines, kept = [], []
    for name, path, lasts in LOSSES:
        numbers = range(seed, seed + seeds)
        found = sum(pool.map(lost_once, [path] * seeds, [lasts] * seeds, numbers))
        kept.append(found == seeds)
        lines.append(f"silent loss: {name:32} found {found}/{seeds}")
    return "\n".join(lines), all(kept)


# --- adversaries ----------------------------------------------------------------------


@dataclass(frozen=True)
class AdversaryRun:
    """What became of misleading evidence."""

    grade: str
    mode: str
    deceives: bool
    beyond: bool


def adversary_run(trick: str, seed: int) -> AdversaryRun:
    """Run one trick once."""
    judged = adversaries.run(trick, seed)
    beyond = judged.usual_worst > judged.bound
    return AdversaryRun(judged.alignment.grade, judged.mode, judged.deceives, beyond)


def adversary_table(runs: Mapping[str, Sequence[AdversaryRun]]) -> tuple[str, bool]:
    """One line a trick, and whether none deceived."""
    lines = []
    for trick, found in runs.items():
        grades = Counter(run.grade for run in found)
        modes = Counter(run.mode for run in found)
        deceived = sum(run.deceives for run in found)
        told = sum(run.beyond for run in found) - deceived
        lines.append(
            f"{trick:22} runs {len(found):3}  wrong and graded A-C {deceived}  wrong "
            f"and graded {Grade.D} or {Grade.F} {told}"
            f"  grades {_counts(grades)}  modes {_counts(modes)}"
        )
    every = [run for found in runs.values() for run in found]
    deceived = sum(run.deceives for run in every)
    lines.append(f"all                    runs {len(every):3}  deceived {deceived}")
    return "\n".join(lines), deceived == 0


def _counts(found: Counter[str]) -> str:
    return " ".join(f"{count} {name}" for name, count in sorted(found.items()))
