"""Records sessions and shows how well their times fit the truth; 1 if they do not.

`--keep FOLDER` keeps the sessions; those that are there already are not recorded
anew, but aligned again by the software of today.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.clock_sessions.cells import REFERENCE, Device, devices_of
from tests.clock_sessions.session import Result, judge, realign, record

US = 1e6


def main() -> int:
    """Record as many sessions as asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.clock_sessions")
    parser.add_argument(
        "kinds",
        nargs="*",
        default=["random", "locked"],
        help="of random, locked, slow; default the first two",
    )
    parser.add_argument("--sessions", type=int, default=5, help="of each; default 5")
    parser.add_argument(
        "--seconds", type=float, default=180.0, help="default 180 s each"
    )
    parser.add_argument("--each", type=int, default=1, help="devices of each cell")
    parser.add_argument("--seed", type=int, default=1, help="of the first one")
    parser.add_argument("--keep", type=Path, help="folder to keep the sessions in")
    asked = parser.parse_args()
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as passing:
        for seed in range(asked.seed, asked.seed + asked.sessions):
            for kind in asked.kinds:
                folder = (asked.keep or Path(passing)) / f"{kind}-{seed}"
                results += session(
                    folder, seed, asked.seconds, devices_of(kind, asked.each)
                )
                print(f"session {kind} {seed} is done", file=sys.stderr)
                if not asked.keep:
                    shutil.rmtree(folder)
    print(table(results))
    return 0 if all(is_good(result) for result in results) else 1


def session(
    folder: Path, seed: int, seconds: float, devices: Sequence[Device]
) -> list[Result]:
    """Record a session, or align again one that was recorded, and judge it."""
    recorded = folder / "data" / f"s{seed}"
    if (recorded / "manifest.json").is_file():
        realign(recorded)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        record(folder, seed, seconds, devices)
    return judge(recorded, devices)


def is_good(result: Result) -> bool:
    """Whether an error is below its limit, and the bound holds for 99.7 %."""
    return result.error < result.device.cell.always_below and result.within >= 0.997


def table(results: list[Result]) -> str:
    """One line a cell; largest errors of the runs, in us."""
    lines = [
        "| device | trouble | runs | largest error, median / worst run | limit "
        "| bound held | bound, median | silent losses found | modes | grades | kept |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in dict.fromkeys(result.device.cell for result in results):
        mine = [
            result
            for result in results
            if result.device.cell == cell and result.device.name != REFERENCE
        ]
        if mine:
            lines.append(_line(mine))
    return "\n".join(lines)


def _line(mine: list[Result]) -> str:
    cell = mine[0].device.cell
    errors = [result.error * US for result in mine]
    bounds = [result.bound * US for result in mine if result.bound is not None]
    held = sum(result.within >= 0.997 for result in mine)
    lost = len(mine) if cell.trouble == "faults" else 0
    modes = ", ".join(sorted({result.mode for result in mine}))
    grades = "".join(sorted({result.grade for result in mine}))
    return (
        f"| {cell.name} | {cell.trouble} | {len(mine)} "
        f"| {np.median(errors):.1f} / {max(errors):.1f} | {cell.always_below * US:.0f} "
        f"| {held}/{len(mine)} | {np.median(bounds):.1f} "
        f"| {sum(result.silent_losses for result in mine)}/{lost} "
        f"| {modes} | {grades} | {'yes' if all(map(is_good, mine)) else 'no'} |"
    )


if __name__ == "__main__":
    sys.exit(main())
