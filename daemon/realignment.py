"""Alignment done again with other settings: what stands in the session folder of it.

    realignment.json            settings of the newest revision, where they are not
                                those of session.yaml
    sub-..._ses-..._rev-1.nwb   session files of older revisions, complete and linked
    manifest_rev-1.json         their manifests
    realignment_rev-2.json      their settings, where they had any of their own

The newest revision has the names without a number. Raw files have no revisions.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from rigd.config.clocks import Clocks, Realignment
from rigd.config.paths import SessionPaths
from rigd.config.session import Session
from rigd.daemon.session_record import sync_to_disk, write_whole


def realigned(session: Session, realignment: Realignment) -> Session:
    """The session with other clock settings; what these do not name stays as it was."""
    values = {name: getattr(realignment, name) for name in Clocks.model_fields}
    given = {n: v for n, v in values.items() if n in realignment.model_fields_set}
    own = session.rig.clocks
    for name in ("devices", "streams"):
        if name in given:
            given[name] = _joined(getattr(own, name), given[name])
    rig = session.rig.model_copy(update={"clocks": own.model_copy(update=given)})
    tolerance = realignment.tolerance or session.tolerance
    return session.model_copy(update={"rig": rig, "tolerance": tolerance})


def _joined(
    before: Mapping[str, BaseModel], after: Mapping[str, BaseModel]
) -> dict[str, BaseModel]:
    """All entries; of one that is in both, the fields that `after` gives count."""
    joined = dict(before)
    for name, model in after.items():
        given = {field: getattr(model, field) for field in model.model_fields_set}
        old = before.get(name)
        joined[name] = model if old is None else old.model_copy(update=given)
    return joined


def settings_in(paths: SessionPaths) -> Realignment | None:
    """Settings of the newest revision; None where they are those of `session.yaml`.

    Raises:
        ValueError: They can't be read.
        OSError: The disk refuses.

    """
    try:
        text = paths.realignment.read_text()
    except FileNotFoundError:
        return None
    return Realignment.model_validate_json(text)


def revision_in(paths: SessionPaths) -> int:
    """Number of the newest revision; 1 for a session that was never realigned."""
    return 1 + max((_number(path) for path in kept_files(paths)), default=0)


def kept_files(paths: SessionPaths) -> list[Path]:
    """Files of older revisions."""
    return sorted(p for p in paths.folder.iterdir() if _number(p) and p.is_file())


def kept_session_files(paths: SessionPaths) -> list[Path]:
    """Session files of older revisions."""
    return [path for path in kept_files(paths) if path.suffix == ".nwb"]


def _number(path: Path) -> int:
    found = re.fullmatch(r".+_rev-([1-9]\d*)", path.stem)
    return int(found[1]) if found else 0


def keep_revision(paths: SessionPaths, number: int) -> None:
    """Give the newest revision's files its number beside their names.

    They are linked, not copied: what is made anew replaces the name without a number.
    Does nothing where a realignment that was cut off has kept them: what has the names
    without a number may be its own by now.

    Raises:
        OSError: The disk refuses.

    """
    if _numbered(paths.manifest, number).exists():  # it is kept last
        return
    for path in _newest(paths):
        kept = _numbered(path, number)
        if path.is_file() and not kept.exists():
            os.link(path, kept)
    sync_to_disk(paths.folder)


def _newest(paths: SessionPaths) -> tuple[Path, ...]:
    return paths.session_file, paths.realignment, paths.manifest


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}_rev-{number}{path.suffix}")


def forget_revision(paths: SessionPaths, number: int) -> None:
    """Undo `keep_revision`, and all that was made since then."""
    paths.realignment.unlink(missing_ok=True)
    for path in _newest(paths):
        kept = _numbered(path, number)
        if kept.is_file():
            # Renaming one link of a file onto another one does nothing.
            path.unlink(missing_ok=True)
            kept.rename(path)
    sync_to_disk(paths.folder)


def save_settings(paths: SessionPaths, realignment: Realignment) -> None:
    """Keep the settings of the revision that is to be made, whole or not at all."""
    paths.realignment.unlink(missing_ok=True)
    if realignment.model_fields_set:
        text = realignment.model_dump_json(indent=2, exclude_unset=True)
        write_whole(paths.realignment, text + "\n")
