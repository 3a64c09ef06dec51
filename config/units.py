"""Quantities with units: "10 s", "30 kHz", "2 GiB" become numbers in SI units."""

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import BeforeValidator, Field

_QUANTITY = re.compile(r"^\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([A-Za-zµ%]*)\s*$")
_TIME = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0,
    "min": 60.0, "h": 3600.0, "d": 86400.0,
}  # fmt: skip
_RATE = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6}
_SIZE = {
    "B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
    "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40,
}  # fmt: skip


def _quantity(units: dict[str, float], example: str) -> Callable[[object], object]:
    def parse(value: object) -> object:
        if not isinstance(value, str):
            return value
        match = _QUANTITY.match(value)
        if match is None or (match[2] and match[2] not in units):
            raise ValueError(
                f"`{value}` is not a number with one of the units "
                f"{', '.join(units)}, e.g. `{example}`"
            )
        try:
            return float(match[1]) * units.get(match[2], 1.0)
        except ValueError:
            raise ValueError(f"`{match[1]}` is not a number") from None

    return parse


def _whole(value: object) -> object:
    return round(value) if isinstance(value, float) and value.is_integer() else value


Seconds = Annotated[
    float, BeforeValidator(_quantity(_TIME, "10 s")), Field(ge=0, allow_inf_nan=False)
]
"""A duration in seconds; as text with ns, us, ms, s, min, h or d."""

SignedSeconds = Annotated[
    float, BeforeValidator(_quantity(_TIME, "-3 d")), Field(allow_inf_nan=False)
]
"""An offset in seconds, which may be negative."""

Hertz = Annotated[
    float, BeforeValidator(_quantity(_RATE, "30 kHz")), Field(gt=0, allow_inf_nan=False)
]
"""A rate in hertz; as text with Hz, kHz or MHz."""

ByteSize = Annotated[
    int,
    BeforeValidator(_whole),
    BeforeValidator(_quantity(_SIZE, "2 GiB")),
    Field(gt=0),
]
"""A size in bytes; as text with B, kB, MB, GB, TB (1000) or KiB, MiB, GiB, TiB."""
