"""Runs the clock bench: `python -m tests.clock [SEEDS] [SEED] [PART ...]`.

SEEDS is the number of runs of each cell, 50 if left out; SEED the first; PART are names
of `PARTS`, all if left out. Exit code 1 where a limit is not kept.
"""

import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor

from tests.clock.adversaries import TRICKS
from tests.clock.cells import HOST_CELLS, LINE_CELLS, SLOW_CELLS, Cell
from tests.clock.tables import (
    AdversaryRun,
    adversary_run,
    adversary_table,
    cell_line,
    cell_run,
    loss_table,
)

MANY_RUNS = 500
"""Adversarial runs of a full bench, at least."""

Part = Callable[[ProcessPoolExecutor, int, int], bool]


def _cells(cells: tuple[Cell, ...]) -> Part:
    def run(pool: ProcessPoolExecutor, seeds: int, seed: int) -> bool:
        numbers = range(seed, seed + seeds)
        kept = True
        for cell in cells:
            runs = list(pool.map(cell_run, [cell] * seeds, numbers))
            line, is_kept = cell_line(cell, runs)
            print(line, flush=True)
            kept &= is_kept
        return kept

    return run


def _losses(pool: ProcessPoolExecutor, seeds: int, seed: int) -> bool:
    table, is_kept = loss_table(pool, seeds, seed)
    print(table, flush=True)
    return is_kept


def _adversaries(pool: ProcessPoolExecutor, seeds: int, seed: int) -> bool:
    each = -(-MANY_RUNS * seeds // (50 * len(TRICKS)))
    runs: dict[str, list[AdversaryRun]] = {}
    for trick in TRICKS:
        numbers = range(seed, seed + each)
        runs[trick] = list(pool.map(adversary_run, [trick] * each, numbers))
    table, is_kept = adversary_table(runs)
    print(table, flush=True)
    return is_kept


PARTS: Mapping[str, Part] = {
    "line-10-min": _cells(tuple(c for c in LINE_CELLS if c.minutes == 10)),
    "slow": _cells(SLOW_CELLS),
    "host": _cells(HOST_CELLS),
    "losses": _losses,
    "adversaries": _adversaries,
    "line-2-h": _cells(tuple(c for c in LINE_CELLS if c.minutes > 10)),
}


def main(arguments: list[str]) -> int:
    """Run the parts that are asked for; exit code."""
    seeds = int(arguments[0]) if arguments else 50
    seed = int(arguments[1]) if len(arguments) > 1 else 0
    names = arguments[2:] or list(PARTS)
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(max_workers=2) as pool:
        kept = [PARTS[name](pool, seeds, seed) for name in names]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
