"""A device that is not there: signals that are known in advance, faults on request.

It samples by a clock of its own (`rigd.streams.simulated_clock`), delivers nothing
before its time, and shows the faults that its options ask for. What it sends is a pure
function of the sample index; `expected_rows` says what that is. Only the shared sync
pulses and the signal `true_time` depend on true time.
"""

import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
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
        self._block_ns = round(options.transfer * 1e9)
        self._timeline = plan(options.faults, options.duration)
        self._phases: list[Phase] = []
        self._clock: SimulatedClock | None = None
        self._done = 0
        self._batch = 0
        self._seen_ns = 0

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
        self._done = self._batch = self._seen_ns = 0

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
            return self._take_simulated(self._clock)
        end, now_ns = self._wait_for_transfer(self._clock, timeout)
        return () if end is None else self._take([end], [now_ns])

    def stop(self) -> Items:
        """Return what has been sampled since the last transfer."""
        if self._clock is None:
            return ()
        now_ns = time.monotonic_ns()
        until = 0 if self.paced_by_consumer else self._clock.run_ns(now_ns)
        items: list[Item] = []
        while self._phases and self._done < until:
            items += self._take([min(self._largest_end(), until)], [now_ns])
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
        ends, arrivals = self._next_transfers(clock)
        deadline = time.monotonic_ns() + round(timeout * 1e9)
        due = int(arrivals[0])
        time.sleep(max(0, min(due, deadline) - time.monotonic_ns()) / 1e9)
        now_ns = time.monotonic_ns()
        there = int(np.searchsorted(arrivals, now_ns, "right"))
        return (int(ends[there - 1]) if there else None), now_ns

    def _take_simulated(self, clock: SimulatedClock) -> list[Item]:
        """Return the next transfers, each stamped when a host would have seen it."""
        ends, arrivals = self._next_transfers(clock)
        is_last = np.append(np.diff(arrivals) > 0, True)
        ends, arrivals = ends[is_last], arrivals[is_last]
        seen = arrivals + clock.wakes_ns(ends // self._block_ns)
        seen = np.maximum.accumulate(np.maximum(seen, self._seen_ns))
        self._seen_ns = int(seen[-1])
        return self._take(ends.tolist(), seen.tolist())

    def _next_transfers(self, clock: SimulatedClock) -> tuple[Integers, Integers]:
        """Find the next transfers, as far as one read reaches: run and true time.

        Returns:
            Run times at which their samples end, and true times at which they arrive;
            none overtakes another.

        """
        largest = self._largest_end()
        first = (self._done // self._block_ns + 1) * self._block_ns
        ends = np.arange(first, largest + 1, self._block_ns)
        if len(ends) == 0:
            ends = np.array([largest])
        released = np.array([self._timeline.released(end) for end in ends.tolist()])
        ready = clock.true_times(released)
        arrivals = clock.arrivals_ns(ready, ends // self._block_ns)
        return ends, np.maximum.accumulate(arrivals)

    def _take(self, ends: list[int], seen_ns: list[int]) -> list[Item]:
        """Return what is sampled from where we are on, within one phase.

        Args:
            ends: Run times at which transfers end.
            seen_ns: When the host saw each of them.

        """
        phase = self._phases[0]
        transfers: list[list[Item]] = [[] for _ in ends]
        for name in self._signals:
            if name not in self._mute and not phase.unnoticed:
                self._fill(transfers, name, ends, seen_ns)
        self._done = ends[-1]
        self._batch += len(ends)
        items = [item for transfer in transfers for item in transfer]
        if self._done == phase.end:
            self._phases.pop(0)
            if not self._phases and self._timeline.dies_at is None:
                items += [Ended(name) for name in self._signals]
        return items

    def _fill(
        self, transfers: list[list[Item]], name: str, ends: list[int], seen: list[int]
    ) -> None:
        """Put blocks, or the loss, of one stream into the transfers."""
        phase, schedule = self._phases[0], self._signals[name].schedule
        edges = [
            schedule.count_before(end - phase.counter_start)
            for end in (self._done, *ends)
        ]
        first, count = edges[0], edges[-1] - edges[0]
        if count == 0:
            return
        if phase.lost:
            for items, (begin, end) in zip(transfers, pairwise(edges), strict=True):
                if end > begin:
                    items.append(Lost(name, begin, end - begin, "device", phase.epoch))
            return
        rows = self.expected_rows(name, first, count, epoch=phase.epoch)
        times = self.expected_device_ns(name, first, count)
        for number, (begin, end) in enumerate(pairwise(edges)):
            mine = slice(begin - first, end - first)
            place = (begin, phase.epoch, seen[number], self._batch + number)
            transfers[number] += self._blocks(name, place, rows[mine], times[mine])

    def _blocks(
        self,
        name: str,
        place: tuple[int, int, int, int],
        rows: npt.NDArray[Any],
        times: Integers,
    ) -> Iterator[Block]:
        """Rows of one transfer: one block, or one each of images."""
        form = self._formats[name]
        first, epoch, host_ns, batch = place
        size = 1 if len(form.shape) >= IMAGE_DIMENSIONS else max(1, len(rows))
        for start in range(0, len(rows), size):
            mine = slice(start, start + size)
            yield Block(
                name,
                first + start,
                rows[mine],
                host_ns,
                int(times[start]),
                epoch,
                batch,
                times[mine] if form.row_times else None,
            )
