"""Pulses are found in stream files, on the device's time."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from rigd.config.clocks import SyncLine
from rigd.daemon.clock_reading import read_stream_clock
from rigd.daemon.stream_record import StreamRecord
from rigd.streams.block import NO_TIME, StreamFormat
from rigd.streams.clock_evidence import Edges
from rigd.streams.stream_file import StreamFile
from rigd.streams.stream_reader import StreamReader
from rigd.streams.wire import RECORD
from tests.support.stream_files import make_stream_file

RATE = 1000.0
START = 10**12


def record(folder: Path, form: StreamFormat, nwb: str = "TimeSeries") -> StreamRecord:
    made = StreamRecord(
        device="d", file="s.nwb", key=1, format=form.to_json(), nwb_type=nwb
    )
    make_stream_file(folder / "s.nwb", made.layout("s"))
    return made


def edges_in(
    folder: Path,
    form: StreamFormat,
    rows: npt.NDArray[np.generic],
    sync: SyncLine,
    *,
    offset_ns: int = 0,
    gap: tuple[int, int] = (0, 0),
) -> Edges:
    """Write rows in blocks of 37 but for those of the gap; read the edges back."""
    made = record(folder, form)
    file = StreamFile(folder / "s.nwb", made.layout("s"), form)
    kept = [n for n in range(0, len(rows), 37) if not gap[0] <= n < gap[1]]
    for first in kept:
        part = rows[first : first + 37]
        device_ns = offset_ns + int(first * 1e9 / RATE) if offset_ns else NO_TIME
        host_ns = START + int((first + len(part)) * 1e9 / RATE)
        entry = RECORD.pack(first, first, device_ns, host_ns, len(part), 0, 0, 0)
        file.append([entry], [part.tobytes()], [len(part)])
    file.close()
    with StreamReader(folder / "s.nwb", made.layout("s")) as reader:
        found = read_stream_clock(reader, made, sync).edges
    assert found is not None
    return found


@pytest.mark.parametrize("offset_ns", [0, 5 * 10**15])
def test_bits_of_packed_lines(tmp_path: Path, offset_ns: int) -> None:
    index = np.arange(2000)
    rows = ((index % 500 >= 100) & (index % 500 < 150)).astype("<u2") << 9
    rows |= ((index // 3) % 2).astype("<u2")
    form = StreamFormat(np.dtype("<u2"), (), RATE)
    sync = SyncLine(stream="s", line=9)
    found = edges_in(tmp_path, form, rows, sync, offset_ns=offset_ns)
    expected = offset_ns + np.array([99.5, 599.5, 1099.5, 1599.5]) * 1e6
    np.testing.assert_array_equal(found.x, expected.astype(np.int64))
    assert found.resolution == 1e-3


def test_no_edge_is_made_up_where_samples_are_missing(tmp_path: Path) -> None:
    rows = np.zeros(1110, "u1")
    rows[370:600] = 1
    rows[900:950] = 1
    form = StreamFormat(np.dtype("u1"), (), RATE)
    sync = SyncLine(stream="s", line=0)
    found = edges_in(tmp_path, form, rows, sync, gap=(333, 407))
    assert found.x.tolist() == [899_500_000]


@pytest.mark.parametrize("conversion", [1e-3, -1e-3])
def test_an_analog_channel_in_its_unit(tmp_path: Path, conversion: float) -> None:
    volts = np.zeros((1000, 2))
    volts[:, 1] = np.interp(
        np.arange(1000) % 250, [0, 100, 110, 200, 210], [0, 0, 5, 5, 0]
    )
    rows = np.rint(volts / conversion).astype("<i2")
    form = StreamFormat(np.dtype("<i2"), (2,), RATE, conversion=conversion)
    sync = SyncLine(stream="s", column=1, threshold=2.5, hysteresis=1.0)
    found = edges_in(tmp_path, form, rows, sync)
    np.testing.assert_allclose(found.x, (105 + 250 * np.arange(4)) * 1e6, atol=1e5)


def test_a_falling_edge_and_short_pulses(tmp_path: Path) -> None:
    rows = np.ones(1000, "u1")
    rows[200:210] = 0
    rows[500:502] = 0
    form = StreamFormat(np.dtype("u1"), (), RATE)
    sync = SyncLine(stream="s", line=0, edge="falling", least_width=0.005)
    found = edges_in(tmp_path, form, rows, sync)
    assert found.x.tolist() == [199_500_000]


def test_events_of_a_line(tmp_path: Path) -> None:
    dtype = np.dtype([("line", "u1"), ("value", "u1")])
    form = StreamFormat(dtype, (), None, row_times=True)
    made = record(tmp_path, form, "EventsTable")
    file = StreamFile(tmp_path / "s.nwb", made.layout("s"), form)
    rows = np.array([(3, 1), (2, 1), (3, 0), (3, 1), (3, 0)], dtype)
    row_ns = np.array([10, 11, 60, 500, 501], "<i8") * 10**6
    body = rows.tobytes() + row_ns.tobytes()
    file.append([RECORD.pack(0, 0, 10**7, START, 5, 0, 0, 0)], [body], [5])
    file.close()
    with StreamReader(tmp_path / "s.nwb", made.layout("s")) as reader:
        every = read_stream_clock(reader, made, SyncLine(stream="s", line=3)).edges
        wide = SyncLine(stream="s", line=3, least_width=0.01)
        long = read_stream_clock(reader, made, wide).edges
    assert every is not None
    assert every.x.tolist() == [10_000_000, 500_000_000]
    assert long is not None
    assert long.x.tolist() == [10_000_000]
