"""A small session of every NWB type: settings, record, prepared and recorded files."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from rigd.config.paths import SessionPaths
from rigd.config.session import Session
from rigd.daemon.prepare import prepare
from rigd.daemon.session_file import StreamEntry, build_session_file
from rigd.daemon.session_record import SessionRecord
from rigd.daemon.stream_record import StreamRecord
from rigd.streams.block import StreamFormat
from rigd.streams.ledger import ENDED_REGULARLY, STATE_DTYPE, Ledger
from rigd.streams.stream_layout import StreamLayout
from rigd.streams.wire import RECORD_DTYPE

Rows = npt.NDArray[Any]

START_NS = 5_000_000_000
"""CLOCK_MONOTONIC at the start of the session."""

OFFSET = 0.25
"""Session seconds of the first row of every stream."""

EVENT = np.dtype([("line", "u1"), ("text", "S16"), ("position", "<f4", (2,))])

FORMATS = {
    "ap": StreamFormat(
        np.dtype("<i2"), (4,), 30_000.0, unit="volts", conversion=2e-6, offset=0.5
    ),
    "analog": StreamFormat(
        np.dtype("<f4"), (2,), 1000.0, unit="newton", channel_names=("left", "right")
    ),
    "camera": StreamFormat(np.dtype("u1"), (6, 8), 30.0),
    "wheel": StreamFormat(np.dtype("<f8"), (), None, row_times=True, unit="radians"),
    "ttl": StreamFormat(EVENT, (), None, row_times=True),
}

SESSION = {
    "id": "one",
    "description": "A test",
    # At 1 kHz the last sample of a batch may have waited for 1 ms, unseen.
    "tolerance": "2 ms",
    "subject": {"id": "m1", "species": "Mus musculus", "age": "P90D", "sex": "F"},
    "experimenter": ["Doe, Jane"],
    "keywords": ["test"],
    "rig": {
        "probes": {
            "probe0": {
                "model": "NP/2",
                "manufacturer": "Maker",
                "location": "CA1",
                "electrodes": {"count": 4, "columns": 2, "pitch_x": 16, "pitch_y": 20},
            }
        },
        "devices": {
            "probe0": {
                "driver": "simulated",
                "manufacturer": "Maker",
                "serial_number": "17",
                "streams": {
                    "ap": {
                        "description": "Broadband",
                        "nwb": {"type": "ElectricalSeries", "probe": "probe0"},
                        "resolution": 1e-6,
                    },
                },
            },
            "board": {
                "driver": "simulated",
                "streams": {
                    "analog": {"storage": {"compression": "gzip"}},
                    "camera": {"nwb": {"type": "ImageSeries"}},
                    "wheel": {
                        "nwb": {"type": "SpatialSeries", "reference_frame": "rest = 0"}
                    },
                    "ttl": {"nwb": {"type": "EventsTable", "columns": {"line": "Pin"}}},
                },
            },
        },
    },
}


def make_session(**changes: Any) -> Session:
    """Make the session's settings."""
    return Session.model_validate(SESSION | changes)


def session_paths(folder: Path) -> SessionPaths:
    """Say where the session's files lie."""
    return SessionPaths(folder, "m1", "one")


def make_record(
    paths: SessionPaths,
    session: Session,
    formats: dict[str, StreamFormat] = FORMATS,
) -> SessionRecord:
    """Make the record of the session's start."""
    owner = {s: d for d, device in session.rig.devices.items() for s in device.streams}
    streams = {
        name: StreamRecord(
            device=owner[name],
            file=f"streams/{paths.stream_file(name).name}",
            key=number,
            format=found.to_json(),
            nwb_type=session.rig.streams[name].nwb.type,
            compression=session.rig.streams[name].storage.compression,
        )
        for number, (name, found) in enumerate(formats.items())
    }
    return SessionRecord(
        identifier="8e4f0c1e-9e3b-4b0f-8a53-7c1f0d6a3c11",
        session="one",
        subject="m1",
        start_utc=datetime(2026, 11, 25, 12, tzinfo=UTC),
        start_monotonic_ns=START_NS,
        software={"rigd": "0.1.0"},
        streams=streams,
    )


