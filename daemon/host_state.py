"""What was read of the host: its clock, its limits, its disk. No I/O."""

from rigd.config.base import Model


class ClockDiscipline(Model):
    """The state of the kernel's clock, see adjtimex(2)."""

    synchronized: bool
    """Held to a reference by NTP or PTP."""
    offset_seconds: float
    """What is left to be corrected."""
    frequency_ppm: float
    """Correction of the clock's speed."""
    maximum_error_seconds: float
    """Upper bound of its error; grows by 500 ppm while nobody corrects it."""
    estimated_error_seconds: float
    """Its error as the time service estimates it."""
    tai_offset_seconds: int
    """TAI - UTC as the kernel was told; 0 where nobody has told it."""


class HostLimits(Model):
    """The limits that count now (see getrlimit(2)); None: unlimited."""

    open_files: int | None
    locked_memory: int | None
    """Bytes."""
    realtime_priority: int | None
    nice: int
    """Niceness of this process."""


class WriteSpeed(Model):
    """What the disk took."""

    bytes: int
    seconds: float
    """Until all of it was on the disk."""

    @property
    def bytes_per_second(self) -> float:
        """Speed, the way to the disk included."""
        return self.bytes / self.seconds
