"""An outlet of the Lab Streaming Layer: found on the network, and what it sends."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pylsl

from rigd.streams.block import StreamFormat
from rigd.streams.driver import DeviceError
from rigd.streams.drivers.lsl_inlet import DTYPES

LOOK = 1.0
"""Seconds of one look at the network. LSL asks by multicast first and the machines
under `KnownPeers` of its settings half a second later: a shorter look misses those."""

KINDS = {
    pylsl.cf_string: "text",
    **{key: np.dtype(dtype).name for key, dtype in DTYPES.items()},
}
"""Channel formats of LSL, for people."""


@dataclass(frozen=True)
class Outlet:
    """An outlet on the network: what it is, what it sends, and which instance it is."""

    name: str
    type: str
    source_id: str
    host: str
    uid: str
    rate: float
    channels: int
    channel_format: int
    info: Any = None
    """The resolved `StreamInfo`."""

    @classmethod
    def of(cls, info: Any) -> "Outlet":
        """Read a resolved `StreamInfo`."""
        return cls(
            name=info.name(),
            type=info.type(),
            source_id=info.source_id(),
            host=info.hostname(),
            uid=info.uid(),
            rate=info.nominal_srate(),
            channels=info.channel_count(),
            channel_format=info.channel_format(),
            info=info,
        )

    def fits(self, wanted: Mapping[str, str]) -> bool:
        """Say whether this outlet has all the wanted properties."""
        return all(self.identity[key] == value for key, value in wanted.items())

    def sends_like(self, other: "Outlet") -> bool:
        """Say whether the samples of both look the same."""
        return (self.channels, self.channel_format, self.rate) == (
            other.channels,
            other.channel_format,
            other.rate,
        )

    @property
    def identity(self) -> dict[str, str]:
        """What stays the same when the sender is started again."""
        return {"name": self.name, "type": self.type, "source_id": self.source_id}

    @property
    def sample_format(self) -> str:
        """Channels, type and rate, for people."""
        kind = KINDS.get(self.channel_format, "unknown format")
        return f"{self.channels} x {kind} at {self.rate:g} Hz"

    def __str__(self) -> str:
        return f"{listed(self.identity)} on {self.host} ({self.sample_format})"


def look_around(seconds: float) -> list[Outlet]:
    """List all outlets that answer within `seconds`."""
    return [Outlet.of(info) for info in pylsl.resolve_streams(seconds)]


def look_for(outlet: Outlet, seconds: float, enough: int = 0) -> list[Outlet]:
    """List the instances of `outlet` that answer within `seconds`.

    Returns at once when `enough` have answered; 0: waits for all.
    """
    question = predicate(outlet.identity)
    found = pylsl.resolve_bypred(question, minimum=enough, timeout=seconds)
    return [Outlet.of(info) for info in found]


def predicate(properties: Mapping[str, str]) -> str:
    """Ask for `properties` in LSL's language, XPath 1.0."""
    return " and ".join(f"{key}={_literal(text)}" for key, text in properties.items())


def _literal(text: str) -> str:
    """Quote a text; XPath has no escapes, so each kind of quote goes into the other."""
    if "'" not in text:
        return f"'{text}'"
    parts = (f"'{part}'" for part in text.split("'"))
    return "concat(" + """, "'", """.join(parts) + ")"


def listed(properties: Mapping[str, str]) -> str:
    """Write properties as `name='EEG' and type='EEG'`."""
    return " and ".join(f"{key}={value!r}" for key, value in properties.items())


def find_outlets(
    device: str,
    wanted: Mapping[str, Mapping[str, str]],
    timeout: float,
    look: Callable[[float], Sequence[Outlet]] = look_around,
) -> dict[str, Outlet]:
    """Wait until there is an outlet for each stream.

    Args:
        device: Name of the device, for errors.
        wanted: Properties of the outlet by stream.
        timeout: Seconds after which a missing outlet is an error.
        look: Lists the outlets seen within some seconds.

    Raises:
        DeviceError: An outlet is missing, or more than one fits a stream, or its
            samples are of a format that LSL does not know yet.

    """
    deadline = time.monotonic() + timeout
    while True:
        seen = look(LOOK)
        fitting = {
            stream: [outlet for outlet in seen if outlet.fits(properties)]
            for stream, properties in wanted.items()
        }
        if all(fitting.values()) or time.monotonic() >= deadline:
            break
    return {
        stream: _the_only_one(device, stream, wanted[stream], outlets, seen, timeout)
        for stream, outlets in fitting.items()
    }


def _the_only_one(
    device: str,
    stream: str,
    wanted: Mapping[str, str],
    fitting: Sequence[Outlet],
    seen: Sequence[Outlet],
    timeout: float,
) -> Outlet:
    if not fitting:
        raise DeviceError(
            f"device `{device}`, stream `{stream}`: no LSL outlet with "
            f"{listed(wanted)} within {timeout:g} s; seen were: {_in_words(seen)}. "
            "Start the sender, or correct `options:` of the stream"
        )
    if len(fitting) > 1:
        raise DeviceError(
            f"device `{device}`, stream `{stream}`: {len(fitting)} LSL outlets have "
            f"{listed(wanted)}: {_in_words(fitting)}. "
            "Say which with `name`, `type` and `source_id`"
        )
    if fitting[0].channel_format not in KINDS:
        raise DeviceError(
            f"device `{device}`, stream `{stream}`: {fitting[0]} can't be received"
        )
    return fitting[0]


def _in_words(outlets: Iterable[Outlet]) -> str:
    return "; ".join(map(str, outlets)) or "none"


def stream_format(outlet: Outlet, description: Any, max_text: int) -> StreamFormat:
    """Say what the rows of an outlet look like.

    Args:
        outlet: The outlet.
        description: Its full `StreamInfo`, for units and channel names.
        max_text: Bytes kept of a text.

    """
    if outlet.channel_format == pylsl.cf_string:
        return StreamFormat(text_dtype(outlet.channels, max_text), row_times=True)
    return StreamFormat(
        dtype=np.dtype(DTYPES[outlet.channel_format]),
        shape=(outlet.channels,),
        rate=outlet.rate or None,
        row_times=True,
        unit=common_unit(description.get_channel_units() or ()),
        channel_names=whole_names(description.get_channel_labels() or ()),
    )


def text_dtype(channels: int, max_text: int) -> np.dtype[Any]:
    """Fields of a text event: `text`, or `text0`, `text1`, ... for more channels."""
    names = ["text"] if channels == 1 else [f"text{i}" for i in range(channels)]
    return np.dtype([(name, f"S{max_text}") for name in names])


def common_unit(units: Iterable[str | None]) -> str:
    """The unit that all channels share, else `unknown`."""
    different = set(units)
    unit = different.pop() if len(different) == 1 else None
    return unit or "unknown"


def whole_names(labels: Iterable[str | None]) -> tuple[str, ...]:
    """The channel names if every channel has one, else none."""
    names = tuple(label or "" for label in labels)
    return names if all(names) else ()
