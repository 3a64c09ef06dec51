"""How a recording went, as objects of the session file.

The processing module `recording` holds the tables `verdict`, `ledger`, `lost` and
`alignment`; lost intervals whose times are known are the file's `invalid_times`, too.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hdmf.common import DynamicTable, VectorData
from pynwb import NWBFile

from rigd.daemon.stream_entry import LostTime, StreamEntry
from rigd.streams.clock_map import Fit
from rigd.streams.ledger import (
    ENDED_REGULARLY,
    ENDED_WITH_REASON,
    RUNNING,
    Ledger,
)

MODULE = "recording"

UNKNOWN_COUNT = -1
"""Stands in the ledger table for a count of a stream whose file can't be read."""

ENDS = {
    RUNNING: "not closed",
    ENDED_REGULARLY: "regular",
    ENDED_WITH_REASON: "early",
}

_VERDICT = {
    "verdict": "complete, degraded, incomplete or failed",
    "reason": "why it is not complete; one row for each reason",
}
_LEDGER = {
    "stream": "name of the stream",
    "device": "name of its device",
    "file": "its file, relative to this one",
    "verdict": "what the stream says of itself",
    "expected": "samples the source counted; -1: unknown",
    "received": "samples in the file; -1: unknown",
    "lost": "samples missing from the file; -1: unknown",
    "repeated": "blocks that came twice and were dropped; -1: unknown",
    "rejected": "messages that were refused; -1: unknown",
    "end": "regular, early, not closed, or unknown",
    "reason": "why it ended early, or why its file is not linked",
}
_LOST = {
    "stream": "name of the stream",
    "first": "index of the first sample that is missing",
    "count": "samples that are missing; 0: an outage, nobody counted them",
    "row": "row of the data before which they are missing",
    "epoch": "number of times the device's counter had started anew",
    "cause": "why they are missing",
    "start": "since when, session seconds; NaN: unknown",
    "stop": "until when, session seconds; NaN: unknown",
    "estimate": "samples that an outage has taken, by its length and the nominal rate; "
    "not counted as lost; -1: counted, or unknown",
}
_ALIGNMENT = {
    "stream": "name of the stream",
    "epoch": "number of times the device's counter had started anew",
    "mode": "how the times were made",
    "grade": "how far they can be trusted, A (best) to F",
    "begins_with": "why the segment begins",
    "anchors": "pairs of clock readings that were used",
    "drift_ppm": "how much faster than nominal the device runs; NaN: unknown",
    "residual_median": "median distance of the anchors from the map (s); NaN: unknown",
    "residual_max": "largest distance of an anchor from the map (s); NaN: unknown",
    "error": "bound of the error of the times (s), apart from the time that samples "
    "take to the host where that is not declared; NaN: unknown",
    "relative_error": "the same against `against` (s); NaN: unknown",
    "against": "clock domain whose sync pulses were used, if any",
}


def add_recording(
    nwbfile: NWBFile,
    entries: Sequence[StreamEntry],
    verdict: str,
    reasons: Sequence[str],
) -> None:
    """Add the tables and the lost intervals."""
    module = nwbfile.create_processing_module(
        name=MODULE,
        description="How the recording went: verdict, ledger, alignment, raw clocks",
    )
    verdicts = [{"verdict": verdict, "reason": text} for text in reasons or [""]]
    ledgers = [_ledger_row(entry) for entry in entries]
    lost = [_lost_row(entry, one) for entry in entries for one in entry.lost]
    fits = [
        _alignment_row(entry.name, epoch, fit)
        for entry in entries
        for epoch, fit in entry.fits
    ]
    for name, text, columns, rows in (
        ("verdict", "What the session says of itself", _VERDICT, verdicts),
        ("ledger", "What came, what was lost, per stream", _LEDGER, ledgers),
        ("lost", "Which samples are missing, and when", _LOST, lost),
        ("alignment", "How times were made, per stream and epoch", _ALIGNMENT, fits),
    ):
        if rows:
            module.add(_table(name, text, columns, rows))
    _add_invalid_times(nwbfile, entries)


def _table(
    name: str,
    description: str,
    columns: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
) -> DynamicTable:
    return DynamicTable(
        name=name,
        description=description,
        columns=[
            VectorData(name=column, description=text, data=[r[column] for r in rows])
            for column, text in columns.items()
        ],
        colnames=list(columns),
    )


def _ledger_row(entry: StreamEntry) -> dict[str, Any]:
    return {
        "stream": entry.name,
        "device": entry.record.device,
        "file": entry.record.file,
        "verdict": entry.verdict,
        **_counts(entry.ledger),
        "end": "unknown" if entry.ledger is None else ENDS[entry.ledger.ended],
        "reason": entry.fault or (entry.ledger.reason if entry.ledger else ""),
    }


def _counts(ledger: Ledger | None) -> dict[str, int]:
    names = ("expected", "received", "lost", "repeated", "rejected")
    if ledger is None:
        return dict.fromkeys(names, UNKNOWN_COUNT)
    return {name: getattr(ledger, name) for name in names}


def _lost_row(entry: StreamEntry, lost: LostTime) -> dict[str, Any]:
    interval = lost.interval
    estimate = lost.estimate(entry.record.stream_format.rate)
    return {
        "stream": entry.name,
        "first": interval.first,
        "count": interval.count,
        "row": interval.row,
        "epoch": interval.epoch,
        "cause": interval.cause,
        "start": _or_nan(lost.start),
        "stop": _or_nan(lost.stop),
        "estimate": UNKNOWN_COUNT if estimate is None else estimate,
    }


def _alignment_row(stream: str, epoch: int, fit: Fit) -> dict[str, Any]:
    return {
        "stream": stream,
        "epoch": epoch,
        "mode": str(fit.mode),
        "grade": str(fit.grade),
        "begins_with": fit.begins_with,
        "anchors": fit.anchors,
        "drift_ppm": _or_nan(fit.drift_ppm),
        "residual_median": _or_nan(fit.residual_median),
        "residual_max": _or_nan(fit.residual_max),
        "error": _or_nan(fit.error),
        "relative_error": _or_nan(fit.relative_error),
        "against": fit.against or "",
    }


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _add_invalid_times(nwbfile: NWBFile, entries: Sequence[StreamEntry]) -> None:
    """Add the lost intervals of all streams, in order of time."""
    lost = [
        (one.start, one.stop, entry.name, one.interval.cause)
        for entry in entries
        for one in entry.lost
        if one.start is not None and one.stop is not None
    ]
    for start, stop, stream, cause in sorted(lost):
        nwbfile.add_invalid_time_interval(
            start_time=start, stop_time=stop, tags=[stream, cause]
        )
