"""Settings of the driver `simulated`: devices, streams and the faults they show."""

from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from rigd.config.base import Model
from rigd.config.units import Hertz, Seconds, SignedSeconds
from rigd.streams.signals import SIGNALS, Signal, SyncPulses


class ClockOptions(Model):
    """The device's clock against the host's."""

    offset: SignedSeconds = 0.0
    """What it shows when the device starts; default 0 s."""
    drift_ppm: float = Field(default=0.0, ge=-1e5, le=1e5, allow_inf_nan=False)
    """How much faster than the host's it runs, in parts per million; default 0."""
    wander_ppm: float = Field(default=0.0, ge=0, le=1e3, allow_inf_nan=False)
    """How far its speed goes up and down as with the temperature of a room, in parts
    per million; default 0."""
    wander_period: Seconds = Field(default=600.0, ge=1)
    """Time in which its speed goes up and down once; default 10 min."""
    latency: Seconds = 0.0
    """Least time of each transfer to the host; default 0 s."""
    jitter: Seconds = 0.0
    """Mean of the random (exponential) delay of each transfer; default 0 s."""
    poll: Seconds = Field(default=0.0, le=1)
    """The host asks the device in this rhythm, as by USB (125 us), by serial adapters
    (16 ms) or by radio (7.5 ms); default 0 s: transfers come at once."""
    late: float = Field(default=0.0, ge=0, le=0.5)
    """Part of the transfers that come 50 to 200 ms late; default 0."""


