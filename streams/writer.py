"""The writer process: one stream, from its socket to its file.

    receive -> check continuity -> append -> show to readers -> sync -> acknowledge

Rows are acknowledged only when they are on the disk. The sync runs in a thread of its
own, so that a slow disk does not stop the receiving; one sync is under way at a time.
"""

import logging
import os
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import zmq

from rigd.streams.block import StreamFormat
from rigd.streams.continuity import Continuity
from rigd.streams.ledger import (
    ENDED_REGULARLY,
    ENDED_WITH_REASON,
    RUNNING,
    LostInterval,
)
from rigd.streams.messages import Finished, Ready, WriterSpec, WriterStatus
from rigd.streams.pace import Pace
from rigd.streams.process import (
    Complaints,
    Control,
    TermFlag,
    die_with_parent,
    read_specification,
    run_process,
)
from rigd.streams.receiver import Malformed, Receiver, Run, Taken, Told
from rigd.streams.stream_file import StreamFile
from rigd.streams.stream_layout import stream_layout
from rigd.streams.wire import LOST_COUNT, Kind

STATUS_EVERY = 0.5
"""Seconds between two status reports."""

STOP_GRACE = 3.0
"""Seconds that a sender has to say END after it was asked to stop."""


@dataclass(slots=True)
class Mark:
    """How far a sync reaches: the sequence to acknowledge, and the rows kept."""

    sequence: int = 0
    rows: int = 0


class Appender:
    """Decides what to do with what was taken, and does it to the stream file."""

    def __init__(self, file: StreamFile) -> None:
        self._file = file
        self.continuity = Continuity()
        self.lost = 0
        self.repeated = 0
        self.ended: str | None = None
        self.last_host_ns = 0

    def take(self, taken: list[Taken]) -> None:
        """Append runs, note losses, clock readings and the end."""
        for item in taken:
            if isinstance(item, Run):
                self._take_run(item)
            elif isinstance(item, Malformed):
                self.continuity.suspect = "rejected"
            else:
                self._take_told(item)

    def _take_run(self, run: Run) -> None:
        state = self.continuity
        if not state.follows(run.first, run.epoch):
            if state.is_late(run.epoch):
                self.repeated += len(run.records)
                return
            repeated = state.repeated_rows(run.first, run.rows, run.epoch)
            if repeated:
                self._drop_repeated(run, repeated)
                return
            self._note(state.jump_to(run.first, run.epoch, self._file.rows))
        self._append(run)

    def _append(self, run: Run) -> None:
        rows = [record_rows(record) for record in run.records]
        self._file.append(run.records, run.bodies, rows)
        self.continuity.next = run.first + run.rows
        self.last_host_ns = int.from_bytes(run.records[-1][24:32], "little")

    def _drop_repeated(self, run: Run, repeated: int) -> None:
        """Keep the blocks of a run that are wholly new; blocks are not cut."""
        for record, body in zip(run.records, run.bodies, strict=True):
            rows = record_rows(record)
            first = int.from_bytes(record[8:16], "little")
            if self.continuity.repeated_rows(first, rows, run.epoch):
                self.repeated += 1
            else:
                self._take_run(Run(first, rows, run.epoch, [record], [body]))

    def _take_told(self, told: Told) -> None:
        header = told.header
        if header.kind is Kind.END:
            self.ended = told.body.decode(errors="replace")
        elif header.kind is Kind.CLOCK:
            self._file.append_clock(told.body)
        elif header.kind is Kind.LOST:
            (count,) = LOST_COUNT.unpack_from(told.body)
            cause = told.body[LOST_COUNT.size :].decode(errors="replace")
            self._take_lost(header.first, count, header.epoch, cause)

    def _take_lost(self, first: int, count: int, epoch: int, cause: str) -> None:
        state = self.continuity
        if state.is_late(epoch):
            return
        row = self._file.rows
        self._note(state.jump_to(first, epoch, row))
        already = max(0, state.next - first)
        if count > already:
            self._note(LostInterval(state.next, count - already, row, epoch, cause))
            state.next = first + count

    def _note(self, lost: LostInterval | None) -> None:
        if lost is not None:
            self.lost += lost.count
            self._file.append_lost(lost)


def record_rows(record: bytes) -> int:
    """Rows of a block, from its `sync/blocks` entry."""
    return int.from_bytes(record[32:36], "little")


