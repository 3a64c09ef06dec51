"""Keeps one LSL stream coming: blocks, clock readings, and what happens to its sender.

LSL has no sample counter: the index counts what was received. An outlet that goes away
and comes back starts a new epoch at index 0; what it sent in between can't be known.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pylsl
from pylsl.util import LostError
from pylsl.util import TimeoutError as NoAnswerError

from rigd.streams.block import (
    Block,
    ClockReading,
    Ended,
    Item,
    Lost,
    Note,
    StreamFormat,
)
from rigd.streams.drivers.lsl_inlet import (
    Inlet,
    Pulled,
    cut_text,
    make_inlet,
    most_rows,
    nanoseconds,
)
from rigd.streams.drivers.lsl_options import LslOptions
from rigd.streams.drivers.lsl_outlet import LOOK, Outlet, look_for

CONNECT = 5.0
"""Seconds that an outlet which has been seen may take to answer."""

GATHER = 0.005
"""Seconds that one pull gathers samples."""

SILENCE = 15.0
"""Seconds without a sample after which a successor of the outlet is looked for: the
end of a machine that lost its power is never heard."""

SAME_CLOCK = 0.001
"""Most seconds between LSL's clock and CLOCK_MONOTONIC if they are the same clock."""


def text_rows(
    texts: Sequence[Sequence[bytes]], dtype: np.dtype[Any]
) -> tuple[npt.NDArray[Any], list[bytes]]:
    """Put texts into rows of `dtype`; also return those that could not be kept whole.

    Too long a text is cut at the end of a character.
    """
    rows = np.zeros(len(texts), dtype)
    names = dtype.names or ()
    changed = []
    for row, values in zip(rows, texts, strict=True):
        for name, value in zip(names, values, strict=True):
            row[name] = cut_text(value, dtype[name].itemsize)
            if row[name] != value:
                changed.append(value)
    return rows, changed


def clock_offset_ns(
    lsl_clock: Callable[[], float] = pylsl.local_clock,
    host_clock: Callable[[], int] = time.monotonic_ns,
) -> int:
    """CLOCK_MONOTONIC minus LSL's clock, ns; 0 where they are the same clock."""
    before = host_clock()
    reading = int(nanoseconds(lsl_clock()))
    after = host_clock()
    offset = (before + after) // 2 - reading
    same = abs(offset) <= SAME_CLOCK * 1e9 + (after - before) / 2
    return 0 if same else offset


class ClockReader:
    """Takes a reading of the sender's clock at an interval, each only once."""

    def __init__(self, stream: str, interval: float) -> None:
        self._stream = stream
        self._interval = interval
        self._due = -math.inf
        self._newest: float | None = None

    def read(self, inlet: Inlet) -> ClockReading | None:
        """Return a new reading if it is time for one and LSL has one. Never waits."""
        now = time.monotonic()
        if now < self._due:
            return None
        correction = inlet.correction()
        if correction is None or correction.remote == self._newest:
            return None
        self._due = now + self._interval
        self._newest = correction.remote
        local = nanoseconds(correction.remote + correction.offset)
        return ClockReading(
            self._stream,
            device_ns=int(nanoseconds(correction.remote)),
            host_ns=int(local) + clock_offset_ns(),
            uncertainty_ns=math.ceil(max(0.0, correction.round_trip) / 2 * 1e9),
        )


