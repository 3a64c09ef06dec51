"""YAML in, models out; all faults of a file at once, each with its place.

A session file may name a rig file; faults in there carry the name of that file.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rigd.config.base import MisfitError, Model, entries
from rigd.config.catalogue import Catalogue, UnknownDriverError
from rigd.config.clocks import Realignment, clock_misfits
from rigd.config.document import Document, Location, parse_document, read_document
from rigd.config.electrodes import read_probe_file
from rigd.config.faults import ConfigurationError, Fault
from rigd.config.probe import Contact
from rigd.config.rig import Rig, rig_misfits
from rigd.config.selection import with_selected_devices
from rigd.config.session import Session
from rigd.config.validation import Section, faults_of, misfit_faults

AnyModel = TypeVar("AnyModel", bound=Model)
Contacts = tuple[Contact, ...]


def load_session(path: Path | str, catalogue: Catalogue | None = None) -> Session:
    """Read a session file, and the rig file that it may name.

    Args:
        path: The session file.
        catalogue: Knows the options of drivers; without it they are not checked.

    Raises:
        ConfigurationError: Holds all faults, by place.

    """
    return _session(read_document(Path(path)), catalogue)


def parse_session(
    text: str, path: Path | str, catalogue: Catalogue | None = None
) -> Session:
    """Read the text of a session file that is said to stand in `path`.

    Raises:
        ConfigurationError: Holds all faults, by place.

    """
    return _session(parse_document(Path(path), text), catalogue)


def _session(document: Document, catalogue: Catalogue | None) -> Session:
    values, faults = dict(document.values), list(document.repeated)
    if "rig" in values:
        values["rig"], rig_faults = _rig_of_session(document, catalogue)
        faults += rig_faults
    session, errors = _validated(Session, values, document)
    if values.get("rig", document) is None:
        # Its faults are known already.
        errors = [error for error in errors if error["loc"][0] != "rig"]
    section = Section(document, values)
    faults += faults_of(Session, section, errors)
    if session is not None and not faults:
        try:
            session = with_selected_devices(session)
        except MisfitError as error:
            faults += misfit_faults(section, (), error.misfits)
    return _faultless(session, faults, document)


def load_rig(path: Path | str, catalogue: Catalogue | None = None) -> Rig:
    """Read a rig file.

    Args:
        path: The rig file.
        catalogue: Knows the options of drivers; without it they are not checked.

    Raises:
        ConfigurationError: Holds all faults, by place.

    """
    document = read_document(Path(path))
    rig, faults = _checked_rig(Section(document, document.values), catalogue)
    return _faultless(rig, [*document.repeated, *faults], document)


def load_realignment(path: Path | str, rig: Rig) -> Realignment:
    """Read a file with settings for `rigd realign` that are to fit a recorded rig.

    Raises:
        ConfigurationError: Holds all faults, by place.

    """
    document = read_document(Path(path))
    section = Section(document, document.values)
    realignment, errors = _validated(Realignment, section.values, document)
    devices = {name: list(device.streams) for name, device in rig.devices.items()}
    faults = [
        *document.repeated,
        *faults_of(Realignment, section, errors),
        *misfit_faults(section, (), clock_misfits(section.values, devices)),
    ]
    return _faultless(realignment, faults, document)


def _faultless(
    model: AnyModel | None, faults: list[Fault], document: Document
) -> AnyModel:
    """The model, if there is no fault."""
    if model is not None and not faults:
        return model
    own = str(document.path)
    by_place = sorted(set(faults), key=lambda fault: (fault.file != own, fault))
    raise ConfigurationError(by_place)


def _validated(
    model: type[AnyModel], values: Any, document: Document
) -> tuple[AnyModel | None, list[ErrorDetails]]:
    try:
        return model.model_validate(values, context={"folder": document.folder}), []
    except ValidationError as error:
        return None, error.errors()


def _rig_of_session(
    document: Document, catalogue: Catalogue | None
) -> tuple[Rig | None, list[Fault]]:
    value = document.values["rig"]
    if isinstance(value, dict):
        return _checked_rig(Section(document, value, ("rig",)), catalogue)
    if not isinstance(value, str):
        what = "must be a mapping of keys to values or the path of a rig file"
        return None, [document.fault(("rig",), what)]
    path = document.path.parent / value
    if not os.path.isfile(path):  # never raises, whatever the text is
        return None, [document.fault(("rig",), f"there is no rig file `{path}`")]
    try:
        included = read_document(path)
    except ConfigurationError as error:
        return None, list(error.faults)
    rig, faults = _checked_rig(Section(included, included.values), catalogue)
    return rig, [*included.repeated, *faults]


def _checked_rig(
    section: Section, catalogue: Catalogue | None
) -> tuple[Rig | None, list[Fault]]:
    """The rig and all that can be said against it, also where no rig comes out."""
    rig, errors = _validated(Rig, section.values, section.document)
    contacts, probe_faults = _read_probe_files(section)
    faults = [
        *faults_of(Rig, section, errors),
        *misfit_faults(section, (), rig_misfits(section.values)),
        *probe_faults,
        *(_driver_faults(section, catalogue) if catalogue else ()),
    ]
    return rig and _with_contacts(rig, contacts), faults


def _with_contacts(rig: Rig, contacts: Mapping[str, Contacts]) -> Rig:
    probes = {
        name: probe.model_copy(update={"contacts": contacts[name]})
        if name in contacts
        else probe
        for name, probe in rig.probes.items()
    }
    return rig.model_copy(update={"probes": probes})


def _read_probe_files(section: Section) -> tuple[dict[str, Contacts], list[Fault]]:
    """Contacts by probe, of the probes that have a file and no contacts yet."""
    contacts: dict[str, Contacts] = {}
    faults = []
    for name, probe in entries(entries(section.values).get("probes")).items():
        file = entries(probe).get("file")
        if not isinstance(file, str) or entries(probe).get("contacts") is not None:
            continue
        try:
            contacts[name] = read_probe_file(section.document.folder / file)
        except ValueError as error:
            faults.append(section.fault(("probes", name, "file"), str(error)))
    return contacts, faults


def _driver_faults(section: Section, catalogue: Catalogue) -> Iterator[Fault]:
    for name, device in entries(entries(section.values).get("devices")).items():
        at = ("devices", name)
        driver = entries(device).get("driver")
        if not isinstance(driver, str):
            continue
        try:
            device_options = catalogue.device_options(driver)
            stream_options = catalogue.stream_options(driver)
        except UnknownDriverError as error:
            yield section.fault((*at, "driver"), str(error))
            continue
        yield from _option_faults(section, at, entries(device), device_options)
        for stream, settings in entries(entries(device).get("streams")).items():
            at_stream = (*at, "streams", stream)
            yield from _option_faults(
                section, at_stream, entries(settings), stream_options
            )


def _option_faults(
    section: Section, at: Location, owner: Mapping[str, object], model: type[Model]
) -> Iterator[Fault]:
    """Faults of the `options:` of the device or stream `owner` that stands `at`."""
    options = owner.get("options", {})
    if isinstance(options, dict):
        _, errors = _validated(model, options, section.document)
        prefix = (*section.prefix, *at, "options")
        part = Section(section.document, options, prefix)
        yield from faults_of(model, part, errors)
