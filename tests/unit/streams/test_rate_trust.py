"""Rates from few stamps, and whether they are believed."""

import numpy as np
import pytest

from rigd.streams.rate_trust import Trust, theil_sen_slope, trust_in


def test_the_slope_is_that_of_most_pairs() -> None:
    x = np.arange(40.0)
    t = 1.5 * x
    t[[3, 30]] += 20
    assert theil_sen_slope(x, t) == pytest.approx(1.5)
    assert theil_sen_slope(np.zeros(4), np.arange(4.0)) is None


@pytest.mark.parametrize(
    ("slope", "scatter", "trust"),
    [
        (1 + 5e-5, 1e-5, Trust.FULL),
        (1 + 5e-5, 5e-2, Trust.NONE),
        (1.02, 1e-2, Trust.FULL),
        (1.5, 1e-5, Trust.CONTRADICTION),
    ],
)
def test_a_rate_is_believed_if_it_is_known_better_than_nominal(
    slope: float, scatter: float, trust: Trust
) -> None:
    x = np.linspace(0, 10, 50)
    t = slope * x + np.random.default_rng(0).normal(0, scatter, 50)
    assert trust_in(slope, x, t) is trust
