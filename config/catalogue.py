"""How settings of drivers are checked without knowing any driver."""

from typing import Protocol

from rigd.config.base import Model


class UnknownDriverError(LookupError):
    """No such driver, or it can't be used here; the text says what to do."""


class Catalogue(Protocol):
    """Knows the models of the `options:` that drivers take."""

    def device_options(self, driver: str) -> type[Model]:
        """The model of a device's `options:`.

        Raises:
            UnknownDriverError: There is none of this name.

        """
        ...

    def stream_options(self, driver: str) -> type[Model]:
        """The model of a stream's `options:`.

        Raises:
            UnknownDriverError: There is none of this name.

        """
        ...
