"""Runs the fault bench with large numbers: `python -m tests.faults [SHARE] [SEED]`.

SHARE is the part of the full numbers that is run, 1 if left out. Exit code 1 when a
case fails; each failure names the seed that repeats it.
"""

import sys
from collections.abc import Callable

from tests.faults import error_bench, kill_bench, power_bench
from tests.faults.report import Row

KILLS, IMAGES, RECORDINGS, FAULTS = 300, 5000, 100, 500


def main() -> int:
    """Run all benches; print a row each, then what failed."""
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    recordings = max(4, int(RECORDINGS * share))
    kills, faults = max(6, int(KILLS * share)), max(10, int(FAULTS * share))
    images = max(40, int(IMAGES * share))
    benches: tuple[Callable[[], Row], ...] = (
        lambda: kill_bench.bench(kills=kills, seed=seed),
        lambda: power_bench.bench(images=images, recordings=recordings, seed=seed),
        lambda: error_bench.bench(faults=faults, seed=seed),
    )
    failures: list[str] = []
    for bench in benches:
        row = bench()
        print(row, flush=True)
        failures += row.failures
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
