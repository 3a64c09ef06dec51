"""Electrodes of a probe, from a few lines of YAML or a probeinterface JSON file."""

from collections import Counter

from pydantic import Field, PositiveInt, field_validator, model_validator

from rigd.config.base import Model
from rigd.config.paths import PathInFile


class Grid(Model):
    """Electrodes on a regular grid, numbered along a row, then row by row."""

    count: PositiveInt
    """Number of electrodes."""
    columns: PositiveInt = 1
    """Electrodes in one row; default 1."""
    pitch_x: float = 0.0
    """Distance of two electrodes in a row, in micrometres; default 0."""
    pitch_y: float = 0.0
    """Distance of two rows, in micrometres; default 0."""


class Contact(Model):
    """One electrode of any position."""

    name: str
    """Contact id, unique in the probe."""
    x: float
    """Position along the probe's width, in micrometres."""
    y: float
    """Position along the probe's length, in micrometres."""
    z: float | None = None
    """Position across the plane of the probe, in micrometres; default: unknown."""
    shank: str = ""
    """Shank id; empty where there is only one."""


class Probe(Model):
    """One probe: a device, one electrode group and its electrodes."""

    description: str = "no description"
    """What it is and how it sits."""
    manufacturer: str | None = None
    """Who made it."""
    model: str | None = None
    """Model name."""
    serial_number: str | None = None
    """Serial number of this piece."""
    location: str = "unknown"
    """Brain region the electrodes are in; default `unknown`."""
    electrodes: Grid | None = None
    """A regular grid of electrodes. Give this, `contacts` or `file`."""
    contacts: tuple[Contact, ...] | None = Field(default=None, min_length=1)
    """Electrodes one by one, in channel order. Loading fills this in from `file`, so
    that a session as it was run does not depend on other files."""
    file: PathInFile | None = None
    """A probeinterface JSON file, relative to the YAML file. Channels follow
    `device_channel_indices` where it is given. Not read where `contacts` are given."""
    reference: str | None = None
    """What the electrodes are referenced to, in words."""

    @model_validator(mode="after")
    def _one_source_of_electrodes(self) -> "Probe":
        listed = self.file is not None or self.contacts is not None
        if (self.electrodes is not None) == listed:
            raise ValueError("give either `electrodes`, `contacts` or `file`")
        return self

    @field_validator("contacts")
    @classmethod
    def _names_are_unique(
        cls, contacts: tuple[Contact, ...] | None
    ) -> tuple[Contact, ...] | None:
        count = Counter(contact.name for contact in contacts or ())
        if repeated := [name for name, times in count.items() if times > 1]:
            raise ValueError(f"contact name `{repeated[0]}` is used twice")
        return contacts
