"""What was found out about a rig before a session: pass, warn, fail, and what to do."""

from enum import StrEnum
from typing import Literal

from pydantic import computed_field

from rigd.config.base import Model


class Outcome(StrEnum):
    """From good to bad."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


BY_SEVERITY = tuple(Outcome)


class Finding(Model):
    """One thing that was looked at."""

    subject: str
    """What was looked at, e.g. `device probe0`."""
    outcome: Outcome
    found: str
    """What was found, with its figures."""
    remedy: str = ""
    """What to do; empty for `pass`."""

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.subject}: {self.found}{remedy}"


class CheckReport(Model):
    """All findings, in the order of the rig file; an event of the session as well."""

    event: Literal["check"] = "check"
    findings: tuple[Finding, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def outcome(self) -> Outcome:
        """The worst of all findings."""
        outcomes = [finding.outcome for finding in self.findings]
        return max(outcomes, key=BY_SEVERITY.index, default=Outcome.PASS)

    def those(self, outcome: Outcome) -> list[Finding]:
        """Findings with this outcome."""
        return [finding for finding in self.findings if finding.outcome is outcome]

    @property
    def in_words(self) -> str:
        """`12 passed, 1 warning, 2 failed`."""
        passed, warned, failed = (len(self.those(outcome)) for outcome in Outcome)
        warnings = "warning" if warned == 1 else "warnings"
        return f"{passed} passed, {warned} {warnings}, {failed} failed"
