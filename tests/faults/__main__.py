"""Runs the fault bench: `python -m tests.faults [SHARE] [SEED] [BENCH ...]`.

SHARE is the part of the full numbers that is run, 1 if left out; BENCH are names of
`BENCHES`, all if left out. Exit code 1 when a case fails; each failure names the seed
that repeats it.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from tests.faults import (
    error_bench,
    folder_bench,
    kill_bench,
    link_bench,
    message_bench,
    parser_bench,
    power_bench,
    real_cut_bench,
    session_bench,
)
from tests.faults.report import Row, table
from tests.faults_disk.report import bench as disk_bench

Bench = Callable[[float, int], Row]
"""Runs a share of the full numbers of cases, from a seed on."""


def count(full: int, share: float, least: int = 4) -> int:
    """Return how many cases a share of the full number is."""
    return max(least, round(full * share))


def power_cuts(share: float, seed: int) -> Row:
    """Run images of several recordings."""
    images, recordings = count(5000, share, 40), count(100, share)
    return power_bench.bench(images=images, recordings=recordings, seed=seed)


def session_kills(target: session_bench.Target, share: float, seed: int) -> Row:
    """Run whole sessions in which something is killed."""
    return session_bench.bench(target, kills=count(50, share, 1), seed=seed)


def real_cuts(file_system: str, share: float, seed: int) -> Row:
    """Cut the power of real file systems."""
    return real_cut_bench.bench(file_system, cuts=count(100, share, 1), seed=seed)


BENCHES: Mapping[str, Bench] = {
    "writers": lambda share, seed: kill_bench.bench(kills=count(300, share), seed=seed),
    "session-writers": partial(session_kills, "writer"),
    "sources": partial(session_kills, "source"),
    "finalizers": partial(session_kills, "finalizer"),
    "daemons": partial(session_kills, "daemon"),
    "everything": partial(session_kills, "everything"),
    "power-cuts": power_cuts,
    "ext4-cuts": partial(real_cuts, "ext4"),
    "xfs-cuts": partial(real_cuts, "xfs"),
    "disks": lambda share, seed: disk_bench(cases=count(30, share, 1), seed=seed),
    "errors": lambda share, seed: error_bench.bench(
        faults=count(500, share), seed=seed
    ),
    "folders": lambda share, seed: folder_bench.bench(
        folders=count(2000, share), seed=seed
    ),
    "parsers": lambda share, seed: parser_bench.bench(
        journals_tried=count(20_000, share), files_tried=count(2000, share), seed=seed
    ),
    "links": lambda share, seed: link_bench.bench(cuts=count(50, share), seed=seed),
    "messages": lambda share, seed: message_bench.bench(
        messages=count(1_000_000, share), seed=seed
    ),
}


def run(names: Iterable[str], share: float, seed: int) -> list[Row]:
    """Run benches; show each row as it comes."""
    rows = []
    for name in names:
        rows.append(BENCHES[name](share, seed))
        print(f"{name}: {rows[-1]}", flush=True)
    return rows


def main() -> int:
    """Run benches; print the table and what failed."""
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    unknown = [name for name in sys.argv[3:] if name not in BENCHES]
    if unknown:
        print(f"no bench {', '.join(unknown)}; there are {', '.join(BENCHES)}")
        return 2
    rows = run(sys.argv[3:] or BENCHES, share, seed)
    failures = [failure for row in rows for failure in row.failures]
    print("", table(rows), "", *failures, sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
