"""Signals contain what they say, the same in whatever pieces they are asked for."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rigd.streams.sampling import Integers
from rigd.streams.signals import (
    NOISE_ROWS,
    SIGNALS,
    Camera,
    Counter,
    Digital,
    Encoder,
    Events,
    Neural,
    Noise,
    Signal,
    Sine,
    SyncPulses,
    TrueTime,
)

EXAMPLES: list[Signal] = [
    Counter(channels=3, dtype="int8"),
    Counter(shape=(2, 3), dtype="float16"),
    Counter(dtype="uint64"),
    Sine(channels=3),
    Noise(channels=3, dtype="int32", seed=5),
    Neural(channels=32, spike_rate=50.0, seed=5),
    Neural(channels=2, seed=5),
    Digital(lines=3, sync=SyncPulses(line=1)),
    TrueTime(),
    Camera(height=3, width=9),
    Camera(height=3, width=8, color=True),
    Encoder(dtype="int32"),
    Events(seed=5),
]
NEURAL = Neural(channels=64, seed=3)


def name_of(signal: Signal) -> str:
    return type(signal).__name__


def test_every_signal_has_an_example() -> None:
    assert {type(signal) for signal in EXAMPLES} == set(SIGNALS.values())


@pytest.mark.parametrize("signal", EXAMPLES, ids=name_of)
def test_rows_are_of_the_format(signal: Signal) -> None:
    form = signal.format()
    rows = signal.rows(2, 5)
    assert rows.dtype == form.dtype == form.dtype.newbyteorder("<")
    assert rows.shape == (5, *form.shape)
    assert rows.flags.c_contiguous
    assert rows.flags.writeable
    assert signal.rows(2, 0).shape == (0, *form.shape)


@pytest.mark.parametrize("signal", EXAMPLES, ids=name_of)
@settings(max_examples=15)
@given(first=st.integers(0, 10**9), cuts=st.lists(st.integers(1, 1500), max_size=3))
def test_rows_do_not_depend_on_the_pieces(
    signal: Signal, first: int, cuts: list[int]
) -> None:
    whole = signal.rows(first, sum(cuts) + 1)
    pieces, start = [], 0
    for size in [*cuts, 1]:
        pieces.append(signal.rows(first + start, size))
        start += size
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize("signal", EXAMPLES, ids=name_of)
def test_rows_are_new_each_time(signal: Signal) -> None:
    first = signal.rows(0, 3)
    kept = first.copy()
    second = signal.rows(0, 3)
    second.view(np.uint8)[...] = 0xA5
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(signal.rows(0, 3), kept)


@pytest.mark.parametrize(
    ("dtype", "modulus"),
    [("u1", 2**8), ("i2", 2**16), ("u4", 2**32), ("f2", 2**11), ("f4", 2**24)],
)
@given(first=st.integers(0, 2**40))
def test_counter_counts_the_elements(dtype: str, modulus: int, first: int) -> None:
    rows = Counter(shape=(2, 3), dtype=dtype).rows(first, 4)
    exact = [(first * 6 + element) % modulus for element in range(24)]
    stored = [int(value) % modulus for value in rows.ravel()]
    assert stored == exact


def test_signed_counter_wraps_to_negative_numbers() -> None:
    assert Counter(dtype="int16").rows(2**15 - 1, 2).tolist() == [2**15 - 1, -(2**15)]


def test_sine_has_its_frequency_and_amplitude() -> None:
    rows = Sine(channels=2, rate=1000.0, frequency=10.0, amplitude=2.0).rows(0, 2000)
    spectrum = np.abs(np.fft.rfft(rows, axis=0)) / 1000
    assert np.argmax(spectrum, axis=0).tolist() == [20, 30]
    np.testing.assert_allclose(np.max(spectrum, axis=0), 2.0, rtol=1e-5)


def test_integers_hold_the_same_volts() -> None:
    volts = Sine(channels=2).rows(0, 500)
    sine = Sine(channels=2, dtype="int16")
    stored = sine.rows(0, 500) * sine.format().conversion
    np.testing.assert_allclose(stored, volts, atol=0.0005001)


def test_noise_has_its_deviation_and_is_white() -> None:
    rows = Noise(channels=2, amplitude=3.0, seed=1).rows(0, 20 * NOISE_ROWS)
    np.testing.assert_allclose(rows.std(axis=0), 3.0, rtol=0.03)
    assert abs(np.corrcoef(rows[:-1, 0], rows[1:, 0])[0, 1]) < 0.03
    assert abs(np.corrcoef(rows[:, 0], rows[:, 1])[0, 1]) < 0.03


def test_noise_in_small_integers_is_clipped_not_wrapped() -> None:
    rows = Noise(dtype="int8", amplitude=0.127).rows(0, 10_000)
    clipped = np.clip(np.rint(Noise(amplitude=127.0).rows(0, 10_000)), -128, 127)
    np.testing.assert_array_equal(rows, clipped)


def test_seeds_make_noise_differ() -> None:
    one, other = Noise(seed=1).rows(0, 1000), Noise(seed=2).rows(0, 1000)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.15


def test_neural_noise_has_its_deviation() -> None:
    form = NEURAL.format()
    rows = NEURAL.rows(0, 30_000)
    deviation = np.median(np.abs(rows)) / 0.6745 * form.conversion
    assert deviation == pytest.approx(Neural.NOISE_VOLTS, rel=0.2)


def test_neural_spikes_come_at_their_rate() -> None:
    units, onsets = NEURAL.spikes(0, 30_000 * 10)
    rate = np.bincount(units, minlength=NEURAL.units) / 10
    assert rate.min() >= NEURAL.spike_rate - 0.2
    assert rate.max() <= NEURAL.spike_rate + 0.2
    assert onsets.min() >= 0
    assert onsets.max() < 300_000


def test_units_do_not_fire_twice_at_once() -> None:
    units, onsets = NEURAL.spikes(0, 30_000 * 20)
    slot = NEURAL.rate / NEURAL.spike_rate
    for unit in range(NEURAL.units):
        assert np.diff(np.sort(onsets[units == unit])).min() >= 0.1 * slot - 1


def test_neural_spikes_stand_out_where_they_are_said_to_be() -> None:
    units, onsets = NEURAL.spikes(60, 30_000)
    volts = NEURAL.rows(0, 31_000) * NEURAL.format().conversion
    deepest = [volts[onset : onset + 60].min() for onset in onsets.tolist()]
    assert np.mean(np.array(deepest) < -50e-6) > 0.9
    quiet = NEURAL.amplitude * 1.5
    assert volts.max() < quiet
    assert len(set(units.tolist())) == NEURAL.units


@given(first=st.integers(0, 10**10), count=st.integers(1, 3000))
def test_neural_spikes_do_not_depend_on_the_window(first: int, count: int) -> None:
    def as_set(found: tuple[Integers, Integers]) -> set[tuple[int, int]]:
        return set(zip(found[0].tolist(), found[1].tolist(), strict=True))

    half = count // 2
    whole = as_set(NEURAL.spikes(first, count))
    first_half = as_set(NEURAL.spikes(first, half)) if half else set()
    assert whole == first_half | as_set(NEURAL.spikes(first + half, count - half))


def test_digital_lines_toggle_ever_slower() -> None:
    bits = np.unpackbits(Digital().rows(0, 2**14), bitorder="little").reshape(-1, 8)
    toggles = np.count_nonzero(np.diff(bits.astype(int), axis=0), axis=0)
    assert toggles.tolist() == [2**14 // (32 * 2**n) - 1 for n in range(8)]


def test_digital_has_no_more_lines_than_asked_for() -> None:
    rows = Digital(lines=3, sync=SyncPulses(line=1)).rows(0, 100_000)
    assert np.bitwise_or.reduce(rows) == 0b101


def test_camera_frames_carry_their_number_and_a_moving_bar() -> None:
    frames = Camera(height=4, width=64).rows(1000, 3)
    numbers = [frame.ravel()[:8].view("<u8")[0] for frame in frames]
    assert numbers == [1000, 1001, 1002]
    bars = [np.flatnonzero(frame[-1] == 255)[0] for frame in frames]
    assert bars == [1000 * 8 % 64, 1001 * 8 % 64, 1002 * 8 % 64]


@pytest.mark.parametrize("dtype", ["int32", "float64"])
def test_encoder_makes_one_step_an_event_and_stays_within_two_turns(dtype: str) -> None:
    encoder = Encoder(dtype=dtype)
    radians = encoder.rows(0, 40_000) * encoder.format().conversion
    step = 2 * np.pi / 4096
    np.testing.assert_allclose(np.abs(np.diff(radians)), step, rtol=1e-6)
    assert radians[0] == radians.min() == 0
    assert radians.max() == pytest.approx(4 * np.pi)


def test_events_are_edges_of_their_lines() -> None:
    rows = Events(lines=3, seed=1).rows(0, 2000)
    assert set(rows["line"].tolist()) == {0, 1, 2}
    for line in range(3):
        values = rows["value"][rows["line"] == line]
        assert values.tolist() == [1, 0] * (len(values) // 2)


@pytest.mark.parametrize("seed", [0, 1])
def test_random_sync_pulses_come_every_100_to_1900_ms(seed: int) -> None:
    onsets = SyncPulses(seed=seed).onsets(10**15, 10**15 + 600 * 10**9)
    intervals = np.diff(onsets) / 1e6
    assert 598 <= len(onsets) <= 602
    assert intervals.min() >= 100
    assert intervals.max() <= 1900
    assert intervals.std() > 200


def test_some_pulses_are_missing_and_some_are_extra() -> None:
    times = np.arange(0, 600 * 10**9, 10**7)

    def rises(sync: SyncPulses, device: int) -> set[int]:
        levels = sync.levels(times, device)
        return set(times[1:][levels[1:] & ~levels[:-1]].tolist())

    true = rises(SyncPulses(), 1)
    lossy = SyncPulses(missing=0.1, extra=0.1)
    one, other = rises(lossy, 1), rises(lossy, 2)
    assert len(true) == pytest.approx(600, abs=2)
    assert len(true - one) == pytest.approx(60, abs=30)
    assert len(one - true) == pytest.approx(60, abs=30)
    assert one != other
    assert rises(lossy, 1) == one


@pytest.mark.parametrize("sync", [SyncPulses(), SyncPulses(period=0.2)])
def test_sync_levels_agree_with_the_onsets(sync: SyncPulses) -> None:
    begin = 123_456_789 * 10**6
    times = begin + np.arange(10_000) * 10**6
    levels = sync.levels(times).astype(int)
    rises = times[1:][np.diff(levels) == 1]
    onsets = sync.onsets(begin + 1, int(times[-1]) + 1)
    assert len(rises) == len(onsets) > 5
    assert np.all((rises - onsets >= 0) & (rises - onsets < 10**6))
    assert levels.sum() == pytest.approx(len(onsets) * 50, abs=50)


def test_sync_seeds_make_different_pulses() -> None:
    one = SyncPulses(seed=1).onsets(0, 10**10)
    other = SyncPulses(seed=2).onsets(0, 10**10)
    assert not set(one.tolist()) & set(other.tolist())


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (Counter, {"channels": 2, "shape": (2,)}, "either `channels` or `shape`"),
        (Counter, {"dtype": "nonsense"}, "`nonsense` is not a numpy dtype"),
        (Counter, {"dtype": "complex64"}, "is not for signal `counter`"),
        (Counter, {"dtype": "float128"}, "up to 8 bytes"),
        (Sine, {"dtype": "uint8"}, "signed integers and floats"),
        (Sine, {"dtype": "int16", "amplitude": 40.0}, "up to 32.767 V"),
        (Neural, {"spike_rate": 100.0}, "at most 50 Hz"),
        (Neural, {"amplitude": 1.0}, "at most 0.05 V"),
        (Neural, {"rate": 100.0}, "1 kHz or more"),
        (Digital, {"lines": 9}, "at most 8"),
        (Digital, {"lines": 2, "sync": SyncPulses(line=2)}, "not one of the 2 lines"),
        (Camera, {"width": 4}, "at least 8 pixels"),
        (Encoder, {"dtype": "int16"}, "too small"),
        (Encoder, {"rate": 1e6}, "at most 100 kHz"),
        (Events, {"lines": 300}, "at most 256"),
    ],
)
def test_meaningless_settings_are_refused(
    kind: type[Signal], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**values)
