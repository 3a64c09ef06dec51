"""The writer process: one stream, from its socket to its file.

    receive -> check continuity -> append -> show to readers -> sync -> acknowledge

Rows are acknowledged only when they are on the disk. The sync runs in a thread of its
own, so that a slow disk does not stop the receiving; one sync is under way at a time.
"""

import logging
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

import zmq

from rigd.streams.appender import Appender
from rigd.streams.block import StreamFormat
from rigd.streams.durable_stream import DurableStream, PartFailedError
from rigd.streams.ledger import ENDED_REGULARLY, ENDED_WITH_REASON
from rigd.streams.live_clock import LiveClock
from rigd.streams.messages import (
    Finished,
    Notice,
    Ready,
    WriterSpec,
    WriterStatus,
)
from rigd.streams.pace import Pace
from rigd.streams.process import (
    Complaints,
    Control,
    TermFlag,
    die_with_parent,
    read_specification,
    run_process,
    spare_the_collector,
)
from rigd.streams.readiness import WakeUp
from rigd.streams.receiver import Receiver
from rigd.streams.reserve import DiskFullError
from rigd.streams.run import Run
from rigd.streams.standing import Standing
from rigd.streams.stream_layout import stream_layout
from rigd.streams.taken import Taken
from rigd.streams.wire import high_water_mark

STATUS_EVERY = 0.5
"""Seconds between two status reports."""

LOOK_EVERY_MS = 200
"""Milliseconds between two looks at what is due, where no message comes."""

STOP_GRACE = 3.0
"""Seconds that a sender has to say END after it was asked to stop."""

STOP_EVERY = 0.5
"""Seconds after which it is asked again: it may not have been there, or not heard."""

FAREWELL = 5.0
"""Seconds that the sender has to ask a writer started again after END whether it is
kept; longer than `sender.ASK_AFTER`."""


