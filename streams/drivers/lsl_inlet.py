"""One subscription to an LSL outlet that loses nothing without saying so.

liblsl's own recovery is off, since it resumes silently with the samples in between
gone. What then happens when the sender ends was measured with liblsl 1.18:

- Every pull fails from that moment on, also while samples that have arrived are still
  in the inlet. A pull that waits inside liblsl gets them all; one that looks every
  millisecond or two does not. So an inlet is pulled all the time, waiting.
- A pull of many samples that fails on its way throws away what it has taken already,
  but it has written these rows to the caller's memory: they are kept.
- What still remains in the inlet can be counted, so it is reported as lost.
"""

import ctypes
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pylsl
from pylsl.lib import lib
from pylsl.util import LostError, handle_error

from rigd.streams.block import NO_TIME

DTYPES = {
    pylsl.cf_float32: "<f4",
    pylsl.cf_double64: "<f8",
    pylsl.cf_int8: "|i1",
    pylsl.cf_int16: "<i2",
    pylsl.cf_int32: "<i4",
    pylsl.cf_int64: "<i8",
}
"""Numeric channel formats of LSL as numpy writes them."""

EVENT_ROWS = 1024
"""Most rows taken at once from a stream without a rate."""

BLOCK_SECONDS = 0.1
"""Most seconds of a stream with a rate that are taken at once."""

SETTLE = 0.02
"""Seconds until liblsl has put its end mark behind the samples of a lost stream."""

_LOST = -2
_TIMED_OUT = -1

_correction = ctypes.CFUNCTYPE(
    ctypes.c_double,
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_double),
    ctypes.POINTER(ctypes.c_double),
    ctypes.c_double,
    ctypes.POINTER(ctypes.c_int),
)(("lsl_time_correction_ex", lib))
"""Not wrapped by pylsl: its `time_correction` leaves out when and how exact."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one pull brought.

    Attributes:
        rows: Numbers, shape (rows, channels), or for text a list of rows, each a
            sequence of one `bytes` per channel; the caller's own.
        stamps: The sender's time of each row in seconds, as sent, shape (rows,).
        lost: The outlet is gone: nothing follows.

    """

    rows: Any
    stamps: npt.NDArray[np.float64]
    lost: bool


@dataclass(frozen=True, slots=True)
class Correction:
    """The sender's clock against ours, from liblsl's best round trip of several.

    Attributes:
        remote: Sender's clock in the middle of the round trip, seconds.
        offset: What to add to it to get our LSL clock, seconds.
        round_trip: Length of the round trip in seconds; the offset is right to within
            half of it.

    """

    remote: float
    offset: float
    round_trip: float


class Inlet(Protocol):
    """A subscription: from `subscribe` on nothing is missed until `pull` says so."""

    def subscribe(self, timeout: float) -> None:
        """Connect; raise a `RuntimeError` of pylsl where the outlet does not answer."""
        ...

    def description(self, timeout: float) -> Any:
        """Fetch the outlet's full `StreamInfo`, channels and all."""
        ...

    def pull(self, timeout: float) -> Pulled:
        """Take what comes within `timeout` seconds; 0 takes what is there."""
        ...

    def flush(self) -> None:
        """Forget what has arrived so far."""
        ...

    def out_of_reach(self) -> int:
        """Count the samples that arrived before the loss but can't be had any more."""
        ...

    def correction(self) -> Correction | None:
        """Return the newest comparison of clocks, None before the first; no waiting."""
        ...


class _Subscription:
    """What inlets for numbers and for text have in common."""

    def __init__(self, outlet: Any, buffer: float) -> None:
        self._inlet = pylsl.StreamInlet(
            outlet,
            max_buflen=buffer_length(buffer, outlet.nominal_srate()),
            processing_flags=pylsl.proc_none,
            recover=False,
            as_numpy=True,
        )
        self._limit = most_rows(outlet.nominal_srate())

    def subscribe(self, timeout: float) -> None:
        self._inlet.open_stream(timeout)

    def description(self, timeout: float) -> Any:
        return self._inlet.info(timeout)

    def flush(self) -> None:
        self._inlet.flush()

    def out_of_reach(self) -> int:
        time.sleep(SETTLE)
        return max(0, int(self._inlet.samples_available()) - 1)

    def correction(self) -> Correction | None:
        remote, round_trip = ctypes.c_double(), ctypes.c_double()
        error = ctypes.c_int()
        offset = _correction(
            self._inlet.obj,
            ctypes.byref(remote),
            ctypes.byref(round_trip),
            0.0,
            ctypes.byref(error),
        )
        if error.value in (_TIMED_OUT, _LOST):
            return None
        handle_error(error)
        return Correction(remote.value, offset, round_trip.value)


