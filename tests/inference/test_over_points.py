"""Factors on parts of a row that vendors link: points over all of them, a law at a few, scaled to the means of the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates import ByGroup, ReviewRate, Totals, turnover
from darkmarket_estimates.distribution import confidence
from darkmarket_estimates.distribution.factors import sobol
from darkmarket_estimates.distribution.law import Mixture, ScaledMixture
from darkmarket_estimates.inference import laws as module

KNOWN = ReviewRate(mean=0.4, between_vendor_sd=0.1)
UNSURE = ReviewRate(mean=0.4, standard_error=0.03, between_vendor_sd=0.1)
LEVELS = np.array([0.025, 0.5, 0.975])


def by(column: str, law: Any, n: int) -> ByGroup:
    return ByGroup(column, {f"{column[0]}{i}": law for i in range(n)})


def table(n_vendors: int, n_markets: int, counted: str = "reviews", seed: int = 3) -> Totals:
    """Every vendor in several markets, which links them."""
    rng = np.random.default_rng(seed)
    n = 4 * n_vendors
    reviews, price = 1 + rng.poisson(6 * rng.lognormal(0, 1, n)), rng.lognormal(4, 0.5, n)
    return Totals.from_cells(vendor=[f"v{v}" for v in rng.integers(0, n_vendors, n)], value=price * reviews, reviews=reviews,
                             groups={"market": [f"m{i % n_markets}" for i in range(n)], "kind": [f"k{i % 3}" for i in range(n)]},
                             currency="USD", counted=counted)


CASES: dict[str, dict[str, Any]] = {
    "one factor": {"review_rate": KNOWN, "market_coverage": ByGroup("market", {"m0": stats.beta(80, 20), "m1": 0.8})},
    "two": {"review_rate": KNOWN, "market_coverage": by("market", stats.beta(80, 20), 2)},
    "a share and two": {"review_rate": UNSURE, "market_coverage": by("market", stats.beta(40, 10), 2)},
    "expected": {"review_rate": 0.4, "market_coverage": by("market", stats.beta(40, 10), 2), "estimand": "expected",
                 "interval": "bca"},
}


@pytest.mark.parametrize("case", CASES)
def test_ends_are_those_of_a_law_at_every_point(case: str) -> None:
    """Beside 512 points with a law each: within 0.5 % of the interval's length."""
    model = turnover(table(60, 2), **CASES[case]).model
    cells, at = np.arange(model.totals.n_cells), model.configuration("central")
    acting = {i: f for i, f in enumerate(model.factors) if f.is_uncertain}
    found = []
    for point in sobol(len(acting), 512):
        drawn = {i: float(f.spec.ppf(p)) for (i, f), p in zip(acting.items(), point, strict=True)}  # type: ignore[union-attr]
        found += module._conditional(model, module.Rows.of([cells]), {**at, **drawn})
    exact = Mixture([confidence.tabulated(law) for law in found], np.full(512, 1 / 512)).quantile(LEVELS)
    law = model.law(cells)
    assert isinstance(law, Mixture) and len(law.laws) == module.FACTOR_POINTS
    assert np.abs(law.quantile(LEVELS) - exact).max() < 5e-3 * (exact[2] - exact[0])


def test_counted_sales_are_the_product_of_the_factors() -> None:
    """Nothing else is uncertain: T = a / M1 + b / M2, whose law is a double integral."""
    totals = table(5, 2, counted="sold")
    law = stats.beta(80, 20)
    est = turnover(totals, market_coverage=by("market", law, 2))
    a, b = (est.model.y[f.cells].sum() for f in est.model.factors)
    p = (np.arange(2000) + 0.5) / 2000
    one, other = a / law.ppf(p), b / law.ppf(p)
    exact = np.quantile((one[:, None] + other).ravel(), LEVELS)
    assert np.abs(est.quantile(LEVELS) - exact).max() < 2e-3 * (exact[2] - exact[0])


def test_means_are_exact_and_places_near() -> None:
    """A point has the law of the nearest, scaled to its own mean: the mean over all points is that of the factors."""
    model = turnover(table(60, 2), **CASES["two"]).model
    law = model.law(np.arange(model.totals.n_cells))
    assert isinstance(law, Mixture)
    points = stats.beta(80, 20).ppf(sobol(2, module.PLACES))
    worth = [float((model.y / 0.4)[f.cells].sum()) for f in model.factors if f.cells is not None]
    want = np.mean([worth[0] / x + worth[1] / y for x, y in points])
    assert law.mean == pytest.approx(want, rel=1e-9)
    number = [len(part.factors) for part in law.laws if isinstance(part, ScaledMixture)]
    assert sum(number) == module.PLACES and min(number) >= 1
    assert law.weights == pytest.approx(np.array(number) / module.PLACES, rel=1e-12)


def test_each_place_is_given_the_nearest_of_the_first() -> None:
    rng = np.random.default_rng(1)
    places = rng.random((200, 3))
    near = module._nearest(places, 16)
    away = ((places[:, None] - places[None, :16]) ** 2).sum(axis=2)
    assert (near[:16] == np.arange(16)).all()
    assert away[np.arange(200), near] == pytest.approx(away.min(axis=1))


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_unit_of_the_prices_does_not_matter(unit: float) -> None:
    totals = table(30, 2)
    scaled = Totals(totals.header, totals.keys, {**totals.columns, "value": totals.columns["value"] * unit,
                                                 "price_sq_reviews": totals.columns["price_sq_reviews"] * unit**2}, totals.audit)
    ends, other = (np.array(turnover(t, **CASES["a share and two"]).interval) for t in (totals, scaled))
    assert other == pytest.approx(ends * unit, rel=1e-7)
