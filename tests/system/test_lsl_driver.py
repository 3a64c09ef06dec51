"""The LSL driver against real outlets in another process."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

pytest.importorskip("pylsl")

from rigd.streams.block import (  # noqa: E402
    Block,
    ClockReading,
    Ended,
    Item,
    Lost,
    Note,
    StreamFormat,
)
from rigd.streams.driver import DeviceError  # noqa: E402
from rigd.streams.drivers import lsl_outlet, lsl_receiver  # noqa: E402
from rigd.streams.drivers.lsl import LslDriver  # noqa: E402
from rigd.streams.drivers.lsl_inlet import make_inlet  # noqa: E402
from rigd.streams.drivers.lsl_options import (  # noqa: E402
    LslOptions,
    LslStreamOptions,
)
from rigd.streams.drivers.lsl_outlet import find_outlets  # noqa: E402
from tests.lsl_outlets import Outlets, sample_values, use_loopback  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def loopback(tmp_path_factory: pytest.TempPathFactory) -> None:
    use_loopback(tmp_path_factory.mktemp("lsl"))


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for as long as the settings of these tests need."""
    monkeypatch.setattr(lsl_outlet, "LOOK", 0.4)


@pytest.fixture
def outlets() -> Iterator[Outlets]:
    with Outlets() as process:
        yield process


@pytest.fixture
def source() -> str:
    """Return a source_id that no other test uses."""
    return uuid4().hex


class Recording:
    """A driver and all that it has said so far."""

    def __init__(
        self, streams: dict[str, LslStreamOptions], options: LslOptions | None = None
    ) -> None:
        self.driver = LslDriver("lab", options or LslOptions(), streams)
        self.items: list[Item] = []
        self.formats: dict[str, StreamFormat] = {}

    def __enter__(self) -> "Recording":
        self.formats = dict(self.driver.open())
        self.driver.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.close()

    def until(self, enough: Callable[[], bool], seconds: float = 15.0) -> None:
        """Read until there is enough."""
        deadline = time.monotonic() + seconds
        while not enough():
            self.items += self.driver.read(0.02)
            assert time.monotonic() < deadline, self.items[-5:]

    def of(self, kind: type[Any], stream: str) -> list[Any]:
        return [i for i in self.items if isinstance(i, kind) and i.stream == stream]

    def rows(self, stream: str) -> int:
        return sum(len(block.data) for block in self.of(Block, stream))

    def data(self, stream: str, epoch: int = 0) -> np.ndarray[Any, Any]:
        """All rows of an epoch, after a look at their indices."""
        blocks = [b for b in self.of(Block, stream) if b.epoch == epoch]
        ends = np.cumsum([len(b.data) for b in blocks])
        assert [b.first for b in blocks] == [0, *ends[:-1]]
        return np.concatenate([b.data for b in blocks])

    def row_ns(self, stream: str) -> np.ndarray[Any, Any]:
        return np.concatenate([b.row_ns for b in self.of(Block, stream)])

    def noted(self, stream: str) -> str:
        return "\n".join(note.text for note in self.of(Note, stream))


def test_numbers_and_markers_come_as_they_were_sent(
    outlets: Outlets, source: str
) -> None:
    outlets.ask("open", source, channels=8, rate=250, unit="microvolts")
    outlets.ask("open", f"{source}-marks", dtype="string", type="Markers")
    stamps = [100.0 + i / 250 for i in range(500)]
    streams = {
        "eeg": LslStreamOptions(source_id=source),
        "marks": LslStreamOptions(source_id=f"{source}-marks", type="Markers"),
    }
    with Recording(streams) as recording:
        before = time.monotonic_ns()
        outlets.ask("push", source, first=0, rows=500, stamps=stamps)
        outlets.ask("push_text", f"{source}-marks", texts=[["gö"], ["stop"]], stamp=7.5)
        recording.until(
            lambda: recording.rows("eeg") == 500 and recording.rows("marks") == 2
        )
        after = time.monotonic_ns()
        assert list(recording.driver.stop()) == []

    assert recording.formats["eeg"] == StreamFormat(
        dtype=np.dtype("<f4"),
        shape=(8,),
        rate=250.0,
        row_times=True,
        unit="microvolts",
        channel_names=tuple(f"c{i}" for i in range(8)),
    )
    assert recording.formats["marks"] == StreamFormat(
        np.dtype([("text", "S256")]), row_times=True
    )
    np.testing.assert_array_equal(
        recording.data("eeg"), sample_values(0, 500, 8, "float32")
    )
    assert recording.data("marks")["text"].tolist() == ["gö".encode(), b"stop"]
    np.testing.assert_allclose(recording.row_ns("eeg"), np.array(stamps) * 1e9, atol=1)
    assert recording.row_ns("marks").tolist() == [7_500_000_000] * 2
    blocks = recording.of(Block, "eeg")
    assert all(before < block.host_ns < after for block in blocks)
    assert all(block.device_ns == block.row_ns[0] for block in blocks)
    assert all(block.data.flags.c_contiguous for block in blocks)
    batches = [block.batch for block in blocks]
    assert batches == sorted(batches)
    assert not recording.noted("eeg")


