"""The nouns of the data path: formats, blocks of samples, and what else a source says.

A stream has a beginning (`StreamFormat`), a middle (`Block`, `Lost`, `ClockReading`)
and an end with a reason (`Ended`).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

NO_TIME = -(2**63)
"""Device time of a block or row whose device gave none, in the int64 fields."""


@dataclass(frozen=True)
class StreamFormat:
    """What every row of a stream looks like, fixed from its first to its last.

    Attributes:
        dtype: Type of one element, little-endian; a structured dtype is an event with
            one named field per column.
        shape: Shape of one row: () scalar, (channels,), (height, width) or
            (height, width, 3).
        rate: Nominal rows per second; None for an event-like stream.
        row_times: Each row carries a device time of its own (int64 ns); always so for
            event-like streams.
        unit, conversion, offset: data * conversion + offset is in `unit`.
        channel_names: Names of the last axis where the device knows them.

    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...] = ()
    rate: float | None = None
    row_times: bool = False
    unit: str = "unknown"
    conversion: float = 1.0
    offset: float = 0.0
    channel_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.dtype.hasobject:
            raise ValueError(f"dtype {self.dtype} has no fixed size")
        if len(self.shape) > 3 or any(n < 1 for n in self.shape):
            raise ValueError(f"row shape {self.shape} is not 0 to 3 sizes of 1 or more")
        if self.dtype.names is not None and self.shape:
            raise ValueError("rows of a structured dtype are scalars: shape ()")
        if self.rate is None and not self.row_times:
            raise ValueError("an event-like stream has a device time for each row")

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, without its device time."""
        count = 1
        for n in self.shape:
            count *= n
        return count * self.dtype.itemsize

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values; the dtype as in `numpy.lib.format` headers."""
        descr = np.lib.format.dtype_to_descr(self.dtype)
        return {
            "dtype": descr,
            "shape": list(self.shape),
            "rate": self.rate,
            "row_times": self.row_times,
            "unit": self.unit,
            "conversion": self.conversion,
            "offset": self.offset,
            "channel_names": list(self.channel_names),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "StreamFormat":
        """Undo `to_json`."""
        descr = values["dtype"]
        if not isinstance(descr, str):
            descr = [(f[0], f[1], *(tuple(s) for s in f[2:])) for f in descr]
        return cls(
            **{
                **values,
                "dtype": np.dtype(descr),
                "shape": tuple(values["shape"]),
                "channel_names": tuple(values["channel_names"]),
            }
        )

    @property
    def digest(self) -> int:
        """64 bits that change with dtype, row shape and row times.

        The first 8 bytes, little-endian, of the SHA-256 of the text
        `<dtype>;<d0>,<d1>,...;<0|1>`, e.g. `<i2;384;0`; a structured dtype is
        written as JSON without spaces, e.g. `[["line","|u1"],["value","|u1"]];;1`.
        """
        descr = self.to_json()["dtype"]
        if not isinstance(descr, str):
            descr = json.dumps(descr, separators=(",", ":"))
        shape = ",".join(map(str, self.shape))
        text = f"{descr};{shape};{int(self.row_times)}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


@dataclass(slots=True)
class Block:
    """The samples of one stream that came with one read.

    Attributes:
        stream: Name of the stream.
        first: Sample index of the first row, from 0; counts lost samples too.
        data: C-contiguous rows, shape (rows, *row shape), dtype of the stream.
        device_ns: Device clock at the first row, ns; NO_TIME where there is none.
        host_ns: CLOCK_MONOTONIC right after the read, ns.
        epoch: Number of times the device's counter has started anew.
        batch: Number of the read; blocks that came with the same read share it.
        row_ns: Device clock at each row, int64 ns, shape (rows,), where the format
            says `row_times`.

    """

    stream: str
    first: int
    data: npt.NDArray[Any]
    host_ns: int
    device_ns: int = NO_TIME
    epoch: int = 0
    batch: int = 0
    row_ns: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """Samples [first, first + count) that will never come, and why.

    Causes are words of `rigd.streams.ledger.CAUSES`: "device", "driver",
    "ring full", "transport", ...
    """

    stream: str
    first: int
    count: int
    cause: str
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A pair of clock readings from a round trip, in ns, with its uncertainty (ns)."""

    stream: str
    device_ns: int
    host_ns: int
    uncertainty_ns: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream is over: no row follows. An empty reason is a regular end."""

    stream: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should know about the stream; shown as a warning."""

    stream: str
    text: str


Item = Block | Lost | ClockReading | Ended | Note
"""What a driver's read returns."""

Items = Sequence[Item]
