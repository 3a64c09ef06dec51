"""What is proved before a session starts: how long, and how exactly."""

from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from rigd.config.base import Model
from rigd.config.units import ByteSize, Seconds

PartsPerMillion = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Limits(Model):
    """What the processes of a session are allowed to use; checked, not set.

    systemd passes over limits that it is not allowed to raise without a word.
    """

    open_files: PositiveInt | None = None
    """Least number of open files (`LimitNOFILE`); default: what the streams need."""
    locked_memory: ByteSize | None = None
    """Least memory that may be locked (`LimitMEMLOCK`); default: not asked."""
    nice: Annotated[int, Field(ge=-20, le=19)] | None = None
    """Largest niceness (`Nice`), e.g. -5; default: not asked."""
    realtime_priority: Annotated[int, Field(ge=1, le=99)] | None = None
    """Least real-time priority that may be taken (`LimitRTPRIO`), 1 to 99; default:
    not asked."""


class Check(Model):
    """The proof of the rig: `rigd check`, and before each start."""

    trial: Seconds = 2.0
    """How long each device is tried, 0.5 s or more; default 2 s. The rate of a stream
    is known the better the longer it lasts. 0: no device is tried before a start."""
    rate_warn_ppm: PartsPerMillion = 500.0
    """Warn when a stream is so far off its declared rate, in parts per million, beyond
    the uncertainty of the measurement; default 500."""
    rate_fail_ppm: PartsPerMillion = 5000.0
    """Fail when it is so far off; default 5000 (0.5 %)."""

    @model_validator(mode="after")
    def _trial_is_long_enough(self) -> "Check":
        if 0 < self.trial < 0.5:
            raise ValueError(
                f"a trial of {self.trial:g} s shows no rate; 0.5 s or more, or 0: none"
            )
        if self.rate_warn_ppm > self.rate_fail_ppm:
            raise ValueError(
                f"rate_warn_ppm {self.rate_warn_ppm:g} is above rate_fail_ppm "
                f"{self.rate_fail_ppm:g}"
            )
        return self
