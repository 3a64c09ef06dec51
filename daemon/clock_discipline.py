"""Whether the host's wall clock is held to a time server, as the kernel knows it."""

import ctypes
import os

from rigd.daemon.host_state import ClockDiscipline

STA_UNSYNC = 0x0040
STA_NANO = 0x2000
TIME_ERROR = 5
"""Answer of adjtimex(2): the clock is not synchronized."""


class _Timeval(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("fraction", ctypes.c_long))


class _Timex(ctypes.Structure):
    """`struct timex` of <sys/timex.h>."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", _Timeval),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    )


def read_clock_discipline() -> ClockDiscipline:
    """Ask the kernel; nothing is set.

    Raises:
        OSError: It does not say (a service may be forbidden to ask).

    """
    timex = _Timex()
    answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    if answer < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "adjtimex")
    unit = 1e-9 if timex.status & STA_NANO else 1e-6
    return ClockDiscipline(
        synchronized=answer != TIME_ERROR and not timex.status & STA_UNSYNC,
        offset_seconds=timex.offset * unit,
        frequency_ppm=timex.freq / 2**16,
        maximum_error_seconds=timex.maxerror * 1e-6,
        estimated_error_seconds=timex.esterror * 1e-6,
        tai_offset_seconds=timex.tai,
    )
