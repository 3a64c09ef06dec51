"""Makes a new revision of a session's alignment; raw files are not touched.

    keep the old session file -> keep the settings -> finalize

A process of its own (`python -m rigd.daemon.realigning FOLDER`, the settings as JSON on
standard input), since it imports pynwb.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from rigd.config.clocks import Realignment
from rigd.config.paths import SessionPaths
from rigd.daemon.finalizer import FinalizeError, finalize, load_record, print_step
from rigd.daemon.manifest import Manifest, ManifestError
from rigd.daemon.realignment import forget_revision, keep_revision, save_settings
from rigd.daemon.rescue import Told
from rigd.daemon.session_lock import SessionBusyError, lock_as_helper
from rigd.streams.quick_process import end_quickly

GOOD, FAILED, REFUSED = 0, 1, 3


def realign(folder: Path, settings: Realignment, told: Told) -> Manifest:
    """Align the finalized session in `folder` again; return its new manifest.

    Where no session file comes out, all is as it was before.

    Raises:
        FinalizeError: The session is not finalized, or could not be made.
        SessionBusyError: Another process works on it.
        OSError: The disk refuses.

    """
    record = load_record(folder)
    paths = SessionPaths(folder, record.subject, record.session)
    with lock_as_helper(folder):
        try:
            before = Manifest.load(paths.manifest)
        except ManifestError as error:
            raise FinalizeError(str(error)) from error
        keep_revision(paths, before.revision)
        try:
            save_settings(paths, settings)
            manifest = finalize(folder, told)
            _refuse_without_file(paths, manifest)
        except (FinalizeError, OSError):
            forget_revision(paths, before.revision)
            raise
    return manifest


def _refuse_without_file(paths: SessionPaths, manifest: Manifest) -> None:
    if paths.session_file.name not in {file.path for file in manifest.files}:
        raise FinalizeError("; ".join(manifest.reasons))


def main(arguments: Sequence[str]) -> int:
    """Realign a folder: 0 complete; 1 less; 2 wrong usage; 3 nothing was changed."""
    parser = argparse.ArgumentParser(prog="python -m rigd.daemon.realigning")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    try:
        settings = Realignment.model_validate_json(sys.stdin.read())
        manifest = realign(folder, settings, print_step)
    except (ValidationError, FinalizeError, SessionBusyError, OSError) as error:
        print(f"rigd: can't realign: {error}", file=sys.stderr)
        return REFUSED
    return GOOD if manifest.verdict == "complete" else FAILED


if __name__ == "__main__":
    end_quickly()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # end without a word: `rigd` says it
    sys.exit(main(sys.argv[1:]))
