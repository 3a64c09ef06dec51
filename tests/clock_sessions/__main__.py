"""Records sessions and shows how well their times fit the truth; 1 if they do not."""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.clock_sessions.cells import CELLS
from tests.clock_sessions.session import Result, record

HEADS = (
    "device",
    "rate",
    "mode",
    "grades",
    "runs",
    "median",
    "worst",
    "limit",
    "bound",
)


def main() -> int:
    """Record as many sessions as asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.clock_sessions")
    parser.add_argument("--sessions", type=int, default=5, help="default 5")
    parser.add_argument("--seconds", type=float, default=40.0, help="default 40 s each")
    parser.add_argument("--seed", type=int, default=1, help="of the first one")
    asked = parser.parse_args()
    results: list[Result] = []
    for seed in range(asked.seed, asked.seed + asked.sessions):
        with tempfile.TemporaryDirectory() as folder:
            results += record(Path(folder), seed, asked.seconds)
        print(f"session {seed} of {asked.sessions} is done", file=sys.stderr)
    print(table(results))
    return 0 if all(is_good(result) for result in results) else 1


def is_good(result: Result) -> bool:
    """Whether an error is below its limit, and the bound holds for 99.7 %."""
    limit = result.cell.limit
    return (limit is None or result.error < limit) and result.within >= 0.997


def table(results: list[Result]) -> str:
    """One line a device; errors against the reference, in us."""
    lines = ["{:14} {:>6} {:22} {:>6} {:>4} {:>8} {:>8} {:>8}  {}".format(*HEADS)]
    for cell in CELLS:
        mine = [result for result in results if result.cell == cell]
        if not mine:
            continue
        errors = [result.error * 1e6 for result in mine]
        modes = ",".join(sorted({result.mode for result in mine}))
        grades = "".join(sorted({result.grade for result in mine}))
        losses = "".join(f", {n} silent" for n in {r.silent_losses for r in mine} if n)
        limit = f"{cell.limit * 1e6:8.0f}" if cell.limit else " " * 8
        held = sum(result.within >= 0.997 for result in mine)
        lines.append(
            f"{cell.name:14} {cell.rate:6.0f} {modes:22} {grades:>6} {len(mine):4} "
            f"{np.median(errors):8.1f} {max(errors):8.1f} {limit}  "
            f"holds in {held}{losses}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
