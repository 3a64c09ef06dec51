"""Builds the recorder of `disk_recorder.c`, and reads what it recorded."""

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

ENTRY = struct.Struct("<IB3xiQQ")
MAGIC = 0x43455244


class Operation(IntEnum):
    """As in `disk_recorder.c`."""

    OPENED = 1
    WRITTEN = 2
    TRUNCATED = 3
    SYNC_BEGUN = 4
    SYNC_ENDED = 5
    RENAMED = 6
    UNLINKED = 7
    FAULTED = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One call of the recorded process."""

    operation: Operation
    file: int
    value: int
    payload: bytes


@dataclass(frozen=True)
class DiskFault:
    """Calls number `first` and the `count` - 1 after it fail, on files named like that.

    `kind` is EIO, ENOSPC, EINTR, SHORT or KILL; `calls` is w for writes, s for syncs,
    a for both; `named` is a part of the path. See `disk_recorder.c`.
    """

    kind: str
    calls: str
    first: int
    count: int
    named: str

    def environment(self) -> dict[str, str]:
        """Settings of the recorder."""
        fault = f"{self.kind}:{self.calls}:{self.first}:{self.count}"
        return {
            "DISK_RECORDER_FAULT": fault,
            "DISK_RECORDER_NAMED": self.named,
        }


def has_compiler() -> bool:
    """Whether the recorder can be built here."""
    return shutil.which(os.environ.get("CC", "cc")) is not None


def build_recorder(folder: Path) -> Path:
    """Compile the recorder."""
    library = folder / "disk_recorder.so"
    source = Path(__file__).with_name("disk_recorder.c")
    compiler = os.environ.get("CC", "cc")
    subprocess.run(
        [
            compiler,
            "-O2",
            "-shared",
            "-fPIC",
            "-o",
            library,
            source,
            "-ldl",
            "-lpthread",
        ],
        check=True,
    )
    return library


def faults_fired(log: Path) -> int:
    """Count the calls that failed, or at which the process was killed."""
    if not log.exists():
        return 0
    return sum(e.operation is Operation.FAULTED for e in read_entries(log))


def recorder_environment(
    library: Path, root: Path, log: Path, *, sync_microseconds: int | None = None
) -> dict[str, str]:
    """Settings under which a process records what it writes below `root`."""
    settings = {
        "LD_PRELOAD": str(library),
        "DISK_RECORDER_ROOT": f"{root}",
        "DISK_RECORDER_LOG": str(log),
    }
    if sync_microseconds is not None:
        settings["DISK_RECORDER_SYNC"] = str(sync_microseconds)
    return settings


def read_entries(log: Path) -> Iterator[Entry]:
    """Yield what was recorded; an entry that is cut off at the end is left out."""
    content = log.read_bytes()
    position = 0
    while position + ENTRY.size <= len(content):
        magic, operation, file, value, length = ENTRY.unpack_from(content, position)
        if magic != MAGIC:
            raise ValueError(f"{log}: no entry at {position}")
        position += ENTRY.size
        payload = content[position : position + length]
        position += length
        if len(payload) == length:
            yield Entry(Operation(operation), file, value, payload)
