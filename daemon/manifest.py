"""The manifest of a session: every file with its digest, every stream with its account.

It is what `rigd verify` compares a folder with, and what programs read instead of
opening NWB files. It holds nothing that changes when a session is finalized again,
apart from the digest of the session file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from rigd.config.base import Model
from rigd.daemon.clock_domains import Domain, SessionClocks
from rigd.daemon.incidents import IncidentEntry
from rigd.daemon.seal import make_read_only
from rigd.daemon.session_record import Follows, write_whole
from rigd.daemon.stream_entry import LostTime
from rigd.daemon.verdict import Verdict
from rigd.streams.alignment import ALGORITHM
from rigd.streams.clock_map import Axis, Fit, Grade, Mode, Segment
from rigd.streams.journal import Recovered
from rigd.streams.ledger import (
    ENDED_REGULARLY,
    ENDED_WITH_REASON,
    RUNNING,
    Ledger,
)

End = Literal["not closed", "regular", "early"]

ENDS: Mapping[int, End] = {
    RUNNING: "not closed",
    ENDED_REGULARLY: "regular",
    ENDED_WITH_REASON: "early",
}

INTERVALS_LISTED = 1000
"""Most lost intervals that are listed for a stream; its file has all of them."""


class ManifestError(Exception):
    """There is no manifest, or it can't be read: which, and why."""


class FileEntry(Model):
    """One file of the session folder."""

    path: str
    """Relative to the session folder."""
    size: int
    """Bytes."""
    sha256: str | None
    """Of the whole file, in hex; none: the file is not sealed, or `sha256_rest`."""
    mode: str
    """Permissions, octal, e.g. `0444`."""
    stream: str | None = None
    """The stream whose file it is."""
    sha256_rest: str | None = None
    """Of all bytes outside of the chunks that the stream's journal has checksums of:
    with these it tells of the whole file, where `sha256` was not asked for."""

    @property
    def is_sealed(self) -> bool:
        """Whether the content is known and may not change any more."""
        return self.sha256 is not None or self.sha256_rest is not None

    def is_like(self, other: "FileEntry") -> bool:
        """Whether the content is the same, as far as both know of it."""
        known = (self.size, self.sha256, self.sha256_rest)
        return known == (other.size, other.sha256, other.sha256_rest)


class RecoveryEntry(Model):
    """One time that a stream was rebuilt from its journal."""

    rows: int
    """Rows that were kept."""
    missing: int
    """Rows that were on the disk and could not be had; the ledger has them as lost."""
    bad_chunks: int
    """Stored chunks that were not what the journal says."""
    damage: int
    """Bytes of the journal that were damaged."""
    parts: int
    """Files that the rows were in."""
    reason: str
    """Why it was done."""

    @classmethod
    def of_all(cls, recoveries: Sequence[Recovered]) -> "list[RecoveryEntry]":
        """Make the entries of recoveries."""
        return [cls.model_validate(asdict(one)) for one in recoveries]


class LostEntry(Model):
    """One lost interval."""

    first: int
    """Index of the first lost sample."""
    count: int
    """Number of lost samples."""
    row: int
    """Row of the data before which they are missing."""
    epoch: int
    """Number of times the device's counter had started anew."""
    cause: str
    """One of `rigd.streams.ledger.CAUSES`."""
    start: float | None = None
    """Since when they are missing, session seconds; none: not known."""
    stop: float | None = None
    """Until when they are missing, session seconds; none: not known."""
    estimate: int | None = None
    """Samples that an outage (`count` 0) has taken, by its length and the nominal rate.
    Nobody counted them, so they are not among the lost. None: counted, or unknown."""

    @classmethod
    def of(cls, lost: LostTime, rate: float | None) -> "LostEntry":
        """Make the entry of an interval of a stream of the nominal `rate`, Hz."""
        interval = lost.interval
        return cls(
            first=interval.first,
            count=interval.count,
            row=interval.row,
            epoch=interval.epoch,
            cause=interval.cause,
            start=lost.start,
            stop=lost.stop,
            estimate=lost.estimate(rate),
        )


