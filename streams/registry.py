"""Finds drivers by name, built in or installed, through the entry point group."""

from importlib.metadata import EntryPoint, entry_points

from rigd.streams.driver import Driver

GROUP = "rigd.drivers"


class DriverError(Exception):
    """No such driver, or something that it needs is not installed."""


def driver_names() -> list[str]:
    """Names of all installed drivers, sorted."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def find_driver(name: str) -> type[Driver]:
    """The driver class called `name`.

    Raises:
        DriverError: It does not exist, or a package is missing (says which
            `pip install` brings it).

    """
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise DriverError(
            f"unknown driver `{name}`; installed are {', '.join(sorted(points))}"
        )
    return _load(points[name])


def _load(point: EntryPoint) -> type[Driver]:
    try:
        driver: type[Driver] = point.load()
    except ImportError as error:
        raise DriverError(
            f"driver `{point.name}` needs the package `{error.name}`: "
            f'pip install "rigd[{point.name}]"'
        ) from error
    return driver
