"""Headers go there and back; what is not of the protocol is named."""

import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigd.streams.block import StreamFormat
from rigd.streams.wire import (
    HEADER_BYTES,
    PREFIX,
    RECORD,
    RECORD_DTYPE,
    Address,
    Header,
    Kind,
    WireError,
    high_water_mark,
    pack_header,
    parse_header,
)

u64 = st.integers(0, 2**64 - 1)
i64 = st.integers(-(2**63), 2**63 - 1)
u32 = st.integers(0, 2**32 - 1)

headers = st.builds(
    Header,
    kind=st.sampled_from(Kind),
    key=u64,
    digest=u64,
    sender=u64,
    sequence=u64,
    first=u64,
    device_ns=i64,
    host_ns=i64,
    rows=u32,
    epoch=u32,
    batch=u32,
)


@given(headers)
def test_round_trip(header: Header) -> None:
    packed = pack_header(header)
    assert len(packed) == HEADER_BYTES == 80
    assert parse_header(packed + b"body") == header


@given(headers)
def test_the_record_is_an_entry_of_the_stream_file(header: Header) -> None:
    entry = np.frombuffer(pack_header(header)[PREFIX.size :], RECORD_DTYPE)[0]
    assert RECORD_DTYPE.itemsize == RECORD.size == 48
    assert int(entry["sequence"]) == header.sequence
    assert int(entry["first_sample"]) == header.first
    assert int(entry["device_ns"]) == header.device_ns
    assert int(entry["host_ns"]) == header.host_ns
    assert int(entry["rows"]) == header.rows
    assert int(entry["epoch"]) == header.epoch
    assert int(entry["batch"]) == header.batch


@given(st.binary(max_size=200))
def test_any_bytes_are_a_header_or_an_error(junk: bytes) -> None:
    try:
        header = parse_header(junk)
    except WireError:
        return
    assert pack_header(header)[:6] == junk[:6]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ((0, b"NOPE"), "magic"),
        ((4, b"\x02"), "version 2"),
        ((5, b"\x63"), "unknown kind 99"),
    ],
)
def test_what_is_wrong_is_named(change: tuple[int, bytes], what: str) -> None:
    packed = bytearray(pack_header(Header(Kind.DATA, 1, 2, 3, 4)))
    at, value = change
    packed[at : at + len(value)] = value
    with pytest.raises(WireError, match=what):
        parse_header(bytes(packed))


def test_a_short_message_is_named() -> None:
    with pytest.raises(WireError, match="79 bytes"):
        parse_header(bytes(79))


def test_the_prefix_is_what_the_text_says() -> None:
    prefix = Address(key=0x0102030405060708, digest=9, sender=10).prefix(Kind.DATA)
    assert prefix[:8] == b"RIGD\x01\x03\x00\x00"
    assert struct.unpack_from("<QQQ", prefix, 8) == (0x0102030405060708, 9, 10)


def test_the_digest_is_what_the_text_says() -> None:
    """The example of docs/wire-protocol.md."""
    probe = StreamFormat(np.dtype("<i2"), (384,), 30000.0)
    assert probe.digest == _digest("<i2;384;0")
    ttl = StreamFormat(np.dtype([("line", "u1"), ("value", "u1")]), (), row_times=True)
    assert ttl.digest == _digest('[["line","|u1"],["value","|u1"]];;1')


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def test_queues_are_bounded_in_bytes() -> None:
    probe = StreamFormat(np.dtype("<i2"), (384,), 30000.0)
    assert high_water_mark(probe) * 300 * 768 <= 9 * 2**20
    slow = StreamFormat(np.dtype("<f4"), (), 10.0)
    assert high_water_mark(slow) == 256
