"""What may happen to the files of a folder while nobody looks. Known by a seed."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rigd.streams.journal import Extent, Inline
from rigd.streams.journal_file import Found, scan

AnyRecord = TypeVar("AnyRecord", Extent, Inline)

PAGE = 4096

STREAMS_PART = 0.8
"""Damages that are of a stream's file or journal: without a record all is refused."""

Harm = Callable[[Path, random.Random], str]
"""Damages one file; returns what was done."""


def place_in(size: int, chance: random.Random) -> int:
    """Draw a byte of a file: anywhere, near its start, or near its end."""
    near = chance.randrange(min(size, PAGE))
    return chance.choice((chance.randrange(size), near, size - 1 - near))


def flip_bits(path: Path, chance: random.Random) -> str:
    """Change some bits."""
    content = bytearray(path.read_bytes())
    places = [
        place_in(len(content), chance) for _ in range(chance.choice((1, 1, 2, 9)))
    ]
    for place in places:
        content[place] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return f"bits flipped at {places}"


def cut(path: Path, chance: random.Random) -> str:
    """Leave out the end, or all."""
    size = chance.choice((0, place_in(path.stat().st_size, chance)))
    path.write_bytes(path.read_bytes()[:size])
    return f"cut to {size} bytes"


def put_zeros(path: Path, chance: random.Random) -> str:
    """Let some pages be empty."""
    content = bytearray(path.read_bytes())
    start = place_in(len(content), chance) // 512 * 512
    size = len(content[start : start + chance.choice((512, PAGE, 16 * PAGE))])
    content[start : start + size] = bytes(size)
    path.write_bytes(content)
    return f"{size} zeros at {start}"


def swap_pages(path: Path, chance: random.Random) -> str:
    """Let two pages stand in each other's place."""
    content = bytearray(path.read_bytes())
    one, other = (place_in(len(content), chance) // 512 * 512 for _ in range(2))
    size = min(512, len(content) - max(one, other))
    first, second = content[one : one + size], content[other : other + size]
    content[one : one + size], content[other : other + size] = second, first
    path.write_bytes(content)
    return f"{size} bytes at {one} and {other} swapped"


def add_noise(path: Path, chance: random.Random) -> str:
    """Let bytes follow that nobody has written."""
    more = chance.randbytes(chance.choice((1, 100, 10_000)))
    path.write_bytes(path.read_bytes() + more)
    return f"{len(more)} bytes more"


def swap_files(path: Path, chance: random.Random) -> str:
    """Let another file of the same kind stand in its place, and it in the other's."""
    others = [p for p in path.parent.iterdir() if p.suffix == path.suffix and p != path]
    if not others:
        return cut(path, chance)
    other = chance.choice(sorted(others))
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two)
    other.write_bytes(one)
    return f"swapped with {other.name}"


def remove(path: Path, chance: random.Random) -> str:
    """Let it be gone."""
    path.unlink()
    return "removed"


HARMS: tuple[Harm, ...] = (
    flip_bits,
    flip_bits,
    flip_bits,
    cut,
    put_zeros,
    put_zeros,
    swap_pages,
    add_noise,
    swap_files,
    remove,
)


def damage(folder: Path, chance: random.Random) -> list[str]:
    """Damage some files of a folder, of its streams most often; say what was done."""
    done = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        place = folder / "streams" if chance.random() < STREAMS_PART else folder
        files = sorted(p for p in place.rglob("*") if p.is_file() and p.stat().st_size)
        path = chance.choice(files or sorted(folder.glob("*.json")))
        harm = chance.choice(HARMS)
        mode = path.stat().st_mode
        for file in files:
            file.chmod(file.stat().st_mode | 0o200)
        done.append(f"{path.name}: {harm(path, chance)}")
        for file in files:
            if file.exists() and not mode & 0o200:
                file.chmod(file.stat().st_mode & ~0o200)
    return done


# --- where it surely tells ------------------------------------------------------------


def spoil_a_chunk(folder: Path, chance: random.Random) -> list[str]:
    """Change a bit of a stored chunk of a stream's data, as its journal places it."""
    for journal in shuffled_journals(folder, chance):
        extents = [e for e in records(journal, Extent) if e.dataset == 0 and not e.part]
        if extents:
            extent = chance.choice(extents)
            place = extent.offset + extent.size // 2
            return [flip_a_bit(journal.with_suffix(".nwb"), place)]
    raise ValueError(f"{folder} has no stored chunk")


def spoil_a_record(folder: Path, chance: random.Random) -> list[str]:
    """Change a bit of rows of data that stand in a journal."""
    for journal in shuffled_journals(folder, chance):
        rows = [r for r in records(journal, Inline) if r.dataset == 0 and r.content]
        if rows:
            place = journal.read_bytes().rindex(rows[-1].content)
            return [flip_a_bit(journal, place + len(rows[-1].content) // 2)]
    raise ValueError(f"no journal in {folder} has rows")


def shuffled_journals(folder: Path, chance: random.Random) -> list[Path]:
    """Return the journals of a session in any order."""
    found = sorted(folder.glob("streams/*.journal"))
    chance.shuffle(found)
    return found


def records(journal: Path, kind: type[AnyRecord]) -> list[AnyRecord]:
    """Return the records of a kind."""
    found = (one.record for one in scan(journal) if isinstance(one, Found))
    return [record for record in found if isinstance(record, kind)]


def flip_a_bit(path: Path, place: int) -> str:
    """Change the lowest bit of a byte; say so."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    return f"{path.name}: bit flipped at {place}"