class StreamFailedError(Exception):
    """Nothing more can be kept: what failed, and why there is no way on."""


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
        self._synced = WakeUp()
        self._file = DurableStream(
            Path(spec.path),
            layout,
            stream_format,
            spec.key,
            durable=spec.durable,
            when_synced=self._synced.call,
        )
        self._append = Appender(self._file, LiveClock(stream_format, spec.sync))
        # It may have died after the end, before it could say so.
        end = self._file.ended_before
        self._append.ended = None if end is None else end.reason
        self._farewell_by = time.monotonic() + FAREWELL
        self._complain = Complaints(control.send, spec.stream)
        self._receiver = Receiver(
            context,
            spec.endpoint,
            stream=spec.stream,
            stream_format=stream_format,
            key=spec.key,
            complain=self._complain,
        )
        self._receiver.go_on_from(self._file.synced.standing)
        self._row_bytes = stream_format.row_bytes
        self._pace = Pace(spec.drain_seconds, high_water_mark(stream_format))
        self._shown = self._told = time.monotonic()
        # The first sync is due at once: after a restart the ring waits for relief.
        self._sync_started = self._shown - spec.sync_seconds
        self._sync_bytes = 0
        self._stop_by: float | None = None
        self._stop_asked = 0.0
        self._stop_reason = ""
        self._quit: str | None = None
        self._held: list[Taken] = []
        self._full_since: float | None = None
        self._has_said_so = False
        self._is_closed = False
        self._is_shown = True

    def run(self) -> None:
        """Record until the stream ends; leave a closed file."""
        spare_the_collector()
        self._control.send(Ready())
        poller = zmq.Poller()
        poller.register(self._receiver.socket, zmq.POLLIN)
        orders = self._control.socket
        poller.register(orders, zmq.POLLIN)
        poller.register(self._synced.descriptor, zmq.POLLIN)
        while not self._is_closed:
            ready = [socket for socket, _ in poller.poll(self._patience())]
            if orders in ready:
                self._obey()
            if self._synced.descriptor in ready:
                self._synced.clear()
            receiver = self._receiver
            size, messages = receiver.taken_bytes, receiver.taken_messages
            try:
                self._work(is_waiting=receiver.socket in ready)
            except PartFailedError as error:
                self._begin_part(error)
            self._pace.rest(
                receiver.taken_bytes - size,
                receiver.taken_messages - messages,
                is_empty=receiver.is_empty,
            )
        self._leave()

    def _patience(self) -> int:
        """Milliseconds to wait for messages: less where rows wait to be shown."""
        if self._is_shown:
            return LOOK_EVERY_MS
        left = self._shown + self._spec.visible_seconds - time.monotonic()
        return max(1, min(LOOK_EVERY_MS, int(1000 * left) + 1))

    def _work(self, *, is_waiting: bool) -> None:
        """Take what is there, see to what is due, close when all is over."""
        if not self._held:
            self._held = self._receiver.take(is_waiting=is_waiting)
        if self._held and self._has_room():
            taken, self._held = self._held, []
            self._append.take(taken)
            self._is_shown = False
            if not self._append.is_full:
                self._file.note(self._standing())
        self._tick()
        if self._is_over():
            self._close()

    def _has_room(self) -> bool:
        """Make room for what is held; without any, wait, then end the stream."""
        if self._append.is_full:
            return True
        runs = [item for item in self._held if isinstance(item, Run)]
        try:
            self._file.make_room(
                sum(run.rows for run in runs), sum(run.blocks for run in runs)
            )
        except DiskFullError as error:
            return self._has_waited_enough(str(error))
        except OSError as error:
            raise self._given_up(f"disk: space can't be set aside: {error}") from error
        self._full_since = None
        self._say_once_without_reserve()
        return True

    def _say_once_without_reserve(self) -> None:
        if not self._file.has_reserve and not self._has_said_so:
            self._has_said_so = True
            text = "the file system can't set space aside: there is no reserve"
            self._control.send(
                Notice(level="info", text=text, stream=self._spec.stream)
            )

    def _given_up(self, text: str) -> StreamFailedError:
        """Leave the cause in the journal and return the error that ends the writer."""
        self._file.give_up(text)
        return StreamFailedError(text)

    def _has_waited_enough(self, what: str) -> bool:
        """Say whether to go on without room: rows are lost then, and counted."""
        now = time.monotonic()
        if self._full_since is None:
            self._full_since = now
        if now - self._full_since < self._spec.patience_seconds and not self._is_over():
            time.sleep(self._spec.drain_seconds)
            return False
        self._append.is_full = True
        self._ask_to_stop(what)
        self._control.send(Notice(level="error", text=what, stream=self._spec.stream))
        return True

    def _standing(self) -> Standing:
        return Standing(
            sequence=self._receiver.wanted,
            sender=self._receiver.sender,
            next=self._append.continuity.next,
            epoch=self._append.continuity.epoch,
            lost=self._append.lost,
            repeated=self._append.repeated + self._receiver.repeated,
            rejected=self._receiver.rejected,
        )

    def _begin_part(self, error: PartFailedError) -> None:
        """Go on in a new HDF5 file; the source sends again what is not kept."""
        try:
            standing = self._file.begin_part()
        except OSError as failure:
            text = f"disk: {error}; a new part can't be begun: {failure}"
            raise self._given_up(text) from failure
        self._held = []
        self._append.go_on_from(standing)
        self._receiver.go_on_from(standing)
        self._receiver.ask_again()
        text = f"{error}; the recording goes on in part {self._file.parts - 1}"
        self._control.send(Notice(level="error", text=text, stream=self._spec.stream))

    def _is_over(self) -> bool:
        now = time.monotonic()
        late = self._stop_by is not None and now > self._stop_by
        heard = self._receiver.has_met_sender or now > self._farewell_by
        ended = self._append.ended is not None and heard
        return ended or self._quit is not None or late

    def _tick(self) -> None:
        now = time.monotonic()
        if self._term.raised and self._stop_by is None:
            self._ask_to_stop("the writer was terminated")
        if not self._is_shown and now - self._shown >= self._spec.visible_seconds:
            self._file.show()
            self._shown, self._is_shown = now, True
        self._acknowledge()
        grown = self._receiver.taken_bytes - self._sync_bytes
        if not self._file.is_syncing and (
            now - self._sync_started >= self._spec.sync_seconds
            or grown >= self._spec.sync_bytes
        ):
            self._begin_sync(now)
        if self._stop_by is not None and now - self._stop_asked >= STOP_EVERY:
            self._say_stop(now)
        if now - self._told >= STATUS_EVERY:
            self._tell()
            self._told = now

    def _obey(self) -> None:
        for command in self._control.commands():
            if command.command == "quit":
                self._quit = command.reason
            elif command.command == "stop":
                self._ask_to_stop(command.reason)

    def _ask_to_stop(self, reason: str) -> None:
        self._stop_reason = self._stop_reason or reason
        self._stop_by = time.monotonic() + STOP_GRACE
        self._say_stop(time.monotonic())

    def _say_stop(self, now: float) -> None:
        self._stop_asked = now
        self._receiver.ask_to_stop()

    def _begin_sync(self, now: float) -> None:
        """Begin a sync; one that finds nothing new stays due."""
        if self._file.begin_sync():
            self._sync_started = now
            self._sync_bytes = self._receiver.taken_bytes

    def _acknowledge(self) -> None:
        if self._file.take_sync():
            kept = self._file.synced.standing
            if kept.sender == self._receiver.sender:  # another counts from 0 again
                self._receiver.acknowledge(kept.sequence)

    def _close(self) -> None:
        """Bring everything to the disk, then acknowledge the end."""
        self._append.is_full = self._append.is_full or bool(self._held)
        self._append.take(self._held)
        self._held = []
        self._append.note_unkept()
        reason = self._reason()
        ended = ENDED_WITH_REASON if reason else ENDED_REGULARLY
        self._file.close(self._standing(), ended, reason)
        self._is_closed = True

    def _leave(self) -> None:
        """Say that all is kept."""
        self._receiver.acknowledge(self._receiver.wanted)
        self._tell()
        self._complain.finish()
        self._receiver.close()
        self._synced.close()
        self._control.send(Finished(reason=self._reason()))

    def _reason(self) -> str:
        if self._append.ended is not None:
            return self._append.ended or self._stop_reason
        silent = "the sender did not say END after it was asked to stop"
        return self._stop_reason or self._quit or silent

    def _tell(self) -> None:
        self._complain.tell()
        last = self._append.last_host_ns
        newly_lost, newly_lost_count = self._append.fresh_losses.take()
        self._control.send(
            WriterStatus(
                stream=self._spec.stream,
                rows=self._file.rows,
                bytes=self._file.rows * self._row_bytes,
                lost=self._append.lost,
                repeated=self._append.repeated + self._receiver.repeated,
                rejected=self._receiver.rejected,
                acknowledged_rows=self._file.synced.rows[0],
                lag_seconds=_age(last),
                lost_by_cause=self._append.lost_by_cause,
                newly_lost=newly_lost,
                newly_lost_count=newly_lost_count,
                clock=self._append.clock.status(time.monotonic_ns()),
            )
        )


def _age(host_ns: int) -> float | None:
    """Seconds since a host stamp; None: there is none, or it is simulated and ahead."""
    age = time.monotonic_ns() - host_ns
    return age / 1e9 if host_ns and age >= 0 else None


def main() -> NoReturn:
    """Run a writer by the specification on standard input."""
    logging.basicConfig(stream=sys.stderr)
    spec = read_specification(WriterSpec)
    term = TermFlag()
    die_with_parent(spec.parent)
    os.umask(0o077)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    control = Control(context, spec.control, f"writer:{spec.stream}")
    code = run_process(lambda: Writer(spec, context, control, term).run(), control)
    context.destroy(linger=1000)  # a writer that has failed has left its socket open
    sys.stderr.flush()
    os._exit(code)  # libhdf5 may crash at a regular exit when a file has failed


if __name__ == "__main__":
    main()