@pytest.mark.parametrize("dtype", ["float64", "int8", "int16", "int32", "int64"])
def test_numbers_without_a_rate_keep_their_type(
    outlets: Outlets, source: str, dtype: str
) -> None:
    outlets.ask("open", source, channels=2, dtype=dtype)
    with Recording({"values": LslStreamOptions(source_id=source)}) as recording:
        outlets.ask("push", source, first=0, rows=100, stamps=[5.0] * 100)
        recording.until(lambda: recording.rows("values") == 100)
    form = recording.formats["values"]
    assert (form.dtype, form.shape, form.rate) == (np.dtype(dtype), (2,), None)
    np.testing.assert_array_equal(
        recording.data("values"), sample_values(0, 100, 2, dtype)
    )


def test_what_comes_before_the_start_is_forgotten(
    outlets: Outlets, source: str
) -> None:
    outlets.ask("open", source, rate=100)
    recording = Recording({"eeg": LslStreamOptions(source_id=source)})
    recording.driver.open()
    try:
        outlets.ask("push", source, first=0, rows=10, stamps=[1.0] * 10)
        time.sleep(0.2)
        recording.driver.start()
        outlets.ask("push", source, first=10, rows=10, stamps=[2.0] * 10)
        recording.until(lambda: recording.rows("eeg") >= 10)
        np.testing.assert_array_equal(
            recording.data("eeg"), sample_values(10, 10, 1, "float32")
        )
    finally:
        recording.driver.close()


def test_stop_returns_what_was_not_read(outlets: Outlets, source: str) -> None:
    outlets.ask("open", source, rate=100)
    with Recording({"eeg": LslStreamOptions(source_id=source)}) as recording:
        outlets.ask("push", source, first=0, rows=50, stamps=[1.0] * 50)
        time.sleep(0.2)
        recording.items += recording.driver.stop()
        assert len(recording.data("eeg")) == 50


def test_a_killed_outlet_that_comes_back_starts_a_new_epoch(source: str) -> None:
    with Outlets() as first, Outlets() as second:
        first.ask("open", source, rate=1000)
        with Recording({"eeg": LslStreamOptions(source_id=source)}) as recording:
            first.ask("push", source, first=0, rows=300, stamps=[1.0] * 300)
            recording.until(lambda: recording.rows("eeg") == 300)
            first.kill()
            recording.until(lambda: "is gone after 300" in recording.noted("eeg"))
            second.ask("open", source, rate=1000)
            recording.until(lambda: "is back (epoch 1)" in recording.noted("eeg"))
            second.ask("push", source, first=5000, rows=200, stamps=[2.0] * 200)
            recording.until(lambda: recording.rows("eeg") == 500)
    np.testing.assert_array_equal(
        recording.data("eeg"), sample_values(0, 300, 1, "float32")
    )
    np.testing.assert_array_equal(
        recording.data("eeg", epoch=1), sample_values(5000, 200, 1, "float32")
    )
    assert not recording.of(Ended, "eeg")


def test_an_outlet_that_comes_back_different_is_not_recorded(source: str) -> None:
    with Outlets() as first, Outlets() as second:
        first.ask("open", source, channels=2, rate=1000)
        with Recording({"eeg": LslStreamOptions(source_id=source)}) as recording:
            first.kill()
            second.ask("open", source, channels=3, rate=1000)
            recording.until(lambda: "with other samples" in recording.noted("eeg"))
    assert "2 x float32 at 1000 Hz of before" in recording.noted("eeg")
    assert recording.rows("eeg") == 0


def test_an_outlet_that_fell_silent_gives_way_to_its_successor(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lsl_receiver, "SILENCE", 0.5)
    with Outlets() as first, Outlets() as second:
        first.ask("open", source, rate=1000)
        with Recording({"eeg": LslStreamOptions(source_id=source)}) as recording:
            first.ask("push", source, first=0, rows=3, stamps=[1.0] * 3)
            recording.until(lambda: recording.rows("eeg") == 3)
            first.suspend()
            second.ask("open", source, rate=1000)
            recording.until(lambda: "is back (epoch 1)" in recording.noted("eeg"))
            second.ask("push", source, first=70, rows=3, stamps=[1.0] * 3)
            recording.until(lambda: recording.rows("eeg") == 6)
    assert recording.data("eeg", epoch=1)[:, 0].tolist() == [70, 71, 72]


