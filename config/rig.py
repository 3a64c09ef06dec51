"""The rig: the machine, its devices and their settings."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import Field, JsonValue, model_validator

from rigd.config.base import Misfit, MisfitError, Model, entries
from rigd.config.check import Check, Limits
from rigd.config.clocks import Clocks, clock_misfits
from rigd.config.control import Control
from rigd.config.metrics import Metrics
from rigd.config.names import StreamName
from rigd.config.paths import PathInFile
from rigd.config.probe import Probe
from rigd.config.stream import Stream
from rigd.config.units import ByteSize, Seconds


class Disk(Model):
    """What is done so that a full disk spoils nothing."""

    reserve: ByteSize = 64 * 2**20
    """Space kept free for finalizing, beside what the streams keep; default 64 MiB."""
    warn_at: tuple[Seconds, ...] = (600.0, 300.0, 60.0)
    """Warn when the disk is full in so long; default 10 min, 5 min and 1 min."""


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
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Settings of the driver; `rigd drivers NAME` lists them."""
    streams: dict[StreamName, Stream] = Field(min_length=1)
    """The streams to record from it, by name; names are unique in the rig."""
    armed: bool = True
    """`rigd serve` keeps it open between sessions, if its driver can; default true."""
    open_timeout: Seconds = 20.0
    """How long opening may take before the device counts as not answering;
    default 20 s."""


class Rig(Model):
    """Everything that stays the same from session to session."""

    name: str = "rig"
    """Name of the rig, for the reader of the NWB file."""
    data_root: PathInFile = Field(default=Path("data"), validate_default=True)
    """Folder that holds the session folders, relative to the YAML file; default
    `data`. It must exist."""
    disk: Disk = Field(default_factory=Disk)
    """Reserve and warnings."""
    check: Check = Field(default_factory=Check)
    """What is proved before a session starts."""
    limits: Limits = Field(default_factory=Limits)
    """What the processes of a session must be allowed to use."""
    sessions: PathInFile = Field(default=Path("sessions"), validate_default=True)
    """Folder of the session files that `rigd serve` starts by name, relative to the
    YAML file; default `sessions`."""
    control: Control = Field(default_factory=Control)
    """Who may talk to `rigd serve`, and where it listens."""
    metrics: Metrics = Field(default_factory=Metrics)
    """Where `rigd serve` shows its numbers to Prometheus."""
    probes: dict[StreamName, Probe] = Field(default_factory=dict)
    """Probes by name; an `ElectricalSeries` names the one it records from."""
    devices: dict[StreamName, Device] = Field(min_length=1)
    """Devices by name."""
    clocks: Clocks = Field(default_factory=Clocks)
    """The session's clock, and how those of the devices are aligned to it."""

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
        if misfits := list(rig_misfits(self.model_dump())):
            raise MisfitError(misfits)
        return self


def rig_misfits(rig: object) -> Iterator[Misfit]:
    """All that does not fit together in the values of a rig file.

    Values of a wrong type are passed over, so that a file with other faults can be
    looked at too.
    """
    yield from naming_misfits(rig)
    devices = {
        name: list(entries(entries(values).get("streams")))
        for name, values in entries(entries(rig).get("devices")).items()
    }
    for misfit in clock_misfits(entries(rig).get("clocks"), devices):
        yield replace(misfit, at=("clocks", *misfit.at))


def naming_misfits(rig: object) -> Iterator[Misfit]:
    """Names in the values of a rig file that are used twice or lead nowhere."""
    owner: dict[str, str] = {}
    probes = entries(entries(rig).get("probes"))
    for device, stream, values in streamentries(rig):
        at = ("devices", device, "streams", stream)
        if stream in owner:
            yield Misfit(
                at,
                f"stream name `{stream}` is used by device `{owner[stream]}` too; "
                "names are unique in the rig",
                at_key=True,
            )
        owner.setdefault(stream, device)
        nwb = entries(values.get("nwb"))
        probe = nwb.get("probe") if nwb.get("type") == "ElectricalSeries" else None
        if isinstance(probe, str) and probe not in probes:
            yield Misfit(
                (*at, "nwb", "probe"),
                f"no probe is called `{probe}`; under `probes:` are "
                f"{', '.join(map(str, probes)) or 'none'}",
            )


def streamentries(
    rig: object,
) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """Device name, stream name and settings of each stream in a rig file's values."""
    for device, values in entries(entries(rig).get("devices")).items():
        streams = entries(entries(values).get("streams"))
        for stream, settings in streams.items():
            yield device, stream, entries(settings)
