"""Runs the benchmarks: `python -m benchmarks`. Always exits with 0: it only measures.

Nothing is kept but, with `--write`, the report in `benchmarks/RESULTS.md`.
"""

import argparse
import inspect
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import disk, finalize, journal, many, pipeline, soak, steady
from benchmarks.bench import Bench
from benchmarks.machine import ForeignLoad, description, file_system
from benchmarks.report import Row, table

BENCHMARKS: dict[str, Callable[[Bench], list[Row]]] = {
    "pipeline": pipeline.measure,
    "steady": steady.measure,
    "many": many.measure,
    "disk": disk.measure,
    "finalize": finalize.measure,
    "journal": journal.measure,
    "soak": soak.measure,
}

RESULTS = Path(__file__).with_name("RESULTS.md")
QUICK = 0.1


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", choices=BENCHMARKS, action="append", help="run this one (repeatable)"
    )
    parser.add_argument(
        "--rounds", type=int, help="repetitions of each comparison (default 3)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round of a tenth: does it run at all?"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="where to write: a folder on the disk to measure (default: %(default)s)",
    )
    parser.add_argument(
        "--write", action="store_true", help=f"put the report into {RESULTS.name}"
    )
    return parser.parse_args()


def run(bench: Bench, names: list[str]) -> tuple[list[Row], dict[str, float]]:
    """Run benchmarks; return their rows and the foreign load of each, in cores."""
    rows: list[Row] = []
    loads: dict[str, float] = {}
    for name in names:
        print(f"{name} ...", flush=True)
        with ForeignLoad() as load:
            rows += BENCHMARKS[name](bench)
        loads[name] = load.cores
    return rows, loads


def report(bench: Bench, rows: list[Row], loads: dict[str, float]) -> str:
    """Make the report: what was measured, where, and beside what."""
    others = ", ".join(f"{name} {cores:.2f}" for name, cores in loads.items())
    return (
        f"{time.strftime('%Y-%m-%d')}; {bench.rounds} rounds; "
        f"{description(bench.folder)}.\n\n"
        f"Cores taken by other processes meanwhile: {others}.\n\n{table(rows)}\n"
    )


def legend() -> str:
    """Say what each benchmark compares: the head of its module."""
    heads = {
        name: (inspect.getdoc(sys.modules[measure.__module__]) or "")
        for name, measure in BENCHMARKS.items()
    }
    return "\n\n".join(f"## {name}\n\n{head}" for name, head in heads.items()) + "\n"


def main() -> None:
    """Measure, print, and write where asked."""
    arguments = parse_arguments()
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    scale = QUICK if arguments.quick else 1.0
    if file_system(arguments.folder) == "tmpfs":
        print(f"{arguments.folder} lies in memory: this measures no disk")
    with tempfile.TemporaryDirectory(
        dir=arguments.folder, prefix="rigd-benchmarks-"
    ) as name:
        bench = Bench(Path(name), rounds, scale)
        rows, loads = run(bench, arguments.only or list(BENCHMARKS))
        text = report(bench, rows, loads)
    print(f"\n{text}")
    if arguments.write:
        RESULTS.write_text(f"# Results of the benchmarks\n\n{text}\n{legend()}")


if __name__ == "__main__":
    main()