def test_a_silent_outlet_that_is_still_there_is_kept(
    outlets: Outlets, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lsl_receiver, "SILENCE", 0.2)
    outlets.ask("open", source, dtype="string")
    with Recording({"marks": LslStreamOptions(source_id=source)}) as recording:
        time.sleep(1.5)
        outlets.ask("push_text", source, texts=[["late"]], stamp=1.0)
        recording.until(lambda: recording.rows("marks") == 1)
    assert len(recording.data("marks")) == 1
    assert not recording.noted("marks")


def test_without_reconnect_a_stream_ends_with_its_outlet(
    outlets: Outlets, source: str
) -> None:
    outlets.ask("open", source, dtype="string")
    options = LslOptions(reconnect=False)
    with Recording({"marks": LslStreamOptions(source_id=source)}, options) as recording:
        outlets.ask("push_text", source, texts=[["only"]], stamp=1.0)
        recording.until(lambda: recording.rows("marks") == 1)
        outlets.ask("close", source)
        recording.until(lambda: bool(recording.of(Ended, "marks")))
    (ended,) = recording.of(Ended, "marks")
    assert f"source_id='{source}'" in ended.reason
    assert ended.reason.endswith("is gone")
    assert isinstance(recording.items[-1], Ended)


def test_what_stays_in_a_lost_inlet_can_be_counted(
    outlets: Outlets, source: str
) -> None:
    outlets.ask("open", source, rate=1000)
    found = find_outlets("lab", {"eeg": {"source_id": source}}, 10)["eeg"]
    inlet = make_inlet(found.info, buffer=60)
    inlet.subscribe(5)
    outlets.ask("push", source, first=0, rows=60, stamps=[1.0] * 60)
    time.sleep(0.2)
    outlets.kill()
    time.sleep(0.2)
    pulled = inlet.pull(0.0)
    assert pulled.lost
    assert len(pulled.stamps) == 0
    assert inlet.out_of_reach() == 60


def test_a_missing_outlet_is_named_with_those_that_were_seen(
    outlets: Outlets, source: str
) -> None:
    outlets.ask("open", source, channels=4, rate=500, name="Other", type="EMG")
    streams = {"eeg": LslStreamOptions(name="Amp"), "emg": LslStreamOptions(type="EMG")}
    driver = LslDriver("lab", LslOptions(resolve_timeout=0.5), streams)
    with pytest.raises(DeviceError) as error:
        driver.open()
    driver.close()
    text = str(error.value)
    assert "device `lab`, stream `eeg`: no LSL outlet with name='Amp'" in text
    assert f"name='Other' and type='EMG' and source_id='{source}'" in text


def test_a_long_text_is_cut_between_characters_with_a_note(
    outlets: Outlets, source: str
) -> None:
    outlets.ask("open", source, channels=2, dtype="string")
    options = LslStreamOptions(source_id=source, max_text=7)
    with Recording({"marks": options}) as recording:
        texts = [["Übermut", "ok"], ["é" * 4, "short"], ["", "é" * 3]]
        outlets.ask("push_text", source, texts=texts, stamp=1.0)
        recording.until(lambda: recording.rows("marks") == 3)
    rows = [tuple(t.decode() for t in r) for r in recording.data("marks").tolist()]
    assert rows == [("Übermu", "ok"), ("ééé", "short"), ("", "ééé")]
    notes = recording.of(Note, "marks")
    assert len(notes) == 2
    assert "'Übermut'" in notes[0].text


def test_clock_readings_arrive(outlets: Outlets, source: str) -> None:
    outlets.ask("open", source, rate=100)
    options = LslOptions(clock_interval=0.1)
    with Recording({"eeg": LslStreamOptions(source_id=source)}, options) as recording:
        recording.until(lambda: len(recording.of(ClockReading, "eeg")) == 2)
    readings = recording.of(ClockReading, "eeg")
    assert readings[1].device_ns - readings[0].device_ns > 1_000_000_000
    for reading in readings:
        error = abs(reading.host_ns - reading.device_ns)
        assert error <= reading.uncertainty_ns + 1000 < 50_000_000


def test_a_probe_of_384_channels_comes_without_loss(
    outlets: Outlets, source: str
) -> None:
    outlets.ask("open", source, channels=384, rate=30_000, dtype="int16")
    with Recording({"probe": LslStreamOptions(source_id=source)}) as recording:
        outlets.tell("stream", source, rate=30_000, seconds=3)
        expected = 90_000
        recording.until(lambda: recording.rows("probe") >= expected, 30)
        assert outlets.answer() == expected
        recording.items += recording.driver.stop()
    first = 0
    for block in recording.of(Block, "probe"):
        rows = len(block.data)
        assert block.first == first
        assert rows <= 3000
        expected_rows = sample_values(first, rows, 384, "int16")
        np.testing.assert_array_equal(block.data, expected_rows)
        first += rows
    assert first == expected
    assert not recording.of(Lost, "probe")
