"""Cuts the link between a sender and its writer; doubles, delays, reorders, drops."""

import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import h5py

from rigd.streams.block import Ended
from rigd.streams.ledger import LostInterval
from rigd.streams.ring import Ring
from rigd.streams.sender import Sender
from rigd.streams.wire import Address
from tests.faults.comparison import expected, expected_clocks
from tests.faults.message_bench import as_interval, joined
from tests.faults.power_bench import temporary_folder
from tests.faults.report import Row
from tests.faults.script import Message, Script
from tests.faults.session import LAST_WORDS, BenchWriter
from tests.faults.stream_kinds import KINDS, STREAM, StreamKind
from tests.support.breakable_link import BreakableLink
from tests.support.faulty_link import FaultyLink
from tests.support.writer_process import KEY

CUTS_OF_A_STREAM = 10
"""Cuts, then the stream comes to its end and its file is looked at."""

SMALL_RING = 40
"""Blocks that a small ring holds: while the link is cut, it gets full."""

PATIENCE = 30.0
"""Seconds that the end may take."""


@dataclass
class Offered:
    """What a sender was given, and what became of it there."""

    script: Script
    sender: Sender
    kept: list[Message] = field(default_factory=list)
    lost: list[LostInterval] = field(default_factory=list)
    _sequence: int = 0
    _following: int = 0
    _rows: int = 0

    def __post_init__(self) -> None:
        self._messages = self.script.messages()

    def offer(self) -> None:
        """Hand over the next message."""
        message = next(self._messages)
        if message.is_clock:
            self.sender.read_clock(self.script.reading(len(self.kept)))
            self.kept.append(message)
            return
        self._lose(message.first - self._following, "device")
        if message.count:
            self.script.offer(self.sender, 0, message)
            self._lose(message.count, "driver")
        elif self.sender.offer(self.script.block(message)):
            self.kept.append(message)
            self._following += message.rows
            self._rows += message.rows
        else:
            self._lose(message.rows, "ring full")

    def _lose(self, count: int, cause: str) -> None:
        if count:
            interval = LostInterval(self._following, count, self._rows, 0, cause)
            self.lost.append(interval)
            self._following += count


class Trial:
    """One stream over a bad link."""

    def __init__(self, folder: Path, kind: StreamKind, seed: int) -> None:
        self.chance = random.Random(f"link {seed}")
        self.writer = BenchWriter(folder, kind, {})
        self.link = BreakableLink(folder / "cable", folder / "s.sock")
        self.is_small = self.chance.random() < 0.4
        self.faulty = FaultyLink(
            self.writer.context,
            f"ipc://{folder}/front",
            f"ipc://{folder}/cable",
            seed=seed,
            drop=self.chance.choice((0.0, 0.01, 0.1)),
            double=self.chance.choice((0.0, 0.01, 0.1)),
            hold=self.chance.choice((0.0, 0.01, 0.1)),
        )
        ring = SMALL_RING * kind.block_rows * kind.format.row_bytes
        sender = Sender(
            self.writer.context,
            f"ipc://{folder}/front",
            stream=STREAM,
            stream_format=kind.format,
            address=Address(KEY, kind.format.digest, 5),
            ring=Ring(ring if self.is_small else 2**30),
        )
        self.offered = Offered(Script(kind, seed), sender)

    def run(self, cuts: int, row: Row) -> str:
        """Cut and restore so often, then end the stream; say what is wrong."""
        with self.link:
            for _ in range(cuts):
                self._send(self.chance.uniform(0.02, 0.25))
                self.link.cut()
                self._send(self.chance.choice((0.0, self.chance.uniform(0.0, 0.4))))
                self.link.restore()
                if self.chance.random() < 0.15:
                    time.sleep(self.chance.uniform(0.1, 0.6))
                    row.count("stalls of the sender")
            has_ended = self._finish()
        row.count("messages dropped, doubled or held back", self.faulty.faults)
        row.count("blocks repeated", self.repeated())
        full = [one for one in self.offered.lost if one.cause == "ring full"]
        row.count("samples lost to a full ring", sum(one.count for one in full))
        if not has_ended:
            return f"the writer did not come to its end: {self.writer.causes}"
        return difference(self.writer.path, self.offered)

    def _send(self, seconds: float) -> None:
        """Offer and pump, in bursts, for some time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for _ in range(self.chance.choice((0, 1, 1, 2, 5))):
                self.offered.offer()
            self._pump()

    def _pump(self) -> None:
        self.offered.sender.pump()
        self.faulty.step()
        self.writer.hear()
        time.sleep(0.001)

    def _finish(self) -> bool:
        self.offered.sender.end(Ended(STREAM))
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not self.writer.has_ended:
            self._pump()
        until = time.monotonic() + LAST_WORDS
        while time.monotonic() < until and not self.writer.has_finished:
            self.writer.hear()
            time.sleep(0.002)
        return self.writer.has_finished

    def repeated(self) -> int:
        """Blocks that came twice, as the writer says."""
        counts = [e.repeated for e in self.writer.events if e.event == "writer"]
        return max(counts, default=0)

    def close(self) -> None:
        """Let go of sockets and writer."""
        self.offered.sender.close()
        self.faulty.close()
        self.writer.close()


def difference(path: Path, offered: Offered) -> str:
    """Say what in the file is not as the sender was told; empty: nothing."""
    script = offered.script
    layout = script.kind.layout
    with h5py.File(path) as file:
        found = {d.path: file[d.path][()] for d in layout.datasets}
        state = file[layout.state][()]
    kept = [(script, offered.kept)]
    wanted = {d.path: rows for d, rows in expected(script.kind, kept).items()}
    wanted[layout.clock.path] = expected_clocks(kept)
    for name, rows in wanted.items():
        is_table = name in (layout.blocks.path, layout.lost.path)
        if not is_table and found[name].tobytes() != rows.tobytes():
            return f"{name} has {len(found[name])} rows, {len(rows)} are expected"
    lost = [as_interval(entry) for entry in found[layout.lost.path]]
    if joined(lost) != joined(offered.lost):
        return f"lost: {joined(lost)}, expected {joined(offered.lost)}"
    tally = offered.sender.tally
    total = int(state["rows"]) + int(state["lost"])
    device = sum(one.count for one in offered.lost if one.cause == "device")
    if total != tally.rows + tally.lost + device:
        return f"received + lost is {total}, expected {tally} and {device}"
    return f"{state['rejected']} messages were refused" if state["rejected"] else ""


def bench(*, cuts: int, seed: int, kinds: tuple[str, ...] = ()) -> Row:
    """Cut links so often in all."""
    row = Row("link cut and restored", "exact ledger, 0 lost but to a full ring")
    names = kinds or tuple(KINDS)
    number = 0
    while row.seen["cuts"] < cuts:
        kind = KINDS[names[number % len(names)]]
        now = min(CUTS_OF_A_STREAM, cuts - row.seen["cuts"])
        with temporary_folder() as folder:
            trial = Trial(folder, kind, seed + number)
            try:
                wrong = trial.run(now, row)
            finally:
                trial.close()
        row.count("cuts", now)
        row.take(f"{seed + number} ({kind.name})", wrong)
        number += 1
    return row
