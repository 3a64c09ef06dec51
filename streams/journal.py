"""The records of a journal: bytes there and back, without I/O.

The text is `docs/journal-format.md`. A journal stands beside a stream file and makes it
survive what HDF5 does not. It is append-only; each record carries its checksum, so that
a reader finds its way again after damage.
"""

import json
import struct
import zlib
from dataclasses import asdict, astuple, dataclass, fields
from enum import IntEnum
from typing import Any, TypeVar

from rigd.streams.standing import Standing

MAGIC = b"RJN1"
VERSION = 1

FRAME = struct.Struct("<4sHHII")
"""magic, type, dataset, payload bytes, CRC-32 of type, dataset, length and payload."""

CHECKED = struct.Struct("<HHI")
_EXTENT = struct.Struct("<QIIQIIQ")
_INLINE = struct.Struct("<QI")
_CHECKPOINT = struct.Struct("<7Q")

_PART = struct.Struct("<I")

LARGEST = 2**30
"""Bytes of the largest payload; a larger length is damage."""


class Type(IntEnum):
    """What a record is."""

    HEAD = 1
    """JSON: version, stream key, the datasets. Written twice, as is SKELETON."""
    SKELETON = 2
    """The HDF5 file before its first row, zlib."""
    PART = 3
    """Rows go to another HDF5 file from here on: its number, the rows before it."""
    EXTENT = 4
    """A full chunk: where it lies in the HDF5 file, and its checksum."""
    INLINE = 5
    """Rows themselves."""
    CHECKPOINT = 6
    """All records before it count: rows of each dataset, state of the wire."""
    END = 7
    """The HDF5 file was closed; it is whole by itself if the flag says so."""
    RECOVERED = 8
    """JSON: how file and journal came out of a recovery. Before END."""


@dataclass(frozen=True, slots=True)
class Head:
    """Which stream this is a journal of.

    `datasets` are the paths, dtypes, row shapes and chunk shapes, in the order of the
    dataset numbers of the other records.
    """

    key: int
    stream: str
    datasets: list[dict[str, Any]]
    compression: str
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The bytes of the HDF5 file before its first row."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """From here on rows go to HDF5 file number `number`.

    It lies beside the journal `<stem>.journal`: `<stem>.nwb` for number 0, else
    `<stem>.part<number>.nwb`. `rows` are the rows of each dataset that stand before it.
    What earlier records say of rows beyond these does not count.
    """

    number: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Extent:
    """One stored chunk: `size` bytes at `offset` of part `part`.

    Attributes:
        dataset: Number of the dataset.
        row: First row of the chunk.
        rows: Rows of the chunk.
        tile: Number of the chunk among those that hold these rows (C order).
        digest: XXH3-64 of the stored bytes.

    """

    dataset: int
    row: int
    rows: int
    tile: int
    offset: int
    size: int
    part: int
    digest: int


@dataclass(frozen=True, slots=True)
class Inline:
    """Rows [row, row + rows) of a dataset, as raw bytes."""

    dataset: int
    row: int
    rows: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is on the disk now: the standing, and the rows of each dataset."""

    standing: Standing
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class End:
    """The stream has ended, and its last part is closed.

    `whole`: the first part alone holds everything. `ended`, `reason`: as in
    `rigd.streams.ledger`.
    """

    whole: bool
    ended: int
    reason: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery made of what it found; this journal and its file came out of it.

    Attributes:
        rows: Rows that were kept.
        missing: Samples that were on the disk by the last checkpoint and could not be
            had: they are in the ledger as lost, cause "disk".
        bad_chunks: Stored chunks that were not what the journal said.
        damage: Bytes of the journal that were no record.
        parts: HDF5 files that the rows were in.
        reason: Why there was something to recover.

    """

    rows: int
    missing: int
    bad_chunks: int
    damage: int
    parts: int
    reason: str


Record = Head | Skeleton | Part | Extent | Inline | Checkpoint | End | Recovered


Described = TypeVar("Described", Head, Recovered)


def frame(kind: Type, payload: bytes, dataset: int = 0) -> bytes:
    """Put a payload into a record with its checksum."""
    size = len(payload)
    checked = zlib.crc32(payload, zlib.crc32(CHECKED.pack(kind, dataset, size)))
    return FRAME.pack(MAGIC, kind, dataset, size, checked) + payload


def pack(record: Record) -> bytes:
    """Make the bytes of a record."""
    match record:
        case Head():
            values = {name: getattr(record, name) for name in Head.__slots__}
            return frame(Type.HEAD, json.dumps(values).encode())
        case Skeleton():
            return frame(Type.SKELETON, zlib.compress(record.content, 1))
        case Part():
            rows = struct.pack(f"<{len(record.rows)}Q", *record.rows)
            return frame(Type.PART, _PART.pack(record.number) + rows)
        case Extent():
            payload = _EXTENT.pack(
                record.row, record.rows, record.tile, record.offset, record.size,
                record.part, record.digest,
            )  # fmt: skip
            return frame(Type.EXTENT, payload, record.dataset)
        case Inline():
            payload = _INLINE.pack(record.row, record.rows) + record.content
            return frame(Type.INLINE, payload, record.dataset)
        case Checkpoint():
            payload = _CHECKPOINT.pack(*astuple(record.standing))
            rows = struct.pack(f"<{len(record.rows)}Q", *record.rows)
            return frame(Type.CHECKPOINT, payload + rows)
        case End():
            flags = bytes([record.whole, record.ended])
            return frame(Type.END, flags + record.reason.encode())
        case Recovered():
            return frame(Type.RECOVERED, json.dumps(asdict(record)).encode())


def unpack(kind: int, dataset: int, payload: bytes) -> Record | None:
    """Read a payload whose checksum was right; None: a type of a later version.

    Raises:
        ValueError: The payload has not the form of its type.

    """
    try:
        return _unpack(kind, dataset, payload)
    except (struct.error, KeyError, TypeError, zlib.error, IndexError) as error:
        raise ValueError(f"a record of type {kind} is malformed: {error}") from error


def _unpack(kind: int, dataset: int, payload: bytes) -> Record | None:
    match kind:
        case Type.HEAD:
            return _from_json(Head, payload)
        case Type.SKELETON:
            return Skeleton(zlib.decompress(payload))
        case Type.PART:
            (number,) = _PART.unpack_from(payload)
            return Part(number, _counts(payload[_PART.size :]))
        case Type.EXTENT:
            row, rows, tile, offset, size, part, digest = _EXTENT.unpack(payload)
            return Extent(dataset, row, rows, tile, offset, size, part, digest)
        case Type.INLINE:
            row, rows = _INLINE.unpack_from(payload)
            return Inline(dataset, row, rows, payload[_INLINE.size :])
        case Type.CHECKPOINT:
            standing = Standing(*_CHECKPOINT.unpack_from(payload))
            return Checkpoint(standing, _counts(payload[_CHECKPOINT.size :]))
        case Type.END:
            return End(bool(payload[0]), payload[1], payload[2:].decode())
        case Type.RECOVERED:
            return _from_json(Recovered, payload)
        case _:
            return None


def _from_json(form: type[Described], payload: bytes) -> Described:
    """Make a record of JSON; what a later version says more is passed over."""
    values = json.loads(payload)
    return form(**{field.name: values[field.name] for field in fields(form)})


def _counts(content: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(content) // 8}Q", content)
