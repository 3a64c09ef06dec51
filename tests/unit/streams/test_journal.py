"""A record comes out as it went in, and only where it was put."""

import json
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigd.streams.journal import (
    FRAME,
    MAGIC,
    Checkpoint,
    End,
    Head,
    Payload,
    Record,
    Type,
    frame,
    frame_checksum,
    payload,
    unpack,
)
from rigd.streams.standing import Standing
from tests.support.journal_records import RECORDS, U16, U64


@given(RECORDS)
def test_a_record_comes_out_as_it_went_in(record: Record) -> None:
    assert unpack(payload(record)) == record


@given(RECORDS, U64, U64)
def test_a_frame_tells_what_is_in_it(record: Record, key: int, position: int) -> None:
    inside = payload(record)
    content = frame(inside, key=key, position=position)
    magic, kind, dataset, size, checked = FRAME.unpack_from(content)
    assert (magic, kind, dataset, size) == (
        MAGIC, inside.kind, inside.dataset, len(inside.content),
    )  # fmt: skip
    assert content[FRAME.size :] == inside.content
    assert checked == frame_checksum(inside, key=key, position=position)


CHECKPOINT = payload(Checkpoint(Standing(), (5,)))


@given(key=U64, position=U64, other_key=U64, other_position=U64)
def test_the_same_content_elsewhere_has_another_checksum(
    key: int, position: int, other_key: int, other_position: int
) -> None:
    """CRC-32 tells any two that differ within 32 bits; others but for 1 in 2**32."""
    here = frame_checksum(CHECKPOINT, key=key, position=position)
    there = frame_checksum(CHECKPOINT, key=other_key, position=other_position)
    assert (here == there) == ((key, position) == (other_key, other_position))


def test_a_head_can_be_checked_without_its_key() -> None:
    head = payload(Head(7, "ap", [], "none"))
    assert frame_checksum(head, key=7, position=0) == frame_checksum(
        head, key=0, position=0
    )


@given(st.integers(0, 300), U16, st.binary(max_size=200))
def test_any_content_is_a_record_or_malformed(
    kind: int, dataset: int, content: bytes
) -> None:
    try:
        record = unpack(Payload(kind, dataset, content))
    except ValueError:
        return
    assert (record is None) == (kind not in set(Type))


def head_with(**values: object) -> bytes:
    head = json.loads(payload(Head(7, "ap", [], "none")).content)
    return json.dumps({**head, **values}).encode()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (Type.HEAD, b"[]"),
        (Type.HEAD, b"\xff"),
        (Type.HEAD, b"{}"),
        (Type.HEAD, b"[" * 100_000),
        (Type.HEAD, head_with(key="1")),
        (Type.HEAD, head_with(key=2**64)),
        (Type.HEAD, head_with(datasets=3)),
        (Type.HEAD, head_with(version="1")),
        (Type.SKELETON, b"no zlib"),
        (Type.PART, b"\0\0\0"),
        (Type.PART, b"\0\0\0\0\0"),
        (Type.EXTENT, b"\0" * 39),
        (Type.INLINE, b"\0" * 15),
        (Type.CHECKPOINT, b"\0" * 61),
        (Type.END, b""),
        (Type.END, b"\0"),
        (Type.END, b"\0\0\xff"),
    ],
)  # fmt: skip
def test_malformed_content_is_refused(kind: Type, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"malformed|decode|Expecting|utf-8"):
        unpack(Payload(kind, 0, content))


def test_a_type_of_a_later_version_is_passed_over() -> None:
    assert unpack(Payload(200, 0, b"whatever")) is None


def test_a_later_head_may_say_more() -> None:
    values = json.loads(payload(Head(7, "ap", [], "none")).content)
    content = json.dumps({**values, "colour": "red"}).encode()
    assert unpack(Payload(Type.HEAD, 0, content)) == Head(7, "ap", [], "none")


def test_the_form_is_the_published_one() -> None:
    """Bytes of version 1, once and for all."""
    content = frame(payload(End(True, 2, "ok")), key=1, position=16)
    checked = zlib.crc32(struct.pack("<QQHHI", 1, 16, 7, 0, 4) + b"\1\2ok")
    assert content == struct.pack("<4sHHII", b"RJN1", 7, 0, 4, checked) + b"\1\2ok"
