"""From a request to the checked settings of a session; all faults at once."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from rigd.config.catalogue import Catalogue
from rigd.config.faults import ConfigurationError
from rigd.config.load import load_session, parse_session
from rigd.config.rig import Rig
from rigd.config.session import Session
from rigd.daemon.control_protocol import RequestError, StartRequest
from rigd.daemon.session_folder import DataRootError, check_data_root

SUFFIX = ".yaml"

IN_REQUEST = "(settings)"
"""What the session file is called where the settings came with the request."""


def session_names(folder: Path) -> list[str]:
    """Names of the sessions in `folder`; none where there is no such folder."""
    return sorted(path.stem for path in folder.glob(f"*{SUFFIX}"))


def requested_session(
    request: StartRequest, rig: Rig, catalogue: Catalogue, now: datetime
) -> Session:
    """Load what is asked for, placeholders of the id filled in.

    Args:
        request: Says which session.
        rig: The service's: it names the folder of sessions and the data root.
        catalogue: Knows the options of drivers.
        now: Local time, for the placeholders.

    Raises:
        RequestError: There is no such session, or it is not valid here.

    """
    try:
        session = _load(request, rig, catalogue)
        changes: dict[str, Any] = {
            "id": session.resolved_id(now),
            "data_root": rig.data_root,
        }
    except ConfigurationError as error:
        faults = [str(fault) for fault in error.faults]
        raise RequestError("invalid session", str(error), faults) from error
    except ValueError as error:
        raise RequestError("invalid session", str(error), [str(error)]) from error
    if request.duration is not None:
        changes |= {"duration": request.duration}
    _check_place(session, rig)
    return session.model_copy(update=changes)


def _load(request: StartRequest, rig: Rig, catalogue: Catalogue) -> Session:
    if request.settings is not None:
        text = json.dumps(request.settings)
        return parse_session(text, rig.sessions / IN_REQUEST, catalogue)
    if request.file is not None:
        return load_session(_absolute(request.file), catalogue)
    return load_session(_named(str(request.session), rig.sessions), catalogue)


def _absolute(file: str) -> Path:
    path = Path(file)
    if not path.is_absolute():
        raise RequestError(
            "unknown session",
            f"`{file}` is not an absolute path; the service can't know from where",
        )
    return path


def _named(name: str, folder: Path) -> Path:
    """Find a session by name; a name can't lead out of the folder."""
    known = session_names(folder)
    if name not in known:
        listed = ", ".join(known) or "nothing"
        raise RequestError(
            "unknown session",
            f"there is no session `{name}` in {folder}; there is {listed}",
        )
    return folder / f"{name}{SUFFIX}"


def _check_place(session: Session, rig: Rig) -> None:
    """Refuse a session that would lie where the service does not look after it."""
    place = session.data_root or session.rig.data_root
    if place.resolve() != rig.data_root.resolve():
        raise RequestError(
            "invalid session",
            f"the session would be stored in {place}, but the service looks after "
            f"{rig.data_root} alone: leave `data_root` out, or use `rigd record`",
        )
    try:
        check_data_root(place)
    except DataRootError as error:
        raise RequestError("data root", str(error)) from error
