"""The report of many cases: one line each, and a sum."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.faults_disk.disk_sessions import DiskCase, Outcome, random_case, run_case
from tests.support.laboratory import Laboratory
from tests.support.small_disk import why_not

CASES = 30


def outcomes(count: int, first: int = 0) -> Iterator[Outcome]:
    """Run `count` cases, from seed `first` on."""
    kinds = tuple(kind for kind in ("tmpfs", "ext4") if not why_not(kind))
    for seed in range(first, first + count):
        with laboratory() as (place, folder):
            yield run_case(random_case(seed, kinds), place, folder)


@contextmanager
def laboratory() -> Iterator[tuple[Laboratory, Path]]:
    """A place for one run, which leaves nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="rigd-disk-"))
    runtime = Path(tempfile.mkdtemp(prefix="rigd-test-"))
    place = Laboratory(folder, runtime)
    try:
        yield place, folder
    finally:
        place.end_all()
        shutil.rmtree(runtime)
        shutil.rmtree(folder, ignore_errors=True)


def line(outcome: Outcome) -> str:
    """One case in one line."""
    return (
        f"seed {outcome.case.seed:3}  {described(outcome.case)}  "
        f"{outcome.verdict:10}  rows {sum(outcome.rows.values()):9}  "
        f"lost {sum(outcome.lost.values()):7}  {'; '.join(outcome.faults) or 'good'}"
    )


def described(case: DiskCase) -> str:
    """The case in a few words."""
    who = "foreign" if case.is_paced else "streams"
    size = case.size / 2**20
    return f"{case.kind:5} {size:5.1f} MiB  {len(case.streams)} streams  by {who}"


def main(arguments: Sequence[str]) -> int:
    """Print the report; return 1 if something was not as promised."""
    if reason := why_not("tmpfs"):
        print(f"skipped: {reason}")
        return 0
    count = int(arguments[0]) if arguments else CASES
    first = int(arguments[1]) if len(arguments) > 1 else 0
    bad = 0
    for outcome in outcomes(count, first):
        print(line(outcome), flush=True)
        bad += bool(outcome.faults)
    print(f"disk full: {count} cases, {bad} with faults (limit 0)")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
