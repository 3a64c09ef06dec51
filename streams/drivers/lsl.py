"""Records outlets of the Lab Streaming Layer, one for each stream.

Stamps are the sender's own, kept raw; clock readings say how its clock runs against
CLOCK_MONOTONIC. What arrives between `open` and `start` is thrown away.
"""

import queue
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar

from rigd.config.base import Model
from rigd.streams.block import Block, Item, Items, Note, StreamFormat
from rigd.streams.driver import DeviceError
from rigd.streams.drivers.lsl_inlet import make_inlet
from rigd.streams.drivers.lsl_options import LslOptions, LslStreamOptions
from rigd.streams.drivers.lsl_outlet import Outlet, find_outlets, stream_format
from rigd.streams.drivers.lsl_receiver import CONNECT, Receiver, clock_offset_ns


class LslDriver:
    """Receives outlets of the Lab Streaming Layer, one for each stream."""

    Options: ClassVar[type[Model]] = LslOptions
    StreamOptions: ClassVar[type[Model]] = LslStreamOptions
    paced_by_consumer = False
    foreign = False

    def __init__(
        self,
        device: str,
        options: LslOptions,
        streams: Mapping[str, LslStreamOptions],
    ) -> None:
        self._device = device
        self._options = options
        self._streams = streams
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._in_order = threading.Lock()
        self._reads = 0
        self._receivers: list[Receiver] = []
        self._threads: ThreadPoolExecutor | None = None
        self._runs: list[Future[None]] = []

    def open(self) -> Mapping[str, StreamFormat]:
        """Find and subscribe to all outlets, and begin to receive.

        Raises:
            DeviceError: An outlet is missing, not the only one, or does not answer.

        """
        outlets = find_outlets(
            self._device,
            {name: options.wanted for name, options in self._streams.items()},
            self._options.resolve_timeout,
        )
        formats = {name: self._subscribe(name, o) for name, o in outlets.items()}
        self._note_other_clock()
        self._threads = ThreadPoolExecutor(len(self._receivers), "lsl")
        self._runs = [self._threads.submit(r.run) for r in self._receivers]
        return formats

    def _subscribe(self, stream: str, outlet: Outlet) -> StreamFormat:
        try:
            inlet = make_inlet(outlet.info, self._options.buffer)
            description = inlet.description(CONNECT)
            inlet.subscribe(CONNECT)
        except RuntimeError as error:
            raise DeviceError(
                f"device `{self._device}`, stream `{stream}`: LSL outlet {outlet} does "
                f"not answer within {CONNECT:g} s: {error}"
            ) from error
        form = stream_format(outlet, description, self._streams[stream].max_text)
        self._receivers.append(
            Receiver(
                stream,
                self._options,
                form,
                outlet=outlet,
                inlet=inlet,
                give=self._items.put,
                in_order=self._in_order,
            )
        )
        return form

    def _note_other_clock(self) -> None:
        if offset := clock_offset_ns():
            self._items.put(
                Note(
                    next(iter(self._streams)),
                    f"LSL's clock is not CLOCK_MONOTONIC but {offset / 1e9:g} s off; "
                    "the clock readings are corrected for it",
                )
            )

    def start(self) -> None:
        """Keep what comes from now on; what has come so far is forgotten."""
        for receiver in self._receivers:
            receiver.begin()
        for receiver in self._receivers:
            receiver.wait_until_recording()

    def read(self, timeout: float) -> Items:
        """Wait at most `timeout` seconds for samples; return what is there.

        Raises:
            DeviceError: LSL reports a fault of its own.

        """
        self._check_threads()
        try:
            first = self._items.get(timeout=timeout)
        except queue.Empty:
            return ()
        return self._as_a_batch([first, *self._at_hand()])

    def _at_hand(self) -> list[Item]:
        return [self._items.get_nowait() for _ in range(self._items.qsize())]

    def _as_a_batch(self, items: list[Item]) -> list[Item]:
        """Give the blocks that are returned together the same number."""
        for item in items:
            if isinstance(item, Block):
                item.batch = self._reads
        self._reads += 1
        return items

    def _check_threads(self) -> None:
        for run in self._runs:
            if run.done() and (error := run.exception()) is not None:
                raise DeviceError(
                    f"device `{self._device}`: LSL failed: {error}"
                ) from error

    def stop(self) -> Items:
        """Stop receiving; return what had arrived."""
        self._join()
        return self._as_a_batch(self._at_hand())

    def _join(self) -> None:
        for receiver in self._receivers:
            receiver.stop()
        if self._threads is not None:
            self._threads.shutdown(wait=True)

    def close(self) -> None:
        """End all subscriptions."""
        self._join()
        self._receivers.clear()
