"""The rules of the LSL driver: which outlet, what rows, what time."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

pylsl = pytest.importorskip("pylsl")

from rigd.streams.block import NO_TIME, Block, Item, Lost, Note, StreamFormat  # noqa: E402
from rigd.streams.driver import DeviceError  # noqa: E402
from rigd.streams.drivers.lsl_inlet import (  # noqa: E402
    Correction,
    Pulled,
    buffer_length,
    cut_text,
    most_rows,
    nanoseconds,
)
from rigd.streams.drivers.lsl_options import LslOptions, LslStreamOptions  # noqa: E402
from rigd.streams.drivers.lsl_outlet import (  # noqa: E402
    Outlet,
    common_unit,
    find_outlets,
    predicate,
    text_dtype,
    whole_names,
)
from rigd.streams.drivers.lsl_receiver import (  # noqa: E402
    ClockReader,
    Receiver,
    clock_offset_ns,
    text_rows,
)

EEG = Outlet("Amp", "EEG", "amp-1", "host", "u1", 250.0, 8, pylsl.cf_float32)
MARKERS = Outlet("Stim", "Markers", "stim-1", "host", "u2", 0.0, 1, pylsl.cf_string)


def seen(*outlets: Outlet) -> Callable[[float], Sequence[Outlet]]:
    return lambda seconds: outlets


def test_options_need_one_property_of_the_outlet() -> None:
    with pytest.raises(ValidationError, match="at least one of `name`"):
        LslStreamOptions()
    assert LslStreamOptions(type="EEG").wanted == {"type": "EEG"}


def test_outlets_are_found_by_all_that_is_given() -> None:
    wanted = {"eeg": {"type": "EEG", "name": "Amp"}, "marks": {"source_id": "stim-1"}}
    found = find_outlets("lab", wanted, 0, seen(MARKERS, EEG))
    assert found == {"eeg": EEG, "marks": MARKERS}


def test_an_outlet_that_comes_late_is_waited_for() -> None:
    looks = iter([(), (MARKERS,), (MARKERS, EEG)])
    found = find_outlets("lab", {"eeg": {"type": "EEG"}}, 60, lambda s: next(looks))
    assert found == {"eeg": EEG}


def test_a_missing_outlet_is_named_with_what_was_seen() -> None:
    with pytest.raises(DeviceError) as error:
        find_outlets("lab", {"eeg": {"name": "Amp2", "type": "EEG"}}, 0, seen(EEG))
    text = str(error.value)
    assert "device `lab`, stream `eeg`" in text
    assert "name='Amp2' and type='EEG' within 0 s" in text
    assert "name='Amp' and type='EEG' and source_id='amp-1' on host" in text
    assert "(8 x float32 at 250 Hz)" in text


def test_two_outlets_that_fit_are_refused() -> None:
    other = replace(EEG, source_id="amp-2", uid="u3")
    with pytest.raises(DeviceError, match="2 LSL outlets have type='EEG'.*'amp-2'"):
        find_outlets("lab", {"eeg": {"type": "EEG"}}, 0, seen(EEG, other))


def test_a_format_from_the_future_is_refused() -> None:
    look = seen(replace(EEG, channel_format=99))
    with pytest.raises(DeviceError, match="unknown format.*can't be received"):
        find_outlets("lab", {"eeg": {"type": "EEG"}}, 0, look)


def test_a_predicate_holds_any_quotes() -> None:
    assert predicate({"name": "Amp", "type": ""}) == "name='Amp' and type=''"
    assert predicate({"name": """6" 'x'"""}) == (
        """name=concat('6" ', "'", 'x', "'", '')"""
    )


def test_units_and_names_count_only_where_all_channels_agree() -> None:
    assert common_unit(["microvolts", "microvolts"]) == "microvolts"
    assert common_unit(["microvolts", "degrees"]) == "unknown"
    assert common_unit([]) == common_unit([None]) == "unknown"
    assert whole_names(["a", "b"]) == ("a", "b")
    assert whole_names(["a", None]) == whole_names([]) == ()


def test_text_has_a_field_for_each_channel() -> None:
    assert text_dtype(1, 16) == np.dtype([("text", "S16")])
    assert text_dtype(2, 4) == np.dtype([("text0", "S4"), ("text1", "S4")])


def test_texts_that_are_not_kept_whole_are_returned() -> None:
    rows, changed = text_rows([[b"go", b"left"], [b"stop", b"right"]], text_dtype(2, 4))
    assert rows.tolist() == [(b"go", b"left"), (b"stop", b"righ")]
    assert changed == [b"right"]
    _, changed = text_rows([[b"end\0"]], text_dtype(1, 8))
    assert changed == [b"end\0"]


@given(st.text(), st.integers(1, 40))
def test_cut_text_is_the_longest_whole_beginning(text: str, limit: int) -> None:
    cut = cut_text(text.encode(), limit)
    beginning = cut.decode()
    assert text.startswith(beginning)
    assert len(cut) <= limit
    following = text[len(beginning) : len(beginning) + 1].encode()
    assert not following or len(cut) + len(following) > limit


