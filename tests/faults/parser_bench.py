"""Gives damaged and forged journals and YAML files to their readers.

A damaged journal has wrong bytes; a forged one has records that make no sense, with the
right checksums. A reader may refuse with its own errors, and with nothing else.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from rigd.config.faults import ConfigurationError
from rigd.config.load import load_session
from rigd.streams.durable_stream import DurableStream, journal_path
from rigd.streams.journal import Record, frame, payload
from rigd.streams.journal_file import Found, JournalError, scan
from rigd.streams.journal_state import read_state
from rigd.streams.journaled_rows import JournaledRows
from rigd.streams.ledger import ENDED_REGULARLY
from rigd.streams.recovery import RecoveryError, recover
from tests.faults.damage import add_noise, cut, flip_bits, put_zeros, swap_pages
from tests.faults.power_bench import temporary_folder
from tests.faults.report import Row
from tests.support.durable_model import KEY, KINDS, Item, Kind, Source

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"

RECOVER_PART = 0.05
"""Journals that are recovered from, too: that takes longer."""

ODD_NUMBERS = (0, 1, 2, 7, 8, 2**16 - 1, 2**31, 2**32 - 1, 2**48, 2**63, 2**64 - 1)

ODD_TEXTS = (
    "~", "[]", "{}", "[[[[", "{a: {b: {c: }}}", "''", '"', "&a *a", "*nothing",
    "<<: *a",
    "!!python/object:os.system x", "!!binary aGk=", ".nan", "-.inf", "1e999", "0x10",
    "-1", "9" * 400, "yes", "2026-13-45", "\x00", "\ufeff", "\ud7ff", "\t", "# ", "---",
    "...", "? ", "|", ">-", "%YAML 9.9", "{date}-{nothing}", "{", "10 parsecs",
)  # fmt: skip
"""What stands in for a value of YAML."""


# --- journals -------------------------------------------------------------------------


def make_stream(folder: Path, kind: Kind, chance: random.Random) -> Source:
    """Write a stream of two parts, whose journal has every type of record."""
    path = folder / "s.nwb"
    path.write_bytes(kind.skeleton)
    source = Source(kind)
    stream = DurableStream(path, kind.layout, kind.format, KEY, durable=False)
    for round_number in range(4):
        for _ in range(chance.randint(2, 5)):
            what = chance.choice(("block", "block", "block", "clock", "lost"))
            item = Item(what, chance.randint(1, 9), chance.randint(0, 3))
            source.items.append(item)
            source.apply(stream, len(source.items) - 1)
        stream.note(source.standing(len(source.items)))
        if stream.begin_sync():
            stream._wait_for_sync()
        if round_number == 1:
            stream.begin_part()
    stream.close(source.standing(len(source.items)), ENDED_REGULARLY, "")
    for file in stream._abandoned:
        file._file.close()
    return source


def forge(path: Path, chance: random.Random) -> str:
    """Change, drop, double and move records; all checksums are right."""
    records = [one.record for one in scan(path) if isinstance(one, Found)]
    for _ in range(chance.choice((1, 1, 2, 5))):
        place = chance.randrange(len(records))
        what = chance.choice(("change", "change", "change", "drop", "double", "move"))
        if what == "change":
            records[place] = changed(records[place], chance)
        elif what == "double":
            records.insert(chance.randrange(len(records)), records[place])
        else:
            record = records.pop(place)
            if what == "move":
                records.insert(chance.randint(0, len(records)), record)
    path.write_bytes(joined(records))
    return "forged"


def joined(records: list[Record]) -> bytes:
    """Make a journal of records."""
    content = b""
    for record in records:
        content += frame(payload(record), key=KEY, position=len(content))
    return content


def changed(record: Record, chance: random.Random) -> Record:
    """Put something odd into a field."""
    names = [field.name for field in fields(record)]
    name = chance.choice(names)
    value = odd(getattr(record, name), chance)
    if name in ("dataset", "ended", "whole"):
        value = int(value) % 256
    elif name in ("rows", "tile", "size", "part", "number") and isinstance(value, int):
        value %= 2**32
    return replace(record, **{name: value})


def odd(value: Any, chance: random.Random) -> Any:
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return chance.choice((*ODD_NUMBERS, max(0, value - 1), value + 1)) % 2**64
    if isinstance(value, tuple) and value:
        return tuple(
            odd(one, chance) if chance.random() < 0.4 else one for one in value
        )
    if isinstance(value, bytes):
        return value[: chance.randint(0, len(value))] + b"?" * chance.choice((0, 1, 9))
    if isinstance(value, str):
        return chance.choice(("", "none", "gzip", "?", value + "x"))
    if is_dataclass(value) and not isinstance(value, type):
        name = chance.choice([field.name for field in fields(value)])
        return replace(value, **{name: odd(getattr(value, name), chance)})
    return chance.choice(([], {}, None, [1], [value], "x"))


DAMAGES: tuple[Callable[[Path, random.Random], str], ...] = (
    flip_bits, cut, put_zeros, swap_pages, add_noise,
)  # fmt: skip


def read_journal(path: Path, kind: Kind) -> list[bytes]:
    """Read all rows by a journal, as a recovery does.

    Raises:
        JournalError: It is not usable.

    """
    state = read_state(journal_path(path))
    rows = [b""] * len(kind.layout.datasets)
    if len(state.head.datasets) != len(rows):
        return rows
    with JournaledRows(path, kind.layout, state) as source:
        for dataset, content in source.rows(state.rows):
            rows[dataset] += content
    return rows


def try_journal(path: Path, kind: Kind, source: Source, seed: int, row: Row) -> str:
    """Damage or forge a journal, then read it; say what is wrong."""
    chance = random.Random(f"journal {seed}")
    is_forged = chance.random() < 0.5
    (forge if is_forged else chance.choice(DAMAGES))(journal_path(path), chance)
    row.count("journals forged" if is_forged else "journals damaged")
    try:
        rows = read_journal(path, kind)
        if chance.random() < RECOVER_PART:
            row.count("journals recovered from")
            recover(path, kind.layout, kind.format)
    except (JournalError, RecoveryError, OSError):
        row.count("journals refused")
        return ""
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return f"{type(error).__name__}: {error}"
    if is_forged:
        return ""
    wanted = source.expected(len(source.items))
    pairs = zip(rows, wanted, strict=True)
    return "" if all(all_.startswith(some) for some, all_ in pairs) else "wrong rows"


def journals(count: int, seed: int, row: Row) -> None:
    """Try so many journals, of all kinds of streams."""
    kinds = list(KINDS.values())
    for number in range(len(kinds)):
        with temporary_folder() as folder:
            source = make_stream(folder, kinds[number], random.Random(seed))
            path = folder / "s.nwb"
            files = {one: one.read_bytes() for one in folder.iterdir()}
            for trial in range(seed + number, seed + count, len(kinds)):
                for one, content in files.items():
                    if not one.exists() or one.suffix == ".journal":
                        one.write_bytes(content)
                wrong = try_journal(path, kinds[number], source, trial, row)
                if (folder / "crashed").exists() or wrong:
                    restore(folder, files)
                row.take(f"{trial} ({kinds[number].name}, journal)", wrong)


def restore(folder: Path, files: dict[Path, bytes]) -> None:
    """Let a folder hold these files, and nothing else."""
    for path in sorted(folder.rglob("*"), reverse=True):
        with suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()
    for path, content in files.items():
        path.write_bytes(content)


# --- YAML -----------------------------------------------------------------------------


def change_line(lines: list[str], chance: random.Random) -> None:
    """Put something odd in the place of a value."""
    place = chance.randrange(len(lines))
    key, colon, _ = lines[place].partition(":")
    lines[place] = f"{key}{colon} {chance.choice(ODD_TEXTS)}\n"


def move_line(lines: list[str], chance: random.Random) -> None:
    """Put a line elsewhere, or a copy of it."""
    line = lines[chance.randrange(len(lines))]
    if chance.random() < 0.5:
        lines.remove(line)
    lines.insert(chance.randint(0, len(lines)), line)


def indent_line(lines: list[str], chance: random.Random) -> None:
    """Move a line to the left or right."""
    place = chance.randrange(len(lines))
    lines[place] = " " * chance.randrange(9) + lines[place].lstrip(" ")


def drop_lines(lines: list[str], chance: random.Random) -> None:
    """Leave some lines out."""
    place = chance.randrange(len(lines))
    del lines[place : place + chance.choice((1, 1, 3, 10**6))]


LINE_CHANGES = (change_line, change_line, move_line, indent_line, drop_lines)


def try_yaml(example: Path, place: Path, seed: int) -> str:
    """Load an example that has been changed; say what is wrong."""
    chance = random.Random(f"yaml {seed}")
    lines = example.read_text().splitlines(keepends=True)
    for _ in range(chance.choice((1, 1, 2, 4))):
        if lines:
            chance.choice(LINE_CHANGES)(lines, chance)
    place.write_bytes("".join(lines).encode(errors="surrogatepass"))
    if chance.random() < 0.3 and place.stat().st_size:
        chance.choice(DAMAGES)(place, chance)
    try:
        load_session(place)
    except ConfigurationError:
        return ""
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return f"{type(error).__name__}: {error}"
    return ""


def yaml_files(count: int, seed: int, row: Row) -> None:
    """Try so many YAML files."""
    examples = sorted(EXAMPLES.glob("*.yaml"))
    with temporary_folder() as folder:
        for trial in range(seed, seed + count):
            example = examples[trial % len(examples)]
            wrong = try_yaml(example, folder / "session.yaml", trial)
            row.count("YAML files")
            row.take(f"{trial} ({example.name})", wrong)


def bench(*, journals_tried: int, files_tried: int, seed: int) -> Row:
    """Try so many journals and YAML files."""
    row = Row("journal and YAML parsers", "documented errors only, 0 wrong rows")
    journals(journals_tried, seed, row)
    yaml_files(files_tried, seed, row)
    return row