class Receiver:
    """Keeps one stream coming, in a thread of its own; all it says goes to `give`.

    The lock `in_order` is shared by the receivers of a device: blocks of all its
    streams are given in the order of their host times.

    Between two pulls nothing else is done that takes time, since a sender's end makes
    unreachable what has arrived but was not pulled (see `lsl_inlet`).
    """

    def __init__(
        self,
        stream: str,
        options: LslOptions,
        form: StreamFormat,
        *,
        outlet: Outlet,
        inlet: Inlet,
        give: Callable[[Item], None],
        in_order: threading.Lock,
    ) -> None:
        self._stream = stream
        self._options = options
        self._format = form
        self._outlet = outlet
        self._inlet: Inlet | None = inlet
        self._give = give
        self._in_order = in_order
        self._clock = ClockReader(stream, options.clock_interval)
        self._heard = time.monotonic()
        self._refused: set[str] = set()
        self._next = 0
        self._epoch = 0
        self._begin = threading.Event()
        self._recording = threading.Event()
        self._stop = threading.Event()

    def begin(self) -> None:
        """Ask for recording: forget what has come so far and keep what comes now."""
        self._begin.set()

    def wait_until_recording(self) -> None:
        """Return as soon as samples are kept, or the receiver was stopped."""
        self._recording.wait()

    def stop(self) -> None:
        """Ask for the end; what has arrived is still given."""
        self._stop.set()

    def run(self) -> None:
        """Receive until stopped, or until the outlet is gone for good."""
        try:
            while not self._stop.is_set() and self._receive():
                pass
            self._drain()
        finally:
            self._inlet = None
            self._recording.set()

    def _receive(self) -> bool:
        """Do one thing; return False when the stream has ended."""
        if self._begin.is_set() and not self._recording.is_set():
            self._start_recording()
        if self._inlet is None:
            return self._look_again()
        pulled = self._inlet.pull(GATHER)
        self._keep(pulled)
        if pulled.lost:
            return self._lose(self._inlet)
        self._read_clock(self._inlet)
        return self._check_silence(len(pulled.stamps))

    def _start_recording(self) -> None:
        if self._inlet is not None:
            self._inlet.flush()
        self._recording.set()

    def _keep(self, pulled: Pulled) -> None:
        """Give the rows as a block."""
        if not len(pulled.stamps) or not self._recording.is_set():
            return
        with self._in_order:
            self._give(self._block(pulled, time.monotonic_ns()))
        self._next += len(pulled.stamps)

    def _block(self, pulled: Pulled, host_ns: int) -> Block:
        row_ns = nanoseconds(pulled.stamps)
        return Block(
            self._stream,
            self._next,
            self._data(pulled),
            host_ns,
            device_ns=int(row_ns[0]),
            epoch=self._epoch,
            row_ns=row_ns,
        )

    def _data(self, pulled: Pulled) -> npt.NDArray[Any]:
        if self._format.dtype.names is None:
            numbers: npt.NDArray[Any] = pulled.rows
            return numbers
        rows, changed = text_rows(pulled.rows, self._format.dtype)
        for text in changed:
            self._note(
                f"a text of {len(text)} bytes does not fit into `max_text` and was "
                f"cut: {text.decode(errors='replace')!r}"
            )
        return rows

    def _read_clock(self, inlet: Inlet) -> None:
        if self._recording.is_set() and (reading := self._clock.read(inlet)):
            self._give(reading)

    def _drain(self) -> None:
        """Take what has arrived when receiving stops."""
        while self._inlet is not None:
            pulled = self._inlet.pull(0.0)
            self._keep(pulled)
            if pulled.lost:
                self._account(self._inlet)
            if pulled.lost or len(pulled.stamps) < most_rows(self._outlet.rate):
                return

    # --- an outlet that goes away and comes back -----------------------------------

    def _lose(self, inlet: Inlet) -> bool:
        self._account(inlet)
        self._inlet = None
        gone = f"LSL outlet {self._outlet} is gone"
        if self._options.reconnect:
            self._note(f"{gone} after {self._next} samples; looking for it again")
        else:
            self._give(Ended(self._stream, gone))
        return self._options.reconnect

    def _account(self, inlet: Inlet) -> None:
        """Count as lost what arrived too late before the outlet went away."""
        count = inlet.out_of_reach()
        if count and self._recording.is_set():
            self._give(Lost(self._stream, self._next, count, "driver", self._epoch))
            self._next += count

    def _look_again(self) -> bool:
        """Wait for a new instance of the outlet, at most for one look."""
        found = look_for(self._outlet, LOOK, enough=len(self._refused) + 1)
        acceptable = [outlet for outlet in found if outlet.uid not in self._refused]
        if acceptable:
            self._return_to(acceptable[0])
        return True

    def _return_to(self, outlet: Outlet) -> None:
        """Subscribe to the outlet that came in the place of the lost one."""
        if not outlet.sends_like(self._outlet):
            self._refused.add(outlet.uid)
            self._note(
                f"LSL outlet {outlet} came back with other samples than the "
                f"{self._outlet.sample_format} of before; it is not recorded"
            )
            return
        inlet = make_inlet(outlet.info, self._options.buffer)
        try:
            inlet.subscribe(CONNECT)
        except (LostError, NoAnswerError):
            self._stop.wait(LOOK)
            return
        self._inlet, self._outlet = inlet, outlet
        self._heard = time.monotonic()
        self._clock = ClockReader(self._stream, self._options.clock_interval)
        if self._recording.is_set():
            self._next, self._epoch = 0, self._epoch + 1
            self._note(f"LSL outlet {outlet} is back (epoch {self._epoch})")

    def _check_silence(self, rows: int) -> bool:
        """Give an outlet up if it is silent and another has come in its place."""
        now = time.monotonic()
        if rows:
            self._heard = now
        if now - self._heard < SILENCE or self._inlet is None:
            return True
        self._heard = now
        seen = look_for(self._outlet, LOOK)
        replaced = seen and all(o.uid != self._outlet.uid for o in seen)
        return self._lose(self._inlet) if replaced else True

    def _note(self, text: str) -> None:
        self._give(Note(self._stream, text))
