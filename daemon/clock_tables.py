"""What the times of a session rest on, as objects of the session file.

The processing module `clocks` holds the table `domains` (one row for each clock and
segment), of each clock `<clock>_anchors`, `<clock>_map` and `<clock>_drift`, and the
table `host_clock`. With these and the raw clocks all times can be made again.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from hdmf.backends.hdf5 import H5DataIO
from hdmf.common import DynamicTable, VectorData
from pynwb import NWBFile, TimeSeries

from rigd.daemon.clock_domains import Domain, SessionClocks
from rigd.daemon.host_clock import HostClockReading
from rigd.streams.alignment import ALGORITHM, Alignment
from rigd.streams.clock_map import Segment

MODULE = "clocks"

DOMAINS = {
    "clock": "name of the clock: its device, or <device>.<stream>",
    "streams": "streams that go by it, separated by commas",
    "epoch": "number of times the device's counter had started anew",
    "begin": "session seconds of the first reading of the segment",
    "end": "session seconds of its last reading",
    "begins_with": "why the segment begins: start, restart, clock jump, silent loss",
    "asked": "what the times were to be made from",
    "mode": "what they were made from",
    "grade": "how far they can be trusted, A (best) to F",
    "error": "bound of the error of 99.7 % of the times (s); NaN: unknown",
    "tolerance": "largest error asked for (s)",
    "relative_error": "bound of the error against `against` (s); NaN: unknown",
    "against": "clock whose sync pulses were used, if any",
    "anchors": "pairs of clock readings that were used",
    "residual_median": "median distance of the anchors from the map (s)",
    "residual_max": "largest distance of an anchor from the map (s)",
    "drift_ppm": "how much faster than nominal the device runs (ppm)",
    "drift_least": "least drift (ppm)",
    "drift_most": "most drift (ppm)",
    "latency": "least time from a sample to the host, subtracted (s); NaN: unknown",
    "pulses_seen": "edges on its sync line in all; -1: it has none",
    "pulses_expected": "edges on the line of `against` meanwhile; -1: unknown",
    "pulses_matched": "edges that are the same on both; -1: unknown",
    "pulses_missing": "edges that it did not see; -1: unknown",
    "pulses_extra": "edges that the other did not see; -1: unknown",
    "holdout": "distance of pulses from a map made without them, over the expected",
    "ppm_difference": "speed by pulses minus speed by the host's clock (ppm)",
    "warnings": "what a person should know",
    "algorithm": "name and version of the rules that made the times",
}
ANCHORS = {
    "epoch": "number of times the device's counter had started anew",
    "device_ns": "device time (ns)",
    "session_s": "time on the session clock by this reading (s)",
    "residual_s": "this reading minus the map (s)",
    "source": "host, pulse, round trip or utc",
}
MAP = {
    "epoch": "number of times the device's counter had started anew",
    "segment": "number of the segment, from 0",
    "device_ns": "knot on the device's time, since `origin_ns` (ns)",
    "origin_ns": "point of the device's time that knots count from (ns)",
    "session_s": "time of the knot on the session clock (s); straight lines between",
}
HOST = {
    "monotonic_ns": "CLOCK_MONOTONIC (ns)",
    "session_s": "the same in seconds from the start of the session",
    "wall_ns": "CLOCK_REALTIME: UTC, ns since 1970",
    "tai_ns": "CLOCK_TAI, as the kernel was told the difference",
    "raw_ns": "CLOCK_MONOTONIC_RAW, which no time service slews",
    "uncertainty_ns": "half the time that the reading took (ns)",
    "synchronized": "1: the kernel says that a time service holds the wall clock; "
    "0: none does; -1: it may not be asked",
    "maximum_error": "upper bound of the wall clock's error by the kernel (s)",
    "estimated_error": "the wall clock's error by the time service (s)",
    "offset": "what is left to be corrected (s)",
    "frequency_ppm": "correction of its speed (ppm)",
}


def add_clocks(
    nwbfile: NWBFile,
    clocks: SessionClocks,
    host: Sequence[HostClockReading],
    start_ns: int,
) -> None:
    """Add all that is known of clocks; `start_ns` is CLOCK_MONOTONIC at time 0."""
    module = nwbfile.create_processing_module(
        name=MODULE,
        description="What the times rest on. The session's clock is "
        f"{_reference(clocks)}. Device times are ns of the device's clock, or, where "
        "it gives none, of its sample count at the nominal rate.",
    )
    rows = [row for domain in clocks.domains for row in _domain_rows(domain, clocks)]
    if rows:
        module.add(table("domains", "All clocks, by segment", DOMAINS, _columns(rows)))
    for domain in clocks.domains:
        found = clocks.alignments[domain.name]
        for made in (*_anchors(found), *_map(found), *_drift(found)):
            module.add(made)
    if host:
        text = "The computer's own clocks, each row at one moment"
        readings = [_host_row(reading, start_ns) for reading in host]
        module.add(table("host_clock", text, HOST, _columns(readings)))


def _reference(clocks: SessionClocks) -> str:
    name = clocks.settings.reference
    if any(name in domain.streams for domain in clocks.domains):
        return f"that of the device of stream `{name}`"
    return "the computer's CLOCK_MONOTONIC"


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def table(
    name: str,
    description: str,
    columns: Mapping[str, str],
    data: Mapping[str, Any],
) -> DynamicTable:
    """Make a table; numpy arrays are compressed."""
    return DynamicTable(
        name=name,
        description=description,
        columns=[
            VectorData(name=column, description=text, data=_packed(data[column]))
            for column, text in columns.items()
        ],
        colnames=list(columns),
    )


def _packed(data: Any) -> Any:
    if not isinstance(data, np.ndarray) or len(data) == 0:
        return data
    return H5DataIO(data, compression="gzip", shuffle=True)


# --- rows -----------------------------------------------------------------------------


def _domain_rows(domain: Domain, clocks: SessionClocks) -> list[dict[str, Any]]:
    found = clocks.alignments[domain.name]
    latency = clocks.settings.of_device(domain.device).latency
    common = {
        "clock": domain.name,
        "streams": ",".join(domain.streams),
        "asked": str(found.asked),
        "tolerance": clocks.tolerance_of(domain.device),
        "latency": or_nan(latency),
        "pulses_seen": -1 if domain.pulses is None else domain.pulses,
        "algorithm": ALGORITHM,
    }
    return [
        {**common, **_segment_row(segment, found.warnings)}
        for segment in found.clock.segments
    ]


def _segment_row(segment: Segment, warnings: Sequence[str]) -> dict[str, Any]:
    fit, drift = segment.fit, segment.fit.drift
    ppm = [math.nan] if drift is None or len(drift.ppm) == 0 else drift.ppm
    return {
        "epoch": segment.epoch,
        "begin": float(segment.t[0]),
        "end": float(segment.t[-1]),
        "begins_with": fit.begins_with,
        "mode": str(fit.mode),
        "grade": str(fit.grade),
        "error": or_nan(fit.error),
        "relative_error": or_nan(fit.relative_error),
        "against": fit.against or "",
        "anchors": fit.anchors,
        "residual_median": or_nan(fit.residual_median),
        "residual_max": or_nan(fit.residual_max),
        "drift_ppm": or_nan(fit.drift_ppm),
        "drift_least": float(np.min(ppm)),
        "drift_most": float(np.max(ppm)),
        **_pulse_row(segment),
        "warnings": "; ".join(dict.fromkeys((*warnings, *fit.warnings))),
    }


def _pulse_row(segment: Segment) -> dict[str, Any]:
    match = segment.fit.match
    counts = ("expected", "matched", "missing", "extra")
    if match is None:
        unknown: dict[str, Any] = {f"pulses_{name}": -1 for name in counts}
        return {**unknown, "holdout": math.nan, "ppm_difference": math.nan}
    return {
        **{f"pulses_{name}": getattr(match, name) for name in counts},
        "holdout": or_nan(match.holdout),
        "ppm_difference": or_nan(match.ppm_difference),
    }


def or_nan(value: float | None) -> float:
    """NWB columns of numbers have NaN for what is not known."""
    return math.nan if value is None else value


def _host_row(reading: HostClockReading, start_ns: int) -> dict[str, Any]:
    told = reading.discipline
    return {
        "monotonic_ns": reading.monotonic_ns,
        "session_s": (reading.monotonic_ns - start_ns) / 1e9,
        "wall_ns": reading.wall_ns,
        "tai_ns": reading.tai_ns,
        "raw_ns": reading.raw_ns,
        "uncertainty_ns": reading.uncertainty_ns,
        "synchronized": -1 if told is None else int(told.synchronized),
        "maximum_error": or_nan(told.maximum_error_seconds if told else None),
        "estimated_error": or_nan(told.estimated_error_seconds if told else None),
        "offset": or_nan(told.offset_seconds if told else None),
        "frequency_ppm": or_nan(told.frequency_ppm if told else None),
    }


# --- arrays ---------------------------------------------------------------------------


def _anchors(found: Alignment) -> list[DynamicTable]:
    used = found.used
    if not used:
        return []
    text = f"Readings that the times of the clock {found.name} rest on"
    columns: dict[str, npt.NDArray[Any] | list[str]] = {
        "epoch": np.concatenate([one.epoch for one in used]),
        "device_ns": np.concatenate([one.x for one in used]),
        "session_s": np.concatenate([one.session_s for one in used]),
        "residual_s": np.concatenate([one.residual_s for one in used]),
        "source": [one.source for one in used for _ in range(len(one.x))],
    }
    return [table(f"{found.name}_anchors", text, ANCHORS, columns)]


def _map(found: Alignment) -> list[DynamicTable]:
    parts = found.clock.segments
    if not parts:
        return []
    text = f"From the device's time to session seconds, for the clock {found.name}"
    columns = {
        "epoch": np.concatenate([np.full(len(p.x), p.epoch) for p in parts]),
        "segment": np.concatenate([np.full(len(p.x), n) for n, p in enumerate(parts)]),
        "device_ns": np.concatenate([p.x for p in parts]),
        "origin_ns": np.concatenate([np.full(len(p.x), p.origin) for p in parts]),
        "session_s": np.concatenate([p.t for p in parts]),
    }
    return [table(f"{found.name}_map", text, MAP, columns)]


def _drift(found: Alignment) -> list[TimeSeries]:
    drifts = [p.fit.drift for p in found.clock.segments if p.fit.drift is not None]
    if not drifts:
        return []
    return [
        TimeSeries(
            name=f"{found.name}_drift",
            description=f"How much faster than nominal the clock {found.name} runs",
            unit="ppm",
            data=np.concatenate([drift.ppm for drift in drifts]),
            timestamps=np.concatenate([drift.session_s for drift in drifts]),
        )
    ]
