"""Under an uncertain review share nothing of the law of a realised total lies below what was reviewed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates.distribution.factors import nodes
from darkmarket_estimates.distribution.law import GridLaw, Mixture, NormalLaw, PointLaw, ScaledMixture
from darkmarket_estimates.distribution.quantiles import quantiles
from darkmarket_estimates.distribution.realised import _between_anchors, realised, realised_uncertain_share

LEVELS = np.array([0.005, 0.025, 0.25, 0.5, 0.75, 0.975, 0.995])
SHARES = {f"{mean:g}, error {error:g}": (mean, error) for mean, error in
          ((0.98, 0.05), (0.98, 0.02), (0.95, 0.05), (0.9, 0.05), (0.75, 0.144), (0.44, 0.1))}


def share(mean: float, error: float) -> object:
    size = mean * (1 - mean) / error**2 - 1
    return stats.beta(mean * size, (1 - mean) * size)


def vendors(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    price, reviews = rng.lognormal(3, 1, n), rng.poisson(3 * rng.lognormal(0, 1.3, n)) + 1.0
    return price * reviews, price**2 * reviews


@pytest.mark.parametrize("size", [np.inf, 12.0], ids=["no spread", "spread"])
@pytest.mark.parametrize("n", [1, 5, 60, 400])
@pytest.mark.parametrize("name", SHARES)
def test_nothing_lies_below_what_was_reviewed(name: str, n: int, size: float) -> None:
    """Laws scaled as a whole had up to 17 % of their probability there."""
    y, q = vendors(n)
    law = realised_uncertain_share(y, q, *nodes(share(*SHARES[name])), size)
    assert law.cdf(y.sum() * (1 - 1e-9)) == 0
    assert law.quantile(1e-4) >= y.sum() * (1 - 1e-12)
    assert law.quantile(0.9) > y.sum()


@pytest.mark.parametrize("size", [np.inf, 12.0], ids=["no spread", "spread"])
@pytest.mark.parametrize("name", [*SHARES])
def test_it_is_the_mixture_over_every_share(name: str, size: float) -> None:
    """To 3 % of the interval where the law changes fastest; laws scaled as a whole were off by 15 %."""
    y, q = vendors(40)
    m, w = nodes(share(*SHARES[name]), 128)
    found = realised_uncertain_share(y, q, m, w, size).quantile(LEVELS)
    every = Mixture([realised(y, q, x, 0.0 if np.isinf(size) else np.sqrt(x * (1 - x) / (size + 1))) for x in m.tolist()], w)
    exact = every.quantile(LEVELS)
    assert np.abs(found - exact).max() <= 0.03 * (exact[5] - exact[1])


def test_between_anchors_the_mean_is_that_of_each_share() -> None:
    """Also where the share may be 1, at which nothing is unreviewed and nothing can be stretched."""
    m, w = np.linspace(0.6, 1.0, 81), np.full(81, 1 / 81)
    y = 100.0

    def laws_at(x: float) -> list[object]:
        return [PointLaw(y) if x == 1 else GridLaw.tabulated(np.linspace(y, 2 * y / x - y, 50), np.linspace(0, 1, 50))]

    law, = _between_anchors(laws_at, m, w, np.array([y]))
    assert law.mean == pytest.approx(w @ (y / m), rel=1e-9)
    assert law.cdf(y * (1 - 1e-12)) == 0
    few = [part for part in law.laws if part.factors.max() > 4]
    assert not few  # of an anchor with next to nothing unreviewed


def test_shares_of_1_alone() -> None:
    law = _between_anchors(lambda x: [PointLaw(7.0)], np.ones(3), np.full(3, 1 / 3), np.array([7.0]))[0]
    assert (law.mean, law.quantile(0.5), law.cdf(6.99), law.cdf(7.01)) == (7.0, 7.0, 0.0, 1.0)


# -- laws multiplied about a number -----------------------------------------------------------------------------------------

FACTORS, WEIGHTS = np.array([0.5, 1.0, 3.0]), np.array([0.2, 0.5, 0.3])


def test_a_law_multiplied_about_a_number() -> None:
    inner = NormalLaw(10.0, 2.0)
    law = ScaledMixture(inner, FACTORS, WEIGHTS, 4.0)
    means, deviations = 4 + 6 * FACTORS, 2 * FACTORS
    assert law.mean == pytest.approx(WEIGHTS @ means, rel=1e-14)
    assert law.variance == pytest.approx(WEIGHTS @ (deviations**2 + (means - WEIGHTS @ means) ** 2), rel=1e-13)
    x = np.array([-3.0, 4.0, 9.0, 22.0])
    assert law.cdf(x) == pytest.approx(stats.norm.cdf((x[:, None] - means) / deviations) @ WEIGHTS, rel=1e-12)
    assert law.cdf(law.quantile(LEVELS)) == pytest.approx(LEVELS, abs=1e-12)


@pytest.mark.parametrize("many", [False, True], ids=["few factors", "many factors"])
def test_quantiles_in_one_pass_are_those_of_each(many: bool) -> None:
    grid = GridLaw.tabulated(np.linspace(0, 10, 60), stats.beta(2, 3).cdf(np.linspace(0, 1, 60)))
    factors = np.linspace(0.5, 3, 90) if many else FACTORS
    weights = np.full(len(factors), 1 / len(factors))
    about = ScaledMixture(grid, factors, weights, 2.5)
    laws = [about, Mixture([about, ScaledMixture(grid, FACTORS, WEIGHTS, -1.0), PointLaw(8.0)], [0.4, 0.4, 0.2]),
            ScaledMixture(about, FACTORS, WEIGHTS), ScaledMixture(about, FACTORS, WEIGHTS, 5.0), grid]
    levels = np.array([0.03, 0.4, 0.97])
    found = quantiles(laws, levels)
    for row, law in zip(found, laws, strict=True):
        assert row == pytest.approx(law.quantile(levels), rel=1e-9)
