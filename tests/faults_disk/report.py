"""The report of many cases: one line each, and a sum."""

import sys
from collections.abc import Iterator, Sequence

from tests.faults.report import Row
from tests.faults_disk.disk_sessions import DiskCase, Outcome, random_case, run_case
from tests.support.laboratory import temporary_laboratory
from tests.support.small_disk import why_not

CASES = 30


def outcomes(count: int, first: int = 0) -> Iterator[Outcome]:
    """Run `count` cases, from seed `first` on."""
    kinds = tuple(kind for kind in ("tmpfs", "ext4") if not why_not(kind))
    for seed in range(first, first + count):
        with temporary_laboratory() as place:
            yield run_case(random_case(seed, kinds), place, place.folder)


def line(outcome: Outcome) -> str:
    """One case in one line."""
    return (
        f"seed {outcome.case.seed:3}  {described(outcome.case)}  "
        f"{outcome.verdict:10}  rows {sum(outcome.rows.values()):9}  "
        f"lost {sum(outcome.lost.values()):7}  {'; '.join(outcome.faults) or 'good'}"
    )


def described(case: DiskCase) -> str:
    """The case in a few words."""
    size = case.size / 2**20
    pace = "their rate" if case.is_paced else "full speed"
    return f"{case.kind:5} {size:5.1f} MiB  {len(case.streams)} streams at {pace}"


def bench(*, cases: int, seed: int) -> Row:
    """Run sessions on disks that run full; show each case."""
    row = Row("disk full", "acknowledged rows there, session file, named verdict")
    row.skipped = why_not("tmpfs")
    for outcome in outcomes(0 if row.skipped else cases, seed):
        print(line(outcome), flush=True)
        row.count(f"on {outcome.case.kind}")
        row.count("with streams at full speed", not outcome.case.is_paced)
        row.count(outcome.verdict or "not finalized")
        row.take(f"{outcome.case.seed}", "; ".join(outcome.faults))
    return row


def main(arguments: Sequence[str]) -> int:
    """Print the report; return 1 if something was not as promised."""
    count = int(arguments[0]) if arguments else CASES
    first = int(arguments[1]) if len(arguments) > 1 else 0
    row = bench(cases=count, seed=first)
    print(row)
    return 1 if row.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
