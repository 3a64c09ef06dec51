"""Compares a stream file, row by row, with what was sent to its writer."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from rigd.streams.ledger import LOST_DTYPE, LostInterval
from rigd.streams.stream_file import device_seconds
from rigd.streams.stream_layout import DatasetLayout, StreamLayout
from rigd.streams.wire import CLOCK_DTYPE, RECORD_DTYPE
from tests.faults.script import Message, Script, lost_intervals
from tests.faults.stream_kinds import StreamKind, rows_of, times_of


@dataclass(frozen=True)
class Sent:
    """What one sender sent, and up to where it was acknowledged.

    `at_most` is how many of the messages can be in the file.
    """

    script: Script
    at_most: int
    acknowledged: int


@dataclass(frozen=True)
class Kept:
    """What of it is in the file.

    Attributes:
        rows: Rows in the file.
        missing: Acknowledged messages that are not in the file.
        wrong: What is in the file and was not sent like that; empty: nothing.
        disk: Samples that the file itself says are lost, cause "disk".

    """

    rows: int
    missing: int
    wrong: str = ""
    disk: int = 0


class WrongError(Exception):
    """Something in the file is not what was sent."""


def read(path: Path, layout: StreamLayout) -> dict[str, npt.NDArray[Any]]:
    """Read all datasets of a stream file, by their path."""
    with h5py.File(path) as file:
        found = {d.path: file[d.path][:] for d in layout.datasets}
        found[layout.state] = file[layout.state][()]
    return found


def compare(
    path: Path, kind: StreamKind, sent: list[Sent], *, damaged: bool = False
) -> Kept:
    """Compare a stream file with what was sent; the senders came one after another.

    `damaged` is whether recovery has told of damage: then clock readings may be missing
    that were not acknowledged.
    """
    layout = kind.layout
    try:
        found = read(path, layout)
    except (OSError, RuntimeError, KeyError) as error:
        return Kept(0, sum(s.acknowledged for s in sent), f"unreadable: {error}")
    rows = len(found[layout.data[0].path])
    lost = found[layout.lost.path]
    disk = int(lost["count"][lost["cause"] == b"disk"].sum())
    own = np.isin(lost["cause"], (b"disk", b"source down"))
    found[layout.lost.path] = lost[~own]
    damaged = damaged or disk > 0
    counts = [count_kept(layout, found, s, clocks_too=not damaged) for s in sent]
    missing = sum(
        max(0, s.acknowledged - count, missing_clocks(layout, found, s))
        for s, count in zip(sent, counts, strict=True)
    )
    try:
        _check(kind, found, sent, counts, exact=not damaged)
        _check_ledger(layout, found, disk, rows)
        _check_outages(lost[lost["cause"] == b"source down"], len(sent))
    except WrongError as error:
        return Kept(rows, missing, str(error), disk)
    return Kept(rows, missing, "", disk)


def missing_clocks(
    layout: StreamLayout, found: dict[str, npt.NDArray[Any]], sent: Sent
) -> int:
    """Count the acknowledged clock readings that are not in the file."""
    acknowledged = sent.script.take(sent.acknowledged)
    wanted = sum(message.is_clock for message in acknowledged)
    return wanted - clocks_of(layout, found, sent)


def clocks_of(
    layout: StreamLayout, found: dict[str, npt.NDArray[Any]], sent: Sent
) -> int:
    """Count a sender's clock readings in the file."""
    return int((found[layout.clock.path]["host_ns"] == sent.script.epoch).sum())


def count_kept(
    layout: StreamLayout,
    found: dict[str, npt.NDArray[Any]],
    sent: Sent,
    *,
    clocks_too: bool,
) -> int:
    """Count how many of a sender's messages are in the file; not `clocks_too`: of rows.

    Each dataset holds the messages of its kind; the first that a dataset lacks is where
    the file ends, if the file is right (`compare` finds out).
    """
    epoch = sent.script.epoch
    blocks = int((found[layout.blocks.path]["epoch"] == epoch).sum())
    clocks = clocks_of(layout, found, sent) if clocks_too else sent.at_most
    lost = found[layout.lost.path]
    losses = int(((lost["epoch"] == epoch) & (lost["cause"] == b"driver")).sum())
    for number, message in enumerate(sent.script.take(sent.at_most)):
        if message.is_clock:
            clocks -= 1
        elif message.count:
            losses -= 1
        else:
            blocks -= 1
        if min(blocks, clocks, losses) < 0:
            return number
    return sent.at_most


