"""What every driver must keep to, as tests.

A driver passes them with a subclass whose fixture `make_driver` gives a factory:

    class TestMyDriver(DriverContract):
        @pytest.fixture(scope="class")
        @classmethod
        def make_driver(cls) -> Callable[[], Driver]:
            return lambda: MyDriver("box", MyOptions(), {"voltage": MyStreamOptions()})

Each stream must deliver within `SECONDS`.
"""

import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest
from pydantic import ValidationError

from rigd.streams.block import NO_TIME, Block, Ended, Item, Items, Lost, StreamFormat
from rigd.streams.driver import Driver, Holdable
from rigd.streams.ledger import CAUSES

Factory = Callable[[], Driver]

LATE = 0.3
"""Seconds by which a read may overstay on a busy machine."""


def checksum(block: Block) -> int:
    return zlib.crc32(block.data.tobytes())


@dataclass
class Recording:
    """All that a driver gave between start and stop."""

    formats: Mapping[str, StreamFormat]
    started_ns: int
    is_simulated_time: bool
    items: list[Item] = field(default_factory=list)
    given_ns: list[int] = field(default_factory=list)
    """CLOCK_MONOTONIC when each item had been returned."""
    checksums: list[int] = field(default_factory=list)
    """Checksum of each block when it had been returned."""

    def add(self, items: Items) -> None:
        now_ns = time.monotonic_ns()
        for item in items:
            self.items.append(item)
            self.given_ns.append(now_ns)
            if isinstance(item, Block):
                self.checksums.append(checksum(item))

    @property
    def blocks(self) -> list[Block]:
        return [item for item in self.items if isinstance(item, Block)]

    def of_stream(self, name: str) -> list[Block]:
        return [block for block in self.blocks if block.stream == name]


def record(driver: Driver, seconds: float) -> Recording:
    """Run a driver through its whole life."""
    try:
        formats = driver.open()
        recording = Recording(formats, time.monotonic_ns(), driver.paced_by_consumer)
        driver.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            recording.add(driver.read(0.02))
        recording.add(driver.stop())
    finally:
        driver.close()
    return recording


def holes(recording: Recording, stream: str) -> list[str]:
    """Describe where sample indices do not follow each other without a word."""
    found, epoch, expected = [], 0, 0
    for item in recording.items:
        if not isinstance(item, Block | Lost) or item.stream != stream:
            continue
        if item.epoch > epoch:
            epoch, expected = item.epoch, 0
        if (item.epoch, item.first) != (epoch, expected):
            found.append(f"{item.first} of epoch {item.epoch} after {expected}")
        rows = len(item.data) if isinstance(item, Block) else item.count
        expected = item.first + rows
    return found


