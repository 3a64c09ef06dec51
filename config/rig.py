"""The rig: the machine, its devices and their settings."""

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from rigd.config.base import Model
from rigd.config.names import StreamName
from rigd.config.probe import Probe
from rigd.config.stream import ElectricalSeriesType, Stream
from rigd.config.units import Seconds


class Device(Model):
    """One piece of hardware, run by one source process."""

    driver: str
    """Name of the driver; `rigd drivers` lists them."""
    description: str = "no description"
    """What the device is, for the reader of the NWB file."""
    manufacturer: str | None = None
    """Who made it."""
    model: str | None = None
    """Model name."""
    serial_number: str | None = None
    """Serial number of this piece."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Settings of the driver; `rigd drivers NAME` lists them."""
    streams: dict[StreamName, Stream] = Field(min_length=1)
    """The streams to record from it, by name; names are unique in the rig."""
    open_timeout: Seconds = 20.0
    """How long opening may take before the device counts as not answering;
    default 20 s."""


class Rig(Model):
    """Everything that stays the same from session to session."""

    name: str = "rig"
    """Name of the rig, for the reader of the NWB file."""
    data_root: Path = Path("data")
    """Folder that holds the session folders, relative to the YAML file; default
    `data`. It must exist."""
    probes: dict[StreamName, Probe] = Field(default_factory=dict)
    """Probes by name; an `ElectricalSeries` names the one it records from."""
    devices: dict[StreamName, Device] = Field(min_length=1)
    """Devices by name."""

    @property
    def streams(self) -> dict[str, Stream]:
        """All streams of all devices, by name."""
        return {
            name: stream
            for device in self.devices.values()
            for name, stream in device.streams.items()
        }

    @model_validator(mode="after")
    def _names_fit_together(self) -> "Rig":
        owner: dict[str, str] = {}
        for device_name, device in self.devices.items():
            for name, stream in device.streams.items():
                if name in owner:
                    raise ValueError(
                        f"stream name `{name}` is used by device `{owner[name]}` "
                        f"and by device `{device_name}`; names must be unique"
                    )
                owner[name] = device_name
                if (
                    isinstance(stream.nwb, ElectricalSeriesType)
                    and stream.nwb.probe not in self.probes
                ):
                    raise ValueError(
                        f"stream `{name}` names probe `{stream.nwb.probe}`, which is "
                        f"not under `probes:` ({', '.join(self.probes) or 'none'})"
                    )
        return self
