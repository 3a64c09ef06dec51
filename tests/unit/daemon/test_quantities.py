import pytest

from rigd.daemon.quantities import (
    aligned,
    count_text,
    lag_text,
    rate_text,
    size_text,
    time_text,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (23_040_000, "23.04 MB"),
        (99_600_000, "100 MB"),
        (999_600_000, "1.00 GB"),
        (5e18, "5000 PB"),
    ],
)
def test_sizes(count: float, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (12.34, "12.3 s"),
        (65, "1 min 5 s"),
        (12_000, "3 h 20 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_times(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


def test_counts_and_rates() -> None:
    assert count_text(1_234_567) == "1 234 567"
    assert rate_text(None) == "-"
    assert rate_text(29.97) == "29.97"
    assert rate_text(29_999.84) == "29999.8"
    assert lag_text(None) == "-"
    assert lag_text(0.123) == "0.12 s"


def test_tables_are_aligned_left_then_right() -> None:
    assert aligned([["a", "bb"], ["ccc", "1"]]) == ["a    bb", "ccc   1"]
