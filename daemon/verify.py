"""Compares a session folder with its manifest: nothing missing, changed, or added."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import h5py

from rigd.config.base import Model
from rigd.config.paths import SessionPaths
from rigd.daemon.links import audit
from rigd.daemon.manifest import FileEntry, Manifest, ManifestError
from rigd.daemon.seal import SEALED_MODE, is_sealed, sha256


class Problem(Model):
    """Something that is not as it was when the session was sealed."""

    file: str
    """Relative to the session folder."""
    stream: str | None = None
    """The stream that it concerns."""
    what: str
    """What is wrong."""
    level: Literal["error", "warning"] = "error"
    """A warning: the content is, as far as is known, as it was."""

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
    if not is_sealed(paths.manifest):
        yield Problem(
            file=paths.manifest.name, what=_writable(paths.manifest), level="warning"
        )


def _problem(
    entry: FileEntry, what: str, level: Literal["error", "warning"] = "error"
) -> Problem:
    return Problem(file=entry.path, stream=entry.stream, what=what, level=level)


def _extra_files(paths: SessionPaths, manifest: Manifest) -> list[str]:
    """Files that the manifest does not know, apart from itself and the log."""
    known = {entry.path for entry in manifest.files}
    known |= {paths.manifest.name, paths.log.name}
    found = (path for path in paths.folder.rglob("*") if not path.is_dir())
    names = (path.relative_to(paths.folder).as_posix() for path in found)
    return sorted(name for name in names if name not in known)


def _twin(folder: Path, entry: FileEntry, extra: list[str]) -> str | None:
    """Find the file of the same content among those that nobody knows."""
    for name in extra:
        path = folder / name
        if (
            path.is_file()
            and path.stat().st_size == entry.size
            and sha256(path) == entry.sha256
        ):
            return name
    return None


def _missing(twin: str | None) -> str:
    if twin is None:
        return "is missing"
    return f"is missing; a file with the same content stands at {twin}"


def _changes(path: Path, entry: FileEntry, told: Told) -> Iterator[Problem]:
    if entry.sha256 is None:
        what = "was never sealed, so nothing can be said of its content"
        yield _problem(entry, what, "warning")
        return
    try:
        change = _changed_content(path, entry, told)
    except OSError as error:
        change = f"can't be read: {error.strerror}"
    if change is not None:
        yield _problem(entry, change)
    if not is_sealed(path):
        yield _problem(entry, _writable(path), "warning")


def _changed_content(path: Path, entry: FileEntry, told: Told) -> str | None:
    size = path.stat().st_size
    if size != entry.size:
        return f"has {size} bytes, {entry.size} when it was sealed"
    done = 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        told(entry.path, done, size)

    found = sha256(path, add)
    if found == entry.sha256:
        return None
    return f"content changed: its SHA-256 is {found}, {entry.sha256} when sealed"


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
    yield from _stream_problems(paths, manifest)


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
            if rows != [stream.rows]:
                shown = f"{rows[0]} times" if rows else "no times"
                what = f"has {shown} for {stream.rows} rows"
                yield Problem(file=paths.session_file.name, stream=name, what=what)
