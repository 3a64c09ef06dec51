"""Lets one service alone work in a folder: its runtime directory, its data root."""

from pathlib import Path

from rigd.daemon.lock_file import HeldError, LockFile
from rigd.streams.file_lock import process_text

LOCK_NAME = ".rigd.lock"


class SecondServiceError(Exception):
    """Another service works in the folder: which folder, which process."""


def lock_for_service(folder: Path) -> LockFile:
    """Hold a folder until the end of the service.

    Raises:
        SecondServiceError: Another process holds it.
        OSError: The folder can't be written, or has no locks.

    """
    try:
        return LockFile(folder / LOCK_NAME)
    except HeldError as error:
        raise SecondServiceError(
            f"{folder} is in use by a rigd service already, {process_text(error.pid)}; "
            "stop that first, or use another folder"
        ) from None
