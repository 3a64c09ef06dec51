"""NWB objects out of the models of rig and session: metadata, electrodes, streams.

Every file has its own devices, electrode groups and electrodes, since HDF5 object
references cannot cross files. Units and factors stand where the numbers stand: readers
take them from a linked dataset's own file.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import h5py
import numpy as np
from hdmf.common import ElementIdentifiers, VectorData
from pynwb import NWBFile, TimeSeries
from pynwb.behavior import SpatialSeries
from pynwb.device import Device as NwbDevice
from pynwb.ecephys import ElectricalSeries, ElectrodeGroup
from pynwb.event import DurationVectorData, EventsTable, TimestampVectorData
from pynwb.file import Subject
from pynwb.image import ImageSeries

from rigd.config.electrodes import Electrode, probe_electrodes
from rigd.config.probe import Probe
from rigd.config.rig import Device
from rigd.config.session import Session
from rigd.config.stream import (
    ElectricalSeriesType,
    EventsTableType,
    ImageSeriesType,
    SpatialSeriesType,
    Stream,
)
from rigd.daemon.session_record import SessionRecord
from rigd.daemon.storable import check_channels
from rigd.streams.block import StreamFormat
from rigd.streams.stream_layout import StreamLayout


@dataclass(frozen=True)
class SeriesTimes:
    """Either a rate and a starting time, or timestamps (seconds, one a row)."""

    rate: float | None = None
    start: float = 0.0
    timestamps: Any = None

    def arguments(self) -> dict[str, Any]:
        """As pynwb's constructors take them."""
        if self.rate is None:
            return {"timestamps": self.timestamps}
        return {"starting_time": self.start, "rate": self.rate}


def nwb_file(
    session: Session, record: SessionRecord, *, identifier: str, description: str
) -> NWBFile:
    """Make an NWB file that holds what is known of the session and its subject."""
    return NWBFile(
        session_description=description,
        identifier=identifier,
        session_start_time=record.start_utc,
        session_id=record.session,
        experimenter=session.experimenter or None,
        institution=session.institution,
        lab=session.lab,
        keywords=session.keywords or None,
        notes=_notes(session, record),
        was_generated_by=[[name, text] for name, text in record.software.items()]
        or None,
        subject=_subject(session, record),
    )


def _notes(session: Session, record: SessionRecord) -> str | None:
    """The notes of the session, and of which other it is the next run."""
    follows = record.follows and f"{record.follows.in_words(record.start_utc)}."
    return "\n".join(text for text in (session.notes, follows) if text) or None


def _subject(session: Session, record: SessionRecord) -> Subject:
    subject = session.subject
    return Subject(
        subject_id=record.subject,
        species=subject.species,
        sex=subject.sex,
        age=subject.age,
        date_of_birth=subject.date_of_birth,
        weight=subject.weight,
        strain=subject.strain,
        genotype=subject.genotype,
        description=subject.description,
    )


# --- devices and electrodes -----------------------------------------------------------


def add_device(nwbfile: NWBFile, name: str, device: Device | Probe) -> NwbDevice:
    """Add a device, with its model where that is known."""
    description = device.description
    if device.manufacturer is not None and device.model is None:
        description = f"{description}; made by {device.manufacturer}"
    return nwbfile.create_device(
        name=name,
        description=description,
        serial_number=device.serial_number,
        model=None if device.model is None else _device_model(nwbfile, device),
    )


def _device_model(nwbfile: NWBFile, device: Device | Probe) -> Any:
    """Find or add the model of a device; two of a kind share it."""
    maker = device.manufacturer or "unknown"
    name = " ".join(filter(None, (device.manufacturer, device.model)))
    name = name.replace("/", "-").replace(":", "-")
    if name in nwbfile.device_models:
        return nwbfile.device_models[name]
    return nwbfile.create_device_model(
        name=name, manufacturer=maker, model_number=device.model
    )


def probes_of(
    streams: Iterable[Stream], probes: Mapping[str, Probe]
) -> dict[str, Probe]:
    """Pick the probes that the streams record from."""
    types = [stream.nwb for stream in streams]
    names = [nwb.probe for nwb in types if isinstance(nwb, ElectricalSeriesType)]
    return {name: probes[name] for name in names}


def add_probes(nwbfile: NWBFile, probes: Mapping[str, Probe]) -> dict[str, list[int]]:
    """Add all probes of the file: device, group and electrodes in channel order.

    To be called once, when the devices are added already.

    Returns:
        The rows of each probe's electrodes in the file's table.

    Raises:
        ValueError: The file of a probe can't be read or used.

    """
    electrodes = {name: probe_electrodes(probe) for name, probe in probes.items()}
    if not electrodes:
        return {}
    nwbfile.add_electrode_column("contact", "Name of the contact on its probe")
    nwbfile.add_electrode_column("shank", "Shank of the probe; empty if only one")
    numbers = count()
    optional = _optional_columns(probes.values(), electrodes.values())
    for name, several in electrodes.items():
        group = _electrode_group(nwbfile, name, probes[name])
        for one in several:
            nwbfile.add_electrode(
                group=group,
                location=one.location,
                rel_x=one.rel_x,
                rel_y=one.rel_y,
                contact=one.name,
                shank=one.shank,
                **_optional_values(optional, probes[name], one),
            )
    return {name: list(islice(numbers, len(e))) for name, e in electrodes.items()}


