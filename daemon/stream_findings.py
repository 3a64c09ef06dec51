"""What is found in a closed stream file: all that judging and linking need."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rigd.daemon.clock_domains import SessionClocks, alignment_warnings
from rigd.daemon.regular_times import RegularTimes, regular_times
from rigd.daemon.rescue import Rescue
from rigd.daemon.stream_entry import LostTime
from rigd.daemon.stream_record import StreamRecord
from rigd.daemon.stream_times import StreamTimes
from rigd.daemon.verdict import StreamFacts
from rigd.streams.alignment import SilentLoss
from rigd.streams.clock_map import Axis, ClockMap, Fit
from rigd.streams.durable_stream import HDF5_ERRORS
from rigd.streams.journal import Recovered
from rigd.streams.ledger import LostInterval
from rigd.streams.stream_reader import (
    MissingStreamFileError,
    StreamFileError,
    StreamReader,
)

SILENT = "silent loss"
"""Cause of samples that nobody counted: only the host's clock tells of them."""


@dataclass(frozen=True)
class StreamFindings:
    """What was found in the file of one stream.

    Attributes:
        facts: What counts for its verdict.
        times: How the times of its rows come about; None where it can't be used.
        regular: Starting time and rate, where these were asked for and suffice.
        first_time, last_time: Session seconds of its first and last row.
        host_span: Host times of its first and last block, ns.
        lost: When samples are missing.
        recoveries: How it was recovered, in order; none: it never had to be.
        notes: What a person should know of it.

    """

    facts: StreamFacts
    times: StreamTimes | None = None
    regular: RegularTimes | None = None
    first_time: float | None = None
    last_time: float | None = None
    host_span: tuple[int, int] | None = None
    lost: list[LostTime] = field(default_factory=list)
    recoveries: tuple[Recovered, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def fits(self) -> list[tuple[int, Fit]]:
        """Epoch, and how its times were made, of each segment."""
        if self.times is None:
            return []
        clock = self.times.clock
        if clock.arrival is not None:
            return [(0, clock.arrival)]
        return [(segment.epoch, segment.fit) for segment in clock.segments]


Findings = Mapping[str, StreamFindings]
"""What was found of each recorded stream, by name."""


def find_in(
    path: Path, name: str, stream: StreamRecord, start_ns: int, clocks: SessionClocks
) -> StreamFindings:
    """Read the file of the stream `name`; a fault of the file is a finding too.

    `start_ns` is CLOCK_MONOTONIC at time 0 of the session, `clocks` what is known of
    the clocks of all its streams.
    """
    event_like = stream.stream_format.rate is None
    layout = stream.layout(name)
    try:
        with StreamReader(path, layout) as reader:
            clock = clocks.maps.get(name, ClockMap(Axis.SAMPLE))
            times = StreamTimes(path, layout, clock, start_ns)
            found = _found(reader, times, event_like=event_like)
            return _with_alignment(found, reader, name, stream.device, clocks)
    except StreamFileError as error:
        fault, missing = str(error), isinstance(error, MissingStreamFileError)
    except HDF5_ERRORS as error:
        fault, missing = f"the file is damaged: {error}", False
    return nothing_in(stream, fault, missing=missing)


def nothing_in(
    stream: StreamRecord, fault: str, *, missing: bool = False
) -> StreamFindings:
    """What is found in a file that can't be used, or is `missing`: the fault."""
    event_like = stream.stream_format.rate is None
    return StreamFindings(
        StreamFacts(None, fault, missing=missing, event_like=event_like)
    )


def _found(
    reader: StreamReader, times: StreamTimes, *, event_like: bool
) -> StreamFindings:
    reader.check_readable()
    uneven = reader.uneven_datasets()
    if uneven:
        raise StreamFileError("; ".join(uneven))
    ledger = reader.ledger()
    ends = times.at(reader, [0, reader.rows - 1])
    by_row_times = times.clock.axis is Axis.DEVICE
    lost = times.lost(reader, ledger.intervals)
    facts = StreamFacts(
        ledger,
        event_like=event_like,
        outage_seconds=_outage_seconds(lost),
        contradictions=tuple(reader.contradictions()),
        alignment_error=times.clock.error,
        untimed=reader.untimed_rows() if by_row_times else 0,
    )
    return StreamFindings(
        facts,
        times,
        first_time=ends.get(0),
        last_time=ends.get(reader.rows - 1),
        host_span=reader.block_span(),
        lost=lost,
    )


def _outage_seconds(lost: list[LostTime]) -> float:
    """Add up how long the outages were of which the times are known."""
    return sum(
        one.stop - one.start
        for one in lost
        if one.interval.is_outage and one.start is not None and one.stop is not None
    )


def _with_alignment(
    found: StreamFindings,
    reader: StreamReader,
    name: str,
    device: str,
    clocks: SessionClocks,
) -> StreamFindings:
    """Add what the alignment of its clock says of the stream."""
    domain = clocks.domain_of(name)
    alignment = None if domain is None else clocks.alignments[domain.name]
    tolerance = clocks.tolerance_of(device)
    if alignment is None:
        return replace(found, facts=replace(found.facts, tolerance=tolerance))
    sampled = () if found.facts.event_like else alignment.losses
    losses = [loss for loss in sampled if loss.stop > loss.start]
    silent = [_silent(found, reader, one) for one in losses]
    if clocks.settings.of_stream(name).timestamps == "regular":
        found = _made_regular(found, tolerance)
    facts = replace(
        found.facts,
        tolerance=tolerance,
        silent=sum(one.stop - one.start for one in losses),
        silent_losses=len(losses),
        doubts=(*alignment.warnings, *alignment_warnings(alignment)),
    )
    return replace(found, facts=facts, lost=[*found.lost, *silent])


def _made_regular(found: StreamFindings, tolerance: float) -> StreamFindings:
    """Take a starting time and a rate, where these are as good as asked."""
    times, ledger = found.times, found.facts.ledger
    if times is None or ledger is None:
        return found
    regular = None
    if not found.facts.event_like:
        regular = regular_times(
            times.all,
            rows=ledger.received,
            first=found.first_time,
            last=found.last_time,
        )
    if regular is not None and regular.deviation <= tolerance:
        return replace(found, regular=regular)
    away = "its rows are events" if found.facts.event_like else "they are not known"
    if regular is not None:
        away = (
            f"they are up to {regular.deviation * 1e3:.3g} ms from a line, "
            f"{tolerance * 1e3:.3g} ms asked"
        )
    refused = f"`timestamps: regular` is refused, times are explicit: {away}"
    return replace(found, facts=replace(found.facts, refused=refused))


def _silent(found: StreamFindings, reader: StreamReader, loss: SilentLoss) -> LostTime:
    """A loss that nobody counted, in front of the first row that came after it."""
    if found.times is None:
        raise ValueError("a stream without times has no losses to be told")
    (first,), (epoch,) = found.times.clock.positions(np.array([loss.stop]))
    row = reader.row_of_sample(int(first), int(epoch))
    interval = LostInterval(int(first), 0, row, int(epoch), SILENT)
    return LostTime(interval, loss.start, loss.stop)


def with_rescue(found: StreamFindings, rescued: Rescue) -> StreamFindings:
    """Add what was done before the file was read, and what hindered it."""
    facts = found.facts
    if rescued.fault and facts.ledger is None:
        facts = replace(facts, fault=f"{facts.fault}; {rescued.fault}")
    elif rescued.fault:
        said = f"nothing proves its rows: {rescued.fault}"
        facts = replace(facts, contradictions=(*facts.contradictions, said))
    return replace(
        found, facts=facts, recoveries=rescued.recoveries, notes=rescued.notes
    )


def with_coverage(findings: Findings) -> Findings:
    """Say of each regular stream how much later and earlier than others it was there.

    By the host times of the blocks, which no alignment can spoil.
    """
    spans = {
        name: found.host_span
        for name, found in findings.items()
        if found.host_span is not None and not found.facts.event_like
    }
    begin = min((first for first, _ in spans.values()), default=0)
    end = max((last for _, last in spans.values()), default=0)
    covered = {
        name: replace(
            findings[name],
            facts=replace(
                findings[name].facts,
                begins_late=(first - begin) / 1e9,
                ends_early=(end - last) / 1e9,
            ),
        )
        for name, (first, last) in spans.items()
    }
    return {**findings, **covered}
