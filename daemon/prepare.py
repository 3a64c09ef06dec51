"""Makes the stream files of a session: valid NWB from their first second.

A process of its own (`python -m rigd.daemon.prepare FOLDER`), since importing pynwb
takes seconds and much memory, which neither the daemon nor a writer has to spare.

Of what is set here the unit, conversion, offset and resolution are final: the session
file links the datasets, and readers take these four from the linked dataset.
"""

import os
import sys
from pathlib import Path
from typing import Any

import h5py
from hdmf.backends.hdf5 import H5DataIO
from pynwb import NWBHDF5IO, NWBFile
from pynwb.device import Device as NwbDevice

from rigd.config.faults import ConfigurationError
from rigd.config.load import load_session
from rigd.config.paths import SessionPaths
from rigd.config.session import Session
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
from rigd.daemon.session_record import SessionRecord, sync_to_disk
from rigd.daemon.storable import NotStorableError, check_storable
from rigd.streams.process import die_with_parent
from rigd.streams.quick_process import end_quickly
from rigd.streams.stream_file import GZIP_LEVEL
from rigd.streams.stream_layout import DatasetLayout, StreamLayout
from rigd.streams.sync_group import add_sync, growing

NOMINAL_TIMES = (
    "Times in this file are nominal, row number divided by nominal rate: neither lost "
    "samples nor the drift of the device show. The session file has aligned times."
)
DEVICE_TIMES = (
    "Times in this file are seconds of the device's own clock, NaN where it gave none. "
    "The session file has aligned times."
)

FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "gzip": {"compression": "gzip", "compression_opts": GZIP_LEVEL, "shuffle": True},
}


UNUSABLE = (OSError, ValueError)
"""Raised where `record.json` is missing, unreadable or not what it should be."""


class PrepareError(Exception):
    """A stream file could not be made: which, why, and what to do."""


def prepare_stream_files(folder: Path) -> list[Path]:
    """Make the stream files of the session in `folder`; return their paths.

    Raises:
        ConfigurationError: `session.yaml` is not what it should be.
        NotStorableError: A stream does not fit its NWB type; no file is made.
        PrepareError: A file could not be made.

    """
    record = SessionRecord.load(folder / "record.json")
    paths = SessionPaths(folder, record.subject, record.session)
    return prepare(paths, load_session(paths.settings), record)


def prepare(paths: SessionPaths, session: Session, record: SessionRecord) -> list[Path]:
    """Make the stream files of `record`; see `prepare_stream_files`."""
    for name, stream in record.streams.items():
        check_storable(name, session.rig.streams[name], stream.stream_format)
    nwbfiles = {name: _describe(session, record, name) for name in record.streams}
    return [
        _make(paths.folder / stream.file, stream.layout(name), nwbfiles[name])
        for name, stream in record.streams.items()
    ]


# --- what is in it --------------------------------------------------------------------


def _describe(session: Session, record: SessionRecord, name: str) -> NWBFile:
    """Describe the file of one stream, with its empty datasets."""
    device_name = record.streams[name].device
    nwbfile = nwb_file(
        session,
        record,
        identifier=f"{record.identifier}_{name}",
        description=f"{session.description} (stream {name} alone)",
    )
    device = add_device(nwbfile, device_name, session.rig.devices[device_name])
    if record.streams[name].nwb_type == "EventsTable":
        _add_empty_table(nwbfile, session, record, name)
    else:
        _add_empty_series(nwbfile, session, record, name, device)
    return nwbfile


def _add_empty_table(
    nwbfile: NWBFile, session: Session, record: SessionRecord, name: str
) -> None:
    stream = session.rig.streams[name]
    layout = record.streams[name].layout(name)
    add_table(
        nwbfile,
        name,
        stream,
        ids=_empty(layout.ids),
        timestamps=_empty(layout.timestamps),
        columns={str(c.field): _empty(c, layout.compression) for c in layout.data},
        about_times=DEVICE_TIMES,
        source=record.streams[name].device,
    )


def _add_empty_series(
    nwbfile: NWBFile,
    session: Session,
    record: SessionRecord,
    name: str,
    device: NwbDevice,
) -> None:
    stream = session.rig.streams[name]
    found = record.streams[name].stream_format
    layout = record.streams[name].layout(name)
    probes = probes_of([stream], session.rig.probes)
    try:
        electrodes = add_probes(nwbfile, probes)
    except ValueError as error:
        raise PrepareError(f"stream `{name}`: {error}") from error
    add_series(
        nwbfile,
        name,
        stream,
        found,
        data=_empty(layout.data[0], layout.compression),
        times=SeriesTimes(found.rate, timestamps=_empty(layout.timestamps)),
        about_times=DEVICE_TIMES if found.rate is None else NOMINAL_TIMES,
        electrodes=electrodes,
        device=device,
    )


def _empty(dataset: DatasetLayout | None, compression: str = "none") -> H5DataIO | None:
    """Say to pynwb that a dataset is empty, and extendable by rows."""
    if dataset is None:
        return None
    return H5DataIO(**growing(dataset), **FILTERS[compression])


# --- the file -------------------------------------------------------------------------


def _make(path: Path, layout: StreamLayout, nwbfile: NWBFile) -> Path:
    """Make the file under a hidden name, and give it its own when it is on the disk."""
    if path.exists():
        raise PrepareError(f"{path} exists already; a recording is never overwritten")
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(exist_ok=True)
        _write(part, layout, nwbfile)
        sync_to_disk(part)
        part.rename(path)
        sync_to_disk(path.parent)
    except OSError as error:
        raise PrepareError(f"can't make {path}: {error}") from error
    return path


def _write(path: Path, layout: StreamLayout, nwbfile: NWBFile) -> None:
    # Files of libver v110 can be appended to under SWMR, and older libraries read
    # them; pynwb alone would make a file without SWMR.
    with (
        h5py.File(path, "w", libver="v110") as file,
        NWBHDF5IO(file=file, mode="w") as writer,
    ):
        writer.write(nwbfile)
        add_sync(file, layout)
        name_columns(file, layout)


def main(arguments: list[str]) -> int:
    """Prepare the session in the folder given; say in one line what is wrong."""
    if len(arguments) != 1:
        print("usage: python -m rigd.daemon.prepare FOLDER", file=sys.stderr)
        return 2
    try:
        prepare_stream_files(Path(arguments[0]))
    except (ConfigurationError, NotStorableError, PrepareError, *UNUSABLE) as error:
        print("prepare:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    end_quickly()
    die_with_parent(os.getppid())
    sys.exit(main(sys.argv[1:]))
