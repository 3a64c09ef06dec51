"""Edges in digital lines, analog channels and events; barcodes."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rigd.streams.pulses import (
    BARCODE_NS,
    AnalogEdges,
    LineEdges,
    barcode_levels,
    event_edges,
    read_barcodes,
    without_bounce,
)


def fed(
    finder: LineEdges | AnalogEdges, rows: npt.NDArray[Any], cuts: list[int], first: int
) -> list[float]:
    found: list[float] = []
    for piece in np.split(rows, sorted(cuts)):
        found += finder.feed(piece, first).tolist()
        first += len(piece)
    return found


def test_an_edge_lies_half_a_sample_before_the_first_sample_that_shows_it() -> None:
    rows = np.array([0, 0, 4, 4, 0, 6, 4, 2], np.uint8)
    assert LineEdges(2).feed(rows, 100).tolist() == [101.5, 104.5]
    assert LineEdges(2, "falling").feed(rows, 100).tolist() == [103.5, 106.5]
    assert LineEdges(1).feed(rows, 0).tolist() == [4.5, 6.5]


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i8"])
def test_lines_are_bits_of_any_integer(dtype: str) -> None:
    rows = np.array([0, 1, 1, 0], dtype) << 3
    assert LineEdges(3).feed(rows, 0).tolist() == [0.5]


def test_the_highest_bit_of_a_signed_integer_is_a_line_too() -> None:
    rows = np.array([0, -32768, 0], np.int16)
    assert LineEdges(15).feed(rows, 0).tolist() == [0.5]


@settings(deadline=None)
@given(
    levels=st.lists(st.booleans(), min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    width=st.integers(0, 4),
)
def test_how_samples_are_cut_does_not_matter(
    levels: list[bool], cuts: list[int], width: int
) -> None:
    rows = np.array(levels).astype(np.uint8)
    whole = LineEdges(0, least_width=width).feed(rows, 7).tolist()
    assert fed(LineEdges(0, least_width=width), rows, cuts, 7) == whole
    volts = np.where(rows, 3.0, 0.2)
    level = AnalogEdges(1.5, 0.5, least_width=width).feed(volts, 7).tolist()
    assert fed(AnalogEdges(1.5, 0.5, least_width=width), volts, cuts, 7) == level
    assert len(level) == len(whole)


def test_a_constant_level_has_no_edges_and_a_hole_in_the_samples_makes_none() -> None:
    finder = LineEdges(0)
    assert finder.feed(np.ones(10, np.uint8), 0).tolist() == []
    assert finder.feed(np.zeros(10, np.uint8), 50).tolist() == []
    assert finder.feed(np.ones(10, np.uint8), 60, epoch=1).tolist() == []
    assert finder.feed(np.empty(0, np.uint8), 70).tolist() == []


def test_pulses_that_are_too_short_are_noise() -> None:
    rows = np.array([0, 1, 0, 0, 1, 1, 1, 0, 1, 0], np.uint8)
    assert LineEdges(0, least_width=3).feed(rows, 0).tolist() == [3.5]


def test_a_line_that_bounces_gives_the_first_edge_of_each_burst() -> None:
    edges = np.array([100, 101, 103, 500, 502, 900])
    assert without_bounce(edges, 10).tolist() == [100, 500, 900]
    assert without_bounce(edges[:0], 10).tolist() == []


def test_an_analog_edge_is_where_the_level_is_crossed() -> None:
    volts = np.array([0.0, 0.0, 1.0, 4.0, 4.0, 2.0, 0.0])
    assert AnalogEdges(2.5).feed(volts, 10).tolist() == [12.5]
    assert AnalogEdges(3.0, edge="falling").feed(volts, 10).tolist() == [14.5]


def test_hysteresis_keeps_noise_near_the_level_from_counting() -> None:
    volts = np.array([0.0, 2.6, 2.4, 2.6, 2.4, 2.6, 0.0, 5.0])
    assert len(AnalogEdges(2.5, 1.0).feed(volts, 0)) == 2
    assert len(AnalogEdges(2.5, 0.0).feed(volts, 0)) == 4


def test_sub_sample_places_recover_the_true_crossing() -> None:
    crossing = 1000.3
    rise = np.clip((np.arange(2000) - crossing) / 4 + 0.5, 0, 1) * 5
    found = AnalogEdges(2.5, 0.5).feed(rise, 0)
    assert found == pytest.approx([crossing], abs=1e-9)


def test_events_are_edges_of_their_line() -> None:
    lines, values = np.array([0, 1, 1, 1]), np.array([1, 1, 0, 1])
    counts = event_edges(lines, values, line=1)
    assert counts.tolist() == [False, True, False, True]
    falls = event_edges(lines, values, line=1, edge="falling")
    assert falls.tolist() == [False, False, True, False]


@settings(deadline=None, max_examples=30)
@given(numbers=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4))
def test_barcodes_are_read_back(numbers: list[int]) -> None:
    step, pause = 1_000_000, 4_000_000_000
    found = LineEdges(0), LineEdges(0, "falling")
    edges: list[list[float]] = [[], []]
    for index, number in enumerate(numbers):
        since = np.arange(0, pause, step)
        level = barcode_levels(number, since) & (since < BARCODE_NS)
        rows = np.concatenate([[0], level.astype(np.uint8)])
        for finder, kept in zip(found, edges, strict=True):
            kept += finder.feed(rows, index * len(rows)).tolist()
    rises, falls = (np.rint(np.array(e) * step).astype(np.int64) for e in edges)
    assert list(read_barcodes(rises, falls).values()) == numbers
