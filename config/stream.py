"""What one stream is: where its samples go in NWB and how they are stored."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, PositiveInt

from rigd.config.base import Model
from rigd.config.names import StreamName
from rigd.config.units import ByteSize, Seconds

LONGEST_SOCKET_PATH = 107
"""Bytes of the longest path of a socket, see unix(7)."""


def _is_local(endpoint: str) -> str:
    kind, _, path = endpoint.partition("://")
    if kind != "ipc":
        raise ValueError(
            f"`{endpoint}` is not `ipc://<path>`: samples travel on one host only, "
            "since tcp:// without keys would take anybody's"
        )
    if not path.startswith("/") or len(path.encode()) > LONGEST_SOCKET_PATH:
        raise ValueError(
            f"`{path}` is not an absolute path of at most {LONGEST_SOCKET_PATH} bytes"
        )
    return endpoint


Endpoint = Annotated[str, AfterValidator(_is_local)]
"""A place to listen at on this host, `ipc://` and an absolute path."""


class TimeSeriesType(Model):
    """Any quantity over time: NWB `TimeSeries`."""

    type: Literal["TimeSeries"] = "TimeSeries"


class ElectricalSeriesType(Model):
    """Voltage of electrodes: NWB `ElectricalSeries`, always in volts."""

    type: Literal["ElectricalSeries"]
    probe: StreamName
    """Name of the probe under `probes:` whose electrodes are the channels, in order."""
    filtering: str | None = None
    """Analog or digital filter applied before recording, in words; default none."""


class SpatialSeriesType(Model):
    """Position or direction: NWB `SpatialSeries`."""

    type: Literal["SpatialSeries"]
    reference_frame: str
    """What position 0 means and where the axes point."""


class ImageSeriesType(Model):
    """Camera frames kept inside HDF5: NWB `ImageSeries`."""

    type: Literal["ImageSeries"]


class EventsTableType(Model):
    """Events, one row each: NWB `EventsTable`, one column per field of the dtype."""

    type: Literal["EventsTable"]
    columns: dict[str, str] = Field(default_factory=dict)
    """What each column means; a column left out gets its name as description."""


NwbType = Annotated[
    TimeSeriesType
    | ElectricalSeriesType
    | SpatialSeriesType
    | ImageSeriesType
    | EventsTableType,
    Field(discriminator="type"),
]


class Storage(Model):
    """How samples are laid out in the stream file."""

    chunk: tuple[PositiveInt, ...] | None = None
    """Shape of a chunk, rows first; default: chosen from rate and row shape by the
    rule of `rigd.streams.chunking`."""
    compression: Literal["none", "gzip"] = "none"
    """`none`, or `gzip` (level 1 with shuffle; a third of a core at 23 MB/s)."""


class Ring(Model):
    """The source's memory for samples that the writer has not acknowledged yet."""

    time: Seconds = 10.0
    """Length in seconds of stream; default 10 s."""
    size: ByteSize = 256 * 2**20
    """Length in bytes; default 256 MiB. The smaller of the two counts."""


class Stream(Model):
    """One time series of fixed dtype and row shape."""

    description: str = "no description"
    """What is recorded, for the reader of the NWB file."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Settings of the driver for this stream; `rigd drivers NAME` lists them."""
    nwb: NwbType = Field(default_factory=TimeSeriesType)
    """NWB type of the stream; default `TimeSeries`."""
    unit: str | None = None
    """Unit of data * conversion + offset, e.g. `volts`; default: the driver's."""
    conversion: float | None = None
    """Factor from stored numbers to `unit`; default: the driver's, or 1."""
    offset: float | None = None
    """Added after the conversion, in `unit`; default: the driver's, or 0."""
    resolution: float | None = None
    """Smallest meaningful difference in `unit`; default: unknown (-1 in NWB)."""
    storage: Storage = Field(default_factory=Storage)
    """Chunk shape and compression."""
    endpoint: Endpoint | None = None
    """Where the writer listens, `ipc://<path>`: for a foreign sender (driver
    `external`) that has to know the place; default: a socket of the session's own."""
    ring: Ring = Field(default_factory=Ring)
    """Memory at the source for what is not yet acknowledged."""
    priority: int = 0
    """When the disk runs full, streams of lower priority are ended first; default 0."""
