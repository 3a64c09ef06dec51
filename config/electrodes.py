"""Electrodes of a probe in channel order, from a grid or a probeinterface file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rigd.config.faults import in_words
from rigd.config.probe import Contact, Grid, Probe

_MICROMETRES = {"um": 1.0, "mm": 1e3, "m": 1e6}


@dataclass(frozen=True, slots=True)
class Electrode:
    """One electrode; its place in a list of electrodes is its channel.

    Attributes:
        name: Contact id, or running number where there is none; unique in the probe.
        rel_x, rel_y: Position on the probe in micrometres.
        rel_z: The same across the probe; None where positions have two dimensions.
        location: Brain region.
        shank: Shank id; empty where the probe has only one.

    """

    name: str
    rel_x: float
    rel_y: float
    rel_z: float | None = None
    location: str = "unknown"
    shank: str = ""


def _text(value: object) -> object:
    return str(value) if isinstance(value, int) else value


_Id = Annotated[str, BeforeValidator(_text)]
_Position = Annotated[list[float], Field(min_length=2, max_length=3)]


class _Contacts(BaseModel):
    """The part of a probeinterface probe that is of use here."""

    model_config = ConfigDict(allow_inf_nan=False)

    contact_positions: list[_Position] = Field(min_length=1)
    si_units: Literal["um", "mm", "m"] = "um"
    contact_ids: list[_Id] | None = None
    shank_ids: list[_Id] | None = None
    device_channel_indices: list[int] | None = None


class _ProbeFile(BaseModel):
    specification: Literal["probeinterface"]
    probes: list[_Contacts] = Field(min_length=1)


def grid_electrodes(grid: Grid, location: str = "unknown") -> list[Electrode]:
    """Electrodes of a regular grid, along a row, then row by row."""
    return [
        Electrode(
            name=str(number),
            rel_x=number % grid.columns * grid.pitch_x,
            rel_y=number // grid.columns * grid.pitch_y,
            location=location,
        )
        for number in range(grid.count)
    ]


def probeinterface_contacts(content: object) -> tuple[Contact, ...]:
    """Contacts from the parsed JSON of a probeinterface file, in channel order.

    Contacts of several probes follow each other; names and shanks then begin with the
    number of the probe. Where `device_channel_indices` is given it says the channel
    of each contact, counted over all probes of the file; -1 is not connected, and the
    contact is left out.

    Raises:
        ValueError: Not a probeinterface file, lists of different lengths, names used
            twice, or channels that are used twice or left out.

    """
    try:
        probes = _ProbeFile.model_validate(content).probes
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(
            f"not a probeinterface file: {where} {in_words(first)}"
        ) from error
    contacts: list[Contact] = []
    for number, probe in enumerate(probes):
        _check_lengths(number, probe)
        prefix = f"{number}:" if len(probes) > 1 else ""
        contacts += _contacts(probe, prefix, len(contacts))
    _check_names(contacts)
    return _in_channel_order(contacts, [p.device_channel_indices for p in probes])


def _check_lengths(number: int, probe: _Contacts) -> None:
    count = len(probe.contact_positions)
    for field in ("contact_ids", "shank_ids", "device_channel_indices"):
        values = getattr(probe, field)
        if values is not None and len(values) != count:
            raise ValueError(
                f"probe {number} has {count} contact_positions but "
                f"{len(values)} {field}"
            )


def _contacts(probe: _Contacts, prefix: str, first: int) -> list[Contact]:
    """Contacts in the order of the file; those without an id count from `first`."""
    count = len(probe.contact_positions)
    names = probe.contact_ids or [str(first + i) for i in range(count)]
    shanks = probe.shank_ids or [""] * count
    scale = _MICROMETRES[probe.si_units]
    return [
        Contact(
            name=f"{prefix}{name}" if probe.contact_ids else name,
            x=position[0] * scale,
            y=position[1] * scale,
            z=position[2] * scale if len(position) == 3 else None,
            shank=f"{prefix}{shank}".rstrip(":"),
        )
        for position, name, shank in zip(
            probe.contact_positions, names, shanks, strict=True
        )
    ]


def _check_names(contacts: Sequence[Contact]) -> None:
    seen: set[str] = set()
    for contact in contacts:
        if contact.name in seen:
            raise ValueError(f"contact id `{contact.name}` is used twice")
        seen.add(contact.name)


def _in_channel_order(
    contacts: Sequence[Contact], indices: Sequence[list[int] | None]
) -> tuple[Contact, ...]:
    given = [probe for probe in indices if probe is not None]
    if not given:
        return tuple(contacts)
    if len(given) < len(indices):
        raise ValueError("some probes have device_channel_indices and some do not")
    channels = [channel for probe in given for channel in probe]
    wired = sorted(
        (channel, at) for at, channel in enumerate(channels) if channel != -1
    )
    for expected, (channel, _) in enumerate(wired):
        if channel != expected:
            state = "is used twice" if channel == expected - 1 else "has no contact"
            wrong = channel if channel == expected - 1 else expected
            raise ValueError(
                f"device_channel_indices must be 0 to {len(wired) - 1} once each, "
                f"and -1 for contacts without a channel; channel {wrong} {state}"
            )
    if not wired:
        raise ValueError("all device_channel_indices are -1: no contact has a channel")
    return tuple(contacts[at] for _, at in wired)


def read_probe_file(path: Path) -> tuple[Contact, ...]:
    """Contacts of the probeinterface file `path`, in channel order.

    Raises:
        ValueError: It can't be read or used; says why and names it.

    """
    try:
        return probeinterface_contacts(json.loads(path.read_bytes()))
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise ValueError(f"probe file `{path}` can't be read: {what}") from error
    except ValueError as error:
        raise ValueError(f"probe file `{path}`: {error}") from error


def probe_electrodes(probe: Probe) -> list[Electrode]:
    """Electrodes of a probe in channel order.

    Raises:
        ValueError: Its file can't be read or used.

    """
    if probe.electrodes is not None:
        return grid_electrodes(probe.electrodes, probe.location)
    contacts = probe.contacts
    if contacts is None and probe.file is not None:
        contacts = read_probe_file(probe.file)
    return [
        Electrode(
            contact.name,
            contact.x,
            contact.y,
            contact.z,
            location=probe.location,
            shank=contact.shank,
        )
        for contact in contacts or ()
    ]
