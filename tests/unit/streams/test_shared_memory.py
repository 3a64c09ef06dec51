"""Memory of blocks is seen by another process, and only what is safe to look at."""

import fcntl
import os
import subprocess
import sys

import pytest

from rigd.streams.shared_memory import (
    FIRST,
    MAGIC,
    MARK,
    SharedMemory,
    UnseenError,
    open_memory,
)
from rigd.streams.wire import MEMORY_PLACE

LOOK = """
import sys
from rigd.streams.free_space import Place
from rigd.streams.shared_memory import open_memory
seen = open_memory(bytes.fromhex(sys.argv[1]), 7)
start, size = map(int, sys.argv[2:])
view = seen.view(Place(start, size))
print(bytes(view).decode(), view.readonly)
"""


def test_another_process_sees_a_block() -> None:
    memory = SharedMemory(10_000, 7)
    memory.put([memoryview(b"before")], 6)
    place = memory.put([memoryview(b"rows "), memoryview(b"times")], 10)
    assert place is not None
    assert bytes(memory.view(place)) == b"rows times"
    arguments = memory.where.hex(), str(place.offset), str(place.size)
    seen = subprocess.run(
        [sys.executable, "-c", LOOK, *arguments], capture_output=True, text=True
    )
    assert seen.stdout == "rows times True\n", seen.stderr
    memory.close()


def test_what_is_given_back_is_used_again() -> None:
    memory = SharedMemory(1000, 7)
    first = memory.put([memoryview(bytes(600))], 600)
    assert first is not None
    assert first.offset == FIRST
    assert memory.put([memoryview(bytes(600))], 600) is None
    memory.give_back(first)
    assert memory.put([memoryview(bytes(600))], 600) == first
    memory.close()


def test_memory_outlives_its_maker_for_those_who_see_it() -> None:
    memory = SharedMemory(1000, 7)
    place = memory.put([memoryview(b"here")], 4)
    assert place is not None
    seen = open_memory(memory.where, 7)
    memory.close()
    assert bytes(seen.view(place)) == b"here"


def test_its_size_is_fixed() -> None:
    memory = SharedMemory(1000, 7)
    _, descriptor = MEMORY_PLACE.unpack(memory.where)
    for size in (0, 10_000):
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, size)
    memory.close()


def made_memory(seals: int, begin: bytes) -> int:
    descriptor = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.write(descriptor, begin.ljust(8192, b"\0"))
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


BOTH = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


@pytest.mark.parametrize(
    ("seals", "begin", "what"),
    [
        (0, MARK.pack(MAGIC, 7), "size is not sealed"),
        (fcntl.F_SEAL_GROW, MARK.pack(MAGIC, 7), "size is not sealed"),
        (BOTH, MARK.pack(MAGIC, 8), "not marked as this sender's"),
        (BOTH, b"", "not marked as this sender's"),
    ],
)
def test_other_memory_is_refused(seals: int, begin: bytes, what: str) -> None:
    descriptor = made_memory(seals, begin)
    with pytest.raises(UnseenError, match=what):
        open_memory(MEMORY_PLACE.pack(os.getpid(), descriptor), 7)
    os.close(descriptor)


def test_an_empty_memory_is_refused() -> None:
    descriptor = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, BOTH)
    with pytest.raises(UnseenError, match="is no memory of blocks"):
        open_memory(MEMORY_PLACE.pack(os.getpid(), descriptor), 7)
    os.close(descriptor)


def test_what_is_no_memory_is_refused_without_waiting() -> None:
    read, write = os.pipe()
    for descriptor in (read, write):
        with pytest.raises(UnseenError):
            open_memory(MEMORY_PLACE.pack(os.getpid(), descriptor), 7)
        os.close(descriptor)
    with pytest.raises(UnseenError, match="can't be seen"):
        open_memory(MEMORY_PLACE.pack(os.getpid(), 2**40), 7)