class DriverContract:
    """The tests; `SECONDS` is how long the recording is that most of them look at."""

    SECONDS: ClassVar[float] = 0.3

    @pytest.fixture(scope="class")
    @classmethod
    def make_driver(cls) -> Factory:
        raise NotImplementedError("a subclass gives the driver")

    @pytest.fixture
    def driver(self, make_driver: Factory) -> Iterator[Driver]:
        driver = make_driver()
        yield driver
        driver.close()

    @pytest.fixture(scope="class")
    @classmethod
    def recording(cls, make_driver: Factory) -> Recording:
        return record(make_driver(), cls.SECONDS)

    def test_blocks_are_of_the_declared_format(self, recording: Recording) -> None:
        for block in recording.blocks:
            form = recording.formats[block.stream]
            assert block.data.dtype == form.dtype
            assert block.data.shape[1:] == form.shape
            assert block.data.flags.c_contiguous
            assert len(block.data) > 0

    def test_formats_are_little_endian(self, driver: Driver) -> None:
        for form in driver.open().values():
            assert form.dtype == form.dtype.newbyteorder("<")

    def test_every_stream_delivers(self, recording: Recording) -> None:
        assert {block.stream for block in recording.blocks} == set(recording.formats)

    def test_blocks_are_short(self, recording: Recording) -> None:
        for block in recording.blocks:
            rate = recording.formats[block.stream].rate
            assert rate is None or len(block.data) <= max(1, 0.11 * rate)

    def test_indices_follow_each_other(self, recording: Recording) -> None:
        assert {name: holes(recording, name) for name in recording.formats} == {
            name: [] for name in recording.formats
        }

    def test_losses_have_a_known_cause(self, recording: Recording) -> None:
        losses = [item for item in recording.items if isinstance(item, Lost)]
        assert {lost.cause for lost in losses} <= set(CAUSES)
        assert all(lost.count > 0 for lost in losses)

    def test_rows_have_times_exactly_when_declared(self, recording: Recording) -> None:
        for block in recording.blocks:
            if not recording.formats[block.stream].row_times:
                assert block.row_ns is None
                continue
            assert block.row_ns is not None
            assert block.row_ns.dtype == np.int64
            assert block.row_ns.shape == (len(block.data),)
            assert block.row_ns.flags.c_contiguous
            assert block.device_ns == block.row_ns[0]

    def test_device_times_do_not_go_back(self, recording: Recording) -> None:
        for name in recording.formats:
            times: dict[int, list[int]] = {}
            for block in recording.of_stream(name):
                row_ns = block.row_ns
                new = [block.device_ns] if row_ns is None else row_ns.tolist()
                times.setdefault(block.epoch, []).extend(new)
            for of_epoch in times.values():
                known = [t for t in of_epoch if t != NO_TIME]
                assert known == sorted(known)

    def test_host_times_are_honest(self, recording: Recording) -> None:
        for item, given_ns in zip(recording.items, recording.given_ns, strict=True):
            if isinstance(item, Block):
                assert recording.started_ns <= item.host_ns
                assert item.host_ns <= given_ns or recording.is_simulated_time

    def test_host_times_and_batches_do_not_go_back(self, recording: Recording) -> None:
        stamps = [(block.host_ns, block.batch) for block in recording.blocks]
        assert [s[0] for s in stamps] == sorted(s[0] for s in stamps)
        assert [s[1] for s in stamps] == sorted(s[1] for s in stamps)

    def test_data_belongs_to_the_caller(self, recording: Recording) -> None:
        now = [checksum(block) for block in recording.blocks]
        assert now == recording.checksums

    def test_nothing_follows_an_end(self, recording: Recording) -> None:
        ended: set[str] = set()
        for item in recording.items:
            assert item.stream not in ended
            if isinstance(item, Ended):
                ended.add(item.stream)

    @pytest.mark.parametrize("timeout", [0.0, 0.05])
    def test_read_keeps_its_time_limit(self, driver: Driver, timeout: float) -> None:
        driver.open()
        driver.start()
        for _ in range(3):
            begun = time.monotonic()
            driver.read(timeout)
            assert time.monotonic() - begun < timeout + LATE

    def test_stop_returns_what_is_left(self, driver: Driver) -> None:
        formats = driver.open()
        recording = Recording(formats, time.monotonic_ns(), driver.paced_by_consumer)
        driver.start()
        recording.add(driver.read(0.02))
        recording.add(driver.stop())
        assert not any(holes(recording, name) for name in recording.formats)

    def test_closing_twice_is_safe(self, driver: Driver) -> None:
        driver.open()
        driver.close()
        driver.close()

    def test_closing_what_was_not_opened_is_safe(self, driver: Driver) -> None:
        driver.close()

    def test_closing_without_a_stop_is_safe(self, driver: Driver) -> None:
        driver.open()
        driver.start()
        driver.read(0.02)
        driver.close()

    def test_a_device_can_be_opened_again(self, make_driver: Factory) -> None:
        first, second = make_driver(), make_driver()
        formats = first.open()
        first.close()
        again = second.open()
        second.close()
        assert formats == again

    @pytest.mark.parametrize("model", ["Options", "StreamOptions"])
    def test_unknown_options_are_refused(self, driver: Driver, model: str) -> None:
        with pytest.raises(ValidationError) as refusal:
            getattr(type(driver), model).model_validate({"no_such_option": 1})
        refused = {e["loc"] for e in refusal.value.errors() if e["type"] == EXTRA}
        assert refused == {("no_such_option",)}


class HoldableContract(DriverContract):
    """What a driver keeps to besides, whose device can stay open between sessions."""

    def test_a_device_that_is_held_begins_anew(self, driver: Driver) -> None:
        assert isinstance(driver, Holdable)
        formats = driver.open()
        driver.keep_ready()
        for _ in range(2):
            recording = Recording(
                formats, time.monotonic_ns(), driver.paced_by_consumer
            )
            driver.start()
            deadline = time.monotonic() + 10
            while not recording.blocks and time.monotonic() < deadline:
                recording.add(driver.read(0.02))
            recording.add(driver.stop())
            firsts = {name: recording.of_stream(name)[:1] for name in formats}
            assert {b.first for some in firsts.values() for b in some} == {0}
            assert {b.epoch for some in firsts.values() for b in some} == {0}
            driver.keep_ready()


EXTRA = "extra_forbidden"
