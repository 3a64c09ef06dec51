"""Recovers a stream and compares it with what was sent, in a process of its own.

A recovery that hangs or dies must not stop the bench: `Judge` starts the process anew
and says what happened.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rigd.streams.journal_file import JournalError
from rigd.streams.recovery import is_whole, recover
from tests.faults.comparison import Kept, Sent, compare
from tests.faults.helper import Helper, TroubleError
from tests.faults.sabotage import apply
from tests.faults.script import Script
from tests.faults.stream_kinds import KINDS


@dataclass(frozen=True)
class Case:
    """A folder with a stream, and what was sent to it."""

    kind: str
    path: Path
    sent: list[Sent]

    def to_json(self) -> str:
        """As one line."""
        sent = [
            (s.script.seed, s.script.epoch, s.at_most, s.acknowledged)
            for s in self.sent
        ]
        return json.dumps({"kind": self.kind, "path": str(self.path), "sent": sent})

    @classmethod
    def from_json(cls, line: str) -> "Case":
        """Undo `to_json`."""
        values = json.loads(line)
        kind = KINDS[values["kind"]]
        sent = [
            Sent(Script(kind, seed, epoch), at_most, acknowledged)
            for seed, epoch, at_most, acknowledged in values["sent"]
        ]
        return cls(values["kind"], Path(values["path"]), sent)


@dataclass(frozen=True)
class Judgement:
    """What came out.

    Attributes:
        kept: What is in the file; None where nothing could be read.
        refused: Why recovery refused; empty: it did not.
        reported: Recovery said that something is missing or damaged.
        parts: HDF5 files that the rows were in.
        trouble: What should never happen: a crash, a hang, an unforeseen error.

    """

    kept: Kept | None = None
    refused: str = ""
    reported: bool = False
    parts: int = 0
    trouble: str = ""

    @property
    def rows(self) -> int:
        """Rows that were given out."""
        return self.kept.rows if self.kept else 0

    def fault(self) -> str:
        """Say what breaks the promise that acknowledged rows are there; empty: none."""
        if self.trouble or self.refused or self.kept is None:
            return self.trouble or f"refused: {self.refused}"
        if self.kept.wrong:
            return f"wrong: {self.kept.wrong}"
        if self.kept.missing:
            return f"{self.kept.missing} acknowledged messages are lost"
        return ""


def judge(case: Case) -> Judgement:
    """Recover and compare."""
    kind = KINDS[case.kind]
    reported, parts = False, 1
    try:
        if not is_whole(case.path):
            done = recover(case.path, kind.layout, kind.format)
            reported = bool(done.missing or done.bad_chunks or done.damage)
            parts = done.parts
    except (JournalError, OSError) as error:
        return Judgement(refused=f"{type(error).__name__}: {error}")
    kept = compare(case.path, kind, case.sent, damaged=reported)
    return Judgement(kept, "", reported, parts)


class Judge:
    """The judging process, started anew when it dies or hangs. Use it with `with`."""

    def __init__(self, sabotage: str = "") -> None:
        self._helper = Helper("tests.faults.judge", sabotage)

    def __enter__(self) -> "Judge":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._helper.__exit__(kind, error, trace)

    def ask(self, case: Case) -> Judgement:
        """Let a case be judged."""
        try:
            return read_judgement(self._helper.ask(case.to_json()))
        except TroubleError as error:
            return Judgement(trouble=str(error))


def read_judgement(line: str) -> Judgement:
    """Undo the JSON of `main`."""
    values: dict[str, Any] = json.loads(line)
    kept = values.pop("kept")
    return Judgement(kept=Kept(**kept) if kept else None, **values)


def main() -> None:
    """Judge a case a line, until standard input ends."""
    apply(os.environ.get("RIGD_SABOTAGE", ""))
    for line in sys.stdin:
        try:
            judgement = judge(Case.from_json(line))
        except Exception as error:  # noqa: BLE001 - the edge of this process
            judgement = Judgement(trouble=f"{type(error).__name__}: {error}")
        print(json.dumps(asdict(judgement)), flush=True)


if __name__ == "__main__":
    main()