def _optional_columns(
    probes: Iterable[Probe], electrodes: Iterable[Iterable[Electrode]]
) -> set[str]:
    """Columns that only some tables have: a column is there for all rows or none."""
    columns = set()
    if any(probe.reference is not None for probe in probes):
        columns.add("reference")
    if any(one.rel_z is not None for several in electrodes for one in several):
        columns.add("rel_z")
    return columns


def _optional_values(
    columns: Iterable[str], probe: Probe, electrode: Electrode
) -> dict[str, Any]:
    values = {
        "reference": probe.reference or "unknown",
        "rel_z": math.nan if electrode.rel_z is None else electrode.rel_z,
    }
    return {column: values[column] for column in columns}


def _electrode_group(nwbfile: NWBFile, name: str, probe: Probe) -> ElectrodeGroup:
    """Add the group of a probe, and its device: a rig device may have the same name."""
    device_name = f"{name}_probe" if name in nwbfile.devices else name
    return nwbfile.create_electrode_group(
        name=name,
        description=probe.description,
        location=probe.location,
        device=add_device(nwbfile, device_name, probe),
    )


# --- streams --------------------------------------------------------------------------


def scale(stream: Stream, found: StreamFormat) -> dict[str, Any]:
    """Say what the stored numbers mean; the settings go before what the device says."""
    return {
        "unit": stream.unit or found.unit,
        "conversion": found.conversion
        if stream.conversion is None
        else stream.conversion,
        "offset": found.offset if stream.offset is None else stream.offset,
        "resolution": -1.0 if stream.resolution is None else stream.resolution,
    }


def add_series(
    nwbfile: NWBFile,
    name: str,
    stream: Stream,
    found: StreamFormat,
    *,
    data: Any,
    times: SeriesTimes,
    about_times: str,
    electrodes: Mapping[str, Sequence[int]],
    device: NwbDevice,
) -> None:
    """Add a stream, other than a table, to the acquisition.

    Args:
        nwbfile: The file to add it to.
        name: Name of the stream.
        stream: Its settings.
        found: Its format.
        data: What pynwb is to write or to link.
        times: Its times.
        about_times: What these times are.
        electrodes: Rows of the electrodes of each probe (`add_probes`).
        device: The device it comes from.

    Raises:
        NotStorableError: There are more or fewer electrodes than channels.

    """
    common: dict[str, Any] = {
        "name": name,
        "data": data,
        "description": _description(stream, about_times),
        **scale(stream, found),
        **times.arguments(),
    }
    if found.channel_names:
        common["comments"] = "channels: " + ", ".join(found.channel_names)
    nwb = stream.nwb
    if isinstance(nwb, ElectricalSeriesType):
        rows = electrodes[nwb.probe]
        check_channels(name, found, nwb.probe, len(rows))
        series = _electrical_series(nwbfile, nwb, rows, common)
    elif isinstance(nwb, SpatialSeriesType):
        series = SpatialSeries(reference_frame=nwb.reference_frame, **common)
    elif isinstance(nwb, ImageSeriesType):
        series = ImageSeries(device=device, **common)
    else:
        series = TimeSeries(**common)
    nwbfile.add_acquisition(series)


def _description(stream: Stream, about_times: str) -> str:
    return f"{stream.description.rstrip('.')}. {about_times}"


def _electrical_series(
    nwbfile: NWBFile,
    nwb: ElectricalSeriesType,
    rows: Sequence[int],
    common: Mapping[str, Any],
) -> ElectricalSeries:
    region = nwbfile.create_electrode_table_region(
        region=list(rows), description=f"channels of {common['name']}, in order"
    )
    # NWB fixes the unit to volts and takes none.
    given = {key: value for key, value in common.items() if key != "unit"}
    return ElectricalSeries(electrodes=region, filtering=nwb.filtering, **given)


def add_table(
    nwbfile: NWBFile,
    name: str,
    stream: Stream,
    *,
    ids: Any,
    timestamps: Any,
    columns: Mapping[str, Any],
    about_times: str,
    source: str,
) -> None:
    """Add an event-like stream with named fields to the events.

    Args:
        nwbfile: The file to add it to.
        name: Name of the stream.
        stream: Its settings, of NWB type EventsTable.
        ids: Numbers of the rows: what pynwb is to write or to link.
        timestamps: Times of the rows, likewise.
        columns: The fields of the stream, likewise.
        about_times: What these times are.
        source: Name of the device.

    """
    meaning = stream.nwb.columns if isinstance(stream.nwb, EventsTableType) else {}
    vectors = [
        TimestampVectorData(
            name="timestamp", description="Time of the event (s)", data=timestamps
        )
    ]
    for field, data in columns.items():
        kind = DurationVectorData if field == "duration" else VectorData
        text = meaning.get(field, field)
        vectors.append(kind(name=field, description=text, data=data))
    nwbfile.add_events_table(
        EventsTable(
            name=name,
            description=_description(stream, about_times),
            source_description=source,
            id=ElementIdentifiers(name="id", data=ids),
            columns=vectors,
            colnames=["timestamp", *columns],
        )
    )


def name_columns(file: h5py.File, layout: StreamLayout) -> None:
    """Write the order of an EventsTable's columns, which hdmf drops from empty tables.

    Does nothing to other streams.
    """
    if layout.ids is not None:
        names = ["timestamp", *(str(column.field) for column in layout.data)]
        table = file[layout.container]
        table.attrs["colnames"] = np.array(names, h5py.string_dtype())
