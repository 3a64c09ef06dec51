"""Sends mutated messages to a live writer, and compares its file with a model's."""

import random
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import zmq

from rigd.streams.ledger import LostInterval
from rigd.streams.messages import Failed, Finished
from rigd.streams.stream_file import device_seconds
from rigd.streams.wire import CLOCK_DTYPE, RECORD_DTYPE, Kind
from tests.faults.power_bench import temporary_folder
from tests.faults.report import Row
from tests.faults.session import LAST_WORDS, BenchWriter
from tests.faults.stream_kinds import KINDS, StreamKind
from tests.faults.wire_model import Fate, WireModel
from tests.faults.wire_mutation import MadSender, Message

PER_WRITER = 20_000
"""Messages to one writer, then its file is looked at."""

LARGE_ROW = 10_000
"""Bytes of a row from which on a writer gets a tenth of that."""

PATIENCE = 20.0
"""Seconds that a writer may be silent."""

HEARD_EVERY = 256
"""Messages after which the answers are read."""

NEW_CONNECTION_EVERY = 3000

REASON = "the script is at its end"


@dataclass
class Attack:
    """One writer, its mad sender, and the model of what must become of it."""

    writer: BenchWriter
    sender: MadSender
    model: WireModel

    def __post_init__(self) -> None:
        self._connect()
        self._stranger = self.writer.context.socket(zmq.DEALER)
        self._stranger.connect(self.writer.endpoint)

    def _connect(self) -> None:
        self._unanswered = 0
        self._socket = self.writer.context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.SNDTIMEO, int(PATIENCE * 1000))
        self._socket.connect(self.writer.endpoint)

    def run(self, count: int, row: Row) -> str:
        """Send up to so many messages, then the end; say what is wrong."""
        self.send(self.sender.hello(5), row)
        for number in range(count):
            message = self.sender.draw()
            self.send(message, row)
            if self.model.end is not None:
                break
            if number % HEARD_EVERY == 0:
                self._hear()
                if self.writer.has_ended:
                    return f"the writer died near message {number}: {self._words()}"
            if self.sender.chance.random() < 1 / NEW_CONNECTION_EVERY:
                self._be_a_stranger(row)
        if self.model.end is None:
            self.send(self.sender.end(REASON), row)
        return self._wait_for_end()

    def send(self, message: Message, row: Row, *, is_new: bool = False) -> None:
        """Send a message, and let the model take it."""
        self._socket.send_multipart(message)
        fate = self.model.take(message, is_new_connection=is_new)
        self._unanswered += fate is Fate.ANSWERED
        row.count(fate.value)

    def _be_a_stranger(self, row: Row) -> None:
        """Come on a new connection without a word, and send noise on yet another."""
        self._settle(row)
        self._socket.close(linger=0)
        self._connect()
        message = self.sender.valid()
        self.send(message, row, is_new=True)
        self._settle(row)
        for message in ([b"noise", b"more"], self.sender.unknown()):
            self._stranger.send_multipart(message)
            row.count(self.model.take(message, is_new_connection=True).value)
        self._stranger.poll(int(PATIENCE * 1000))  # the unknown one is answered
        self._stranger.recv(zmq.NOBLOCK)

    def _settle(self, row: Row) -> None:
        """Wait until all that was sent has come, by an introduction's answer."""
        self.send(self.sender.hello(), row)
        until = time.monotonic() + PATIENCE
        while self._unanswered and time.monotonic() < until:
            self._socket.poll(50)
            self._hear()

    def _hear(self) -> None:
        """Read what the writer answers, so that its queues stay empty."""
        while self._socket.poll(0):
            self._unanswered -= self._socket.recv()[5] == Kind.WELCOME
        self.writer.hear()

    def _wait_for_end(self) -> str:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not self.writer.has_ended:
            self._hear()
            time.sleep(0.002)
        until = time.monotonic() + LAST_WORDS
        while time.monotonic() < until and not self.writer.has_finished:
            self.writer.hear()
            time.sleep(0.002)
        if self.writer.process.poll() != 0 or not self.writer.has_finished:
            return f"the writer did not come to its end: {self._words()}"
        (finished,) = (e for e in self.writer.events if isinstance(e, Finished))
        if finished.reason != self.model.end:
            return f"it ended with `{finished.reason}`, not `{self.model.end}`"
        return ""

    def _words(self) -> str:
        self.writer.hear()
        words = [e.error for e in self.writer.events if isinstance(e, Failed)]
        return f"{self.writer.process.poll()}, {words}"

    def close(self) -> None:
        """Let go of the sockets and the writer."""
        self._socket.close(linger=0)
        self._stranger.close(linger=0)
        self.writer.close()
        self.sender.close()