def sample_rows(found: StreamFormat, count: int) -> Rows:
    """Make rows that differ from each other."""
    if found.dtype.names is None:
        numbers = np.arange(count * int(np.prod(found.shape, dtype=int)))
        return (numbers % 251).astype(found.dtype).reshape(count, *found.shape)
    rows = np.zeros(count, found.dtype)
    rows["line"] = np.arange(count) % 8
    rows["text"] = [f"tür {i}".encode() for i in range(count)]
    rows["position"] = np.arange(2 * count).reshape(count, 2)
    return rows


def session_seconds(found: StreamFormat, count: int) -> npt.NDArray[np.float64]:
    """Times of the rows of `append_rows`: a device that starts late and runs slow."""
    steps = np.arange(count, dtype=np.float64)
    times: npt.NDArray[np.float64] = OFFSET + steps * 1.00001 / (found.rate or 10.0)
    return times


def _extend(dataset: h5py.Dataset, rows: Rows) -> None:
    start = len(dataset)
    dataset.resize(start + len(rows), axis=0)
    dataset[start:] = rows
    dataset.flush()


def append_rows(path: Path, layout: StreamLayout, rows: Rows, block: int = 7) -> None:
    """Append rows block by block under SWMR, as a writer does, and end the stream."""
    with h5py.File(path, "r+", libver="v110") as file:
        file.swmr_mode = True
        for start in range(0, len(rows), block):
            part = rows[start : start + block]
            _append_block(file, layout, start, part)
        file[layout.state][...] = np.array(
            (len(rows), 0, 0, 0, ENDED_REGULARLY, b""), STATE_DTYPE
        )


def _append_block(
    file: h5py.File, layout: StreamLayout, start: int, part: Rows
) -> None:
    for column in layout.data:
        _extend(file[column.path], part if column.field is None else part[column.field])
    device_ns = (start + np.arange(len(part))) * 100_000_000
    if layout.timestamps is not None:
        _extend(file[layout.timestamps.path], device_ns / 1e9)
    if layout.row_times is not None:
        _extend(file[layout.row_times.path], device_ns)
    if layout.ids is not None:
        _extend(file[layout.ids.path], start + np.arange(len(part)))
    host_ns = START_NS + int(OFFSET * 1e9) + int(device_ns[-1])
    entry = (start, start, int(device_ns[0]), host_ns, len(part), 0, start, 0)
    _extend(file[layout.blocks.path], np.array([entry], RECORD_DTYPE))


def recorded_session(
    folder: Path, counts: dict[str, int]
) -> tuple[SessionPaths, Session, SessionRecord]:
    """Prepare the stream files in `folder` and record so many rows of each."""
    paths, session = session_paths(folder), make_session()
    record = make_record(paths, session, {name: FORMATS[name] for name in counts})
    files = prepare(paths, session, record)
    for file, (name, count) in zip(files, counts.items(), strict=True):
        rows = sample_rows(FORMATS[name], count)
        append_rows(file, record.streams[name].layout(name), rows)
        file.chmod(0o444)
    return paths, session, record


def stream_entries(record: SessionRecord, counts: dict[str, int]) -> list[StreamEntry]:
    """Describe recorded streams to the session file."""
    return [
        StreamEntry(
            name=name,
            record=record.streams[name],
            times=lambda found=FORMATS[name], count=count: _in_pieces(found, count),  # type: ignore[misc]
            ledger=Ledger(count, 0, 0, 0, (), ENDED_REGULARLY, ""),
            verdict="complete",
        )
        for name, count in counts.items()
    ]


def _in_pieces(found: StreamFormat, count: int) -> Iterator[npt.NDArray[np.float64]]:
    times = session_seconds(found, count)
    for start in range(0, count, 100):
        yield times[start : start + 100]


def linked_session(folder: Path, counts: dict[str, int]) -> SessionPaths:
    """Make a recorded session with its session file."""
    paths, session, record = recorded_session(folder, counts)
    entries = stream_entries(record, counts)
    build_session_file(paths, session, record, entries, verdict="complete")
    return paths
