"""The door for foreign senders: a program in any language that speaks the wire.

`docs/wire-protocol.md` is all that such a program needs. The writer of the stream
listens at the stream's `endpoint:`; the sender connects there, says HELLO and sends.
This driver only says what the rows look like.
"""

import time
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, PositiveInt, field_validator, model_validator

from rigd.config.base import Model
from rigd.config.units import Hertz
from rigd.streams.block import Items, StreamFormat


class ExternalOptions(Model):
    """No settings: each stream says all."""


class ExternalStreamOptions(Model):
    """What the rows of a foreign sender look like."""

    dtype: str | list[tuple[str, str]]
    """Type of one element as numpy writes it, e.g. `<i2`, `<f4`, `|u1`; or a list of
    fields for an EventsTable, e.g. `[[line, "|u1"], [value, "|u1"]]`."""
    shape: list[PositiveInt] = Field(default_factory=list, max_length=3)
    """Shape of one row: `[]` a scalar, `[384]` channels, `[480, 640]` a frame."""
    rate: Hertz | None = None
    """Nominal rows per second; leave out for an event-like stream."""
    row_times: bool = False
    """Each row carries a device time of its own; always so without `rate`."""
    unit: str = "unknown"
    """Unit of data * conversion + offset."""

    @field_validator("dtype")
    @classmethod
    def _is_a_dtype(cls, value: str | list[tuple[str, str]]) -> Any:
        try:
            dtype = np.dtype(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{value!r} is not a numpy dtype: {error}") from error
        if dtype.hasobject or dtype != dtype.newbyteorder("<"):
            raise ValueError(f"{value!r} is not of fixed size and little-endian")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> "ExternalStreamOptions":
        self.format()
        return self

    def format(self) -> StreamFormat:
        """Describe the rows."""
        return StreamFormat(
            dtype=np.dtype(self.dtype),
            shape=tuple(self.shape),
            rate=self.rate,
            row_times=self.row_times or self.rate is None,
            unit=self.unit,
        )


class ExternalDriver:
    """Says what a foreign sender's rows look like, and waits."""

    Options: ClassVar[type[Model]] = ExternalOptions
    StreamOptions: ClassVar[type[Model]] = ExternalStreamOptions
    paced_by_consumer = False
    foreign = True

    def __init__(
        self,
        device: str,
        options: ExternalOptions,
        streams: Mapping[str, ExternalStreamOptions],
    ) -> None:
        self._streams = streams

    def open(self) -> Mapping[str, StreamFormat]:
        """Say what was declared."""
        return {name: stream.format() for name, stream in self._streams.items()}

    def start(self) -> None:
        """Do nothing: the sender starts by itself."""

    def read(self, timeout: float) -> Items:
        """Wait; the samples go from the sender to the writer."""
        time.sleep(timeout)
        return ()

    def stop(self) -> Items:
        """Do nothing: the writer asks the sender to stop."""
        return ()

    def close(self) -> None:
        """Do nothing."""
