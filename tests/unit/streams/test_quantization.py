"""How two readings differ that both cut time into pieces."""

import numpy as np
import pytest

from rigd.streams.quantization import Quantization

PIECES = [(33e-6, 33e-6), (33e-6, 100e-6), (1e-3, 33e-6)]


@pytest.mark.parametrize(("first", "second"), PIECES)
def test_the_score_points_home_and_is_bounded(first: float, second: float) -> None:
    noise = Quantization(first, second, 2e-6)
    apart = np.linspace(-1, 1, 101) * 3 * (first + second)
    score = noise.score(apart)
    assert np.all(np.isfinite(score))
    assert np.all(score * np.sign(apart) >= -1e-3)
    assert np.all(np.diff(score) >= -1e-3 * np.max(score))
    np.testing.assert_allclose(score, -score[::-1], rtol=1e-4, atol=1)
    assert score[-1] == pytest.approx(np.pi / np.sqrt(3) / 2e-6, rel=1e-6)


@pytest.mark.parametrize(("first", "second"), PIECES)
def test_it_tells_more_than_a_normal_distribution_as_wide(
    first: float, second: float
) -> None:
    variance = (first**2 + second**2) / 12
    told = Quantization(first, second, 2e-6).information * variance
    assert told > 1.2
    soft = Quantization(first, second, 100 * (first + second)).information * variance
    assert soft < 0.01


def test_readings_that_claim_to_be_exact_are_taken_for_as_good_as_the_line() -> None:
    exact = Quantization(0.0, 0.0, 2e-6)
    assert exact.information * (2e-6) ** 2 == pytest.approx(0.87, rel=0.1)
    assert np.all(np.isfinite(exact.score(np.linspace(-1e-5, 1e-5, 11))))


def test_the_information_is_that_of_readings() -> None:
    rng = np.random.default_rng(1)
    period, jitter = 33e-6, 2e-6
    noise = Quantization(period, period, jitter)
    apart = rng.uniform(-period / 2, period / 2, (2, 200_000)).sum(axis=0)
    apart += rng.logistic(0, jitter * np.sqrt(3) / np.pi, len(apart))
    told = np.mean(noise.score(apart) ** 2)
    assert told == pytest.approx(noise.information, rel=0.02)
