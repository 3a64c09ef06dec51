"""What a disk may hold after the power was cut, from the record of a writer's calls.

Sure is what stood in a file before its last finished fsync began, and names whose
folder was synced since. Of everything later any part may be there: an ordered prefix
whose last write is torn, or any pages in any of their versions, with any file size that
the file had. An image follows from the record and a seed.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.disk_record import Entry, Operation

ACKNOWLEDGED = "acknowledged"
"""File in which the bench's writer marks what it is about to acknowledge."""

O_CREAT = 0o100
O_TRUNC = 0o1000
PAGES = (4096, 512)
PARTS = (0.1, 0.5, 0.9)
"""Shares of the later pages that reach the disk out of order."""


@dataclass(slots=True)
class Change:
    """A write (`content`) or a truncation (None) at entry number `at`."""

    at: int
    offset: int
    content: bytes | None


@dataclass(slots=True)
class File:
    """One file of the record, whatever its names were."""

    initial: bytes = b""
    changes: list[Change] = field(default_factory=list)
    syncs: list[tuple[int, int]] = field(default_factory=list)
    """Beginning and end of each fsync, as numbers of entries."""


@dataclass(slots=True)
class Naming:
    """A name given (`file`), changed (`old`) or taken away at entry number `at`."""

    at: int
    name: str
    file: File | None = None
    old: str = ""


class DiskHistory:
    """The record, sorted by file."""

    def __init__(
        self, entries: list[Entry], root: Path, initial: dict[str, bytes]
    ) -> None:
        """Sort a record; `initial` are the files that were on the disk before."""
        self.length = len(entries)
        self.initial = {name: File(content) for name, content in initial.items()}
        self.namings: list[Naming] = []
        self.folder_syncs: list[tuple[int, int]] = []
        self._acknowledged: list[tuple[int, int]] = []
        self._root = root
        self._names = dict(self.initial)
        self._open: dict[int, File | None] = {}
        self._marks: set[int] = set()
        self._begun: dict[int, int] = {}
        for number, entry in enumerate(entries):
            self._take(number, entry)

    def _take(self, number: int, entry: Entry) -> None:
        match entry.operation:
            case Operation.OPENED:
                self._take_opened(number, entry)
            case Operation.WRITTEN | Operation.TRUNCATED:
                self._take_change(number, entry)
            case Operation.SYNC_BEGUN:
                self._begun[entry.value] = number
            case Operation.SYNC_ENDED:
                file = self._open.get(entry.file)
                syncs = self.folder_syncs if file is None else file.syncs
                syncs.append((self._begun[entry.value], number))
            case Operation.RENAMED:
                old, new = (self._name(p) for p in entry.payload.split(b"\0"))
                self._names[new] = self._names.pop(old)
                self.namings.append(Naming(number, new, self._names[new], old))
            case Operation.UNLINKED:
                name = self._name(entry.payload)
                if self._names.pop(name, None) is not None:
                    self.namings.append(Naming(number, name))
            case Operation.FAULTED:
                pass

    def _name(self, path: bytes) -> str:
        return str(Path(path.decode()).relative_to(self._root))

    def _take_opened(self, number: int, entry: Entry) -> None:
        name = self._name(entry.payload)
        if name == ACKNOWLEDGED:
            self._marks.add(entry.file)
            return
        known = self._names.get(name)
        if known is None and entry.value & O_CREAT:
            known = self._names[name] = File()
            self.namings.append(Naming(number, name, known))
        elif known is not None and entry.value & O_TRUNC:
            known.changes.append(Change(number, 0, None))
        self._open[entry.file] = known

    def _take_change(self, number: int, entry: Entry) -> None:
        if entry.file in self._marks:
            sequence = int.from_bytes(entry.payload, "little")
            self._acknowledged.append((number, sequence))
            return
        file = self._open.get(entry.file)
        if file is not None:
            truncates = entry.operation is Operation.TRUNCATED
            content = None if truncates else entry.payload
            file.changes.append(Change(number, entry.value, content))

    @property
    def first_acknowledged(self) -> int:
        """Return where the first message was acknowledged; 0: nowhere."""
        return min((at for at, sequence in self._acknowledged if sequence), default=0)

    def acknowledged(self, cut: int) -> int:
        """Return up to which message was acknowledged before entry number `cut`."""
        return max((s for at, s in self._acknowledged if at < cut), default=0)


