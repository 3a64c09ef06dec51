"""Brings a session folder from any state to whole, sealed, linked files.

    refuse what is still being written -> recover each stream, finalize

A process of its own (`python -m rigd.daemon.recovering FOLDER`), since it imports
pynwb. What stands on the disk says what there is to do, so it can be ended at any
moment and run again.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rigd.config.paths import SessionPaths
from rigd.daemon.finalizer import FinalizeError, finalize, load_record, print_step
from rigd.daemon.manifest import Manifest, ManifestError
from rigd.daemon.rescue import Told
from rigd.daemon.seal import make_read_only
from rigd.daemon.session_lock import SessionBusyError, lock_as_helper
from rigd.daemon.session_record import SessionRecord
from rigd.streams.durable_stream import journal_path
from rigd.streams.file_lock import holder, process_text
from rigd.streams.journal_file import JournalError
from rigd.streams.quick_process import end_quickly
from rigd.streams.recovery import RecoveryError, why_recover

GOOD, INCOMPLETE, REFUSED = 0, 1, 3

NOTHING_TO_DO = "nothing to do: the session is finished"


class RefusedError(Exception):
    """Nothing was done: why, and what to do first."""


def recover_session(folder: Path, told: Told) -> bool:
    """Recover and finalize the session in `folder`.

    Returns whether all that was on the disk is in the session now.

    Raises:
        FinalizeError: The folder has no usable record of a session.
        RefusedError: It can't be written, or somebody is writing to it.
        SessionBusyError: Another process works on it.
        OSError: The disk refuses.

    """
    record = load_record(folder)
    paths = SessionPaths(folder, record.subject, record.session)
    _refuse_read_only(paths)
    with lock_as_helper(folder):
        _refuse_if_written(paths, record)
        if is_finished(paths, record):
            told(NOTHING_TO_DO, None)
            return True
        manifest = finalize(folder, told)
        if paths.log.exists():
            make_read_only(paths.log)
    return _is_all_there(manifest)


def _refuse_read_only(paths: SessionPaths) -> None:
    for folder in (paths.folder, paths.streams):
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise RefusedError(
                f"{folder} can't be written by user id {os.geteuid()}; run this as "
                "its owner, or copy the folder to where you may write"
            )


def _refuse_if_written(paths: SessionPaths, record: SessionRecord) -> None:
    for name, stream in record.streams.items():
        journal = journal_path(paths.folder / stream.file)
        pid = holder(journal) if journal.exists() else None
        if pid is not None:
            raise RefusedError(
                f"stream `{name}` is being written by {process_text(pid)}; wait for "
                "its end, or end it"
            )


def is_finished(paths: SessionPaths, record: SessionRecord) -> bool:
    """Whether the session was finalized, and all it consists of is there and whole."""
    try:
        manifest = Manifest.load(paths.manifest)
    except ManifestError:
        return False
    listed = {file.path for file in manifest.files}
    files = (paths.folder / path for path in listed)
    if paths.session_file.name not in listed or not all(map(Path.exists, files)):
        return False
    return all(_is_whole(name, paths, record, listed=listed) for name in record.streams)


def _is_whole(
    name: str, paths: SessionPaths, record: SessionRecord, *, listed: set[str]
) -> bool:
    stream = record.streams[name]
    path = paths.folder / stream.file
    journal = journal_path(path)
    if not journal.exists():
        return stream.file in listed
    if journal.relative_to(paths.folder).as_posix() not in listed:
        return False
    try:
        return not why_recover(path, stream.layout(name))
    except (JournalError, RecoveryError, OSError):
        return False


def _is_all_there(manifest: Manifest) -> bool:
    streams = manifest.streams.values()
    return all(
        stream.file is None
        or (stream.rows is not None and not any(r.missing for r in stream.recoveries))
        for stream in streams
    )


def main(arguments: Sequence[str]) -> int:
    """Recover a folder: 0 all is there; 1 something is lost; 2 usage; 3 refused."""
    parser = argparse.ArgumentParser(prog="python -m rigd.daemon.recovering")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    try:
        return GOOD if recover_session(folder, print_step) else INCOMPLETE
    except (RefusedError, FinalizeError, SessionBusyError, OSError) as error:
        print(f"rigd: can't recover: {error}", file=sys.stderr)
        return REFUSED


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # end without a word: `rigd` says it
    end_quickly()
    sys.exit(main(sys.argv[1:]))
