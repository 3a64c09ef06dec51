"""Finds drivers by name, built in or installed, through the entry point group."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rigd.config.base import Model
from rigd.config.catalogue import UnknownDriverError
from rigd.streams.driver import Driver, Holdable

GROUP = "rigd.drivers"


class DriverError(UnknownDriverError):
    """No such driver, or something that it needs is not installed."""


class InstalledDrivers:
    """The catalogue of all installed drivers (see `rigd.config.catalogue`)."""

    def device_options(self, driver: str) -> type[Model]:
        """The model of a device's `options:`.

        Raises:
            DriverError: As `find_driver`.

        """
        return find_driver(driver).Options

    def stream_options(self, driver: str) -> type[Model]:
        """The model of a stream's `options:`.

        Raises:
            DriverError: As `find_driver`.

        """
        return find_driver(driver).StreamOptions


def driver_names() -> list[str]:
    """Names of all installed drivers, sorted."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def find_driver(name: str) -> type[Driver]:
    """The driver class called `name`.

    Raises:
        DriverError: It does not exist, or can't be loaded because a package or a
            library is missing (says what to install).

    """
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise DriverError(
            f"unknown driver `{name}`; installed are {', '.join(sorted(points))}"
        )
    return _load(points[name])


def configured_driver(
    name: str,
    device: str,
    options: Mapping[str, Any],
    streams: Mapping[str, Mapping[str, Any]],
) -> Driver:
    """Find a driver and give it its settings, validated by its own models.

    Args:
        name: What the driver is called.
        device: What its device is called.
        options: Settings of the device.
        streams: Settings of each stream, by name.

    Raises:
        DriverError: As `find_driver`.

    """
    kind = find_driver(name)
    return kind(
        device,
        kind.Options.model_validate(options),
        {n: kind.StreamOptions.model_validate(o) for n, o in streams.items()},
    )


def can_be_held(name: str) -> bool:
    """Whether the driver called `name` can hold its device open between sessions.

    Raises:
        DriverError: As `find_driver`.

    """
    return issubclass(find_driver(name), Holdable)


def _load(point: EntryPoint) -> type[Driver]:
    try:
        driver: type[Driver] = point.load()
    except ModuleNotFoundError as error:
        raise DriverError(
            f"driver `{point.name}` needs the package `{error.name}`{_remedy(point)}"
        ) from error
    # Bindings fail in many ways where the library of the vendor is missing.
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise DriverError(f"driver `{point.name}` can't be loaded: {error}") from error
    return driver


def _remedy(point: EntryPoint) -> str:
    """How to get what the driver needs, where its package offers that as an extra."""
    if point.dist is None:
        return ""
    extras = point.dist.metadata.get_all("Provides-Extra") or []
    extra = f"[{point.name}]" if point.name in extras else ""
    return f': pip install "{point.dist.name}{extra}"'
