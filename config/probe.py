"""Electrodes of a probe, from a few lines of YAML or a probeinterface JSON file."""

from pydantic import PositiveInt, model_validator

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
    """A regular grid of electrodes. Give this or `file`."""
    file: PathInFile | None = None
    """A probeinterface JSON file, relative to the YAML file. Give this or
    `electrodes`. Channels follow `device_channel_indices` where it is given."""
    reference: str | None = None
    """What the electrodes are referenced to, in words."""

    @model_validator(mode="after")
    def _one_source_of_electrodes(self) -> "Probe":
        if (self.electrodes is None) == (self.file is None):
            raise ValueError("give either `electrodes` or `file`")
        return self
