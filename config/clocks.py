"""Clocks: which one the session goes by, and how each device's is aligned to it.

All streams of one device tick together, unless a device says that it shares the clock
of another. What is set here can be set anew by `rigd realign`: raw clock readings are
kept whatever it says.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, model_validator

from rigd.config.base import Misfit, Model, entries
from rigd.config.names import StreamName
from rigd.config.units import Seconds, SignedSeconds

HOST = "host"
"""The reference that is no stream: the computer's CLOCK_MONOTONIC."""

ClockMode = Literal[
    "auto",
    "shared_clock",
    "sync_line",
    "host_clock",
    "two_way",
    "device_utc",
    "nominal",
]


class SyncLine(Model):
    """Where a device records the pulses that all devices see.

    The stream is one of digital lines packed into integers (give `line`), of analog
    channels (give `threshold`, and `column` where there are several), or event-like:
    with a `line` the rows whose field `line` is that number, else each row is a pulse.
    """

    stream: StreamName
    """Stream that the pulses are recorded in."""
    line: NonNegativeInt | None = None
    """Digital: number of the bit, from 0. Events: value of the field `line`."""
    column: NonNegativeInt | None = None
    """Number of the channel, from 0, where a row has several."""
    threshold: float | None = Field(default=None, allow_inf_nan=False)
    """Analog: level of an edge, in the stream's unit; it counts when the signal has
    been `hysteresis` below before."""
    hysteresis: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Analog: how far the signal falls back below the threshold between two edges, in
    the stream's unit; default 0."""
    edge: Literal["rising", "falling"] = "rising"
    """Which edge of a pulse counts; default `rising`."""
    least_width: Seconds = 0.0
    """Shorter pulses are noise; default 0 s."""
    period: Seconds | None = Field(default=None, gt=0)
    """Interval of the pulses where they are regular; default: random or unknown."""

    resolution: Seconds | None = Field(default=None, gt=0)
    """Time in which an edge can have been, where hardware latches it or is slower;
    default: a sample, or 1 us of events."""
    delay: SignedSeconds = 0.0
    """Constant time from the edge on the line to where the device sees it (filters,
    optics); subtracted. Default 0 s."""

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> "SyncLine":
        if self.line is not None and self.threshold is not None:
            raise ValueError(
                "give `line` for a digital line or `threshold` for an analog channel, "
                "not both"
            )
        return self


class DeviceClock(Model):
    """How the clock of one device, and of all its streams, is aligned."""

    mode: ClockMode = "auto"
    """What the times are made from; default `auto`, the best that the recording
    allows. `shared_clock`: the device of `same_as` drives this one. `sync_line`: pulses
    that all devices see. `host_clock`: when samples came to the host. `two_way`: round
    trips that the driver makes. `device_utc`: the device keeps UTC (PTP, GPS).
    `nominal`: the nominal rate from the first sample, the last resort."""
    same_as: StreamName | None = None
    """Device whose clock this one shares; default none."""
    sync: SyncLine | None = None
    """Where it records the shared pulses; default: it does not."""
    latency: Seconds | None = None
    """Least time from a sample to its reading on the host; subtracted where times come
    from there. Default: unknown, and so an error of that size stays."""
    tolerance: Seconds | None = Field(default=None, gt=0)
    """Largest error of times that counts as aligned; default: that of the session."""
    max_drift_ppm: float = Field(default=500.0, gt=0, le=1e5, allow_inf_nan=False)
    """A clock that seems to be further from its nominal rate is not believed; default
    500 ppm."""
    time_scale: Literal["utc", "tai"] = "utc"
    """`device_utc`: what the device's nanoseconds since 1970 count; default `utc`."""
    utc_uncertainty: Seconds | None = None
    """`device_utc`: how far the device may be from it; default: unknown."""


class StreamTiming(Model):
    """What the times of one stream name, and how they are written."""

    time_shift: SignedSeconds = 0.0
    """Added to its times: what is known to be constant, e.g. half the exposure of a
    camera that counts at its start, or the delay of a filter, negative. Default 0 s."""
    timestamps: Literal["explicit", "regular"] = "explicit"
    """`explicit`: a time for each row. `regular`: a starting time and a rate, where the
    times stay within the tolerance of these; else explicit ones all the same, and the
    verdict is degraded. Default `explicit`."""


