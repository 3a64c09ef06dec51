"""What the writer does with what it took: appends it, or accounts for its loss.

Says nothing to anybody and waits for nothing: the loop around it is `writer`.
"""

from dataclasses import replace

from rigd.streams.continuity import Continuity
from rigd.streams.durable_stream import DurableStream
from rigd.streams.ledger import LostInterval
from rigd.streams.live_clock import LiveClock
from rigd.streams.messages import LostSamples
from rigd.streams.run import Run
from rigd.streams.standing import Standing
from rigd.streams.taken import Malformed, Taken, TakenOver, Told
from rigd.streams.wire import LOST_COUNT, RECORD, Kind

MOST_TOLD = 20
"""Lost intervals that one status report names."""

MOST_LOST = 2**64 - 1
"""More lost samples than this are not counted: only a sender gone mad comes here."""


class FreshLosses:
    """Lost intervals that the daemon has not been told of yet: the first of them."""

    def __init__(self) -> None:
        self._found: list[LostSamples] = []
        self._count = 0

    def note(self, lost: LostInterval, after_ns: int) -> None:
        """Note an interval; `after_ns` is the host time of the block before it."""
        self._count += 1
        if len(self._found) < MOST_TOLD:
            self._found.append(
                LostSamples(
                    first=lost.first,
                    count=lost.count,
                    epoch=lost.epoch,
                    cause=lost.cause,
                    after_ns=after_ns,
                )
            )

    def take(self) -> tuple[list[LostSamples], int]:
        """Return what was noted and how many there were; forget it."""
        taken = self._found, self._count
        self._found, self._count = [], 0
        return taken


class Appender:
    """Decides what to do with what was taken, and does it to the stream file."""

    def __init__(self, file: DurableStream, clock: LiveClock) -> None:
        self._file = file
        self.clock = clock
        self.ended: str | None = None
        self.last_host_ns = 0
        self.lost_by_cause: dict[str, int] = {}
        self.fresh_losses = FreshLosses()
        self.is_full = False
        self._unkept: LostInterval | None = None
        self.go_on_from(file.synced.standing)

    def go_on_from(self, standing: Standing) -> None:
        """Take up the account where the last checkpoint left it."""
        self.continuity = Continuity(standing.next, standing.epoch)
        self.lost = standing.lost
        self.repeated = standing.repeated
        self.lost_by_cause = {}
        self.ended = None
        self._unkept = None

    def take(self, taken: list[Taken]) -> None:
        """Append runs, note losses, clock readings and the end.

        Once `is_full` is set no row is appended any more: it is lost to the disk.
        """
        for item in taken:
            if isinstance(item, Run):
                self._take_run(item)
            elif isinstance(item, Malformed):
                self.continuity.suspect = "rejected"
            elif isinstance(item, TakenOver):
                self._note(self.continuity.take_over(self._file.rows))
            else:
                self._take_told(item)

    def _take_run(self, run: Run) -> None:
        state = self.continuity
        if not state.follows(run.first, run.epoch):
            if state.is_late(run.epoch):
                self._note_late(run.first, run.rows, run.epoch)
                return
            repeated = state.repeated_rows(run.first, run.rows, run.epoch)
            if repeated:
                self._drop_repeated(run, repeated)
                return
            self._note(state.jump_to(run.first, run.epoch, self._file.rows))
        if self.is_full:
            self._lose_to_disk(run)
        else:
            self._append(run)

    def _append(self, run: Run) -> None:
        self._file.append(run.records, run.bodies, run.body_rows)
        self.clock.take(run)
        self.continuity.go_on(run.first + run.rows)
        last = run.records[-1][-RECORD.size :]
        self.last_host_ns = int.from_bytes(last[24:32], "little")

    def _lose_to_disk(self, run: Run) -> None:
        """Count rows that there is no room for; one interval as long as they follow."""
        before, row = self._unkept, self._file.rows
        lost = LostInterval(run.first, run.rows, row, run.epoch, "disk")
        if before is not None:
            if before.first + before.count == run.first and before.epoch == run.epoch:
                lost = replace(lost, first=before.first, count=before.count + run.rows)
            else:
                self.note_unkept()
        self._unkept = lost
        self.continuity.go_on(run.first + run.rows)

    def note_unkept(self) -> None:
        """Write down the last rows that there was no room for."""
        unkept, self._unkept = self._unkept, None
        self._note(unkept)

    def _drop_repeated(self, run: Run, repeated: int) -> None:
        """Keep the blocks of a run that are wholly new.

        Blocks are not cut: what is new in one that begins with repeated rows is lost.
        """
        for block in run.singly():
            if self.continuity.repeated_rows(block.first, block.rows, block.epoch):
                self.repeated += not self.continuity.is_taken_over
                self._take_lost(block.first, block.rows, block.epoch, "rejected")
            else:
                self._take_run(block)

    def _take_told(self, told: Told) -> None:
        header = told.header
        if header.kind is Kind.END:
            self.ended = printable(told.body)
        elif header.kind is Kind.CLOCK:
            self._file.append_clock(told.body)
        elif header.kind is Kind.LOST:
            (count,) = LOST_COUNT.unpack_from(told.body)
            cause = told.body[LOST_COUNT.size :].decode()
            self._take_lost(header.first, count, header.epoch, cause)

    def _take_lost(self, first: int, count: int, epoch: int, cause: str) -> None:
        state = self.continuity
        if state.is_late(epoch):
            self._note_late(first, count, epoch)
            return
        row = self._file.rows
        self._note(state.jump_to(first, epoch, row))
        already = min(count, max(0, state.next - first))
        if already and state.is_taken_over:
            self._note_late(first, already, epoch)
        if count > already:
            self._note(LostInterval(state.next, count - already, row, epoch, cause))
            state.next = first + count

    def _note_late(self, first: int, count: int, epoch: int) -> None:
        """Count samples of an epoch that is over: they have no place any more."""
        self._note(LostInterval(first, count, self._file.rows, epoch, "late"))

    def _note(self, lost: LostInterval | None) -> None:
        if lost is not None:
            self.note_unkept()
            self.lost = min(self.lost + lost.count, MOST_LOST)
            if lost.count:
                known = self.lost_by_cause.get(lost.cause, 0)
                self.lost_by_cause[lost.cause] = known + lost.count
            self.fresh_losses.note(lost, self.last_host_ns)
            self._file.append_lost(lost)


def printable(text: bytes) -> str:
    """Read UTF-8 as one line; what can't be shown, or stored in HDF5, is a mark."""
    return "".join(map(_shown, text.decode(errors="replace")))


def _shown(one: str) -> str:
    if one.isprintable():
        return one
    return " " if one.isspace() else "\N{REPLACEMENT CHARACTER}"
