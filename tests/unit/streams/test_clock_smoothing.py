"""Curves through readings and floors under them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rigd.streams.clock_smoothing import Curvature, floor_under, sharpened, smoothed
from rigd.streams.quantization import Quantization


def dense(x: np.ndarray) -> np.ndarray:
    """The matrix of `integral f''^2`, row by row."""
    step = np.diff(x)
    rows = np.zeros((len(x) - 2, len(x)))
    for i in range(len(x) - 2):
        a, b = step[i], step[i + 1]
        slopes = np.array([1 / a, -1 / a - 1 / b, 1 / b])
        rows[i, i : i + 3] = slopes / np.sqrt((a + b) / 2)
    return rows.T @ rows


@settings(deadline=None, max_examples=60)
@given(points=st.integers(3, 150), seed=st.integers(0, 2**32 - 1))
def test_the_banded_system_is_solved_like_a_dense_one(points: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.uniform(0.1, 1.9, points))
    diagonal, right = rng.uniform(0.5, 1, points), rng.normal(size=points)
    curvature = Curvature(x)
    matrix = dense(x)
    np.testing.assert_allclose(curvature.times(right), matrix @ right, atol=1e-6)
    found = curvature.solve(50.0, diagonal, right)
    wanted = np.linalg.solve(50.0 * matrix + np.diag(diagonal), right)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_smoothing_follows_a_wandering_speed_and_leaves_out_what_is_far() -> None:
    rng = np.random.default_rng(1)
    x = np.cumsum(rng.uniform(0.1, 1.9, 600))
    truth = 2e-5 * x + 3e-4 * np.sin(x / 100)
    readings = truth + rng.normal(0, 1e-5, len(x))
    readings[::100] += 5e-3
    found = smoothed(x, readings, 1e-5, 3e-8)
    assert np.max(np.abs(found - truth)) < 2e-5
    assert np.max(np.abs(readings - truth)) > 4e-3


def test_what_quantization_tells_is_sharper_than_a_mean() -> None:
    rng = np.random.default_rng(4)
    period, errors = 1 / 30_000, []
    noise = Quantization(period, period, 2e-6)
    for _ in range(20):
        x = np.cumsum(rng.uniform(0.1, 1.9, 600))
        truth = 3e-5 * np.sin(x / 50)
        apart = rng.uniform(-period / 2, period / 2, (2, len(x))).sum(axis=0)
        near = smoothed(x, truth + apart, 14e-6, 3e-8)
        sharp = sharpened(x, truth + apart, near, noise, 3e-8)
        errors.append([np.std(near - truth), np.std(sharp - truth)])
    assert np.median(np.divide(*np.transpose(errors))) > 1.08


def test_the_floor_lies_under_all_readings_and_near_the_least() -> None:
    rng = np.random.default_rng(2)
    x = np.arange(0, 600.0)
    truth = 1e-4 * np.sin(x / 200)
    late = rng.exponential(2e-5, len(x))
    found = floor_under(x, truth + late, 2e-5, 3e-8)
    assert np.all(found <= truth + late)
    assert np.max(np.abs(found - truth)) < 3e-5


@pytest.mark.parametrize("pieces", [2, 3])
def test_a_speed_goes_on_where_the_curve_begins_anew(pieces: int) -> None:
    x = np.arange(0, 10.0 * pieces)
    begins = np.arange(10, len(x), 10)
    curvature = Curvature(x, begins)
    line = 3e-5 * x + np.repeat(np.arange(pieces) * 0.5, 10)
    np.testing.assert_allclose(curvature.times(line), 0, atol=1e-9)
    bent = np.where(x < 10, 0, x)
    # The speed rises by 1 between two points that are 2 s apart.
    assert bent @ curvature.times(bent) == pytest.approx(0.5)


def test_a_short_piece_of_a_floor_has_the_speed_of_the_long_one() -> None:
    rng = np.random.default_rng(3)
    x = np.concatenate([np.arange(0, 300.0), np.arange(303.0, 313.0)])
    step = np.where(x < 301, 0.0, 4.0)
    truth = 2e-5 * x + step
    readings = truth + rng.exponential(1e-4, len(x))
    readings[-8:] += 3e-4
    found = floor_under(x, readings, 1e-4, 3e-8, np.array([300]))
    assert np.all(found <= readings)
    assert np.ptp((found - truth)[300:]) < 2e-5
    assert np.ptp((readings - truth)[300:]) > 2e-4


@pytest.mark.parametrize("points", [0, 1, 2])
def test_too_few_readings_stay_as_they_are(points: int) -> None:
    r = np.arange(points, dtype=float)
    assert smoothed(r, r, 1.0, 1.0).tolist() == r.tolist()
    noise = Quantization(1.0, 1.0, 0.1)
    assert sharpened(r, r, r, noise, 1.0).tolist() == r.tolist()
