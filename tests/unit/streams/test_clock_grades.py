"""Grades: which error is compared with what."""

import pytest

from rigd.streams.clock_grades import grade_of
from rigd.streams.clock_map import Grade, Mode

PERIOD = 1 / 30_000


@pytest.mark.parametrize(
    ("mode", "error", "relative_error", "grade"),
    [
        (Mode.SYNC_LINE, 0.2e-3, PERIOD, Grade.A),
        (Mode.SYNC_LINE, 0.2e-3, 2 * PERIOD, Grade.B),
        (Mode.SYNC_LINE, 0.2e-3, None, Grade.B),
        # Good against the other device, but that one's times are too bad.
        (Mode.SYNC_LINE, 1.1e-3, PERIOD, Grade.D),
        (Mode.HOST_CLOCK, 0.2e-3, None, Grade.C),
        (Mode.HOST_CLOCK, 1.1e-3, None, Grade.D),
        (Mode.HOST_CLOCK, None, None, Grade.F),
        (Mode.NOMINAL, 0.2e-3, None, Grade.F),
    ],
)
def test_grades(
    mode: Mode, error: float | None, relative_error: float | None, grade: Grade
) -> None:
    found = grade_of(
        mode,
        error,
        relative_error,
        tolerance=1e-3,
        sample_period=PERIOD,
        latency_known=True,
    )
    assert found == grade


def test_an_unknown_latency_counts_for_host_stamps_alone() -> None:
    grades = [
        grade_of(mode, 0.2e-3, tolerance=1e-3, sample_period=1e-3, latency_known=False)
        for mode in (Mode.HOST_CLOCK, Mode.SYNC_LINE)
    ]
    assert grades == [Grade.D, Grade.A]
