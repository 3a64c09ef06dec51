"""Records sessions and shows how well their times fit the truth; 1 if they do not.

Devices run in simulated time, as fast as the processes take it: what this computer
does besides is not in their stamps. With `--real-time` it is.

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

from tests.clock.cells import Cell
from tests.clock_sessions.cells import KINDS, REFERENCE, Device, devices_of
from tests.clock_sessions.session import Result, judge, realign, record

US = 1e6


def main() -> int:
    """Record as many sessions as asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.clock_sessions")
    parser.add_argument(
        "kinds",
        nargs="*",
        default=["random", "locked"],
        help=f"of {', '.join(KINDS)}; default random and locked",
    )
    parser.add_argument("--sessions", type=int, default=5, help="of each; default 5")
    parser.add_argument(
        "--seconds", type=float, default=180.0, help="default 180 s each"
    )
    parser.add_argument("--each", type=int, default=1, help="devices of each cell")
    parser.add_argument("--seed", type=int, default=1, help="of the first one")
    parser.add_argument("--keep", type=Path, help="folder to keep the sessions in")
    parser.add_argument(
        "--real-time",
        action="store_true",
        help="stamps of this computer; else they are simulated, as fast as it goes",
    )
    asked = parser.parse_args()
    if not set(asked.kinds) <= set(KINDS):
        parser.error(f"kinds are of {', '.join(KINDS)}")
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as passing:
        for seed in range(asked.seed, asked.seed + asked.sessions):
            for kind in asked.kinds:
                folder = (asked.keep or Path(passing)) / f"{kind}-{seed}"
                devices = devices_of(kind, asked.each)
                results += session(
                    folder, seed, asked.seconds, devices, asked.real_time
                )
                print(f"session {kind} {seed} is done", file=sys.stderr)
                if not asked.keep:
                    shutil.rmtree(folder)
    print(table(results))
    cells = {r.device.cell for r in results if r.device.name != REFERENCE}
    return 0 if all(is_kept(of_cell(cell, results)) for cell in cells) else 1


def session(
    folder: Path,
    seed: int,
    seconds: float,
    devices: Sequence[Device],
    is_real_time: bool = False,
) -> list[Result]:
    """Record a session, or align again one that was recorded, and judge it."""
    recorded = folder / "data" / f"s{seed}"
    if (recorded / "manifest.json").is_file():
        realign(recorded)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        record(folder, seed, seconds, devices, is_real_time=is_real_time)
    return judge(recorded, devices)


def is_good(result: Result) -> bool:
    """Whether an error is below its limit, and the bound holds for 99.7 %."""
    return result.error < result.device.cell.always_below and result.within >= 0.997


def of_cell(cell: Cell, results: Sequence[Result]) -> list[Result]:
    """Results of the devices of a cell; the reference is not one of them."""
    devices = (result for result in results if result.device.name != REFERENCE)
    return [result for result in devices if result.device.cell == cell]


def is_kept(mine: Sequence[Result]) -> bool:
    """Whether every run of a cell is good, and the median error below its limit."""
    limit = mine[0].device.median_below
    median = float(np.median([result.error for result in mine]))
    return all(map(is_good, mine)) and (limit is None or median < limit)


def table(results: list[Result]) -> str:
    """One line a cell; largest errors of the runs, in us."""
    lines = [
        "| device | trouble | runs | largest error, median / worst run | limit "
        "| bound held | bound, median | silent losses found | modes | grades | kept |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in dict.fromkeys(result.device.cell for result in results):
        if mine := of_cell(cell, results):
            lines.append(_line(mine))
    return "\n".join(lines)


def _line(mine: list[Result]) -> str:
    device, cell = mine[0].device, mine[0].device.cell
    errors = [result.error * US for result in mine]
    bounds = [result.bound * US for result in mine if result.bound is not None]
    held = sum(result.within >= 0.997 for result in mine)
    lost = len(mine) if cell.trouble == "faults" else 0
    modes = ", ".join(sorted({result.mode for result in mine}))
    grades = "".join(sorted({result.grade for result in mine}))
    limits = [device.median_below, cell.always_below]
    limit = "/".join(f"{most * US:.0f}" for most in limits if most is not None)
    return (
        f"| {cell.name} | {cell.trouble} | {len(mine)} "
        f"| {np.median(errors):.1f} / {max(errors):.1f} | {limit} "
        f"| {held}/{len(mine)} | {np.median(bounds):.1f} "
        f"| {sum(result.silent_losses for result in mine)}/{lost} "
        f"| {modes} | {grades} | {'yes' if is_kept(mine) else 'no'} |"
    )


if __name__ == "__main__":
    sys.exit(main())
