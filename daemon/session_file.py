"""Writes the one NWB file of a session: links to the streams, and what is its own.

Datasets are linked, not containers: object references can't cross files, so a linked
ElectricalSeries could not find its electrodes. The session file's own are times,
electrodes, devices, text columns (pynwb reads text of fixed length as bytes), the
numbers of table rows, lost intervals and the tables that say how the recording went.

Streams without a row are linked like others: there is a series, and it is empty. A
stream whose file can't be read is left out; the table `ledger` has it, and why.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pynwb
from hdmf.backends.hdf5 import H5DataIO
from pynwb import NWBHDF5IO, NWBFile

from rigd.config.paths import SessionPaths
from rigd.config.session import Session
from rigd.daemon.clock_domains import SessionClocks
from rigd.daemon.clock_tables import add_clocks
from rigd.daemon.host_clock import HostClockReading
from rigd.daemon.links import audit
from rigd.daemon.nwb_objects import (
    SeriesTimes,
    add_device,
    add_probes,
    add_series,
    add_table,
    name_columns,
    nwb_file,
    probes_of,
)
from rigd.daemon.own_data import ROWS_AT_ONCE, OwnData, RowsError
from rigd.daemon.raw_clocks import raw_clock
from rigd.daemon.recording_tables import MODULE, add_recording
from rigd.daemon.session_record import SessionRecord, sync_to_disk
from rigd.daemon.stream_entry import LostTime, StreamEntry

__all__ = ["LostTime", "SessionFileError", "StreamEntry", "build_session_file"]

ALIGNED_TIMES = (
    "Times are seconds from the start of the session, on the session clock; how well "
    "they are aligned says the table `alignment` of the module `recording`."
)

Sources = Mapping[str, h5py.File]
"""The open stream files, by name of the stream."""


class SessionFileError(Exception):
    """The session file could not be made as it should be: all that is wrong."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the times rest on: the clocks as aligned, and the computer's own."""

    clocks: SessionClocks
    host: Sequence[HostClockReading] = ()


def build_session_file(
    paths: SessionPaths,
    session: Session,
    record: SessionRecord,
    entries: Sequence[StreamEntry],
    *,
    verdict: str,
    reasons: Sequence[str] = (),
    evidence: Evidence | None = None,
) -> None:
    """Write the session file, check it, and put it in its place, read-only.

    It is made beside its place under a hidden name, so that it is there whole or not
    at all; an older one is replaced.

    Args:
        paths: The session folder.
        session: The session as it was run.
        record: Its start and its streams.
        entries: All streams of the record.
        verdict: What the session says of itself.
        reasons: Why it is not complete.
        evidence: What the times rest on.

    Raises:
        SessionFileError: A stream can't be opened, its rows and times differ in
            number, a link does not lead home, or the file is not valid NWB.

    """
    target = paths.session_file
    part = target.with_name(f".{target.stem}.part.nwb")
    try:
        with ExitStack() as files:
            sources = _open_streams(paths, entries, files)
            own = OwnData()
            nwbfile = _describe(session, record, own, sources, entries)
            _add_outage(nwbfile, record)
            add_recording(nwbfile, entries, verdict, reasons)
            _add_raw_clocks(nwbfile, record, own, sources)
            if evidence is not None:
                start_ns = record.start_monotonic_ns
                add_clocks(nwbfile, evidence.clocks, evidence.host, start_ns)
            _write(part, nwbfile, own, [e for e in entries if e.name in sources])
        _check(part)
        part.chmod(0o444)
        sync_to_disk(part)
        part.replace(target)
        sync_to_disk(target.parent)
    except RowsError as error:
        raise SessionFileError(f"{target.name}: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _open_streams(
    paths: SessionPaths, entries: Sequence[StreamEntry], files: ExitStack
) -> Sources:
    """Open the stream files that can be linked; they close with `files`."""
    sources = {}
    for entry in entries:
        if entry.fault:
            continue
        path = paths.folder / entry.record.file
        try:
            sources[entry.name] = files.enter_context(h5py.File(path, "r"))
        except OSError as error:
            raise SessionFileError(
                f"stream `{entry.name}`: can't open {path}: {error}"
            ) from error
    return sources


# --- what is in it --------------------------------------------------------------------


def _describe(
    session: Session,
    record: SessionRecord,
    own: OwnData,
    sources: Sources,
    entries: Sequence[StreamEntry],
) -> NWBFile:
    """Describe the whole file but for the recording's tables."""
    nwbfile = nwb_file(
        session,
        record,
        identifier=record.identifier,
        description=session.description,
    )
    for name, device in session.rig.devices.items():
        add_device(nwbfile, name, device)
    recorded = [session.rig.streams[name] for name in sources]
    try:
        electrodes = add_probes(nwbfile, probes_of(recorded, session.rig.probes))
    except ValueError as error:
        raise SessionFileError(str(error)) from error
    for entry in entries:
        if entry.name in sources:
            columns = _columns(entry, sources[entry.name])
            if entry.record.nwb_type == "EventsTable":
                _add_table(nwbfile, session, own, entry, columns)
            else:
                _add_series(nwbfile, session, own, entry, columns["data"], electrodes)
    return nwbfile