class LedgerEntry(Model):
    """The account of a stream: received + lost = expected."""

    expected: int
    """Samples that the source counted."""
    received: int
    """Rows in the file."""
    lost: int
    """Samples that are missing from it."""
    lost_by_cause: dict[str, int]
    """Lost samples by cause."""
    repeated: int
    """Blocks that came twice and were dropped."""
    rejected: int
    """Messages that were refused."""
    ended: End
    """How the stream ended."""
    reason: str
    """Why it ended early."""
    interval_count: int
    """Number of lost intervals."""
    intervals: list[LostEntry]
    """The first of them, at most 1000."""

    @classmethod
    def of(
        cls, ledger: Ledger, lost: Sequence[LostTime], rate: float | None
    ) -> "LedgerEntry":
        """Make the entry of a ledger.

        Args:
            ledger: The account.
            lost: Its intervals, with their times.
            rate: Nominal rate of the stream, Hz; None: event-like or unknown.

        """
        return cls(
            expected=ledger.expected,
            received=ledger.received,
            lost=ledger.lost,
            lost_by_cause=ledger.by_cause,
            repeated=ledger.repeated,
            rejected=ledger.rejected,
            ended=ENDS[ledger.ended],
            reason=ledger.reason,
            interval_count=len(ledger.intervals),
            intervals=[LostEntry.of(one, rate) for one in lost[:INTERVALS_LISTED]],
        )


class AlignmentEntry(Model):
    """How the times of one segment of a stream were made, and how good they are."""

    epoch: int
    """Number of times the device's counter had started anew."""
    mode: Mode
    """What the times rest on."""
    anchors: int
    """Number of clock readings used."""
    drift_ppm: float | None
    """How much faster than nominal the device runs; none: not measured."""
    residual_median: float | None
    """Median distance of the readings from the map, s."""
    residual_max: float | None
    """Largest distance of a reading from the map, s."""
    error: float | None
    """Bound of the error of the times, s, without the time samples take to the host
    where that is not declared."""
    grade: Grade
    """How far the times can be trusted, A to F."""
    begins_with: str
    """Why the segment begins."""
    relative_error: float | None
    """The error bound against `against`, s."""
    against: str | None
    """Clock domain whose sync pulses were used."""

    @classmethod
    def of(cls, epoch: int, fit: Fit) -> "AlignmentEntry":
        """Make the entry of a fit."""
        return cls(
            epoch=epoch,
            mode=fit.mode,
            anchors=fit.anchors,
            drift_ppm=fit.drift_ppm,
            residual_median=fit.residual_median,
            residual_max=fit.residual_max,
            error=fit.error,
            grade=fit.grade,
            begins_with=fit.begins_with,
            relative_error=fit.relative_error,
            against=fit.against,
        )


class PulseEntry(Model):
    """How the pulses of a device fit those of the reference, in one segment."""

    seen: int
    """Edges on its line."""
    expected: int
    """Edges on the reference's line meanwhile."""
    matched: int
    """Edges that are the same on both."""
    missing: int
    """Edges of the reference that it did not see."""
    extra: int
    """Edges that the reference did not see."""
    offset: float
    """Difference of the ways to the host, s."""
    vote_ratio: float
    """Votes for this offset over those for the best other one."""
    holdout: float | None
    """Distance of pulses from a map made without them, over what is expected."""
    ppm_difference: float | None
    """Speed by the pulses minus speed by the host's clock, ppm."""
    span: float
    """Part of the segment between the first and the last matched pulse."""
    in_step: float = 0.0
    """Longest time for which regular pulses keep their place within samples, s."""


class DomainSegment(AlignmentEntry):
    """One segment of a clock domain."""

    begin: float
    """Session seconds of its first reading."""
    end: float
    """Session seconds of its last reading."""
    pulses: PulseEntry | None
    """Its pulses; none: no sync line."""
    warnings: list[str]
    """What was wrong with better evidence."""

    @classmethod
    def of_segment(cls, segment: Segment) -> "DomainSegment":
        """Make the entry of a segment."""
        fit = segment.fit
        return cls(
            **AlignmentEntry.of(segment.epoch, fit).model_dump(),
            begin=float(segment.t[0]),
            end=float(segment.t[-1]),
            pulses=None
            if fit.match is None
            else PulseEntry.model_validate(asdict(fit.match)),
            warnings=list(fit.warnings),
        )


