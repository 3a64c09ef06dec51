"""What the processes of this service use: processor time and memory, from /proc."""

import os
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")

DAEMON = "daemon"

AT_WORK = ("source:", "writer:", "trial:")
"""How the names of children begin that have time limits of their own."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One process.

    Attributes:
        name: `daemon`, or module and name of a child: `writer:voltage`.
        cpu_seconds: Processor time since its start.
        resident_bytes: Memory that it has.
        open_files: Files that it has open; None: it does not say.

    """

    name: str
    cpu_seconds: float
    resident_bytes: int
    open_files: int | None


def usage_of_service() -> list[Usage]:
    """Ask for this process and all its children; one that has ended is left out."""
    own = os.getpid()
    found = [_usage(own, DAEMON)]
    for child in _children(own):
        name = _name(child)
        found += [_usage(child, name)] if name else []
    return [usage for usage in found if usage is not None]


def moved_by_children() -> int | None:
    """Bytes that the children of this process have read and written, all together.

    None: a child is there whose work shows otherwise (a source, a writer), or that does
    not say what it does.
    """
    moved = 0
    for child in _children(os.getpid()):
        name = _name(child) or ""
        if name.startswith(AT_WORK):
            return None
        if name:
            found = _moved(child)
            if found is None:
                return None
            moved += found
    return moved


def _moved(pid: int) -> int | None:
    """Bytes read and written so far, from caches too; None: it does not say."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
        found = dict(line.split(": ") for line in lines)
        return int(found["rchar"]) + int(found["wchar"])
    except (OSError, KeyError, ValueError):
        return None


def _children(pid: int) -> list[int]:
    """Children of all threads of a process."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += map(int, (task / "children").read_text().split())
        except OSError:
            continue  # the thread has ended
    return found


def _name(pid: int) -> str | None:
    """`writer:voltage` for `python -m rigd.streams.writer voltage`."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return None
    if "-m" not in words:
        return None
    module, *arguments = words[words.index("-m") + 1 :]
    kind = module.rpartition(".")[2]
    is_named = kind in ("source", "writer", "trial") and arguments and arguments[0]
    return f"{kind}:{arguments[0]}" if is_named else kind


def _usage(pid: int, name: str | None) -> Usage | None:
    folder = Path(f"/proc/{pid}")
    try:
        # The name of the program, in brackets, may hold spaces.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        resident = int((folder / "statm").read_text().split()[1]) * PAGE
    except OSError:
        return None
    cpu = (int(fields[11]) + int(fields[12])) / TICK
    return Usage(name or str(pid), cpu, resident, _open_files(folder))


def _open_files(folder: Path) -> int | None:
    try:
        return len(list((folder / "fd").iterdir()))
    except OSError:
        return None
