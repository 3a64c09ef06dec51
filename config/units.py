"""Quantities with units: "10 s", "30 kHz", "2 GiB" become numbers in SI units.

A text becomes the float nearest to the exact decimal: "200 us" is 0.0002.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?"
_QUANTITY = re.compile(rf"\s*({_NUMBER})\s*([A-Za-zµ]*)\s*", re.ASCII)

_TIME = {
    "ns": Fraction(1, 10**9), "us": Fraction(1, 10**6), "µs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000), "s": Fraction(1), "min": Fraction(60),
    "h": Fraction(3600), "d": Fraction(86400),
}  # fmt: skip
_RATE = {"Hz": Fraction(1), "kHz": Fraction(10**3), "MHz": Fraction(10**6)}
_SIZE = {
    "B": Fraction(1), "kB": Fraction(10**3), "MB": Fraction(10**6),
    "GB": Fraction(10**9), "TB": Fraction(10**12),
    "KiB": Fraction(2**10), "MiB": Fraction(2**20),
    "GiB": Fraction(2**30), "TiB": Fraction(2**40),
}  # fmt: skip


@dataclass(frozen=True)
class _Quantity:
    """A kind of quantity: its units as multiples of the first-named SI unit."""

    noun: str
    units: Mapping[str, Fraction]
    example: str

    def number(self, value: object) -> object:
        """The float meant by a text; anything else is left to the field's type."""
        if isinstance(value, bool):
            raise ValueError(
                f"`{str(value).lower()}` is not {self.noun}, e.g. `{self.example}`"
            )
        if not isinstance(value, str):
            return value
        try:
            return float(self._exact(value))
        except OverflowError:
            raise ValueError(f"`{value}` is too large") from None

    def whole(self, value: object) -> object:
        """Like `number`, for quantities that are whole numbers."""
        exact = self._exact(value) if isinstance(value, str) else self.number(value)
        if isinstance(exact, Fraction) and exact.denominator == 1:
            return exact.numerator
        if isinstance(exact, float) and exact.is_integer():
            return int(exact)
        if isinstance(exact, Fraction | float):
            raise ValueError(f"`{value}` is not a whole number of bytes")
        return exact

    def _exact(self, text: str) -> Fraction:
        match = _QUANTITY.fullmatch(text.replace("\N{GREEK SMALL LETTER MU}", "µ"))
        if len(text) > 60 or match is None or match[2] and match[2] not in self.units:
            raise ValueError(
                f"`{text}` is not {self.noun}: a number with one of the units "
                f"{', '.join(self.units)}, e.g. `{self.example}`"
            )
        return Fraction(match[1]) * self.units.get(match[2], Fraction(1))

    def schema(self, number: Mapping[str, Any]) -> WithJsonSchema:
        """A number within its bounds, or a text with a unit."""
        text = rf"^\s*{_NUMBER}\s*({'|'.join(self.units)})?\s*$"
        return WithJsonSchema(
            {"anyOf": [dict(number), {"type": "string", "pattern": text}]}
        )


_duration = _Quantity("a duration", _TIME, "10 s")
_rate = _Quantity("a rate", _RATE, "30 kHz")
_size = _Quantity("a size", _SIZE, "2 GiB")

Seconds = Annotated[
    float,
    BeforeValidator(_duration.number),
    Field(ge=0, allow_inf_nan=False),
    _duration.schema({"type": "number", "minimum": 0}),
]
"""A duration in seconds; as text with ns, us, ms, s, min, h or d."""

SignedSeconds = Annotated[
    float,
    BeforeValidator(_duration.number),
    Field(allow_inf_nan=False),
    _duration.schema({"type": "number"}),
]
"""An offset in seconds, which may be negative."""

Hertz = Annotated[
    float,
    BeforeValidator(_rate.number),
    Field(gt=0, allow_inf_nan=False),
    _rate.schema({"type": "number", "exclusiveMinimum": 0}),
]
"""A rate in hertz; as text with Hz, kHz or MHz."""

ByteSize = Annotated[
    int,
    BeforeValidator(_size.whole),
    Field(gt=0),
    _size.schema({"type": "integer", "exclusiveMinimum": 0}),
]
"""A size in bytes; as text with B, kB, MB, GB, TB (1000) or KiB, MiB, GiB, TiB."""