class NumberInlet(_Subscription):
    """A subscription to numbers of one type."""

    def __init__(self, outlet: Any, buffer: float) -> None:
        super().__init__(outlet, buffer)
        self._values = np.empty(
            (self._limit, outlet.channel_count()), DTYPES[outlet.channel_format()]
        )
        self._stamps = np.empty(self._limit)

    def pull(self, timeout: float) -> Pulled:
        """Take what comes within `timeout` seconds."""
        self._stamps.fill(np.nan)
        error = ctypes.c_int()
        values = self._inlet.do_pull_chunk(
            self._inlet.obj,
            ctypes.c_void_p(self._values.ctypes.data),
            ctypes.c_void_p(self._stamps.ctypes.data),
            ctypes.c_size_t(self._values.size),
            ctypes.c_size_t(self._limit),
            ctypes.c_double(timeout),
            ctypes.byref(error),
        )
        lost = error.value == _LOST
        if lost:
            rows = int(np.argmax(np.isnan(np.append(self._stamps, np.nan))))
        else:
            handle_error(error)
            rows = values // self._values.shape[1]
        return Pulled(self._values[:rows].copy(), self._stamps[:rows].copy(), lost)


class TextInlet(_Subscription):
    """A subscription to text, taken row by row: a failing pull then has no rows."""

    def pull(self, timeout: float) -> Pulled:
        """Wait at most `timeout` seconds for a row; take what is there."""
        rows: list[Sequence[bytes]] = []
        stamps: list[float] = []
        lost = False
        try:
            while len(rows) < self._limit:
                row, stamp = self._inlet.pull_sample(0.0 if rows else timeout)
                if row is None:
                    break
                rows.append(row)
                stamps.append(stamp)
        except LostError:
            lost = True
        return Pulled(rows, np.array(stamps), lost)


def make_inlet(outlet: Any, buffer: float) -> Inlet:
    """Prepare a subscription to `outlet`, a resolved `StreamInfo`.

    Args:
        outlet: The outlet, of a format in `DTYPES` or text.
        buffer: Seconds of samples that liblsl may hold.

    """
    text = outlet.channel_format() == pylsl.cf_string
    return TextInlet(outlet, buffer) if text else NumberInlet(outlet, buffer)


def most_rows(rate: float) -> int:
    """Most rows taken at once from a stream of `rate` rows per second (0: no rate)."""
    return max(1, math.ceil(BLOCK_SECONDS * rate)) if rate else EVENT_ROWS


def buffer_length(seconds: float, rate: float) -> int:
    """`max_buflen` for liblsl: whole seconds, or hundreds of samples without a rate.

    At least ten samples of a very slow stream.
    """
    return max(1, math.ceil(max(seconds, 10 / rate if rate else 0)))


def nanoseconds(stamps: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Turn seconds (float64) into whole ns without losing digits; NO_TIME for NaN."""
    seconds = np.asarray(stamps, np.float64)
    known = np.isfinite(seconds)
    whole = np.floor(np.where(known, seconds, 0.0))
    part = np.where(known, seconds, 0.0) - whole
    ns = whole.astype(np.int64) * 1_000_000_000 + np.rint(part * 1e9).astype(np.int64)
    return np.where(known, ns, NO_TIME)


def cut_text(text: bytes, limit: int) -> bytes:
    """Shorten UTF-8 `text` to at most `limit` bytes without splitting a character."""
    if len(text) <= limit:
        return text
    end = limit
    while end > max(0, limit - 3) and text[end] & 0xC0 == 0x80:
        end -= 1
    return text[:end]
