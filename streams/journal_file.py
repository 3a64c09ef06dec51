"""The journal on the disk: appended by the writer, scanned by whoever recovers.

A write or sync that fails once is never tried again: what the kernel then holds is not
known, so the journal is dead and its stream acknowledges nothing more.
"""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rigd.streams.file_lock import hold, holder, process_text
from rigd.streams.journal import (
    FRAME,
    LARGEST,
    LAST_TYPE,
    MAGIC,
    Head,
    Payload,
    Record,
    Skeleton,
    Type,
    frame,
    frame_checksum,
    payload,
    unpack,
)

SCAN_BYTES = 1 << 20
"""Bytes read together while looking for the next record after damage."""


BEGINNING = ".new"
"""What the name of a journal ends with while its head is written."""


class JournalError(Exception):
    """The journal can't be written any more, or can't be read: which, and why."""


def beginning_path(path: Path) -> Path:
    """Return where a journal stands while its head is written."""
    return path.with_suffix(path.suffix + BEGINNING)


class Journal:
    """Appends records: `add` gathers, `write` gives to the kernel, `sync` to disk."""

    def __init__(self, path: Path, key: int) -> None:
        """Open the journal of the stream `key` for appending and hold it.

        Raises:
            JournalError: It can't be opened, or another process holds it.

        """
        self.path = path
        self._key = key
        self._waiting: list[Payload] = []
        self._is_dead = False
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            raise JournalError(f"{path} can't be opened: {error.strerror}") from error
        if not hold(self._descriptor):
            os.close(self._descriptor)
            who = process_text(holder(path) or 0)
            raise JournalError(f"{path} is being written by {who}")
        self._position = os.fstat(self._descriptor).st_size

    @classmethod
    def create(cls, path: Path, head: Head, skeleton: bytes) -> "Journal":
        """Begin a journal: head and skeleton, twice, on the disk with their folder.

        It takes its name when it is whole, so that there is never half a beginning.

        Raises:
            JournalError: It exists already, or the disk refuses.

        """
        beginning = beginning_path(path)
        try:
            if path.exists():
                raise FileExistsError(errno.EEXIST, "it exists already")
            os.close(os.open(beginning, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644))
        except OSError as error:
            raise JournalError(f"{path} can't be made: {error.strerror}") from error
        journal = cls(beginning, head.key)
        for record in (head, Skeleton(skeleton)) * 2:
            journal.add(record)
        journal.write()
        journal.sync()
        journal._take_name(path)
        return journal

    def _take_name(self, path: Path) -> None:
        try:
            self.path = self.path.rename(path)
            sync_folder(path.parent)
        except OSError as error:
            raise JournalError(f"{path} can't be made: {error.strerror}") from error

    def settle(self) -> None:
        """Let what a dead writer has left say only what is on the disk.

        What the kernel still holds is brought there; what it failed to bring there
        before is forgotten, so that it is not read again.

        Raises:
            JournalError: The disk refuses.

        """
        self.sync()
        self._guarded(os.posix_fadvise, 0, 0, os.POSIX_FADV_DONTNEED)

    def records(self) -> Iterator["Found | Damage"]:
        """Yield all records that stand there, see `scan`.

        To open the file once more would do away with the lock, see `file_lock`.
        """
        return scan_open(self._descriptor)

    def add(self, record: Record) -> None:
        """Gather a record for the next `write`."""
        self._waiting.append(payload(record))

    @property
    def waiting(self) -> int:
        """Number of records that are gathered."""
        return len(self._waiting)

    def drop(self) -> None:
        """Forget what was only gathered."""
        self._waiting.clear()

    def write(self) -> None:
        """Hand all gathered records over to the kernel.

        Raises:
            JournalError: It refuses, now or earlier.

        """
        waiting, self._waiting = self._waiting, []
        self._write(waiting)

    def write_now(self, record: Record) -> None:
        """Hand one record over to the kernel, before those that are gathered.

        Raises:
            JournalError: It refuses, now or earlier.

        """
        self._write([payload(record)])

    def _write(self, payloads: list[Payload]) -> None:
        content = bytearray()
        for each in payloads:
            position = self._position + len(content)
            content += frame(each, key=self._key, position=position)
        self._position += len(content)
        view = memoryview(content)
        while len(view):
            view = view[self._guarded(os.write, view) :]

    def sync(self) -> None:
        """Bring to the disk what the kernel holds.

        Raises:
            JournalError: The disk refuses, now or earlier.

        """
        self._guarded(os.fdatasync)

    def _guarded(self, call: Callable[..., int | None], *arguments: object) -> int:
        if self._is_dead:
            raise JournalError(f"{self.path} has failed before")
        try:
            return call(self._descriptor, *arguments) or 0
        except OSError as error:
            self._is_dead = True
            raise JournalError(
                f"{self.path} can't be written: {error.strerror}"
            ) from error

    def close(self) -> None:
        """Give the file back; what was only gathered is dropped."""
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Found:
    """A record that was found whole, and where it begins."""

    position: int
    record: Record


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes [start, stop) of a journal that are no whole record."""

    start: int
    stop: int


def scan(path: Path) -> Iterator[Found | Damage]:
    """Yield all whole records in order, and the damage between them.

    After damage the next bytes that are a record with the right checksum are looked
    for. Memory is bounded by the largest record. Records of types that this version
    does not know are passed over.

    Raises:
        OSError: The file can't be read.

    """
    with path.open("rb") as file:
        yield from scan_open(file.fileno())


def scan_open(descriptor: int) -> Iterator[Found | Damage]:
    """Do as `scan` does with a file that is open for reading."""
    records = _Records(descriptor)
    position = 0
    while position < records.size:
        found = records.read(position)
        if found is None:
            following = records.find(position + 1)
            yield Damage(position, following)
            position = following
            continue
        record, length = found
        if record is not None:
            yield Found(position, record)
        position += length


class _Records:
    """Finds records in an open journal; knows its key once it has read a head."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._key: int | None = None
        self.size = os.fstat(descriptor).st_size

    def read(self, position: int) -> tuple[Record | None, int] | None:
        """Return the record at `position` and its length; None: no whole one."""
        head = os.pread(self._descriptor, FRAME.size, position)
        if len(head) < FRAME.size or head[: len(MAGIC)] != MAGIC:
            return None
        _, kind, dataset, length, checked = FRAME.unpack(head)
        if kind > LAST_TYPE or length > min(LARGEST, self.size - position - FRAME.size):
            return None
        if self._key is None and kind not in (Type.HEAD, Type.SKELETON):
            return None
        content = os.pread(self._descriptor, length, position + FRAME.size)
        found = Payload(kind, dataset, content)
        if frame_checksum(found, key=self._key or 0, position=position) != checked:
            return None
        try:
            record = unpack(found)
        except ValueError:
            return None
        if isinstance(record, Head) and self._key is None:
            self._key = record.key
        return record, FRAME.size + length

    def find(self, position: int) -> int:
        """Return where the next whole record begins, or the size of the file."""
        while position < self.size:
            piece = os.pread(self._descriptor, SCAN_BYTES, position)
            at = piece.find(MAGIC)
            while at >= 0:
                if self.read(position + at) is not None:
                    return position + at
                at = piece.find(MAGIC, at + 1)
            position += max(1, len(piece) - len(MAGIC) + 1)
        return self.size


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new(path: Path, content: bytes) -> None:
    """Make a new file, on the disk with its name; or none at all.

    Raises:
        OSError: It exists already, or the disk refuses.

    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        view = memoryview(content)
        while len(view):
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(descriptor)
    sync_folder(path.parent)
