"""Makes the folder of a new session, never touching one that is there already."""

import os
import shutil
from pathlib import Path

from rigd.config.paths import SessionPaths
from rigd.daemon.session_record import write_whole


class DataRootError(Exception):
    """The folder that is to hold the session folders is not usable as set."""


class SessionFolderError(Exception):
    """The session folder can't be made: which, and why."""


def check_data_root(data_root: Path) -> None:
    """Refuse a data root that can't take a session folder.

    Raises:
        DataRootError: It is missing, not a folder or not writable.

    """
    try:
        if not data_root.exists():
            raise DataRootError(
                f"data root `{data_root}` does not exist; make it first, so that a "
                "disk that is not mounted is noticed"
            )
    except OSError as error:
        raise DataRootError(f"data root `{data_root}`: {error.strerror}") from error
    if not data_root.is_dir():
        raise DataRootError(f"data root `{data_root}` is not a folder")
    if not os.access(data_root, os.W_OK | os.X_OK):
        raise DataRootError(
            f"data root `{data_root}` is not writable for user id {os.geteuid()}"
        )


def make_session_folder(paths: SessionPaths, settings: str) -> None:
    """Make the session folder with `session.yaml` and an empty `streams/`.

    Raises:
        SessionFolderError: It exists already, or the disk refuses.

    """
    try:
        paths.folder.mkdir()
    except FileExistsError:
        raise SessionFolderError(
            f"session folder `{paths.folder}` exists already and is left as it is; "
            "change the session's `id`, e.g. to `{date}-{time}`"
        ) from None
    except OSError as error:
        raise SessionFolderError(
            f"session folder `{paths.folder}` can't be made: {error.strerror}"
        ) from error
    try:
        paths.streams.mkdir()
        write_whole(paths.settings, settings)
    except OSError as error:
        remove_session_folder(paths)
        raise SessionFolderError(
            f"session folder `{paths.folder}` can't be filled: {error.strerror}"
        ) from error


def remove_session_folder(paths: SessionPaths) -> None:
    """Remove the folder of a session that ended before its first sample."""
    shutil.rmtree(paths.folder)
