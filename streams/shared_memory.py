"""Memory that a sender shares with its writer: large blocks are not copied to travel.

The sender keeps a block until it is acknowledged anyway. Where it keeps it in memory
that the writer can see, the message need only say where. The memory has no name in any
folder: it goes when the last process that sees it goes, however that ends.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from rigd.streams.free_space import FreeSpace, Place
from rigd.streams.wire import MEMORY_PLACE, OFFSET

MARK = struct.Struct("<8sQ")
"""What the memory begins with: `RIGDMEM1`, the sender's id."""

MAGIC = b"RIGDMEM1"

FIRST = mmap.PAGESIZE
"""Where the first block may lie."""

ALIGNMENT = 64
"""Blocks begin at multiples of so many bytes: a line of the processor's cache."""

SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
"""The size is fixed: else a reader could die of a memory that is cut off."""


class UnseenError(Exception):
    """A memory can't be looked at: why. Blocks travel through the socket then."""


def aligned(size: int) -> int:
    """Round up: the next block begins at a multiple of `ALIGNMENT`."""
    return -(-size // ALIGNMENT) * ALIGNMENT


class SharedMemory:
    """The sender's side: keeps blocks until they are given back."""

    def __init__(self, size: int, sender: int) -> None:
        """Make memory for `size` bytes of blocks; only what is used takes space.

        Raises:
            OSError: The kernel gives none.

        """
        self._free = FreeSpace(FIRST, FIRST + size)
        self._descriptor = os.memfd_create(
            "rigd-blocks", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        )
        try:
            os.ftruncate(self._descriptor, FIRST + size)
            fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, SEALS)
            self._map = mmap.mmap(self._descriptor, FIRST + size)
        except BaseException:
            os.close(self._descriptor)
            raise
        self._bytes = memoryview(self._map)
        self._bytes[: MARK.size] = MARK.pack(MAGIC, sender)

    @property
    def where(self) -> bytes:
        """Where another process finds it: the body of a MEMORY message."""
        return MEMORY_PLACE.pack(os.getpid(), self._descriptor)

    def put(self, parts: Iterable[memoryview], size: int) -> Place | None:
        """Keep the parts of a block, `size` bytes in all; None if there is no room."""
        start = self._free.take(aligned(size))
        if start is None:
            return None
        offset = start
        for part in parts:
            self._bytes[offset : offset + len(part)] = part
            offset += len(part)
        return Place(start, size)

    def view(self, place: Place) -> memoryview:
        """Return the bytes of a block."""
        return self._bytes[place.offset : place.offset + place.size]

    def give_back(self, place: Place) -> None:
        """Forget a block: nobody will look at it again."""
        self._free.give_back(place.offset, aligned(place.size))

    def close(self) -> None:
        """Give the memory back, as soon as nothing looks at it."""
        os.close(self._descriptor)
        self._bytes.release()
        with suppress(BufferError):  # the last messages may still be with ZeroMQ
            self._map.close()


class SeenMemory:
    """The writer's side: looks at blocks where the sender keeps them."""

    def __init__(self, content: memoryview) -> None:
        """Look at the memory of a sender."""
        self._bytes = content

    def place(self, body: Any, size: int) -> Place:
        """Return the place that a message's body names; less if memory ends there."""
        if len(body) != OFFSET.size:
            return Place(0, 0)
        (offset,) = OFFSET.unpack(body)
        return Place(offset, max(0, min(size, len(self._bytes) - offset)))

    def view(self, place: Place) -> memoryview:
        """Return the bytes of a block; they are the sender's: read only."""
        return self._bytes[place.offset : place.offset + place.size]


def open_memory(where: bytes, sender: int) -> SeenMemory:
    """See the memory of another process, by the body of its MEMORY message.

    Raises:
        UnseenError: There is none, it can't be seen, or it is not the sender's.

    """
    process, number = MEMORY_PLACE.unpack(where)
    path = f"/proc/{process}/fd/{number}"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise UnseenError(f"the sender's memory can't be seen: {error}") from error
    try:
        return SeenMemory(_sealed(descriptor, sender))
    except (OSError, ValueError) as error:
        raise UnseenError(f"{path} is no memory of blocks: {error}") from error
    finally:
        os.close(descriptor)


def _sealed(descriptor: int, sender: int) -> memoryview:
    if fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & SEALS != SEALS:
        raise ValueError("its size is not sealed")
    seen: Any = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
    if seen[: MARK.size] != MARK.pack(MAGIC, sender):
        raise ValueError("it is not marked as this sender's")
    return memoryview(seen)
