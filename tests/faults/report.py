"""The rows of the bench's table, and the failures with the seeds that repeat them."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Row:
    """One kind of fault: how many cases there were, what was seen, what failed."""

    title: str
    limit: str
    cases: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def count(self, what: str, number: int = 1) -> None:
        """Count something that shows what was exercised."""
        self.seen[what] += number

    def take(self, seed: str, fault: str) -> None:
        """Take one case; `fault` is what is wrong, empty if nothing."""
        self.cases += 1
        if fault:
            self.failures.append(f"{self.title}, seed {seed}: {fault}")

    def __str__(self) -> str:
        seen = ", ".join(f"{number} {what}" for what, number in self.seen.items())
        verdict = f"{len(self.failures)} FAILED" if self.failures else "good"
        return (
            f"{self.title}: {self.cases} cases, {verdict} (limit: {self.limit}); {seen}"
        )