def last_sync(syncs: list[tuple[int, int]], cut: int) -> int:
    """Return where the last sync began that was over before `cut`; -1: none."""
    return max((begun for begun, ended in syncs if ended < cut), default=-1)


def names_after(
    history: DiskHistory, cut: int, chance: random.Random
) -> dict[str, File]:
    """Return the names that are there: those sure, and any of the others.

    In half of the images the fsync of a file makes its name sure too, as most file
    systems have it.
    """
    sure = last_sync(history.folder_syncs, cut)
    lenient = chance.random() < 0.5
    names = dict(history.initial)
    for naming in history.namings:
        if naming.at >= cut:
            break
        synced = (
            lenient
            and naming.file is not None
            and last_sync(naming.file.syncs, cut) > naming.at
        )
        if naming.at < sure or synced or chance.random() < 0.5:
            names.pop(naming.old, None)
            if naming.file is None:
                names.pop(naming.name, None)
            else:
                names[naming.name] = naming.file
    return names


def apply_change(content: bytearray, change: Change) -> None:
    """Do to the content what a call did to the file."""
    if change.content is None:
        grown = change.offset - len(content)
        content[change.offset :] = b""
        content.extend(bytes(max(0, grown)))
        return
    end = change.offset + len(change.content)
    content.extend(bytes(max(0, end - len(content))))
    content[change.offset : end] = change.content


def torn(change: Change, page: int, chance: random.Random) -> list[Change]:
    """Return any of the pages of a write."""
    if change.content is None:
        return []
    pieces = []
    start, end = change.offset, change.offset + len(change.content)
    while start < end:
        stop = min((start // page + 1) * page, end)
        if chance.random() < 0.5:
            piece = change.content[start - change.offset : stop - change.offset]
            pieces.append(Change(change.at, start, piece))
        start = stop
    return pieces


def ordered(
    content: bytearray, later: list[Change], page: int, chance: random.Random
) -> None:
    """Let a prefix of the later changes come true, and a part of the next one."""
    count = chance.randrange(len(later) + 1)
    for change in later[:count]:
        apply_change(content, change)
    for change in later[count : count + 1]:
        for piece in torn(change, page, chance):
            apply_change(content, piece)


def scattered(
    content: bytearray, later: list[Change], page: int, chance: random.Random
) -> None:
    """Let any pages come true, each in any version that it had."""
    size = len(content)
    whole = bytearray(content)
    versions: dict[int, list[bytes]] = defaultdict(list)
    for change in later:
        apply_change(whole, change)
        if change.content:
            last = (change.offset + len(change.content) - 1) // page
            for number in range(change.offset // page, last + 1):
                versions[number].append(
                    bytes(whole[number * page : (number + 1) * page])
                )
    part = chance.choice(PARTS)
    for number, found in sorted(versions.items()):
        if chance.random() < part:
            version = found[-1] if chance.random() < 0.5 else chance.choice(found)
            apply_change(content, Change(0, number * page, version))
    choice = chance.choice(("full", "reached", "synced"))
    if choice == "full":
        content.extend(bytes(max(0, len(whole) - len(content))))
    elif choice == "synced":
        del content[size:]


def content_after(file: File, cut: int, chance: random.Random) -> bytes:
    """Return what a file holds."""
    sure = last_sync(file.syncs, cut)
    content = bytearray(file.initial)
    later = []
    for change in file.changes:
        if change.at >= cut:
            break
        if change.at < sure:
            apply_change(content, change)
        else:
            later.append(change)
    page = chance.choice(PAGES)
    model = chance.choice((ordered, scattered, scattered))
    if later:
        model(content, later, page, chance)
    return bytes(content)


@dataclass(frozen=True)
class Image:
    """A disk after a cut before entry number `cut`."""

    cut: int
    files: dict[str, bytes]
    acknowledged: int

    def write(self, folder: Path) -> None:
        """Lay the files down."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


def image(history: DiskHistory, seed: str) -> Image:
    """Make the image that follows from a record and a seed.

    A tenth of the cuts may come before anything is acknowledged.
    """
    chance = random.Random(seed)
    start = 0 if chance.random() < 0.1 else history.first_acknowledged
    cut = chance.randrange(start, history.length + 1)
    names = names_after(history, cut, chance)
    files = {
        name: content_after(file, cut, chance) for name, file in sorted(names.items())
    }
    return Image(cut, files, history.acknowledged(cut))
