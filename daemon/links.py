"""Follows the external links of a session file and says which do not lead home.

HDF5 looks for a link's target in places of its own choosing (HDF5_EXT_PREFIX, then the
folder of the file, then the working folder), and pynwb makes an empty array of a
broken link. So the links are looked at here, by h5py alone.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py

TIMES = ("timestamps", "timestamp")
"""Names of the times of a series and of a table."""


@dataclass(frozen=True, slots=True)
class Link:
    """An external link: `object` of the session file is `inner` of the file `target`.

    Attributes:
        object: Path in the session file, e.g. `/acquisition/ap/data`.
        target: File name as stored, relative to the folder of the session file.
        inner: Path in the target.

    """

    object: str
    target: str
    inner: str


@dataclass(frozen=True, slots=True)
class LinkFault:
    """A link that does not lead where it should, and what is wrong."""

    object: str
    target: str
    what: str

    def __str__(self) -> str:
        return f"{self.object} -> {self.target}: {self.what}"


def external_links(path: Path) -> list[Link]:
    """All external links of the file, in the order of their names.

    Raises:
        OSError: The file can't be opened.

    """
    with h5py.File(path, "r") as file:
        return list(_walk(file))


def _walk(group: h5py.Group) -> Iterator[Link]:
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            where = f"{group.name.rstrip('/')}/{name}"
            yield Link(where, os.fsdecode(link.filename), link.path)
        elif isinstance(link, h5py.HardLink):
            child = group[name]
            if isinstance(child, h5py.Group):
                yield from _walk(child)


def audit(path: Path) -> list[LinkFault]:
    """All that is wrong with the links of the file; empty if each leads home.

    A link is at fault that is absolute, or whose target is missing, unreadable or
    without the object, or that HDF5 resolves to another file than the one beside the
    session file, or whose rows are not as many as the times beside it.

    Raises:
        OSError: The file itself can't be opened.

    """
    folder = path.absolute().parent
    links = external_links(path)
    with h5py.File(path, "r") as file:
        return [
            LinkFault(link.object, link.target, what)
            for link in links
            if (what := _fault(file, link, folder)) is not None
        ]


def _fault(file: h5py.File, link: Link, folder: Path) -> str | None:
    if os.path.isabs(link.target):
        return "the path is absolute, so the folder can't be moved"
    expected = folder / link.target
    if not expected.exists():
        return "the file is missing"
    try:
        with h5py.File(expected, "r") as target:
            if link.inner not in target:
                return f"the file has no {link.inner}"
        found = file[link.object]
    except (OSError, KeyError) as error:
        return f"can't be read: {error}"
    resolved = Path(found.file.filename)
    if resolved.resolve() != expected.resolve():
        return (
            f"leads to {resolved} instead, by the working folder or by "
            "HDF5_EXT_PREFIX in the environment"
        )
    return _rows_fault(file, link)


def _rows_fault(file: h5py.File, link: Link) -> str | None:
    found = file[link.object]
    if not isinstance(found, h5py.Dataset) or found.ndim == 0:
        return None
    beside = file[link.object.rpartition("/")[0]]
    for name in TIMES:
        times = beside.get(name)
        if times is not None and len(times) != len(found):
            return f"has {len(found)} rows, but {name} has {len(times)}"
    return None