class Writer:
    """The loop around receiver, appender and stream file."""

    def __init__(
        self,
        spec: WriterSpec,
        context: "zmq.Context[zmq.Socket[bytes]]",
        control: Control,
        term: TermFlag,
    ) -> None:
        self._spec = spec
        self._control = control
        self._term = term
        stream_format = StreamFormat.from_json(spec.format)
        layout = stream_layout(
            spec.stream,
            stream_format,
            nwb_type=spec.nwb_type,
            chunk=spec.chunk,
            compression=spec.compression,
        )
        self._plain = spec.compression == "none"
        self._file = StreamFile(Path(spec.path), layout, stream_format)
        self._append = Appender(self._file)
        self._complain = Complaints(control.send, spec.stream)
        self._receiver = Receiver(
            context,
            spec.endpoint,
            stream=spec.stream,
            stream_format=stream_format,
            key=spec.key,
            complain=self._complain,
        )
        self._row_bytes = stream_format.row_bytes
        self._pace = Pace(spec.drain_seconds)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="sync")
        self._syncing: tuple[Future[None], Mark] | None = None
        self._synced = Mark()
        self._sync_started = self._shown = self._told = time.monotonic()
        self._sync_bytes = 0
        self._stop_by: float | None = None
        self._quit: str | None = None

    def run(self) -> None:
        """Record until the stream ends; leave a closed file."""
        self._control.send(Ready())
        poller = zmq.Poller()
        poller.register(self._receiver.socket, zmq.POLLIN)
        poller.register(self._control.socket, zmq.POLLIN)
        while not self._is_over():
            poller.poll(100)
            before = self._receiver.taken_bytes
            self._append.take(self._receiver.take())
            self._tick()
            self._pace.rest(self._receiver.taken_bytes - before)
        self._close()

    def _is_over(self) -> bool:
        late = self._stop_by is not None and time.monotonic() > self._stop_by
        return self._append.ended is not None or self._quit is not None or late

    def _tick(self) -> None:
        now = time.monotonic()
        self._obey()
        if now - self._shown >= self._spec.visible_seconds:
            self._show()
            self._shown = now
        self._acknowledge()
        grown = self._receiver.taken_bytes - self._sync_bytes
        if self._syncing is None and (
            now - self._sync_started >= self._spec.sync_seconds
            or grown >= self._spec.sync_bytes
        ):
            self._begin_sync(now)
        if now - self._told >= STATUS_EVERY:
            self._tell()
            self._told = now

    def _obey(self) -> None:
        for command in self._control.commands():
            if command.command == "quit":
                self._quit = command.reason
            elif command.command == "stop":
                self._ask_to_stop()
        if self._term.raised and self._stop_by is None:
            self._ask_to_stop()

    def _ask_to_stop(self) -> None:
        self._receiver.ask_to_stop()
        self._stop_by = time.monotonic() + STOP_GRACE

    def _show(self) -> None:
        if self._plain:
            self._file.show()
        else:
            self._file.flush()

    # --- durability ---------------------------------------------------------------

    def _begin_sync(self, now: float) -> None:
        """Hand everything to the kernel, then to the disk in the other thread."""
        mark = Mark(self._receiver.wanted, self._file.rows)
        self._sync_started = now
        self._sync_bytes = self._receiver.taken_bytes
        if mark.sequence == self._synced.sequence:
            return
        self._write_state(RUNNING, "")
        self._file.show()
        self._syncing = (self._threads.submit(self._file.sync), mark)

    def _acknowledge(self) -> None:
        if self._syncing is None or not self._syncing[0].done():
            return
        future, mark = self._syncing
        self._syncing = None
        future.result()
        self._synced = mark
        self._receiver.acknowledge(mark.sequence)

    def _write_state(self, ended: int, reason: str) -> None:
        self._file.write_state(
            lost=self._append.lost,
            repeated=self._append.repeated + self._receiver.repeated,
            rejected=self._receiver.rejected,
            ended=ended,
            reason=reason,
        )

    def _close(self) -> None:
        """Bring everything to the disk, then acknowledge the end."""
        self._threads.shutdown(wait=True)
        reason = self._reason()
        self._write_state(ENDED_WITH_REASON if reason else ENDED_REGULARLY, reason)
        self._file.close()
        self._receiver.acknowledge(self._receiver.wanted)
        self._synced = Mark(self._receiver.wanted, self._file.rows)
        self._tell()
        self._receiver.close()
        self._control.send(Finished(reason=reason))

    def _reason(self) -> str:
        if self._append.ended is not None:
            return self._append.ended
        if self._quit is not None:
            return self._quit
        if self._term.raised:
            return "the writer was terminated"
        return "the sender did not say END after it was asked to stop"

    def _tell(self) -> None:
        self._complain.tell()
        last = self._append.last_host_ns
        self._control.send(
            WriterStatus(
                stream=self._spec.stream,
                rows=self._file.rows,
                bytes=self._file.rows * self._row_bytes,
                lost=self._append.lost,
                repeated=self._append.repeated + self._receiver.repeated,
                rejected=self._receiver.rejected,
                acknowledged_rows=self._synced.rows,
                lag_seconds=(time.monotonic_ns() - last) / 1e9 if last else None,
            )
        )


def main() -> int:
    """Run a writer by the specification on standard input."""
    logging.basicConfig(stream=sys.stderr)
    spec = read_specification(WriterSpec)
    term = TermFlag()
    die_with_parent(spec.parent)
    os.umask(0o077)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    control = Control(context, spec.control, f"writer:{spec.stream}")
    return run_process(lambda: Writer(spec, context, control, term).run(), control)


if __name__ == "__main__":
    sys.exit(main())
