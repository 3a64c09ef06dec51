"""What simulated streams contain: pure functions of the sample index.

`signal.rows(first, count)` is the same whenever and in whatever pieces it is asked for,
so a test can compare a file with what was sent. Fields of the signals are the stream
options of the driver `simulated`, which explains them.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from rigd.config.base import Model
from rigd.config.units import Seconds
from rigd.streams.block import StreamFormat
from rigd.streams.sampling import (
    SPREAD,
    Integers,
    Irregular,
    Regular,
    Schedule,
    derived_seed,
    irregular,
    uniform,
)

Rows = npt.NDArray[Any]

VOLTS_PER_COUNT = 1e-3
"""Conversion of `sine` and `noise` where they are stored as integers."""

NOISE_ROWS = 1024
"""Rows of noise that are drawn together."""

SMALL_NUMBERS = 2**16
"""How many numbers dtypes of one or two bytes can count at most."""


@dataclass(frozen=True, kw_only=True)
class Signal(ABC):
    """One simulated stream: its format, its rows and when they are taken.

    Attributes:
        seed: Seed of all that is left to chance.
        rate: Rows per second; of event-like streams their mean.

    """

    EVENT_LIKE: ClassVar[bool] = False

    seed: int = 0
    rate: float = 1000.0

    @property
    def schedule(self) -> Schedule:
        """When the rows are taken."""
        if self.EVENT_LIKE:
            return Irregular(self.seed, round(1e9 / self.rate))
        return Regular(self.rate)

    @abstractmethod
    def format(self) -> StreamFormat:
        """Describe the rows."""

    @abstractmethod
    def rows(self, first: int, count: int) -> Rows:
        """Rows [first, first + count), C-contiguous and new."""


def _dtype(signal: str, name: str, allowed: str) -> np.dtype[Any]:
    """Find the little-endian dtype called `name`; `allowed` are kinds of dtypes."""
    words = {"i": "signed integers", "u": "unsigned integers", "f": "floats"}
    try:
        dtype = np.dtype(name)
    except TypeError:
        raise ValueError(f"`{name}` is not a numpy dtype, e.g. `int16`") from None
    if dtype.kind not in allowed or dtype.itemsize > 8:
        kinds = " and ".join(words[kind] for kind in allowed)
        raise ValueError(
            f"dtype `{name}` is not for signal `{signal}`, which is made of {kinds} "
            "of up to 8 bytes"
        )
    return dtype.newbyteorder("<")


# --- counter --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Counter(Signal):
    """Counts the elements: row * elements of a row + place in the row.

    Integers wrap around; floats start again at the first number that they can't tell
    from its neighbour (2**24 for float32).
    """

    channels: int | None = None
    shape: tuple[int, ...] | None = None
    dtype: str = "int16"

    def __post_init__(self) -> None:
        if self.channels is not None and self.shape is not None:
            raise ValueError("give either `channels` or `shape`")
        self.format()

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.shape or (() if self.channels is None else (self.channels,))

    def format(self) -> StreamFormat:
        """Describe the rows."""
        dtype = _dtype("counter", self.dtype, "iuf")
        return StreamFormat(dtype, self._shape, self.rate, unit="counts")

    def rows(self, first: int, count: int) -> Rows:
        """Rows [first, first + count)."""
        elements = math.prod(self._shape)
        dtype = _dtype("counter", self.dtype, "iuf")
        flat = _count(first * elements, count * elements, dtype)
        return flat.reshape(count, *self._shape)


def _count(first: int, count: int, dtype: np.dtype[Any]) -> Rows:
    """Count from `first` in a dtype, starting again where it has no more numbers."""
    if dtype.itemsize <= 2:
        return _cyclic(_small_numbers(dtype), first % SMALL_NUMBERS, count)
    limit = _numbers(dtype)
    numbers = np.arange(first % limit, first % limit + count, dtype=np.uint64)
    if dtype.kind == "f":
        numbers %= np.uint64(limit)
    return numbers.astype(dtype)


def _numbers(dtype: np.dtype[Any]) -> int:
    """How many numbers a dtype counts through; half of them for 8-byte integers."""
    if dtype.kind == "f":
        return 1 << int(np.finfo(dtype).nmant + 1)
    return 1 << min(63, 8 * dtype.itemsize)


@lru_cache(maxsize=8)
def _small_numbers(dtype: np.dtype[Any]) -> Rows:
    """What a dtype of one or two bytes counts, over a whole number of its rounds."""
    return (np.arange(SMALL_NUMBERS) % _numbers(dtype)).astype(dtype)


def _cyclic(table: Rows, start: int, count: int) -> Rows:
    """Take `count` rows of a table from `start`, which begins again at its end."""
    rows = np.empty((count, *table.shape[1:]), table.dtype)
    done = 0
    while done < count:
        piece = table[start : start + count - done]
        rows[done : done + len(piece)] = piece
        done, start = done + len(piece), 0
    return rows


# --- sine and noise -------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Analog(Signal):
    """Voltages: float dtypes hold volts, integers millivolts."""

    NAME: ClassVar[str]

    channels: int | None = None
    dtype: str = "float32"
    amplitude: float = 1.0

    def __post_init__(self) -> None:
        dtype = self.format().dtype
        largest = np.iinfo(dtype).max * VOLTS_PER_COUNT if dtype.kind == "i" else np.inf
        if self.amplitude > largest:
            raise ValueError(
                f"amplitude {self.amplitude:g} V does not fit into {dtype}, "
                f"which holds up to {largest:g} V in steps of 1 mV"
            )

    def format(self) -> StreamFormat:
        """Describe the rows."""
        dtype = _dtype(self.NAME, self.dtype, "if")
        return StreamFormat(
            dtype,
            () if self.channels is None else (self.channels,),
            self.rate,
            unit="volts",
            conversion=VOLTS_PER_COUNT if dtype.kind == "i" else 1.0,
        )

    def _stored(self, volts: npt.NDArray[Any]) -> Rows:
        form = self.format()
        rows = volts.reshape(len(volts), *form.shape)
        if form.dtype.kind == "f":
            return rows.astype(form.dtype)
        limits = np.iinfo(form.dtype)
        counts = np.rint(rows.astype(np.float64) / form.conversion)
        return np.clip(counts, limits.min, limits.max).astype(form.dtype)


@dataclass(frozen=True, kw_only=True)
class Sine(Analog):
    """A sine wave a channel, each a little faster and further in its phase.

    `frequency` (Hz) is that of the first channel; the last has nearly twice as much.
    """

    NAME: ClassVar[str] = "sine"

    frequency: float = 1.0

    def rows(self, first: int, count: int) -> Rows:
        """Rows [first, first + count)."""
        channel = np.arange(self.channels or 1) / (self.channels or 1)
        cycles = np.arange(first, first + count)[:, None] / self.rate
        turns = cycles * (self.frequency * (1 + channel)) + channel
        return self._stored(self.amplitude * np.sin(2 * np.pi * (turns % 1.0)))


@dataclass(frozen=True, kw_only=True)
class Noise(Analog):
    """White Gaussian noise with the standard deviation `amplitude`."""

    NAME: ClassVar[str] = "noise"

    def rows(self, first: int, count: int) -> Rows:
        """Rows [first, first + count)."""
        width = self.channels or 1
        block = first // NOISE_ROWS
        blocks = range(block, (first + count - 1) // NOISE_ROWS + 1)
        start = first - block * NOISE_ROWS
        if not blocks:
            return self._stored(np.empty((0, width), np.float32))
        drawn = np.concatenate([_gauss(self.seed, n, width) for n in blocks])
        return self._stored(self.amplitude * drawn[start : start + count])


@lru_cache(maxsize=8)
def _gauss(seed: int, block: int, width: int) -> npt.NDArray[np.float32]:
    """Normally distributed numbers, shape (NOISE_ROWS, width), the same each time."""
    philox = np.random.Philox(key=seed, counter=[0, 0, 0, block])
    return np.random.Generator(philox).standard_normal((NOISE_ROWS, width), np.float32)


# --- neural ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Neural(Signal):
    """Extracellular voltage: noise, and spikes of one unit per four channels.

    To be cheap the noise is cut from one table, each `NOISE_ROWS` rows at another
    place of it.
    """

    VOLTS_PER_COUNT: ClassVar[float] = 2.34375e-6
    NOISE_VOLTS: ClassVar[float] = 8e-6
    TABLE_ROWS: ClassVar[int] = 16 * NOISE_ROWS
    SPIKE_SECONDS: ClassVar[float] = 2e-3
    REACH: ClassVar[int] = 8
    """Channels on either side of a unit that see its spikes."""

    rate: float = 30000.0
    channels: int = 384
    amplitude: float = 200e-6
    spike_rate: float = 5.0

    def __post_init__(self) -> None:
        if self.spike_rate * self.SPIKE_SECONDS > 0.1:
            raise ValueError(
                f"spike_rate {self.spike_rate:g} Hz is too high for spikes of 2 ms; "
                "at most 50 Hz"
            )
        if self.amplitude > 0.05:
            raise ValueError(
                f"amplitude {self.amplitude:g} V does not fit into int16 at "
                "2.34375 µV a step; at most 0.05 V"
            )
        if self.rate < 1000:
            raise ValueError(f"rate {self.rate:g} Hz: spikes need 1 kHz or more")

    def format(self) -> StreamFormat:
        """Describe the rows."""
        return StreamFormat(
            np.dtype("<i2"),
            (self.channels,),
            self.rate,
            unit="volts",
            conversion=self.VOLTS_PER_COUNT,
        )

    def rows(self, first: int, count: int) -> Rows:
        """Rows [first, first + count)."""
        rows = np.empty((count, self.channels), "<i2")
        self._put_noise(rows, first)
        self._add_spikes(rows, first)
        return rows

    def _put_noise(self, rows: Rows, first: int) -> None:
        places = self.TABLE_ROWS - NOISE_ROWS
        done = 0
        while done < len(rows):
            period, start = divmod(first + done, NOISE_ROWS)
            place = int(uniform(self.seed, np.array([period]))[0] * places)
            size = min(NOISE_ROWS - start, len(rows) - done)
            source = self._noise[place + start : place + start + size]
            rows[done : done + size] = source
            done += size

    def _add_spikes(self, rows: Rows, first: int) -> None:
        units, onsets = self.spikes(first, len(rows))
        for unit, onset in zip(units.tolist(), onsets.tolist(), strict=True):
            spike, channel = self._spikes[unit], self._channel[unit]
            start = onset - first
            cut = spike[max(0, -start) : len(rows) - start]
            begin = max(0, start)
            rows[begin : begin + len(cut), channel : channel + cut.shape[1]] += cut

    def spikes(self, first: int, count: int) -> tuple[Integers, Integers]:
        """Find the spikes that touch rows [first, first + count): unit and onset."""
        slot = round(self.rate / self.spike_rate)
        begin = max(0, first - self._spike_rows + 1)
        slots = np.arange(begin // slot, (first + count) // slot + 1, dtype=np.int64)
        units = np.arange(self.units, dtype=np.int64)
        # Each unit's spikes are numbered in a range of their own.
        part = uniform(self.seed + 1, (units[:, None] << 40) + slots) * SPREAD
        onsets = slots * slot + (part * slot).astype(np.int64)
        touching = (onsets >= begin) & (onsets < first + count)
        found, _ = np.nonzero(touching)
        return found, onsets[touching]

    @property
    def units(self) -> int:
        """Number of neurons."""
        return max(1, self.channels // 4)

    @property
    def _spike_rows(self) -> int:
        return round(self.SPIKE_SECONDS * self.rate)

    @cached_property
    def _noise(self) -> Rows:
        generator = np.random.Generator(np.random.Philox(key=self.seed))
        noise = generator.standard_normal((self.TABLE_ROWS, self.channels), np.float32)
        noise *= self.NOISE_VOLTS / self.VOLTS_PER_COUNT
        return np.rint(noise, out=noise).astype("<i2")

    @cached_property
    def _peak(self) -> Integers:
        """Channel on which each unit is largest."""
        place = uniform(self.seed + 2, np.arange(self.units))
        return (place * self.channels).astype(np.int64)

    @cached_property
    def _channel(self) -> list[int]:
        """First channel that sees each unit."""
        width = min(2 * self.REACH + 1, self.channels)
        first = np.clip(self._peak - self.REACH, 0, self.channels - width)
        return [int(channel) for channel in first]

    @cached_property
    def _spikes(self) -> Rows:
        """Spike of each unit, shape (units, rows, channels), in counts."""
        size = 0.3 + 0.7 * uniform(self.seed + 3, np.arange(self.units))
        width = min(2 * self.REACH + 1, self.channels)
        distance = np.array(self._channel)[:, None] + np.arange(width)
        decay = np.exp(-(((distance - self._peak[:, None]) / 3) ** 2))
        volts = self.amplitude * size[:, None, None] * _spike(self._spike_rows)[:, None]
        return np.rint(volts * decay[:, None, :] / self.VOLTS_PER_COUNT).astype("<i2")


def _spike(rows: int) -> npt.NDArray[np.float64]:
    """Shape of a spike: a deep trough, then a shallow hump; the trough is -1."""
    t = np.linspace(0, 1, rows)
    shape = 0.35 * np.exp(-(((t - 0.55) / 0.15) ** 2)) - np.exp(
        -(((t - 0.3) / 0.07) ** 2)
    )
    return np.asarray(shape / -shape.min())


# --- digital lines --------------------------------------------------------------------


class SyncPulses(Model):
    """Pulses of 50 ms that all simulated devices of a host see at the same true time.

    They are a function of CLOCK_MONOTONIC alone (its zero, the start of the host, is
    the common origin), so devices need not know of each other.
    """

    line: int = Field(default=0, ge=0, le=7)
    """Bit that carries the pulses; default 0."""
    seed: int = 0
    """Devices with the same seed see the same pulses; default 0."""
    period: Seconds | None = None
    """Interval of regular pulses, 10 ms or more; default: random intervals of 100 to
    1900 ms, which can't be confused with each other."""

    missing: float = Field(default=0.0, ge=0, le=1)
    """Part of the pulses that a device does not see, each another; default 0."""
    extra: float = Field(default=0.0, ge=0, le=1)
    """Pulses that a device sees though there are none, as a part of the true ones;
    default 0."""

    @model_validator(mode="after")
    def _period_is_long_enough(self) -> "SyncPulses":
        if self.period is not None and self.period < 0.01:
            raise ValueError(f"period {self.period:g} s is below 10 ms")
        return self

    @property
    def slot_ns(self) -> int:
        """Time in which there is one pulse."""
        return 10**9 if self.period is None else round(self.period * 1e9)

    @property
    def width_ns(self) -> int:
        """Length of a pulse: 50 ms, or half the period if that is shorter."""
        return min(50_000_000, self.slot_ns // 2)

    def _onsets(self, slots: Integers) -> Integers:
        if self.period is not None:
            return slots * self.slot_ns
        return irregular(self.seed, slots, self.slot_ns)

    def levels(self, true_ns: Integers, device: int = 0) -> npt.NDArray[np.bool_]:
        """Say at which of the true times the line is high.

        `device` is the seed of what only this device does not see, or sees alone.
        """
        slots, of = np.unique(true_ns // self.slot_ns, return_inverse=True)
        high = self._is_high(true_ns - self._onsets(slots)[of])
        if self.missing:
            seen = uniform(derived_seed(device, "missing"), slots) >= self.missing
            high &= seen[of]
        if self.extra:
            seed = derived_seed(device, "extra")
            own = self._is_high(true_ns - irregular(seed, slots, self.slot_ns)[of])
            high |= own & (uniform(seed + 1, slots) < self.extra)[of]
        return high

    def _is_high(self, since: Integers) -> npt.NDArray[np.bool_]:
        return (since >= 0) & (since < self.width_ns)

    def onsets(self, begin_ns: int, end_ns: int) -> Integers:
        """Rising edges in the true time [begin, end), ns."""
        slots = np.arange(begin_ns // self.slot_ns, end_ns // self.slot_ns + 1)
        onsets = self._onsets(slots)
        return onsets[(onsets >= begin_ns) & (onsets < end_ns)]


@dataclass(frozen=True, kw_only=True)
class Digital(Signal):
    """Lines as the bits of a byte: line n toggles every 32 * 2**n rows."""

    rate: float = 30000.0
    lines: int = 8
    sync: SyncPulses | None = None

    def __post_init__(self) -> None:
        if self.lines > 8:
            raise ValueError(f"lines: {self.lines} do not fit into a byte; at most 8")
        if self.sync is not None and self.sync.line >= self.lines:
            raise ValueError(
                f"sync line {self.sync.line} is not one of the {self.lines} lines "
                f"(0 to {self.lines - 1})"
            )

    def format(self) -> StreamFormat:
        """Describe the rows."""
        return StreamFormat(np.dtype("u1"), (), self.rate, unit="n.a.")

    def rows(self, first: int, count: int) -> Rows:
        """Rows [first, first + count); the sync line is low."""
        mask = (1 << self.lines) - 1
        if self.sync is not None:
            mask &= ~(1 << self.sync.line)
        index = np.arange(first, first + count, dtype=np.int64)
        return ((index >> 5) & mask).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class TrueTime(Signal):
    """CLOCK_MONOTONIC in ns when each row was taken: the truth of its timestamp.

    Known only when the device has started; `rows` has the device's time instead.
    """

    def format(self) -> StreamFormat:
        """Describe the rows."""
        return StreamFormat(np.dtype("<i8"), (), self.rate, unit="ns")

    def rows(self, first: int, count: int) -> Rows:
        """Rows [first, first + count) of a device that has just started, at time 0."""
        return self.schedule.times(first, count)


# --- camera ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Camera(Signal):
    """Frames with a bright bar that moves; the first 8 bytes are the frame's number."""

    BAR: ClassVar[int] = 8
    """Width of the bar, and how far it moves from frame to frame, in pixels."""

    rate: float = 30.0
    height: int = 480
    width: int = 640
    color: bool = False

    def __post_init__(self) -> None:
        if self.width < self.BAR:
            raise ValueError(
                f"width {self.width} has no room for the frame number; at least "
                f"{self.BAR} pixels"
            )

    def format(self) -> StreamFormat:
        """Describe the rows."""
        shape = (self.height, self.width)
        shape_of_color = (*shape, 3) if self.color else shape
        return StreamFormat(np.dtype("u1"), shape_of_color, self.rate, unit="n.a.")

    def rows(self, first: int, count: int) -> Rows:
        """Rows [first, first + count)."""
        frames = np.empty((count, *self._background.shape), np.uint8)
        for number, frame in enumerate(frames, start=first):
            frame[:] = self._background
            left = number * self.BAR % self.width
            frame[:, left : left + self.BAR] = 255
            frame.reshape(-1)[:8] = np.array([number], "<u8").view(np.uint8)
        return frames

    @cached_property
    def _background(self) -> Rows:
        grey = np.linspace(0, 200, self.width).astype(np.uint8)
        shape = self.format().shape
        return np.broadcast_to(grey[:, None] if self.color else grey, shape).copy()


# --- event-like -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Encoder(Signal):
    """A wheel's position at each step of its encoder: two turns forth, two back."""

    EVENT_LIKE: ClassVar[bool] = True
    STEPS: ClassVar[int] = 4096
    """Steps of a turn."""

    rate: float = 200.0
    dtype: str = "float64"

    def __post_init__(self) -> None:
        _refuse_fast_events("encoder", self.rate)
        if self.format().dtype.itemsize < 4:
            raise ValueError(
                f"dtype `{self.dtype}` is too small for signal `encoder`; use int32, "
                "int64, float32 or float64"
            )

    def format(self) -> StreamFormat:
        """Describe the rows."""
        dtype = _dtype("encoder", self.dtype, "if")
        return StreamFormat(
            dtype,
            row_times=True,
            unit="radians",
            conversion=2 * math.pi / self.STEPS if dtype.kind == "i" else 1.0,
        )

    def rows(self, first: int, count: int) -> Rows:
        """Rows [first, first + count)."""
        turns = 2 * self.STEPS
        index = np.arange(first, first + count, dtype=np.int64)
        steps = turns - np.abs(index % (2 * turns) - turns)
        dtype = self.format().dtype
        if dtype.kind == "i":
            return steps.astype(dtype)
        return (steps * (2 * math.pi / self.STEPS)).astype(dtype)


@dataclass(frozen=True, kw_only=True)
class Events(Signal):
    """Edges of digital lines: a line goes high, then low, then comes another line."""

    EVENT_LIKE: ClassVar[bool] = True
    DTYPE: ClassVar[np.dtype[Any]] = np.dtype([("line", "u1"), ("value", "u1")])

    rate: float = 2.0
    lines: int = 8

    def __post_init__(self) -> None:
        _refuse_fast_events("events", self.rate)
        if self.lines > 256:
            raise ValueError(f"lines: {self.lines} is too many; at most 256")

    def format(self) -> StreamFormat:
        """Describe the rows."""
        return StreamFormat(self.DTYPE, row_times=True, unit="n.a.")

    def rows(self, first: int, count: int) -> Rows:
        """Rows [first, first + count)."""
        index = np.arange(first, first + count, dtype=np.int64)
        rows = np.empty(count, self.DTYPE)
        rows["line"] = uniform(self.seed + 1, index // 2) * self.lines
        rows["value"] = 1 - index % 2
        return rows


def _refuse_fast_events(signal: str, rate: float) -> None:
    if rate > 1e5:
        raise ValueError(
            f"rate {rate:g} Hz is too high for signal `{signal}`, whose rows have "
            "times of their own; at most 100 kHz"
        )


SIGNALS: dict[str, type[Signal]] = {
    "counter": Counter,
    "sine": Sine,
    "noise": Noise,
    "neural": Neural,
    "digital": Digital,
    "true_time": TrueTime,
    "camera": Camera,
    "encoder": Encoder,
    "events": Events,
}
"""All signals by the name that the option `signal` gives them."""
