"""Settings of the `lsl` driver."""

from pydantic import Field, PositiveInt, model_validator

from rigd.config.base import Model
from rigd.config.units import Seconds


class LslOptions(Model):
    """How outlets are found and kept."""

    resolve_timeout: Seconds = 10.0
    """How long to look for all outlets when opening; default 10 s."""
    clock_interval: Seconds = Field(5.0, gt=0)
    """Time between two readings of the sender's clock; default 5 s. LSL itself
    measures every 2 s."""
    buffer: Seconds = Field(60.0, gt=0)
    """Samples that LSL may hold while this process does not get to take them; default
    60 s. For streams without a rate: this many hundreds of samples."""
    reconnect: bool = True
    """Look again for an outlet that is gone; false: its stream ends. Default true."""


class LslStreamOptions(Model):
    """Which outlet: one that has all that is given, at least one property."""

    name: str | None = None
    """Name of the outlet."""
    type: str | None = None
    """Content type of the outlet, e.g. `EEG` or `Markers`."""
    source_id: str | None = None
    """Unique id of the sender, the safest way to name it."""
    max_text: PositiveInt = 256
    """Most bytes kept of a text (UTF-8); default 256. Longer ones are cut, with a
    warning."""

    @model_validator(mode="after")
    def _names_an_outlet(self) -> "LslStreamOptions":
        if not self.wanted:
            raise ValueError("give at least one of `name`, `type` and `source_id`")
        return self

    @property
    def wanted(self) -> dict[str, str]:
        """The properties that the outlet must have."""
        properties = {
            "name": self.name,
            "type": self.type,
            "source_id": self.source_id,
        }
        return {key: value for key, value in properties.items() if value is not None}
