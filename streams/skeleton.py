"""What of a stream file never changes once it is made: its texts and its tables.

HDF5 has checksums of its own index, but none of what it points to: texts (global
heaps) and small tables (contiguous datasets). A damaged heap can hang libhdf5 for ever.
The journal keeps the file as it was before its first row, so these can be compared.
"""

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

HEAP = b"GCOL"
"""What a global heap begins with; see the HDF5 file format, "Global Heap"."""

HEAP_SIZE = struct.Struct("<4sB3xQ")
"""Signature, version, bytes of the heap."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Bytes [start, stop) that stay as they are; `what` they are, to a person."""

    start: int
    stop: int
    what: str


def find_change(path: Path, skeleton: bytes, state: str) -> str:
    """Say what of a stream file is not as it was made; empty: nothing.

    `skeleton` is the file before its first row, `state` the dataset that is written
    while recording (`StreamLayout.state`).

    Raises:
        OSError: The file can't be read.

    """
    with path.open("rb") as file:
        for one in (*_heaps(skeleton), *_tables(skeleton, state)):
            found = os.pread(file.fileno(), one.stop - one.start, one.start)
            if found != skeleton[one.start : one.stop]:
                return one.what
    return ""


def _heaps(skeleton: bytes) -> Iterator[Fixed]:
    start = skeleton.find(HEAP)
    while start >= 0:
        if len(skeleton) - start >= HEAP_SIZE.size:
            _, version, size = HEAP_SIZE.unpack_from(skeleton, start)
            if version == 1 and start + size <= len(skeleton):
                yield Fixed(start, start + size, "texts")
        start = skeleton.find(HEAP, start + 1)


def _tables(skeleton: bytes, state: str) -> list[Fixed]:
    found: list[Fixed] = []

    def visit(name: str, node: Any) -> None:
        if not isinstance(node, h5py.Dataset) or f"/{name}" == state:
            return
        offset = node.id.get_offset()
        if offset is not None:
            size = node.id.get_storage_size()
            found.append(Fixed(offset, offset + size, f"/{name}"))

    with h5py.File(io.BytesIO(skeleton), "r") as file:
        file.visititems(visit)
    return found
