"""The session: one recording, with what NWB wants to know about it."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from rigd.config.base import Model
from rigd.config.names import EntityName, SessionId, StreamName, fill_placeholders
from rigd.config.paths import PathInFile
from rigd.config.rig import Rig
from rigd.config.units import Seconds


class Subject(Model):
    """Who was recorded: NWB `Subject`."""

    id: EntityName
    """Name of the subject, part of the file names."""
    species: str
    """Latin name, e.g. `Mus musculus`."""
    sex: Literal["M", "F", "U", "O"] = "U"
    """`M` male, `F` female, `U` unknown, `O` other; default `U`."""
    age: str | None = None
    """Age as an ISO 8601 duration, e.g. `P90D`."""
    date_of_birth: datetime | None = None
    """Date of birth, with time zone."""
    weight: str | None = None
    """Weight with unit, e.g. `0.025 kg`."""
    strain: str | None = None
    """Strain."""
    genotype: str | None = None
    """Genotype."""
    description: str = "no description"
    """Anything else about the subject."""


class Session(Model):
    """One recording: a YAML session file in, a session folder out."""

    id: SessionId
    """Name of the session, part of the folder and file names: letters, digits, `+`
    and `-`. `{date}` and `{time}` stand for the start (20261125, 142501)."""
    description: str
    """What was done, for the reader of the NWB file."""
    subject: Subject
    """Who was recorded."""
    rig: Rig
    """The rig itself, or the path of a rig file relative to this file."""
    devices: list[StreamName] | None = Field(default=None, min_length=1)
    """Devices of the rig to record; default: all."""
    data_root: PathInFile | None = None
    """Folder that holds the session folders; default: that of the rig."""
    duration: Seconds | None = None
    """Planned length; default: until stopped."""
    resume: bool = False
    """After a crash or a power cut `rigd serve` goes on with this session by itself,
    as its next run, in a folder of its own; default: no."""
    experimenter: list[str] = Field(default_factory=list)
    """Who did it, `Last, First`."""
    institution: str | None = None
    """Where."""
    lab: str | None = None
    """In which lab."""
    keywords: list[str] = Field(default_factory=list)
    """Terms to search by."""
    notes: str | None = None
    """Anything else."""
    tolerance: Seconds = 0.001
    """Largest error of a timestamp that still counts as aligned; default 1 ms."""

    def resolved_id(self, now: datetime) -> str:
        """The id with `{date}` and `{time}` replaced by those of `now`.

        Raises:
            ValueError: The result is no `EntityName` (it is too long).

        """
        return fill_placeholders(self.id, now)