class Fault(Model):
    """What goes wrong: one of `lose`, `slip`, `silent`, `restart` or `die`."""

    at: Seconds
    """When, in seconds since the device started, on its own clock."""
    lose: Seconds | None = None
    """The device loses its samples for this long; they count, but never come."""
    slip: Seconds | None = None
    """The device loses its samples for this long and does not notice: neither its
    counter nor its clock go on meanwhile."""
    silent: Seconds | None = None
    """The device delivers nothing for this long, then all that it has kept."""
    restart: bool = False
    """The device starts anew: its counters and its clock are set back."""
    die: bool = False
    """The device is gone: reading fails."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> "Fault":
        given = {
            "lose": bool(self.lose),
            "slip": bool(self.slip),
            "silent": bool(self.silent),
            "restart": self.restart,
            "die": self.die,
        }
        chosen = [name for name, is_given in given.items() if is_given]
        if len(chosen) != 1:
            raise ValueError(
                f"a fault is one of {', '.join(given)}; the one at {self.at:g} s has "
                f"{' and '.join(chosen) or 'none of them'}"
            )
        return self

    @property
    def end(self) -> float:
        """When it is over, in seconds since the device started."""
        return self.at + (self.lose or self.slip or self.silent or 0.0)


class SimulatedOptions(Model):
    """A simulated device."""

    seed: int = 0
    """Seed of all that is left to chance, together with the stream's name; default 0.
    Pulses on sync lines have a seed of their own."""
    realtime: bool = True
    """True: samples come when their time has come. False: as fast as they are taken,
    stamped with simulated times at which a computer would have seen them; none is lost
    for lack of room. Default true."""
    duration: Seconds | None = Field(default=None, gt=0)
    """The device ends by itself after this long by its own clock; default: never."""
    clock: ClockOptions = Field(default_factory=ClockOptions)
    """The device's clock against the host's; default: perfect."""
    block: Seconds | None = Field(default=None, ge=0.0001, le=0.1)
    """Time of samples that the device gathers for one transfer, 0.1 to 100 ms;
    default 10 ms, without `realtime` 100 ms."""
    faults: list[Fault] = Field(default_factory=list)
    """What goes wrong, in order of time; default nothing."""
    hang_on_open: bool = False
    """Opening the device never comes to an end; default false."""
    cable: Path | None = None
    """A file that stands for the device's cable: while it is not there, neither is the
    device. Remove it to unplug the device. Default: it is always there."""

    @field_validator("cable")
    @classmethod
    def _is_absolute(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_absolute():
            raise ValueError(f"`{path}` is not an absolute path")
        return path

    @model_validator(mode="after")
    def _faults_follow_each_other(self) -> "SimulatedOptions":
        for earlier, later in zip(self.faults, self.faults[1:], strict=False):
            if later.at < earlier.end or earlier.die:
                raise ValueError(
                    f"faults must follow each other: the one at {later.at:g} s begins "
                    f"before the one at {earlier.at:g} s is over"
                )
        return self

    @property
    def transfer(self) -> float:
        """Time of samples of one transfer, s."""
        return self.block or (0.01 if self.realtime else 0.1)


class SimulatedStreamOptions(Model):
    """One simulated stream; each signal takes the settings that it knows only."""

    signal: Literal[
        "counter",
        "sine",
        "noise",
        "neural",
        "digital",
        "true_time",
        "camera",
        "encoder",
        "events",
    ]
    """What the stream contains. `counter`: row * elements of a row + place in the row,
    for tests. `sine`: a sine wave per channel. `noise`: white Gaussian noise. `neural`:
    int16 voltages with spikes. `digital`: lines as the bits of a byte, with sync
    pulses. `true_time`: the computer's CLOCK_MONOTONIC in ns when each row was taken,
    which timestamps can be compared with. `camera`: frames with a moving bar and the
    frame number in the first 8 bytes. `encoder`: event-like positions of a wheel.
    `events`: event-like edges of digital lines, fields `line` and `value`."""
    rate: Hertz | None = None
    """Rows per second; of `encoder` and `events` their mean. Default: `neural` and
    `digital` 30 kHz, `counter`, `sine`, `noise`, `true_time` 1 kHz, `encoder` 200 Hz,
    `camera` 30 Hz, `events` 2 Hz."""
    channels: PositiveInt | None = None
    """Channels of `counter`, `sine`, `noise`, `neural`; default 384 for `neural`, else
    the rows are single numbers."""
    shape: tuple[PositiveInt, ...] | None = Field(default=None, max_length=3)
    """Shape of a row of `counter`, instead of `channels`."""
    dtype: str | None = None
    """Type of a number as numpy writes it, for `counter` (default `int16`), `sine`,
    `noise` (`float32`: volts; integers: millivolts) and `encoder` (`float64`: radians;
    integers: steps, 4096 a turn)."""
    amplitude: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """In volts: peak of `sine`, standard deviation of `noise` (default 1 V), largest
    spike of `neural` (default 200 µV)."""
    frequency: Hertz | None = None
    """Frequency of the first channel of `sine`; that of the others rises to nearly
    twice as much. Default 1 Hz."""
    spike_rate: Hertz | None = None
    """Spikes per second of each unit of `neural`; default 5 Hz, at most 50 Hz."""
    height: PositiveInt | None = None
    """Height of a frame of `camera`, in pixels; default 480."""
    width: PositiveInt | None = None
    """Width of a frame of `camera`, in pixels, 8 or more; default 640."""
    color: bool | None = None
    """True: a frame of `camera` has three values a pixel; default false."""
    lines: PositiveInt | None = None
    """Lines of `digital` (1 to 8) and `events` (1 to 256); default 8."""
    sync: SyncPulses | None = None
    """Line of `digital` that carries the pulses shared by all devices; default none."""
    never_delivers: bool = False
    """The stream exists, but no sample ever comes; default false."""

    @model_validator(mode="after")
    def _fits_the_signal(self) -> "SimulatedStreamOptions":
        allowed = [f.name for f in fields(SIGNALS[self.signal]) if f.name != "seed"]
        unfit = [name for name in self._given if name not in allowed]
        if unfit:
            raise ValueError(
                f"signal `{self.signal}` has no {', '.join(f'`{n}`' for n in unfit)}; "
                f"it has {', '.join(f'`{name}`' for name in allowed)}"
            )
        self.make_signal(seed=0)
        return self

    @property
    def _given(self) -> dict[str, Any]:
        names = type(self).model_fields.keys() - {"signal", "never_delivers"}
        values = {name: getattr(self, name) for name in sorted(names)}
        return {name: value for name, value in values.items() if value is not None}

    def make_signal(self, seed: int) -> Signal:
        """Make the signal; it costs nothing until its first rows are asked for.

        Raises:
            ValueError: The settings do not fit each other.

        """
        return SIGNALS[self.signal](seed=seed, **self._given)
