"""What can be recorded: the drivers, and the settings that each of them takes."""

import inspect
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from rigd.config.base import Model
from rigd.config.units import ByteSize, Hertz, Seconds, SignedSeconds
from rigd.streams.registry import DriverError, driver_names, find_driver

QUANTITIES: tuple[tuple[Any, str, str], ...] = (
    (Seconds, "duration", "s"),
    (SignedSeconds, "time offset", "s"),
    (Hertz, "rate", "Hz"),
    (ByteSize, "size", "bytes"),
)
"""Types that have a unit: type, its name for people, unit of the bare number."""


class OptionEntry(Model):
    """One setting of a driver."""

    name: str
    """As in the YAML file; a dot leads into a mapping."""
    type: str
    """What may be given."""
    unit: str | None
    """Unit of a bare number; None where there is none."""
    default: Any
    required: bool
    meaning: str


class DriverEntry(Model):
    """One driver, and the settings of its device and of each of its streams."""

    name: str
    installed: bool
    description: str
    """What it is for; what is missing and how to get it, if not installed."""
    options: list[OptionEntry]
    stream_options: list[OptionEntry]


def driver_entries() -> list[DriverEntry]:
    """Return all drivers, usable ones and those that lack a package."""
    return [driver_entry(name) for name in driver_names()]


def driver_entry(name: str) -> DriverEntry:
    """Return one driver.

    Raises:
        DriverError: There is none of this name.

    """
    try:
        driver = find_driver(name)
    except DriverError as error:
        if name not in driver_names():
            raise
        return DriverEntry(
            name=name,
            installed=False,
            description=str(error),
            options=[],
            stream_options=[],
        )
    return DriverEntry(
        name=name,
        installed=True,
        description=_first_sentence(driver),
        options=option_entries(driver.Options),
        stream_options=option_entries(driver.StreamOptions),
    )


def _first_sentence(documented: type) -> str:
    text = inspect.getdoc(documented) or ""
    return " ".join(text.split("\n\n")[0].split())


def option_entries(model: type[Model], prefix: str = "") -> list[OptionEntry]:
    """Return the fields of a model; those of a model within it under `name.`."""
    hints = get_type_hints(model, include_extras=True)
    entries: list[OptionEntry] = []
    for name, field in model.model_fields.items():
        entries.append(_entry(prefix + name, field, hints[name]))
        for inner in _models_in(hints[name]):
            entries += option_entries(inner, f"{prefix}{name}.")
    return entries


def _entry(name: str, field: FieldInfo, hint: Any) -> OptionEntry:
    default = None if field.is_required() else field.get_default(
        call_default_factory=True, validated_data={}
    )  # fmt: skip
    if default is PydanticUndefined:
        default = None
    words, unit = describe_type(hint)
    return OptionEntry(
        name=name,
        type=words,
        unit=unit,
        default=default.model_dump() if isinstance(default, Model) else default,
        required=field.is_required(),
        meaning=" ".join((field.description or "").split()),
    )


def _models_in(hint: Any) -> list[type[Model]]:
    """Return the models that a value of this type may be, or a list's entries."""
    if isinstance(hint, type) and issubclass(hint, Model):
        return [hint]
    return [model for part in get_args(hint) for model in _models_in(part)]


def describe_type(hint: Any) -> tuple[str, str | None]:
    """Put a type into words, and name the unit of a bare number."""
    for quantity, words, unit in QUANTITIES:
        if hint == quantity:
            return words, unit
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return describe_type(arguments[0])
    if origin is Literal:
        return " | ".join(map(str, arguments)), None
    if origin in (list, tuple, dict):
        parts = [describe_type(part) for part in arguments if part is not Ellipsis]
        words = ", ".join(part for part, _ in parts)
        return f"{origin.__name__} of {words}", next((u for _, u in parts if u), None)
    if arguments:
        parts = [describe_type(part) for part in arguments if part is not type(None)]
        words = " | ".join(dict.fromkeys(part for part, _ in parts))
        return words, next((u for _, u in parts if u), None)
    return _simple_type(hint), None


def _simple_type(hint: Any) -> str:
    names = {bool: "true | false", str: "text", int: "integer", float: "number"}
    if isinstance(hint, type) and issubclass(hint, Model):
        return "mapping"
    return names.get(hint, getattr(hint, "__name__", str(hint)))
