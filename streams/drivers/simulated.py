"""A device that is not there: signals that are known in advance, faults on request.

It samples by a clock of its own (`rigd.streams.simulated_clock`), delivers nothing
before its time, and shows the faults that its options ask for. What it sends is a pure
function of the sample index; `expected_rows` says what that is. Only the shared sync
pulses and the signal `true_time` depend on true time.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rigd.config.base import Model
from rigd.streams.block import Block, Ended, Item, Items, Lost, StreamFormat
from rigd.streams.driver import DeviceError
from rigd.streams.sampling import Integers, derived_seed
from rigd.streams.signals import Digital, Signal, TrueTime
from rigd.streams.simulated_clock import SimulatedClock
from rigd.streams.simulated_options import SimulatedOptions, SimulatedStreamOptions
from rigd.streams.simulated_timeline import Phase, plan

LARGEST_NS = 100_000_000
"""Run time of the samples that one read returns at most."""

IMAGE_DIMENSIONS = 2
"""Rows of so many dimensions are sent one by one."""


class SimulatedDriver:
    """Simulates one device with any number of streams."""

    Options: ClassVar[type[Model]] = SimulatedOptions
    StreamOptions: ClassVar[type[Model]] = SimulatedStreamOptions
    foreign = False

    def __init__(
        self,
        device: str,
        options: SimulatedOptions,
        streams: Mapping[str, SimulatedStreamOptions],
    ) -> None:
        self.paced_by_consumer = not options.realtime
        self._device = device
        self._options = options
        self._signals = {
            name: stream.make_signal(derived_seed(options.seed, name))
            for name, stream in streams.items()
        }
        self._formats = {n: signal.format() for n, signal in self._signals.items()}
        self._mute = {name for name, stream in streams.items() if stream.never_delivers}
        self._block_ns = round(options.block * 1e9)
        self._timeline = plan(options.faults, options.duration)
        self._phases: list[Phase] = []
        self._clock: SimulatedClock | None = None
        self._done = 0
        self._batch = 0

    # --- the verbs of a driver ----------------------------------------------------

    def open(self) -> Mapping[str, StreamFormat]:
        """Prepare the signals and say what their rows look like."""
        while self._options.hang_on_open:
            time.sleep(1)
        self._refuse_if_unplugged()
        for signal in self._signals.values():
            signal.rows(0, 1)
        return self._formats

    def keep_ready(self) -> None:
        """See that the device is there.

        Raises:
            DeviceError: Its cable has been taken away.

        """
        self._refuse_if_unplugged()

    def start(self) -> None:
        """Start the device's clock and counters."""
        clock = self._options.clock
        self._clock = SimulatedClock(
            start_ns=time.monotonic_ns(),
            offset_ns=round(clock.offset * 1e9),
            drift_ppm=clock.drift_ppm,
            jitter_ns=clock.jitter * 1e9,
            seed=derived_seed(self._options.seed, "jitter"),
            wander_ppm=clock.wander_ppm,
            wander_period_ns=clock.wander_period * 1e9,
            latency_ns=round(clock.latency * 1e9),
            poll_ns=round(clock.poll * 1e9),
            late=clock.late,
        )
        self._phases = list(self._timeline.phases)
        self._done = self._batch = 0

    def read(self, timeout: float) -> Items:
        """Wait for the next transfer; return its samples.

        Raises:
            DeviceError: `faults` let the device die, and its time has come; or its
                cable has been taken away.

        """
        self._refuse_if_unplugged()
        if self._clock is None or not self._phases:
            self._refuse_if_dead()
            time.sleep(timeout)
            return ()
        if self.paced_by_consumer:
            return self._take(self._largest_end(), time.monotonic_ns())
        end, now_ns = self._wait_for_transfer(self._clock, timeout)
        return () if end is None else self._take(end, now_ns)

    def stop(self) -> Items:
        """Return what has been sampled since the last transfer."""
        if self._clock is None:
            return ()
        now_ns = time.monotonic_ns()
        until = 0 if self.paced_by_consumer else self._clock.run_ns(now_ns)
        items: list[Item] = []
        while self._phases and self._done < until:
            items += self._take(min(self._largest_end(), until), now_ns)
        self._phases = []
        return items

    def close(self) -> None:
        """Stop; there is nothing to give back."""
        self._phases = []

    # --- what a test compares with ------------------------------------------------

    def expected_rows(
        self, stream: str, first: int, count: int, *, epoch: int = 0
    ) -> npt.NDArray[Any]:
        """Rows that this device sends, or has sent, as [first, first + count).

        Raises:
            ValueError: The stream has sync pulses or true times, which are not known
                before the start.

        """
        signal = self._signals[stream]
        if isinstance(signal, TrueTime):
            return self._true_ns(stream, first, count, epoch)
        rows = signal.rows(first, count)
        if isinstance(signal, Digital) and signal.sync is not None:
            true_ns = self._true_ns(stream, first, count, epoch)
            high = signal.sync.levels(true_ns, signal.seed)
            rows |= high.astype(np.uint8) << np.uint8(signal.sync.line)
        return rows

    def _true_ns(self, stream: str, first: int, count: int, epoch: int) -> Integers:
        """True times of the rows [first, first + count) of an epoch, ns."""
        signal = self._signals[stream]
        times = signal.schedule.times(first, count)
        times += self._counter_start(signal, epoch, first)
        return self._started(stream).true_times(times)

    def expected_device_ns(self, stream: str, first: int, count: int) -> Integers:
        """Device times of the rows [first, first + count), ns; any epoch's."""
        times = self._signals[stream].schedule.times(first, count)
        return times + round(self._options.clock.offset * 1e9)

    def _counter_start(self, signal: Signal, epoch: int, first: int) -> int:
        """Run time at which the counter was 0, for the samples from `first` on."""
        phases = [p for p in self._timeline.phases if p.epoch == epoch]
        begun = [
            phase.counter_start
            for phase in phases
            if signal.schedule.count_before(phase.begin - phase.counter_start) <= first
            and not phase.unnoticed
        ]
        return begun[-1] if begun else phases[0].counter_start

    def _started(self, stream: str) -> SimulatedClock:
        if self._clock is None:
            raise ValueError(
                f"stream `{stream}` has sync pulses or true times; they are known only "
                "when the device has started"
            )
        return self._clock

    # --- transfers ----------------------------------------------------------------

    def _refuse_if_unplugged(self) -> None:
        cable = self._options.cable
        if cable is not None and not cable.exists():
            raise DeviceError(
                f"device `{self._device}` is unplugged: there is no {cable}"
            )

    def _refuse_if_dead(self) -> None:
        dies_at = self._timeline.dies_at
        if dies_at is not None and self._done >= dies_at:
            raise DeviceError(
                f"device `{self._device}` is gone {dies_at / 1e9:g} s after its start, "
                "as its option `faults` asks"
            )

    def _largest_end(self) -> int:
        return min(self._done + LARGEST_NS, self._phases[0].end)

    def _wait_for_transfer(
        self, clock: SimulatedClock, timeout: float
    ) -> tuple[int | None, int]:
        """Wait for the next transfer, or several that wait already: where they end.

        Returns:
            Run time of the end, None if none has come; and when that was seen, true
            time. What it takes to simulate the transfer is not in it.

        """
        ends = self._transfer_ends()
        deadline = time.monotonic_ns() + round(timeout * 1e9)
        due = self._due_ns(clock, ends[0])
        time.sleep(max(0, min(due, deadline) - time.monotonic_ns()) / 1e9)
        now_ns = time.monotonic_ns()
        return self._latest_due(clock, ends, now_ns), now_ns

    def _transfer_ends(self) -> list[int]:
        """Run times at which the next transfers end, as far as one read reaches."""
        largest = self._largest_end()
        first = (self._done // self._block_ns + 1) * self._block_ns
        return list(range(first, largest + 1, self._block_ns)) or [largest]

    def _due_ns(self, clock: SimulatedClock, end: int) -> int:
        """True time at which the transfer that ends at `end` arrives."""
        ready = clock.true_ns(self._timeline.released(end))
        return clock.arrival_ns(ready, end // self._block_ns)

    def _latest_due(
        self, clock: SimulatedClock, ends: list[int], now_ns: int
    ) -> int | None:
        """End of the last transfer that has arrived; none overtakes another."""
        latest = None
        for end in ends:
            if self._due_ns(clock, end) > now_ns:
                break
            latest = end
        return latest

    def _take(self, end: int, host_ns: int) -> list[Item]:
        """Return what is sampled from where we are to `end`, within one phase."""
        phase, begin = self._phases[0], self._done
        items = [
            item
            for name in self._signals
            if name not in self._mute
            for item in self._items(name, phase, (begin, end), host_ns)
        ]
        self._done = end
        self._batch += 1
        if end == phase.end:
            self._phases.pop(0)
            if not self._phases and self._timeline.dies_at is None:
                items += [Ended(name) for name in self._signals]
        return items

    def _items(
        self, name: str, phase: Phase, span: tuple[int, int], host_ns: int
    ) -> Iterator[Item]:
        """Blocks, or the loss, of one stream in a span of run time."""
        schedule = self._signals[name].schedule
        first, end = (schedule.count_before(t - phase.counter_start) for t in span)
        if phase.unnoticed:
            return
        if phase.lost and end > first:
            yield Lost(name, first, end - first, "device", phase.epoch)
        elif end > first:
            yield from self._blocks(name, phase.epoch, (first, end), host_ns)

    def _blocks(
        self, name: str, epoch: int, samples: tuple[int, int], host_ns: int
    ) -> Iterator[Block]:
        form = self._formats[name]
        size = 1 if len(form.shape) >= IMAGE_DIMENSIONS else samples[1] - samples[0]
        for first in range(*samples, size):
            times = self.expected_device_ns(name, first, size if form.row_times else 1)
            yield Block(
                name,
                first,
                self.expected_rows(name, first, size, epoch=epoch),
                host_ns,
                int(times[0]),
                epoch,
                self._batch,
                times if form.row_times else None,
            )
