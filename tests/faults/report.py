"""The rows of the bench's table, and the failures with the seeds that repeat them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Row:
    """One kind of fault: how many cases there were, what was seen, what failed.

    `skipped` says why there are none: what they take is not there.
    """

    title: str
    limit: str
    cases: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    skipped: str = ""

    def count(self, what: str, number: int = 1) -> None:
        """Count something that shows what was exercised."""
        self.seen[what] += number

    def take(self, seed: str, fault: str) -> None:
        """Take one case; `fault` is what is wrong, empty if nothing."""
        self.cases += 1
        if fault:
            self.failures.append(f"{self.title}, seed {seed}: {fault}")

    @property
    def verdict(self) -> str:
        """How it came out, in words."""
        if self.skipped:
            return f"skipped: {self.skipped}"
        return f"{len(self.failures)} FAILED" if self.failures else "good"

    @property
    def details(self) -> str:
        """What was exercised."""
        return ", ".join(f"{number} {what}" for what, number in self.seen.items())

    def __str__(self) -> str:
        return (
            f"{self.title}: {self.cases} cases, {self.verdict} "
            f"(limit: {self.limit}); {self.details}"
        )


def table(rows: Sequence[Row]) -> str:
    """Return all rows as a Markdown table."""
    lines = [
        f"| {row.title} | {row.cases} | {row.verdict} | {row.limit} | {row.details} |"
        for row in rows
    ]
    head = ["| fault | cases | result | limit | of these |", "|---|---|---|---|---|"]
    return "\n".join([*head, *lines])
