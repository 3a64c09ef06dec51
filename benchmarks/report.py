"""Rows of the report: what was measured in each round, and what it should be."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit for the median."""

    sign: str
    limit: float

    def is_met(self, value: float) -> bool:
        """Say whether a value keeps to the limit."""
        keeps = operator.le if self.sign == "<=" else operator.ge
        return bool(keeps(value, self.limit))

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:g}"


def at_most(limit: float) -> Goal:
    """Make a goal: `limit` or less."""
    return Goal("<=", limit)


def at_least(limit: float) -> Goal:
    """Make a goal: `limit` or more."""
    return Goal(">=", limit)


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity: its value in each round, and its goal where it has one."""

    benchmark: str
    what: str
    unit: str
    values: Sequence[float]
    goal: Goal | None = None

    @property
    def verdict(self) -> str:
        """`met`, `NOT MET`, or nothing where there is no goal."""
        if self.goal is None:
            return ""
        return "met" if self.goal.is_met(median(self.values)) else "NOT MET"

    def cells(self) -> tuple[str, ...]:
        """The row as text: benchmark, what, unit, median, range, goal, verdict."""
        low, high = number(min(self.values)), number(max(self.values))
        return (
            self.benchmark,
            self.what,
            self.unit,
            number(median(self.values)),
            f"{low}..{high}" if len(self.values) > 1 else "",
            "" if self.goal is None else str(self.goal),
            self.verdict,
        )


HEADINGS = ("benchmark", "what", "unit", "median", "min..max", "goal", "verdict")


def number(value: float) -> str:
    """Three digits that matter."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(rows: Sequence[Row]) -> str:
    """All rows as a Markdown table whose columns are aligned."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = tuple("-" * width for width in widths)
    return "\n".join(_line(cells, widths) for cells in (lines[0], rule, *lines[1:]))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"
