"""The records of a journal: bytes there and back, without I/O.

The text is `docs/journal-format.md`. A journal stands beside a stream file and makes it
survive what HDF5 does not. It is append-only; each record carries its checksum, so that
a reader finds its way again after damage.

The checksum covers the place of the record and the key of the stream as well: bytes
that only look like a record (rows may be anything, records of another journal too) or
that an old file left on the disk are none.
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
"""magic, type, dataset, payload bytes, CRC-32."""

_CHECKED = struct.Struct("<QQHHI")
"""What the CRC-32 covers before the payload: key, position in the file, type, dataset,
payload bytes. The key is 0 for HEAD, which tells it, and for SKELETON."""

_EXTENT = struct.Struct("<QIIQIIQ")
_INLINE = struct.Struct("<QII")
_CHECKPOINT = struct.Struct("<I7Q")

_PART = struct.Struct("<I")

LARGEST = 2**30
"""Bytes of the largest payload; a larger length is damage."""

LAST_TYPE = 255
"""The largest type that any version may have; a larger one is damage."""


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
    """Rows [row, row + rows) of a dataset, as raw bytes, written along with a part."""

    dataset: int
    row: int
    rows: int
    part: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is on the disk now: the standing, and the rows of each dataset.

    `part` is the number of the HDF5 file that was written at that time.
    """

    standing: Standing
    rows: tuple[int, ...]
    part: int = 0


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
        missing: Rows that were on the disk by the last checkpoint and could not be
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


@dataclass(frozen=True, slots=True)
class Payload:
    """The content of a record, without the frame that depends on its place."""

    kind: int
    dataset: int
    content: bytes


def frame_checksum(payload: Payload, *, key: int, position: int) -> int:
    """CRC-32 of a record of the stream `key` that begins at byte `position`."""
    kind, dataset, content = payload.kind, payload.dataset, payload.content
    told = 0 if kind in (Type.HEAD, Type.SKELETON) else key
    place = _CHECKED.pack(told, position, kind, dataset, len(content))
    return zlib.crc32(content, zlib.crc32(place))


def frame(payload: Payload, *, key: int, position: int) -> bytes:
    """Make the bytes of a record of the stream `key`, to stand at byte `position`."""
    checked = frame_checksum(payload, key=key, position=position)
    size = len(payload.content)
    head = FRAME.pack(MAGIC, payload.kind, payload.dataset, size, checked)
    return head + payload.content


def payload(record: Record) -> Payload:
    """Make the content of a record."""
    kind, content = _pack(record)
    dataset = record.dataset if isinstance(record, Extent | Inline) else 0
    return Payload(kind, dataset, content)


def _pack(record: Record) -> tuple[Type, bytes]:
    match record:
        case Head():
            return Type.HEAD, json.dumps(asdict(record)).encode()
        case Skeleton():
            return Type.SKELETON, zlib.compress(record.content, 1)
        case Part():
            return Type.PART, _PART.pack(record.number) + _pack_counts(record.rows)
        case Extent():
            return Type.EXTENT, _EXTENT.pack(
                record.row, record.rows, record.tile, record.offset, record.size,
                record.part, record.digest,
            )  # fmt: skip
        case Inline():
            place = _INLINE.pack(record.row, record.rows, record.part)
            return Type.INLINE, place + record.content
        case Checkpoint():
            standing = _CHECKPOINT.pack(record.part, *astuple(record.standing))
            return Type.CHECKPOINT, standing + _pack_counts(record.rows)
        case End():
            flags = bytes([record.whole, record.ended])
            return Type.END, flags + record.reason.encode()
        case Recovered():
            return Type.RECOVERED, json.dumps(asdict(record)).encode()


MALFORMED = (
    struct.error, zlib.error, KeyError, TypeError, IndexError, RecursionError,
)  # fmt: skip


def unpack(payload: Payload) -> Record | None:
    """Read a payload whose checksum was right; None: a type of a later version.

    Raises:
        ValueError: The payload has not the form of its type.

    """
    try:
        return _unpack(payload.kind, payload.dataset, payload.content)
    except MALFORMED as error:
        raise ValueError(
            f"a record of type {payload.kind} is malformed: {error}"
        ) from error


def _unpack(kind: int, dataset: int, content: bytes) -> Record | None:
    match kind:
        case Type.HEAD:
            return _check_head(_from_json(Head, content))
        case Type.SKELETON:
            return Skeleton(zlib.decompress(content))
        case Type.PART:
            (number,) = _PART.unpack_from(content)
            return Part(number, _counts(content[_PART.size :]))
        case Type.EXTENT:
            row, rows, tile, offset, size, part, digest = _EXTENT.unpack(content)
            return Extent(dataset, row, rows, tile, offset, size, part, digest)
        case Type.INLINE:
            row, rows, part = _INLINE.unpack_from(content)
            return Inline(dataset, row, rows, part, content[_INLINE.size :])
        case Type.CHECKPOINT:
            part, *standing = _CHECKPOINT.unpack_from(content)
            counts = _counts(content[_CHECKPOINT.size :])
            return Checkpoint(Standing(*standing), counts, part)
        case Type.END:
            return End(bool(content[0]), content[1], content[2:].decode())
        case Type.RECOVERED:
            return _from_json(Recovered, content)
        case _:
            return None


def _from_json(form: type[Described], payload: bytes) -> Described:
    """Make a record of JSON; what a later version says more is passed over."""
    values = json.loads(payload)
    return form(**{field.name: values[field.name] for field in fields(form)})


def _check_head(head: Head) -> Head:
    if not (isinstance(head.key, int) and 0 <= head.key < 2**64):
        raise TypeError(f"key {head.key!r} is no number of 64 bits")
    if not isinstance(head.datasets, list) or not isinstance(head.version, int):
        raise TypeError("datasets are a list, the version is a number")
    return head


def _pack_counts(rows: tuple[int, ...]) -> bytes:
    return struct.pack(f"<{len(rows)}Q", *rows)


def _counts(content: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(content) // 8}Q", content)