@given(st.integers(0, 10**6), st.integers(0, 999_999_999))
def test_stamps_keep_their_digits(seconds: int, ns: int) -> None:
    stamp = seconds + ns * 1e-9
    assert abs(int(nanoseconds(stamp)) - (seconds * 10**9 + ns)) <= 1


def test_stamps_of_the_unix_epoch_and_no_stamps() -> None:
    stamps = nanoseconds([1_795_440_771.25, float("nan"), -0.5])
    assert stamps.tolist() == [1_795_440_771_250_000_000, NO_TIME, -500_000_000]


def test_sizes_of_blocks_and_buffers() -> None:
    assert most_rows(30_000) == 3000
    assert most_rows(0.5) == 1
    assert most_rows(0) == 1024
    assert buffer_length(60, 250) == buffer_length(60, 0) == 60
    assert buffer_length(0.5, 250) == 1
    assert buffer_length(60, 0.01) == 1000


def test_lsl_counts_on_the_same_clock_as_this_machine() -> None:
    assert clock_offset_ns() == 0
    assert clock_offset_ns(lambda: 10.0, lambda: 10_000_900_000) == 0
    assert clock_offset_ns(lambda: 10.0, lambda: 12_000_000_000) == 2_000_000_000


class ScriptedInlet:
    """Gives what it was made with, one item a pull, then is silent.

    What is `stale` had arrived before and comes first, unless it is flushed.
    """

    def __init__(
        self,
        *pulls: Pulled,
        stale: Sequence[Pulled] = (),
        stuck: int = 0,
        corrections: Sequence[Correction] = (),
    ) -> None:
        self._stale = list(stale)
        self._pulls = list(pulls)
        self._stuck = stuck
        self._corrections = list(corrections)

    def subscribe(self, timeout: float) -> None: ...

    def description(self, timeout: float) -> None: ...

    def flush(self) -> None:
        self._stale.clear()

    def pull(self, timeout: float) -> Pulled:
        pulls = self._stale or self._pulls
        return pulls.pop(0) if pulls else numbers(0)

    def out_of_reach(self) -> int:
        return self._stuck

    def correction(self) -> Correction | None:
        return self._corrections.pop(0) if self._corrections else None


def numbers(rows: int, *, lost: bool = False) -> Pulled:
    return Pulled(np.zeros((rows, 8), "<f4"), np.arange(rows) / 250, lost)


def receive(inlet: ScriptedInlet, options: LslOptions) -> list[Item]:
    """What a receiver says of an inlet whose outlet goes away for good."""
    items: list[Item] = []
    form = StreamFormat(np.dtype("<f4"), (8,), 250.0, True)
    receiver = Receiver(
        "eeg",
        options,
        form,
        outlet=EEG,
        inlet=inlet,
        give=items.append,
        in_order=threading.Lock(),
    )
    receiver.begin()
    receiver.run()
    return items


def test_what_arrived_but_is_out_of_reach_is_counted_as_lost() -> None:
    inlet = ScriptedInlet(numbers(5), numbers(3, lost=True), stuck=7)
    _, block, lost, ended = receive(inlet, LslOptions(reconnect=False))
    assert getattr(block, "first", None) == 5
    assert lost == Lost("eeg", 8, 7, "driver", 0)
    assert "is gone" in getattr(ended, "reason", "")


def test_what_waits_in_the_inlet_at_the_start_is_forgotten() -> None:
    inlet = ScriptedInlet(numbers(5, lost=True), stale=[numbers(4), numbers(4)])
    block, _ = receive(inlet, LslOptions(reconnect=False))
    assert isinstance(block, Block)
    assert (block.first, len(block.data)) == (0, 5)


def test_a_clock_reading_is_taken_once() -> None:
    reading = Correction(remote=100.0, offset=0.25, round_trip=0.001)
    inlet = ScriptedInlet(corrections=[reading, reading, replace(reading, remote=102)])
    reader = ClockReader("eeg", interval=1e-9)
    taken = []
    for _ in range(4):
        taken.append(reader.read(inlet))
        time.sleep(1e-6)
    assert [r and (r.device_ns, r.host_ns, r.uncertainty_ns) for r in taken] == [
        (100_000_000_000, 100_250_000_000, 500_000),
        None,
        (102_000_000_000, 102_250_000_000, 500_000),
        None,
    ]


def test_a_note_tells_that_a_text_was_cut() -> None:
    items: list[Item] = []
    form = StreamFormat(text_dtype(1, 4), row_times=True)
    inlet = ScriptedInlet(
        Pulled([[b"short"]], np.array([1.0]), False),
        Pulled([], np.array([]), True),
    )
    receiver = Receiver(
        "marks",
        LslOptions(reconnect=False),
        form,
        outlet=MARKERS,
        inlet=inlet,
        give=items.append,
        in_order=threading.Lock(),
    )
    receiver.begin()
    receiver.run()
    assert isinstance(items[0], Note)
    assert items[0].text.startswith("a text of 5 bytes does not fit into `max_text`")
    assert "'short'" in items[0].text
