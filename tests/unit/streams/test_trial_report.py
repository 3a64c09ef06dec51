"""What a trial makes of the items that a driver returns."""

import numpy as np

from rigd.config.clocks import SyncLine
from rigd.streams.block import Block, Ended, Lost, Note, StreamFormat
from rigd.streams.trial_report import MOST_NOTES, Trial

VOLTAGE = StreamFormat(np.dtype("<i2"), (4,), rate=1000.0)
BUTTONS = StreamFormat(np.dtype([("line", "u1")]), rate=None, row_times=True)


def block(first: int, rows: int = 10, **changes: object) -> Block:
    """Rows that arrive just when the last of them is sampled."""
    values: dict[str, object] = {
        "stream": "voltage",
        "first": first,
        "data": np.zeros((rows, 4), "<i2"),
        "host_ns": (first + rows) * 1_000_000,
        **changes,
    }
    return Block(**values)  # type: ignore[arg-type]


def test_rows_and_rate_are_counted() -> None:
    trial = Trial({"voltage": VOLTAGE}, started=0.0)
    for first in range(0, 2000, 10):
        trial.take([block(first)])
    report = trial.reports(now=2.0)["voltage"]
    assert (report.rows, report.seconds, report.misfit) == (2000, 2.0, None)
    assert report.ppm is not None
    assert report.uncertainty_ppm is not None
    assert abs(report.ppm) <= report.uncertainty_ppm < 120
    assert report.stream_format == VOLTAGE


def test_lost_samples_do_not_change_the_rate() -> None:
    trial = Trial({"voltage": VOLTAGE}, started=0.0)
    for first in range(0, 2000, 10):
        lost = 500 <= first < 700
        trial.take([Lost("voltage", first, 10, "device") if lost else block(first)])
    report = trial.reports(now=2.0)["voltage"]
    assert (report.rows, report.lost) == (1800, 200)
    assert report.ppm is not None
    assert abs(report.ppm) < 120


def test_a_counter_that_starts_anew_begins_a_new_measurement() -> None:
    trial = Trial({"voltage": VOLTAGE}, started=0.0)
    for start in range(0, 1000, 10):
        trial.take([block(start)])
    for start in range(0, 1000, 10):
        late = (start + 10 + 1000) * 1_000_000
        trial.take([block(start, epoch=1, host_ns=late)])
    ppm = trial.reports(now=2.0)["voltage"].ppm
    assert ppm is not None
    assert abs(ppm) < 250


def test_other_types_and_shapes_than_declared_are_named() -> None:
    for data, what in (
        (np.zeros((10, 4), "<f4"), "float32"),
        (np.zeros((10, 3), "<i2"), "(3,)"),
    ):
        trial = Trial({"voltage": VOLTAGE}, started=0.0)
        trial.take([block(0, data=data), block(10)])
        misfit = trial.reports(1.0)["voltage"].misfit
        assert misfit is not None
        assert what in misfit


def test_events_without_times_are_named() -> None:
    trial = Trial({"buttons": BUTTONS}, started=0.0)
    trial.take([Block("buttons", 0, np.zeros(3, BUTTONS.dtype), 1)])
    report = trial.reports(1.0)["buttons"]
    assert report.rows == 3
    assert (
        report.misfit == "delivers no device times of its rows, which it has declared"
    )


def test_only_regular_streams_owe_rows() -> None:
    trial = Trial({"voltage": VOLTAGE, "buttons": BUTTONS}, started=0.0)
    assert trial.lacks_something
    trial.take([block(0)])
    assert not trial.lacks_something
    assert trial.slowest_rate == 1000.0


def test_ends_and_notes_are_kept() -> None:
    trial = Trial({"voltage": VOLTAGE}, started=0.0)
    trial.take([Note("voltage", f"note {n}") for n in range(MOST_NOTES + 3)])
    assert not trial.is_over
    trial.take([Ended("voltage", "unplugged")])
    report = trial.reports(1.0)["voltage"]
    assert trial.is_over
    assert report.ended == "unplugged"
    assert len(report.notes) == MOST_NOTES


def test_pulses_are_waited_for_and_counted() -> None:
    form = StreamFormat(np.dtype("u1"), rate=1000.0)
    trial = Trial({"ttl": form}, 0.0, SyncLine(stream="ttl", line=2))
    trial.take([block(0, stream="ttl", data=np.zeros(10, "u1"))])
    assert trial.lacks_something
    high = np.array([0, 4, 4, 4, 0, 0, 6, 2, 7, 7], "u1")
    trial.take([block(10, stream="ttl", data=high)])
    assert not trial.lacks_something
    assert trial.reports(0.02)["ttl"].pulses == 3
