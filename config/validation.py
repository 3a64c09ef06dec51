"""From validation errors to faults: each with its place and in plain words."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import ErrorDetails

from rigd.config import fields
from rigd.config.base import Misfit, MisfitError, Model
from rigd.config.document import Document, Location
from rigd.config.faults import Fault, in_words

KEY = "[key]"
"""What pydantic puts last in a place to mean the key and not its value."""


@dataclass(frozen=True)
class Section:
    """A part of a document that one model describes, and the keys that lead there."""

    document: Document
    values: Any
    prefix: tuple[str | int, ...] = ()

    def fault(
        self,
        location: Location,
        what: str,
        *,
        at_key: bool = False,
        missing: bool = False,
    ) -> Fault:
        """A fault at a value in this part, at its key, or where a key is missing."""
        present = self.present(location)
        place = self.document.fault((*self.prefix, *present), "", at_key=at_key)
        where = [*self.prefix, *present]
        if missing:
            where.append(location[-1])
        return Fault(
            place.file, place.line, place.column, ".".join(map(str, where)), what
        )

    def present(self, location: Location) -> Location:
        """The steps of `location` that are in the file."""
        if self.document.trace(self.prefix).absent:
            return ()
        return self.document.trace((*self.prefix, *location)).parts[len(self.prefix) :]


def faults_of(
    model: type[Model], section: Section, errors: Iterable[ErrorDetails]
) -> list[Fault]:
    """All faults that validating the section's values by `model` has found."""
    faults: list[Fault] = []
    unions: dict[Location, dict[str | int, list[ErrorDetails]]] = {}
    for error in errors:
        union, member = _union_and_member(section, error)
        if member is None:
            faults += _faults(model, section, error)
        else:
            unions.setdefault(union, {}).setdefault(member, []).append(error)
    for members in unions.values():
        nearest = _nearest(section, members.values())
        faults += _alternatives(
            fault for error in nearest for fault in _faults(model, section, error)
        )
    return faults


def misfit_faults(
    section: Section, location: Location, misfits: Iterable[Misfit]
) -> Iterator[Fault]:
    """Faults that the validator of the model at `location` has found by itself."""
    for misfit in misfits:
        at = (*location, *misfit.at)
        yield section.fault(at, misfit.what, at_key=misfit.at_key)


def _faults(
    model: type[Model], section: Section, error: ErrorDetails
) -> Iterator[Fault]:
    """The faults behind one error: one, unless a validator knows several."""
    location, kind, context = error["loc"], error["type"], error.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, MisfitError):
        yield from misfit_faults(section, location, cause.misfits)
    elif kind == "extra_forbidden":
        yield section.fault(location, fields.advice(model, location), at_key=True)
    elif kind == "missing":
        meaning = fields.meaning(model, location)
        what = in_words(error) + (f": {meaning}" if meaning else "")
        yield section.fault(location, what, missing=True)
    elif kind.startswith("union_tag"):
        yield _tag_fault(model, section, error)
    elif location[-1:] == (KEY,):
        yield section.fault(location[:-1], in_words(error), at_key=True)
    else:
        at_key = kind == "invalid_key"
        yield section.fault(location, in_words(error), at_key=at_key)


def _tag_fault(model: type[Model], section: Section, error: ErrorDetails) -> Fault:
    key = error["ctx"]["discriminator"].strip("'")
    location = (*error["loc"], key)
    if error["type"] == "union_tag_invalid":
        return section.fault(location, in_words(error))
    allowed = ", ".join(fields.tags(model, error["loc"], key))
    return section.fault(location, f"is missing; one of {allowed}", missing=True)


def _union_and_member(
    section: Section, error: ErrorDetails
) -> tuple[Location, str | int | None]:
    """Where the error is in a union: the place of the union, and the member's name.

    The name of the member is the first step of the error's place that is not in the
    file, if that is not the key that is missing there.
    """
    location = error["loc"]
    if error["type"] == "missing" or location[-1:] == (KEY,):
        location = location[:-1]
    present = section.present(location)
    for step, part in enumerate(location):
        if step >= len(present) or present[step] != part:
            return location[:step], part
    return location, None


def _nearest(
    section: Section, members: Iterable[Sequence[ErrorDetails]]
) -> list[ErrorDetails]:
    """The errors of those members of a union that fit the value best."""

    def depth(errors: Sequence[ErrorDetails]) -> int:
        return max(len(section.present(error["loc"])) for error in errors)

    ranked = [(depth(errors), errors) for errors in members]
    best = max(rank for rank, _ in ranked)
    return [error for rank, errors in ranked if rank == best for error in errors]


def _alternatives(faults: Iterable[Fault]) -> list[Fault]:
    """Faults, those at the same place joined to one."""
    joined: dict[tuple[object, ...], Fault] = {}
    for fault in faults:
        place = (fault.line, fault.column, fault.where)
        if place in joined:
            other = joined[place].what
            fault = replace(fault, what=f"{other}; or {fault.what}")
        joined[place] = fault
    return list(joined.values())