def _check(
    kind: StreamKind,
    found: dict[str, npt.NDArray[Any]],
    sent: list[Sent],
    counts: list[int],
    *,
    exact: bool,
) -> None:
    """Compare all datasets; not `exact`: clock readings may be more or fewer.

    And the hole may be told that was found by the first block that is not kept.
    """
    layout = kind.layout
    kept = [(s.script, s.script.take(n)) for s, n in zip(sent, counts, strict=True)]
    clock = layout.clock.path
    for dataset, wanted in expected(kind, kept).items():
        there = found[dataset.path]
        if dataset == layout.lost and not exact and len(there) > len(wanted):
            wanted = expected(kind, [*kept[:-1], next_hole(*kept[-1])])[dataset]
        _check_equal(dataset.path, there, wanted)
    every = [(s.script, s.script.take(s.at_most)) for s in sent]
    readings = expected_clocks(kept if exact else every)
    _check_equal(clock, found[clock], readings[: None if exact else len(found[clock])])
    if layout.ids is not None:
        rows = len(found[layout.data[0].path])
        _check_equal(layout.ids.path, found[layout.ids.path], np.arange(rows))


def next_hole(script: Script, messages: list[Message]) -> tuple[Script, list[Message]]:
    """Add a message without rows where the next block or loss begins."""
    later = islice(script.messages(), len(messages), None)
    begin = next(message.first for message in later if not message.is_clock)
    return script, [*messages, Message(begin)]


def _check_equal(path: str, found: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> None:
    if len(found) != len(wanted):
        raise WrongError(f"{path} has {len(found)} rows, {len(wanted)} belong there")
    if found.tobytes() != wanted.tobytes():
        differing = [n for n, (a, b) in enumerate(zip(found, wanted, strict=True))
                     if a.tobytes() != b.tobytes()]  # fmt: skip
        where = f"{len(differing)} of {len(found)} rows, the first is {differing[0]}"
        raise WrongError(f"{path}: {where}")


def expected(
    kind: StreamKind, kept: list[tuple[Script, list[Message]]]
) -> dict[DatasetLayout, npt.NDArray[Any]]:
    """Return what the datasets hold that got these messages."""
    layout = kind.layout
    data, times, blocks = [], [], []
    lost: list[LostInterval] = []
    row = 0
    for script, messages in kept:
        lost += lost_intervals(script, messages, row)
        for sequence, message in enumerate(messages):
            first, rows, epoch = message.first, message.rows, script.epoch
            if rows:
                data.append(rows_of(kind.format, first, rows, epoch))
                times.append(times_of(first, rows, epoch))
                start = int(times[-1][0])
                blocks.append(
                    (sequence, first, start, start + 7, rows, epoch, first % 1000, 0)
                )
                row += rows
    stream, nothing = kind.format, np.zeros(0, np.int64)
    joined = (
        np.concatenate(data) if data else np.zeros((0, *stream.shape), stream.dtype)
    )
    seconds = np.concatenate(times) if times else nothing
    wanted: dict[DatasetLayout, npt.NDArray[Any]] = {
        column: joined
        if column.field is None
        else np.ascontiguousarray(joined[column.field])
        for column in layout.data
    }
    wanted[layout.blocks] = np.array(blocks, RECORD_DTYPE)
    wanted[layout.lost] = np.array(
        [(i.first, i.count, i.row, i.epoch, i.cause.encode()) for i in lost],
        LOST_DTYPE,
    )
    if layout.row_times is not None:
        wanted[layout.row_times] = seconds
    if layout.timestamps is not None:
        wanted[layout.timestamps] = device_seconds(seconds)
    return wanted


def expected_clocks(
    kept: list[tuple[Script, list[Message]]],
) -> npt.NDArray[Any]:
    """Return the clock readings among these messages."""
    readings = [
        script.reading(sequence)
        for script, messages in kept
        for sequence, message in enumerate(messages)
        if message.is_clock
    ]
    return np.array(
        [(r.device_ns, r.host_ns, r.uncertainty_ns) for r in readings], CLOCK_DTYPE
    )


def _check_ledger(
    layout: StreamLayout, found: dict[str, npt.NDArray[Any]], disk: int, rows: int
) -> None:
    """Check that received + lost = expected, as the file's own account has it."""
    state = found[layout.state]
    lost = int(found[layout.lost.path]["count"].sum()) + disk
    if (int(state["rows"]), int(state["lost"])) != (rows, lost):
        raise WrongError(
            f"{layout.state} says {state['rows']} rows and {state['lost']} lost; "
            f"{rows} and {lost} stand in the datasets"
        )


def _check_outages(outages: npt.NDArray[Any], senders: int) -> None:
    """Check that a change of the sender is noted, once, without a guessed count."""
    if len(outages) >= senders or outages["count"].any():
        raise WrongError(f"{len(outages)} outages with {senders} senders: {outages}")