def _is_reference(name: str) -> str:
    if not name:
        raise ValueError(f"is empty; give `{HOST}` or the name of a stream")
    return name


class Clocks(Model):
    """All that is said of clocks; with nothing said, `auto` for each device."""

    reference: Annotated[str, AfterValidator(_is_reference)] = HOST
    """The session's clock: `host`, the computer's CLOCK_MONOTONIC, or a stream, whose
    device then has times that are regular. Default `host`."""
    devices: dict[StreamName, DeviceClock] = Field(default_factory=dict)
    """Clocks by device."""
    streams: dict[StreamName, StreamTiming] = Field(default_factory=dict)
    """Times by stream."""

    def of_device(self, name: str) -> DeviceClock:
        """What is said of a device; the defaults where nothing is."""
        return self.devices.get(name, DeviceClock())

    def of_stream(self, name: str) -> StreamTiming:
        """What is said of a stream; the defaults where nothing is."""
        return self.streams.get(name, StreamTiming())

    def sync_of(self, stream: str) -> SyncLine | None:
        """Where a stream has sync pulses; None: it has none."""
        lines = (clock.sync for clock in self.devices.values())
        return next((one for one in lines if one and one.stream == stream), None)

    def domain(self, device: str) -> str:
        """Name the device whose clock `device` goes by: its own, or a shared one."""
        return self.of_device(device).same_as or device


class Realignment(Clocks):
    """Settings of `rigd realign`: the section `clocks:`, and the tolerance."""

    tolerance: Seconds | None = Field(default=None, gt=0)
    """Largest error of times that counts as aligned; default: as recorded."""


def clock_misfits(
    clocks: object, devices: Mapping[str, Sequence[str]]
) -> Iterator[Misfit]:
    """Names in a section `clocks:` that lead nowhere, modes without what they need.

    Args:
        clocks: The values, right or wrong.
        devices: Names of the streams of each device.

    """
    streams = [name for names in devices.values() for name in names]
    reference = entries(clocks).get("reference", HOST)
    if isinstance(reference, str) and reference not in ("", HOST, *streams):
        yield Misfit(
            ("reference",), f"no stream is called `{reference}`; {_listed(streams)}"
        )
    for name in entries(entries(clocks).get("streams")):
        if name not in streams:
            yield Misfit(
                ("streams", name),
                f"no stream is called `{name}`; {_listed(streams)}",
                at_key=True,
            )
    for name, values in entries(entries(clocks).get("devices")).items():
        if name not in devices:
            yield Misfit(
                ("devices", name),
                f"no device is called `{name}`; {_listed(devices)}",
                at_key=True,
            )
        else:
            yield from _device_misfits(name, entries(values), clocks, devices)


def _device_misfits(
    name: str,
    values: Mapping[str, object],
    clocks: object,
    devices: Mapping[str, Sequence[str]],
) -> Iterator[Misfit]:
    at = ("devices", name)
    mode, same_as = values.get("mode"), values.get("same_as")
    sync = entries(values.get("sync"))
    if mode == "sync_line" and not sync:
        yield Misfit((*at, "mode"), "`sync_line` needs `sync`: where the pulses are")
    if mode == "shared_clock" and same_as is None:
        yield Misfit((*at, "mode"), "`shared_clock` needs `same_as`: whose clock it is")
    if isinstance(same_as, str):
        yield from _sharing_misfits(name, same_as, clocks, devices)
    stream = sync.get("stream")
    own = devices[name]
    if isinstance(stream, str) and stream not in own:
        yield Misfit(
            (*at, "sync", "stream"),
            f"device `{name}` has no stream `{stream}`; {_listed(own)}",
        )


def _sharing_misfits(
    name: str, same_as: str, clocks: object, devices: Mapping[str, Sequence[str]]
) -> Iterator[Misfit]:
    at = ("devices", name, "same_as")
    others = [device for device in devices if device != name]
    if same_as not in others:
        yield Misfit(at, f"no other device is called `{same_as}`; {_listed(others)}")
        return
    theirs = entries(entries(entries(clocks).get("devices")).get(same_as))
    if theirs.get("same_as") is not None:
        yield Misfit(
            at,
            f"device `{same_as}` shares the clock of `{theirs['same_as']}` itself; "
            "name that one here too",
        )


def _listed(names: Sequence[str] | Mapping[str, object]) -> str:
    return f"there is {', '.join(map(str, names))}" if names else "there is none"