# --- the file -------------------------------------------------------------------------


def joined(intervals: list[LostInterval]) -> list[LostInterval]:
    """Join intervals that follow each other: how they were cut does not count."""
    found: list[LostInterval] = []
    for one in intervals:
        last = found[-1] if found else None
        if (
            last
            and last.count
            and one == replace(last, first=last.first + last.count, count=one.count)
        ):
            found[-1] = replace(last, count=last.count + one.count)
        else:
            found.append(one)
    return found


def difference(path: Path, model: WireModel) -> str:
    """Say what in a stream file is not as the model has it; empty: nothing."""
    layout = model.kind.layout
    with h5py.File(path) as file:
        found = {d.path: file[d.path][()] for d in layout.datasets}
        state = file[layout.state][()]
    for name, wanted in expected(model).items():
        if found[name].tobytes() != wanted.tobytes():
            return f"{name} has {len(found[name])} rows, {len(wanted)} are expected"
    lost = joined([as_interval(entry) for entry in found[layout.lost.path]])
    wanted_lost = joined(model.lost)
    if lost != wanted_lost:
        pairs = zip([*lost, None], [*wanted_lost, None], strict=False)
        return f"lost: {next(pair for pair in pairs if pair[0] != pair[1])}"
    counts = {
        "rows": model.rows,
        "lost": sum(interval.count for interval in model.lost),
        "repeated": model.repeated,
        "rejected": model.rejected,
    }
    told = {name: int(state[name]) for name in counts}
    return "" if told == counts else f"{layout.state} says {told}, not {counts}"


def as_interval(entry: Any) -> LostInterval:
    """Read an entry of `sync/lost`."""
    first, count, row, epoch, cause = entry
    return LostInterval(int(first), int(count), int(row), int(epoch), cause.decode())


def expected(model: WireModel) -> dict[str, npt.NDArray[Any]]:
    """Return what the datasets must hold, by their path."""
    form, layout = model.kind.format, model.kind.layout
    cut = [len(body) - _times_bytes(model, body) for body in model.bodies]
    halves = list(zip(model.bodies, cut, strict=True))
    data = np.frombuffer(b"".join(body[:n] for body, n in halves), form.dtype)
    times = np.frombuffer(b"".join(body[n:] for body, n in halves), "<i8")
    wanted: dict[str, npt.NDArray[Any]] = {
        column.path: data
        if column.field is None
        else np.ascontiguousarray(data[column.field])
        for column in layout.data
    }
    wanted[layout.blocks.path] = np.frombuffer(b"".join(model.records), RECORD_DTYPE)
    wanted[layout.clock.path] = np.frombuffer(b"".join(model.clocks), CLOCK_DTYPE)
    if layout.row_times is not None:
        wanted[layout.row_times.path] = times
    if layout.timestamps is not None:
        wanted[layout.timestamps.path] = device_seconds(times)
    if layout.ids is not None:
        wanted[layout.ids.path] = np.arange(model.rows)
    return wanted


def _times_bytes(model: WireModel, body: bytes) -> int:
    form = model.kind.format
    return len(body) // (form.row_bytes + 8) * 8 if form.row_times else 0


# --- the bench ------------------------------------------------------------------------


def attack(
    folder: Path, kind: StreamKind, seed: int, count: int, row: Row, sabotage: str = ""
) -> str:
    """Send up to `count` messages to one writer; say what is wrong."""
    model = WireModel(kind)
    sender = MadSender(model, random.Random(f"{seed} {kind.name}"))
    writer = BenchWriter(folder, kind, {"RIGD_SABOTAGE": sabotage})
    one = Attack(writer, sender, model)
    try:
        wrong = one.run(count, row)
    except zmq.Again:
        wrong = f"the writer takes nothing more; it ended with {one.writer.causes}"
    finally:
        one.close()
    return wrong or difference(one.writer.path, model)


def bench(
    *, messages: int, seed: int, kinds: tuple[str, ...] = (), sabotage: str = ""
) -> Row:
    """Send so many messages, to writers of all kinds, until one fails."""
    row = Row(
        "mutated messages",
        "0 deaths, 0 wrong values, each message kept or counted",
    )
    names = kinds or tuple(KINDS)
    number = 0
    while row.seen.total() < messages and not row.failures:
        kind = KINDS[names[number % len(names)]]
        left = messages - row.seen.total()
        share = 10 if kind.format.row_bytes > LARGE_ROW else 1
        with temporary_folder() as folder:
            most = min(left, PER_WRITER // share)
            wrong = attack(folder, kind, seed + number, most, row, sabotage)
        row.take(f"{seed + number} ({kind.name})", wrong)
        number += 1
    return row
