"""Compares a session folder with its manifest: nothing missing, changed, or added.

Each stream file is compared with its journal too, chunk by chunk.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import h5py

from rigd.config.base import Model
from rigd.config.paths import SessionPaths
from rigd.daemon.content import Content, journaled_chunks, read_content
from rigd.daemon.links import audit
from rigd.daemon.manifest import FileEntry, Manifest, ManifestError
from rigd.daemon.realignment import kept_session_files
from rigd.daemon.seal import SEALED_MODE, is_sealed
from rigd.streams.durable_stream import journal_path
from rigd.streams.journal import Extent
from rigd.streams.journal_file import JournalError
from rigd.streams.journal_state import read_state
from rigd.streams.recovery import CRASHED

RUNS_NAMED = 20
"""Most runs of changed chunks that are named of one file."""


class Problem(Model):
    """Something that is not as it was when the session was sealed."""

    file: str
    """Relative to the session folder."""
    stream: str | None = None
    """The stream that it concerns."""
    what: str
    """What is wrong."""
    level: Literal["error", "warning", "note"] = "error"
    """A warning: the content is, as far as is known, as it was. A note: nothing is
    wrong."""

    def __str__(self) -> str:
        stream = f" (stream `{self.stream}`)" if self.stream else ""
        return f"{self.level}: {self.file}{stream}: {self.what}"


Told = Callable[[str, int, int], None]
"""Hears while digests are taken: file, bytes read of it, its size."""


def _silent(file: str, done: int, size: int) -> None:
    return


def verify(folder: Path, told: Told = _silent) -> list[Problem]:
    """Find all that is not as the manifest says; empty if all is well.

    Args:
        folder: The session folder.
        told: Hears how far the digests are; reading all files takes long.

    """
    try:
        manifest = Manifest.load(folder / "manifest.json")
    except ManifestError as error:
        return [Problem(file="manifest.json", what=str(error))]
    paths = SessionPaths(folder, manifest.subject, manifest.session)
    return [
        *_file_problems(paths, manifest, told),
        *_session_file_problems(paths, manifest),
    ]


# --- files ----------------------------------------------------------------------------


def _file_problems(
    paths: SessionPaths, manifest: Manifest, told: Told
) -> Iterator[Problem]:
    extra = _extra_files(paths, manifest)
    for entry in manifest.files:
        path = paths.folder / entry.path
        if path.is_file():
            yield from _changes(path, entry, told)
        else:
            twin = _twin(paths.folder, entry, extra)
            extra = [file for file in extra if file != twin]
            yield _problem(entry, _missing(twin))
    for name in extra:
        yield Problem(file=name, what="is not in the manifest")
    yield from _crashed(paths)
    if not is_sealed(paths.manifest):
        yield Problem(
            file=paths.manifest.name, what=_writable(paths.manifest), level="warning"
        )


def _problem(
    entry: FileEntry, what: str, level: Literal["error", "warning"] = "error"
) -> Problem:
    return Problem(file=entry.path, stream=entry.stream, what=what, level=level)


def _extra_files(paths: SessionPaths, manifest: Manifest) -> list[str]:
    """Files that the manifest does not know.

    Apart from itself, the log, and what a recovery has kept: that is the user's.
    """
    known = {entry.path for entry in manifest.files}
    known |= {paths.manifest.name, paths.log.name}
    kept = paths.streams / CRASHED
    found = (path for path in paths.folder.rglob("*") if not path.is_dir())
    others = (path for path in found if kept not in path.parents)
    names = (path.relative_to(paths.folder).as_posix() for path in others)
    return sorted(name for name in names if name not in known)


def _crashed(paths: SessionPaths) -> Iterator[Problem]:
    folder = paths.streams / CRASHED
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size:
        yield Problem(
            file=folder.relative_to(paths.folder).as_posix(),
            what=f"holds what a recovery found, {size} bytes; delete it when the "
            "recovered streams are as you want them",
            level="note",
        )


def _twin(folder: Path, entry: FileEntry, extra: list[str]) -> str | None:
    """Find the file of the same content among those that nobody knows."""
    for name in extra:
        path = folder / name
        if (
            path.is_file()
            and path.stat().st_size == entry.size
            and entry.sha256 is not None
            and read_content(path).sha256 == entry.sha256
        ):
            return name
    return None


def _missing(twin: str | None) -> str:
    if twin is None:
        return "is missing"
    return f"is missing; a file with the same content stands at {twin}"


def _changes(path: Path, entry: FileEntry, told: Told) -> Iterator[Problem]:
    if not entry.is_sealed:
        what = "was never sealed, so nothing can be said of its content"
        yield _problem(entry, what, "warning")
        return
    try:
        for change in _changed_content(path, entry, told):
            yield _problem(entry, change)
    except OSError as error:
        yield _problem(entry, f"can't be read: {error.strerror}")
    if not is_sealed(path):
        yield _problem(entry, _writable(path), "warning")


def _changed_content(path: Path, entry: FileEntry, told: Told) -> Iterator[str]:
    size = path.stat().st_size
    done = 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        told(entry.path, done, size)

    journal = journal_path(path)
    has_journal = entry.stream is not None and journal != path and journal.is_file()
    chunks = journaled_chunks(journal) if has_journal else []
    content = read_content(path, chunks, whole=entry.sha256 is not None, told=add)
    if size != entry.size:
        yield f"has {size} bytes, {entry.size} when it was sealed"
    else:
        yield from _changed_digests(content, entry)
    if content.bad:
        yield from _changed_rows(journal, content.bad)


def _changed_digests(content: Content, entry: FileEntry) -> Iterator[str]:
    if content.sha256 != entry.sha256:
        found = content.sha256
        yield f"content changed: its SHA-256 is {found}, {entry.sha256} when sealed"
    if entry.sha256_rest is not None and content.rest != entry.sha256_rest:
        yield (
            f"content changed outside of the samples: the SHA-256 of that is "
            f"{content.rest}, {entry.sha256_rest} when sealed"
        )


def _changed_rows(journal: Path, bad: Sequence[Extent]) -> Iterator[str]:
    """Name the rows whose chunks are not what the journal says."""
    try:
        head = read_state(journal).head
    except JournalError as error:
        yield f"can't be compared with its journal: {error}"
        return
    runs = _runs(bad)
    for first, last, offset in runs[:RUNS_NAMED]:
        yield (
            f"rows {first.row} to {last.row + last.rows - 1} of "
            f"{head.datasets[first.dataset]['path']} are not what was recorded "
            f"(from byte {offset} on)"
        )
    if len(runs) > RUNS_NAMED:
        yield f"and {len(runs) - RUNS_NAMED} more runs of rows"


def _runs(bad: Sequence[Extent]) -> list[tuple[Extent, Extent, int]]:
    """Join chunks whose rows follow each other: first, last, smallest offset."""
    runs: list[tuple[Extent, Extent, int]] = []
    for chunk in sorted(bad, key=lambda one: (one.dataset, one.row, one.tile)):
        if runs and _adjoin(runs[-1][1], chunk):
            first, _, offset = runs[-1]
            runs[-1] = (first, chunk, min(offset, chunk.offset))
        else:
            runs.append((chunk, chunk, chunk.offset))
    return runs


def _adjoin(one: Extent, other: Extent) -> bool:
    return one.dataset == other.dataset and other.row <= one.row + one.rows


def _writable(path: Path) -> str:
    mode = path.stat().st_mode & 0o777
    return f"can be written (mode {mode:04o}); it was sealed with {SEALED_MODE:04o}"


# --- the session file -----------------------------------------------------------------


def _session_file_problems(
    paths: SessionPaths, manifest: Manifest
) -> Iterator[Problem]:
    """Follow the links of the session file, and count rows against times."""
    name = paths.session_file.name
    if name not in {entry.path for entry in manifest.files}:
        yield Problem(file=name, what="was not made when the session was finalized")
        return
    if not paths.session_file.is_file():
        return
    try:
        faults = audit(paths.session_file)
    except (OSError, RuntimeError, KeyError) as error:
        yield Problem(file=name, what=f"can't be read as HDF5: {error}")
        return
    for fault in faults:
        yield Problem(
            file=name,
            stream=_stream_of(fault.object, manifest),
            what=f"link {fault}",
        )
    yield from _kept_revision_problems(paths)
    yield from _stream_problems(paths, manifest)


def _kept_revision_problems(paths: SessionPaths) -> Iterator[Problem]:
    """Follow the links of older session files: they open as well as the newest."""
    for path in kept_session_files(paths):
        try:
            faults = audit(path)
        except (OSError, RuntimeError, KeyError) as error:
            yield Problem(file=path.name, what=f"can't be read as HDF5: {error}")
            continue
        for fault in faults:
            yield Problem(file=path.name, what=f"link {fault}")


def _stream_of(object_path: str, manifest: Manifest) -> str | None:
    """Name the stream that an object of the session file belongs to."""
    return next(
        (part for part in object_path.split("/") if part in manifest.streams), None
    )


def _stream_problems(paths: SessionPaths, manifest: Manifest) -> Iterator[Problem]:
    """Compare the rows that the session file shows with the manifest's."""
    with h5py.File(paths.session_file, "r") as file:
        for name, stream in manifest.streams.items():
            if stream.rows is None:
                continue
            times = [
                file.get(f"/acquisition/{name}/timestamps"),
                file.get(f"/events/{name}/timestamp"),
            ]
            rows = [len(dataset) for dataset in times if dataset is not None]
            if f"/acquisition/{name}/starting_time" in file:
                rows = [len(file[f"/acquisition/{name}/data"])]
            if rows != [stream.rows]:
                shown = f"{rows[0]} times" if rows else "no times"
                what = f"has {shown} for {stream.rows} rows"
                yield Problem(file=paths.session_file.name, stream=name, what=what)
