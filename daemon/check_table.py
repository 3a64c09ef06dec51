"""Shows the findings of a check to a person."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rigd.daemon.check_report import CheckReport, Finding, Outcome

STYLES = {Outcome.PASS: "green", Outcome.WARN: "yellow", Outcome.FAIL: "bold red"}


def check_table(findings: Iterable[Finding]) -> Table:
    """One row for each finding; what to do stands below what was found."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("looked at", no_wrap=True)
    table.add_column("found", overflow="fold")
    for finding in findings:
        table.add_row(
            Text(finding.outcome, STYLES[finding.outcome]),
            Text(finding.subject),
            _found(finding),
        )
    return table


def _found(finding: Finding) -> Text:
    text = Text(finding.found)
    if finding.remedy:
        text.append(f"\n-> {finding.remedy}", STYLES[finding.outcome])
    return text


def show_check(report: CheckReport, console: Console) -> None:
    """Print all findings and what they come to."""
    console.print(check_table(report.findings))
    console.print(Text(report.in_words, STYLES[report.outcome]))