def _add_table(
    nwbfile: NWBFile,
    session: Session,
    own: OwnData,
    entry: StreamEntry,
    columns: Mapping[str, h5py.Dataset],
) -> None:
    rows = len(next(iter(columns.values())))
    add_table(
        nwbfile,
        entry.name,
        session.rig.streams[entry.name],
        ids=own.add("row numbers", _row_numbers(rows), (rows,), np.int64),
        timestamps=_own_times(own, entry, rows),
        columns={name: _column(own, name, column) for name, column in columns.items()},
        about_times=ALIGNED_TIMES,
        source=entry.record.device,
    )


def _add_series(
    nwbfile: NWBFile,
    session: Session,
    own: OwnData,
    entry: StreamEntry,
    data: h5py.Dataset,
    electrodes: Mapping[str, Sequence[int]],
) -> None:
    add_series(
        nwbfile,
        entry.name,
        session.rig.streams[entry.name],
        entry.record.stream_format,
        data=H5DataIO(data, link_data=True),
        times=_series_times(own, entry, len(data)),
        about_times=ALIGNED_TIMES,
        electrodes=electrodes,
        device=nwbfile.devices[entry.record.device],
    )


def _series_times(own: OwnData, entry: StreamEntry, rows: int) -> SeriesTimes:
    """A starting time and a rate where these were asked for and suffice."""
    if entry.regular is not None:
        return SeriesTimes(rate=entry.regular.rate, start=entry.regular.start)
    return SeriesTimes(timestamps=_own_times(own, entry, rows))


def _own_times(own: OwnData, entry: StreamEntry, rows: int) -> H5DataIO:
    return own.add(f"times of stream `{entry.name}`", entry.times(), (rows,))


def _columns(entry: StreamEntry, source: h5py.File) -> dict[str, h5py.Dataset]:
    """The datasets of the stream's rows, by field; `data` where there are no fields."""
    layout = entry.record.layout(entry.name)
    try:
        columns = {c.field or "data": source[c.path] for c in layout.data}
    except KeyError as error:
        raise SessionFileError(
            f"stream `{entry.name}`: {source.filename} is not its file: {error}"
        ) from error
    rows = {name: len(column) for name, column in columns.items()}
    if len(set(rows.values())) > 1:
        raise SessionFileError(
            f"stream `{entry.name}`: the columns of {source.filename} have different "
            f"numbers of rows ({rows}); the file must be recovered first"
        )
    return columns


def _column(own: OwnData, name: str, column: h5py.Dataset) -> H5DataIO:
    """Link a column of numbers, or copy one of text."""
    if column.dtype.kind != "S":
        return H5DataIO(column, link_data=True)
    return own.add(f"column {name}", _text(column), column.shape, h5py.string_dtype())


def _row_numbers(rows: int) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, rows, ROWS_AT_ONCE):
        yield np.arange(start, min(start + ROWS_AT_ONCE, rows))


def _text(column: h5py.Dataset) -> Iterator[npt.NDArray[Any]]:
    """The rows as text; bytes that are not UTF-8 are shown as hexadecimal."""
    for start in range(0, len(column), ROWS_AT_ONCE):
        rows = column[start : start + ROWS_AT_ONCE]
        text = [value.decode("utf-8", "backslashreplace") for value in rows.flat]
        yield np.array(text, object).reshape(rows.shape)


def _add_outage(nwbfile: NWBFile, record: SessionRecord) -> None:
    """Mark the time between the session that this one goes on with and its start."""
    if record.follows is not None:
        outage = (record.start_utc - record.follows.last_utc).total_seconds()
        nwbfile.add_invalid_time_interval(
            start_time=-outage, stop_time=0.0, tags=["outage", record.follows.session]
        )


def _add_raw_clocks(
    nwbfile: NWBFile, record: SessionRecord, own: OwnData, sources: Sources
) -> None:
    module = nwbfile.processing[MODULE]
    for name, source in sources.items():
        blocks = source[record.streams[name].layout(name).blocks.path]
        module.add(raw_clock(own, name, blocks, record.start_monotonic_ns))


# --- the file -------------------------------------------------------------------------


def _write(
    part: Path, nwbfile: NWBFile, own: OwnData, entries: Sequence[StreamEntry]
) -> None:
    with h5py.File(part, "w") as file, NWBHDF5IO(file=file, mode="w") as writer:
        writer.write(nwbfile)
        own.fill()
        for entry in entries:
            layout = entry.record.layout(entry.name)
            file[layout.sync] = h5py.ExternalLink(entry.record.file, layout.sync)
            name_columns(file, layout)


def _check(part: Path) -> None:
    """Raise if a link does not lead home or the file is not valid NWB.

    It is held against the schema of the pynwb that has just written it. The file holds
    a copy, and reading that takes as long as all the rest.
    """
    faults = [str(fault) for fault in audit(part)]
    faults = faults or [
        str(fault) for fault in pynwb.validate(path=part, use_cached_namespaces=False)
    ]
    if faults:
        raise SessionFileError("the session file would be wrong: " + "; ".join(faults))