class DomainEntry(Model):
    """One clock: the streams that go by it, and how it was aligned."""

    device: str
    """Its device."""
    streams: list[str]
    """The streams that go by it."""
    asked: Mode
    """What its times were to be made from."""
    mode: Mode
    """What most of them were made from."""
    grade: Grade
    """How far they can be trusted, A to F."""
    error: float | None
    """Bound of their error, s; none: unknown."""
    tolerance: float
    """Largest error asked for, s."""
    latency: float | None
    """Least time from a sample to the host that was subtracted, s; none: unknown."""
    pulses: int | None = None
    """Edges that were seen on its sync line; none: it has none."""
    algorithm: str
    """Name and version of the rules."""
    silent_losses: list[tuple[float, float, float]]
    """Start, stop and their uncertainty (s) of losses that nobody counted."""
    warnings: list[str]
    """What a person should know."""
    segments: list[DomainSegment]
    """Stretches without a jump."""

    @classmethod
    def of_all(cls, clocks: SessionClocks) -> "dict[str, DomainEntry]":
        """Make the entries of all clocks of a session."""
        return {domain.name: cls.of(domain, clocks) for domain in clocks.domains}

    @classmethod
    def of(cls, domain: Domain, clocks: SessionClocks) -> "DomainEntry":
        """Make the entry of one clock."""
        found = clocks.alignments[domain.name]
        return cls(
            device=domain.device,
            streams=list(domain.streams),
            asked=found.asked,
            mode=found.mode,
            grade=found.grade,
            error=found.error,
            tolerance=clocks.tolerance_of(domain.device),
            latency=clocks.settings.of_device(domain.device).latency,
            pulses=domain.pulses,
            algorithm=ALGORITHM,
            silent_losses=[(o.start, o.stop, o.uncertainty) for o in found.losses],
            warnings=list(found.warnings),
            segments=[DomainSegment.of_segment(s) for s in found.clock.segments],
        )


class StreamManifest(Model):
    """What became of one declared stream."""

    device: str
    """Its device."""
    file: str | None
    """Its file, relative to the session folder; none: its device was never open."""
    verdict: Verdict
    """What it says of itself."""
    reasons: list[str]
    """Why it is not complete."""
    notes: list[str] = Field(default_factory=list)
    """What a person should know besides, e.g. how it was recovered."""
    recoveries: list[RecoveryEntry] = Field(default_factory=list)
    """How it was rebuilt from its journal, in order; none: it never had to be."""
    rate: float | None = None
    """Nominal rows per second; none: event-like or unknown."""
    rows: int | None = None
    """Rows in the file; none: unknown."""
    first_time: float | None = None
    """Time of the first row, session seconds."""
    last_time: float | None = None
    """Time of the last row, session seconds."""
    ledger: LedgerEntry | None = None
    """What came and what was lost; none: unknown."""
    axis: Axis | None = None
    """What its times were made from."""
    alignment: list[AlignmentEntry] = Field(default_factory=list)
    """How its times were made, one entry a segment."""


class Manifest(Model):
    """The whole session."""

    version: Literal[1] = 1
    """Version of this file's layout."""
    revision: int = 1
    """Number of the alignment: 1, and one more for each `rigd realign`."""
    identifier: str
    """UUID of the session."""
    session: str
    """Session id."""
    subject: str
    """Subject id."""
    start_utc: datetime
    """Wall clock at time 0."""
    follows: Follows | None = None
    """The session that was cut off, and that this one goes on with; None: none."""
    verdict: Verdict
    """What the session says of itself."""
    reasons: list[str]
    """Why it is not complete."""
    streams: dict[str, StreamManifest]
    """All declared streams, by name."""
    clocks: dict[str, DomainEntry] = Field(default_factory=dict)
    """All clocks, by name: the device, or `<device>.<stream>`."""
    incidents: list[IncidentEntry] = Field(default_factory=list)
    """What happened to the processes of the session, in order."""
    files: list[FileEntry]
    """All files of the folder but this one and the log."""
    software: dict[str, str]
    """Versions that recorded the session."""
    finalized_by: dict[str, str]
    """Versions that finalized it."""
    host: dict[str, str]
    """The machine that finalized it."""

    def save(self, path: Path) -> None:
        """Write to `path`, whole or not at all, and make it read-only."""
        write_whole(path, self.model_dump_json(indent=2) + "\n")
        make_read_only(path)

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Read `path`.

        Raises:
            ManifestError: It is missing or is no manifest of this version.

        """
        try:
            return cls.model_validate_json(path.read_text())
        except FileNotFoundError:
            raise ManifestError(
                f"{path} is missing: the session was not finalized "
                f"(rigd finalize {path.parent})"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"{path} can't be read: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ManifestError(
                f"{path} is no manifest of version 1: {where} {first['msg']}"
            ) from error

    def file_of(self, stream: str) -> FileEntry | None:
        """The entry of a stream's file, if there is one."""
        path = self.streams[stream].file
        return next((file for file in self.files if file.path == path), None)
