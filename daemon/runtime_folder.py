"""The private folder that holds a session's socket files while it runs."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

LONGEST_SOCKET_PATH = 107
"""Bytes of a socket's path that Linux takes (`sun_path` without its last zero)."""


class RuntimeFolderError(Exception):
    """There is no place for the socket files: which, and what to do."""


class RuntimeFolder:
    """A new folder with mode 0700, and the sockets in it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Make the folder.

        Args:
            environment: `RUNTIME_DIRECTORY` (set by systemd) comes first, then
                `XDG_RUNTIME_DIR`; without either it is made in the temporary folder.

        Raises:
            RuntimeFolderError: It can't be made.

        """
        place = _place(environment)
        try:
            made = tempfile.mkdtemp(prefix=f"rigd-{os.getpid()}-", dir=place)
        except OSError as error:
            raise RuntimeFolderError(
                f"no folder for sockets can be made in `{error.filename}`: "
                f"{error.strerror}"
            ) from error
        self.path = Path(made)

    def socket(self, name: str) -> Path:
        """Path of the socket file `<name>.sock`.

        Raises:
            RuntimeFolderError: The path is longer than a socket's may be.

        """
        path = self.path / f"{name}.sock"
        length = len(os.fsencode(path))
        if length > LONGEST_SOCKET_PATH:
            raise RuntimeFolderError(
                f"the socket path `{path}` has {length} bytes, Linux allows "
                f"{LONGEST_SOCKET_PATH}: set XDG_RUNTIME_DIR to a shorter folder"
            )
        return path

    def remove(self) -> None:
        """Remove the folder and the socket files in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def _place(environment: Mapping[str, str]) -> Path | None:
    """Return the folder to make it in; None is the temporary folder."""
    from_systemd = environment.get("RUNTIME_DIRECTORY", "").split(":")[0]
    if from_systemd:
        return Path(from_systemd)
    of_user = environment.get("XDG_RUNTIME_DIR", "")
    return Path(of_user) if of_user and Path(of_user).is_dir() else None
