"""Which streams fit which NWB type: rules only, so that a rig can be checked early.

The rules are what the NWB schema, its validator and HDF5 readers of the last ten years
take. A stream that breaks one would give a file that stock readers refuse, so it is
refused before the first sample.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from rigd.config.stream import EventsTableType, Stream
from rigd.streams.block import StreamFormat

VOLTS = ("volts", "volt", "V")
"""Units that an ElectricalSeries may have: NWB always calls it `volts`."""

NUMERIC = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")
NUMBERS = (*NUMERIC, "f2", "b1")

RESERVED_COLUMNS = frozenset({
    "colnames", "columns", "description", "id", "meanings_tables", "name", "namespace",
    "neurodata_type", "object_id", "source_description", "sync", "timestamp",
})  # fmt: skip
"""Names that an EventsTable has a use of its own for."""

_ROW_SHAPES = {
    "TimeSeries": (0, 1, 2, 3),
    "ElectricalSeries": (0, 1),
    "SpatialSeries": (0, 1),
    "ImageSeries": (2, 3),
}
_ROW_WORDS = {
    0: "()",
    1: "(channels)",
    2: "(height, width)",
    3: "(height, width, colors)",
}


class NotStorableError(Exception):
    """A stream that NWB can't hold as declared: which, why, and what is allowed."""


def check_storable(name: str, stream: Stream, found: StreamFormat) -> None:
    """Refuse a stream whose format does not fit its NWB type.

    Args:
        name: Name of the stream, for the message.
        stream: Its settings.
        found: Its format, as the device says.

    Raises:
        NotStorableError: With all that is wrong.

    """
    faults = list(_faults(stream, found))
    if faults:
        raise NotStorableError(
            f"stream `{name}` can't be stored as {stream.nwb.type}: "
            + "; ".join(faults)
        )


def check_channels(name: str, found: StreamFormat, probe: str, electrodes: int) -> None:
    """Refuse a stream whose channels are not as many as its probe's electrodes.

    Raises:
        NotStorableError: With both numbers.

    """
    channels = found.shape[0] if found.shape else 1
    if channels != electrodes:
        raise NotStorableError(
            f"stream `{name}` has {channels} channels, but its probe `{probe}` has "
            f"{electrodes} electrodes; each channel needs one electrode, in order"
        )


def _faults(stream: Stream, found: StreamFormat) -> Iterator[str]:
    if isinstance(stream.nwb, EventsTableType):
        yield from _table_faults(stream.nwb, found)
        return
    if found.dtype.names is not None:
        yield (
            f"its rows have the fields {', '.join(found.dtype.names)}; "
            "declare `nwb: {type: EventsTable}`"
        )
        return
    allowed = NUMBERS if stream.nwb.type == "TimeSeries" else NUMERIC
    yield from _dtype_faults(found.dtype, allowed)
    yield from _shape_faults(stream.nwb.type, found.shape)
    if stream.nwb.type == "ElectricalSeries":
        yield from _unit_faults(stream.unit or found.unit)


def _table_faults(nwb: EventsTableType, found: StreamFormat) -> Iterator[str]:
    fields = found.dtype.names
    if fields is None or found.rate is not None:
        yield (
            "a table needs an event-like stream with named fields, this one has "
            f"{found.dtype} at {found.rate or 'no'} Hz"
        )
        return
    for field in fields:
        if field in RESERVED_COLUMNS or "/" in field or field.startswith("."):
            yield f"NWB does not allow a column called `{field}`"
        dtype = found.dtype[field].base
        if field == "duration" and dtype.kind != "f":
            yield f"column `duration` is in seconds and needs f4 or f8, not {dtype}"
        elif dtype.kind != "S" or dtype.itemsize == 0:
            yield from _dtype_faults(dtype, NUMBERS, f"column `{field}`: ")
    for field in sorted(nwb.columns.keys() - set(fields)):
        yield f"`columns:` describes `{field}`; the fields are {', '.join(fields)}"


def _dtype_faults(
    dtype: np.dtype[np.generic], allowed: Iterable[str], where: str = ""
) -> Iterator[str]:
    if dtype.str[1:] in allowed and dtype.isnative:
        return
    hint = " (text goes into an EventsTable)" if dtype.kind in "SU" else ""
    yield f"{where}dtype {dtype.str} is not one of {', '.join(allowed)}{hint}"


def _shape_faults(nwb_type: str, shape: tuple[int, ...]) -> Iterator[str]:
    allowed = _ROW_SHAPES[nwb_type]
    if len(shape) not in allowed:
        words = " or ".join(_ROW_WORDS[n] for n in allowed)
        yield f"rows of shape {list(shape)} are not {words}"
    elif nwb_type == "SpatialSeries" and shape and shape[0] > 3:
        yield f"{shape[0]} values a row; x, x y or x y z are allowed"


def _unit_faults(unit: str) -> Iterator[str]:
    if unit not in VOLTS:
        yield (
            f"its unit is `{unit}`; set `unit: volts` and a `conversion` that makes "
            "volts of the stored numbers (1e-6 for microvolts)"
        )
