"""How items travel from a source to a writer: the one module that knows the bytes.

The text is `docs/wire-protocol.md`. A message is one ZeroMQ message of one or two
frames whose concatenation is a header of 80 bytes, little-endian, and a body. Small
blocks travel together: what a message costs, whatever is in it, is paid once.

The header's first 32 bytes are the same for all data messages of a sender, so that a
writer checks them with one comparison; the other 48 are the block's entry in the
stream file (`sync/blocks`), byte for byte.
"""

import json
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from rigd.streams.block import StreamFormat

MAGIC = b"RIGD"
VERSION = 1

PREFIX = struct.Struct("<4sBBHQQQ")
"""magic, version, kind, flags, stream key, format digest, sender id."""

RECORD = struct.Struct("<QQqqIIII")
"""sequence, first sample, device ns, host ns, rows, epoch, batch, reserved."""

HEADER_BYTES = PREFIX.size + RECORD.size

RECORD_DTYPE = np.dtype(
    [
        ("sequence", "<u8"),
        ("first_sample", "<u8"),
        ("device_ns", "<i8"),
        ("host_ns", "<i8"),
        ("rows", "<u4"),
        ("epoch", "<u4"),
        ("batch", "<u4"),
        ("reserved", "<u4"),
    ]
)
"""`RECORD` as numpy sees it: one entry of `sync/blocks`."""

CLOCK_DTYPE = np.dtype(
    [("device_ns", "<i8"), ("host_ns", "<i8"), ("uncertainty_ns", "<i8")]
)
"""One clock reading in the body of a CLOCK message, and of `sync/clock`."""

LOST_COUNT = struct.Struct("<Q")
"""Start of the body of a LOST message: how many samples; the cause follows, UTF-8."""

MEMORY_PLACE = struct.Struct("<QQ")
"""Body of a MEMORY message: id of the process, number of its file descriptor."""

OFFSET = struct.Struct("<Q")
"""Body of a SHARED message: where the block lies in the sender's memory."""

INTRODUCE = 2**64 - 1
"""Sequence of a RESEND that asks an unknown sender to say HELLO first."""

COPY_BELOW = 64 * 1024
"""Bodies below this many bytes travel copied, in the header's frame; measured:
zero-copy costs more than it saves below 64 KiB."""

GATHER_BYTES = 192 * 1024
"""Bodies of small blocks that travel as one message have at most so many bytes."""

MOST_BLOCKS = 4096
"""Blocks in one BLOCKS message at most."""

QUEUE_BYTES = 8 * 2**20
"""Bytes of a stream that a socket may queue, about."""

MOST_QUEUED = 256
"""Messages that a socket may queue at most: gathered ones have up to `GATHER_BYTES`."""

SAMPLES_END = 2**48
"""Sample indices are below this (8.9 years at 1 MHz): a larger one is damage, and would
make sums of losses overflow."""


class Kind(IntEnum):
    """What a message is. Sender to writer unless said otherwise."""

    HELLO = 1
    """Who am I: body = stream name, UTF-8. Key and digest may be 0. Not numbered."""
    WELCOME = 2
    """Writer to sender: sequence = the next wanted; body = format as JSON."""
    DATA = 3
    """Numbered. Body = rows, C order, then an int64 device time a row if declared."""
    LOST = 4
    """Numbered. Body = count u64, cause UTF-8; the header's first sample and epoch."""
    CLOCK = 5
    """Numbered. Body = clock readings (`CLOCK_DTYPE`)."""
    END = 6
    """Numbered, the last. Body = reason, UTF-8, empty for a regular end."""
    ACK = 7
    """Writer to sender: everything below sequence is kept and may be forgotten."""
    RESEND = 8
    """Writer to sender: send again from sequence on; or INTRODUCE: say HELLO."""
    REFUSED = 9
    """Writer to sender: body = why, UTF-8."""
    STOP = 10
    """Writer to sender: the session is over; send what is left, then END."""
    BLOCKS = 11
    """Numbered, as many numbers as blocks. Several DATA messages in one: the header
    has sequence, first sample and epoch of the first, `rows` of all, `reserved` = how
    many. Body = their records (`RECORD`), then their bodies, in order."""
    MEMORY = 12
    """Not numbered. Body = `MEMORY_PLACE`, where the sender keeps blocks. The same from
    the writer to the sender: it sees that memory."""
    SHARED = 13
    """Numbered. A DATA message whose body lies in the sender's memory; body = where
    (`OFFSET`)."""
    SHARED_BLOCKS = 14
    """Numbered. A BLOCKS message whose body lies there; body = where."""


