"""Where every file of a session lies: arithmetic on paths only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo


def _from_folder(path: Path, info: ValidationInfo) -> Path:
    return info.context["folder"] / path if info.context else path


PathInFile = Annotated[Path, AfterValidator(_from_folder)]
"""A path as written in a YAML file, relative to the folder of that file.

The validation context `{"folder": Path}` says which; without a context the path stays
as it is.
"""


@dataclass(frozen=True)
class SessionPaths:
    """The files of one session folder.

    Stream file names carry subject and session, since HDF5 looks for a link's target
    in the working folder too: a fixed name could resolve to another session's file.
    """

    folder: Path
    subject: str
    session: str

    @property
    def stem(self) -> str:
        """`sub-<subject>_ses-<session>`, the start of every NWB file name."""
        return f"sub-{self.subject}_ses-{self.session}"

    @property
    def session_file(self) -> Path:
        """The NWB file that links all streams."""
        return self.folder / f"{self.stem}.nwb"

    @property
    def streams(self) -> Path:
        """The folder of the stream files."""
        return self.folder / "streams"

    def stream_file(self, stream: str) -> Path:
        """The NWB file of one stream."""
        return self.streams / f"{self.stem}_{stream}.nwb"

    @property
    def settings(self) -> Path:
        """The session as it was run, defaults filled in."""
        return self.folder / "session.yaml"

    @property
    def record(self) -> Path:
        """The start of the session and the format of each stream (JSON)."""
        return self.folder / "record.json"

    @property
    def manifest(self) -> Path:
        """Files, sizes, digests, rows, ledger, alignment, verdict, versions."""
        return self.folder / "manifest.json"

    @property
    def host_clock(self) -> Path:
        """The computer's clocks during the recording, one JSON object a line."""
        return self.folder / "host_clock.jsonl"

    @property
    def realignment(self) -> Path:
        """Clock settings of the newest revision, where they were changed (JSON)."""
        return self.folder / "realignment.json"

    @property
    def log(self) -> Path:
        """What happened, in order, one JSON object a line."""
        return self.folder / "log.jsonl"
