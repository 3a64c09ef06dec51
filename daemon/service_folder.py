"""Where the sockets of the service are: for itself, and for those who look for it."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from rigd.daemon.runtime_folder import LONGEST_SOCKET_PATH, RuntimeFolderError

CONTROL, EVENTS = "control.sock", "events.sock"
"""Names of the two socket files: requests, and what is published."""

OF_SYSTEM = Path("/run/rigd/_main")
"""Runtime directory of the unit `rigd.service`; a person's own has it likewise."""

VARIABLE = "RIGD_RUNTIME_DIRECTORY"
"""Environment variable that names the folder, for the service and its clients."""


def service_folder(environment: Mapping[str, str], wanted: Path | None = None) -> Path:
    """Return where the service's sockets belong, made if it is missing.

    `wanted` comes first, then `RIGD_RUNTIME_DIRECTORY`, `RUNTIME_DIRECTORY` (set by
    systemd), `rigd` in `XDG_RUNTIME_DIR`, a folder of the user's in `/tmp`.

    Raises:
        RuntimeFolderError: It can't be made, is not ours, or its path is too long.

    """
    folder = wanted or _candidates(environment)[0]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
    except OSError as error:
        raise RuntimeFolderError(
            f"the runtime directory `{folder}` can't be made: {error.strerror}"
        ) from error
    if owner != os.geteuid():
        raise RuntimeFolderError(
            f"the runtime directory `{folder}` belongs to user id {owner}, not to "
            f"{os.geteuid()} who runs this; name another by --runtime-directory"
        )
    if len(os.fsencode(folder / CONTROL)) > LONGEST_SOCKET_PATH:
        raise RuntimeFolderError(
            f"the socket path `{folder / CONTROL}` is longer than the "
            f"{LONGEST_SOCKET_PATH} bytes that Linux allows; name a shorter folder by "
            "--runtime-directory"
        )
    return folder


def find_service(environment: Mapping[str, str], wanted: Path | None = None) -> Path:
    """Return the folder in which a client finds the sockets of a service.

    The first in which there is a control socket; without any the first of all, so that
    a message can name it.
    """
    of_user = environment.get("XDG_RUNTIME_DIR", "")
    of_units = [Path(of_user) / "rigd" / "_main"] if of_user else []
    places = [*_candidates(environment), *of_units, OF_SYSTEM]
    places = [wanted] if wanted else places
    found = (place for place in places if (place / CONTROL).exists())
    return next(found, places[0])


def _candidates(environment: Mapping[str, str]) -> list[Path]:
    """The places that come into question, the best first; never none."""
    named = environment.get(VARIABLE, "")
    from_systemd = environment.get("RUNTIME_DIRECTORY", "").split(":")[0]
    of_user = environment.get("XDG_RUNTIME_DIR", "")
    places = [Path(named)] if named else []
    places += [Path(from_systemd)] if from_systemd else []
    places += [Path(of_user) / "rigd"] if of_user else []
    return [*places, Path(f"/tmp/rigd-{os.geteuid()}")]


def sweep(folder: Path) -> None:
    """Remove what sessions of a service that was killed have left in its folder."""
    for left in folder.glob("rigd-*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