SAMPLES = frozenset({Kind.DATA, Kind.BLOCKS, Kind.SHARED, Kind.SHARED_BLOCKS})
NUMBERED = SAMPLES | {Kind.LOST, Kind.CLOCK, Kind.END}


class WireError(Exception):
    """A message that is not of this protocol, or not of this stream: what is wrong."""


@dataclass(frozen=True, slots=True)
class Address:
    """What every message of one sender of one stream has in common.

    Attributes:
        key: Names the stream of this session, so that a stale sender is refused.
        digest: `StreamFormat.digest`.
        sender: A number that a sender process draws anew; its sequence starts at 0.

    """

    key: int
    digest: int
    sender: int

    def prefix(self, kind: Kind) -> bytes:
        """The first 32 bytes of a header."""
        return PREFIX.pack(MAGIC, VERSION, kind, 0, self.key, self.digest, self.sender)


@dataclass(frozen=True, slots=True)
class Header:
    """All fields of a message's header."""

    kind: Kind
    key: int
    digest: int
    sender: int
    sequence: int
    first: int = 0
    device_ns: int = 0
    host_ns: int = 0
    rows: int = 0
    epoch: int = 0
    batch: int = 0


def high_water_mark(stream: StreamFormat) -> int:
    """Messages that a socket of this stream may queue: about 8 MiB of 10 ms blocks."""
    rows = 1.0 if stream.rate is None else max(1.0, 0.01 * stream.rate)
    return max(16, min(MOST_QUEUED, int(QUEUE_BYTES / (rows * stream.row_bytes))))


def pack_header(header: Header) -> bytes:
    """Make the 80 bytes of a header."""
    address = Address(header.key, header.digest, header.sender)
    return address.prefix(header.kind) + RECORD.pack(
        header.sequence,
        header.first,
        header.device_ns,
        header.host_ns,
        header.rows,
        header.epoch,
        header.batch,
        0,
    )


def record_of_blocks(records: list[bytes], rows: int) -> bytes:
    """Make the `RECORD` of a BLOCKS message.

    Args:
        records: The blocks' `RECORD`s; the body is these, then the blocks' bodies.
        rows: Rows of all blocks.

    """
    sequence, first, _, _, _, epoch, _, _ = RECORD.unpack(records[0])
    return RECORD.pack(sequence, first, 0, 0, rows, epoch, 0, len(records))


def parse_header(message: bytes | memoryview) -> Header:
    """Read a header; raise `WireError` with what is wrong."""
    if len(message) < HEADER_BYTES:
        raise WireError(f"{len(message)} bytes, a header has {HEADER_BYTES}")
    magic, version, kind, flags, key, digest, sender = PREFIX.unpack_from(message)
    if magic != MAGIC:
        raise WireError(f"magic {magic!r} instead of {MAGIC!r}")
    if version != VERSION:
        raise WireError(f"version {version}, this writer speaks {VERSION}")
    if flags:
        raise WireError(f"flags {flags:#06x}, version {VERSION} has none")
    try:
        known = Kind(kind)
    except ValueError:
        raise WireError(f"unknown kind {kind}") from None
    sequence, first, device_ns, host_ns, rows, epoch, batch, _ = RECORD.unpack_from(
        message, PREFIX.size
    )
    return Header(
        known, key, digest, sender, sequence, first, device_ns, host_ns, rows,
        epoch, batch,
    )  # fmt: skip


def welcome(address: Address, wanted: int, format_json: dict[str, Any]) -> bytes:
    """Make the writer's answer to HELLO."""
    header = Header(Kind.WELCOME, address.key, address.digest, address.sender, wanted)
    return pack_header(header) + json.dumps(format_json).encode()
