"""Reads a journal by `docs/journal-format.md` alone: struct, zlib and json, no rigd."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any


def read_journal(path: Path) -> list[tuple[int, str, dict[str, Any]]]:
    """Return all records: position, name of the type, fields."""
    content = path.read_bytes()
    records: list[tuple[int, str, dict[str, Any]]] = []
    key = None
    position = 0
    while position + 16 <= len(content):
        magic, kind, dataset, size, crc = struct.unpack_from(
            "<4sHHII", content, position
        )
        payload = content[position + 16 : position + 16 + size]
        told = 0 if kind in (1, 2) else key
        whole = magic == b"RJN1" and kind < 256 and len(payload) == size
        if not whole or told is None:
            position += 1
            continue
        place = struct.pack("<QQHHI", told, position, kind, dataset, size)
        if zlib.crc32(place + payload) != crc:
            position += 1
            continue
        name, fields = read_record(kind, dataset, payload)
        if name == "HEAD" and key is None:
            key = fields["key"]
        records.append((position, name, fields))
        position += 16 + size
    return records


def read_record(kind: int, dataset: int, payload: bytes) -> tuple[str, dict[str, Any]]:
    """Read the payload of a record."""
    if kind == 1:
        return "HEAD", json.loads(payload)
    if kind == 2:
        return "SKELETON", {"content": zlib.decompress(payload)}
    if kind == 3:
        (number,) = struct.unpack_from("<I", payload)
        return "PART", {"number": number, "rows": counts(payload[4:])}
    if kind == 4:
        names = ("row", "rows", "tile", "offset", "size", "part", "digest")
        values = struct.unpack("<QIIQIIQ", payload)
        return "EXTENT", {"dataset": dataset, **dict(zip(names, values, strict=True))}
    if kind == 5:
        row, rows, part = struct.unpack_from("<QII", payload)
        fields = {"dataset": dataset, "row": row, "rows": rows, "part": part}
        return "INLINE", {**fields, "content": payload[16:]}
    if kind == 6:
        names = ("sequence", "sender", "next", "epoch", "lost", "repeated", "rejected")
        part, *standing = struct.unpack_from("<I7Q", payload)
        fields = dict(zip(names, standing, strict=True))
        return "CHECKPOINT", {"part": part, **fields, "rows": counts(payload[60:])}
    if kind == 7:
        whole, ended = payload[0], payload[1]
        reason = payload[2:].decode()
        return "END", {"whole": bool(whole), "ended": ended, "reason": reason}
    if kind == 8:
        return "RECOVERED", json.loads(payload)
    return f"type {kind}", {}


def counts(payload: bytes) -> tuple[int, ...]:
    """Read numbers of rows."""
    return struct.unpack(f"<{len(payload) // 8}Q", payload)
