"""Shares and growth under review shares that are hardly known: the law is the mixture, not the central law moved about."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import special, stats

from darkmarket_estimates import ByGroup, ReviewRate, Totals, turnover
from darkmarket_estimates.comparison import over_factors as module
from darkmarket_estimates.distribution.factors import gauss
from darkmarket_estimates.distribution.law import Mixture, ScaledMixture
from darkmarket_estimates.distribution.ratios import Stratum, probabilities_realised, ratio_realised, ratios_realised
from darkmarket_estimates.distribution.relative import positive_nodes

LEVELS = np.array([0.005, 0.025, 0.5, 0.975, 0.995])


def _benchmark() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "uncertain_shares.py"
    spec = importlib.util.spec_from_file_location("uncertain_shares", path)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


simulation = _benchmark()


def growth(n: int, n_groups: int, spread: float, error: float = 0.05):
    reviews, price, group = simulation.market(n, n_groups)
    later, first = (simulation.table(reviews, price, group, window) for window in (0, 1))
    return simulation.estimate(later, spread, error).ratio(simulation.estimate(first, spread, error))


# -- against the exact law ----------------------------------------------------------------------------------------------

CASES = [(20, 2, 0.1, "alike"), (20, 8, 0.05, "alike"), (100, 2, 0.0, "alike"), (100, 1, 0.1, "alike"), (20, 2, 0.1, "share"),
         (20, 2, 0.05, "half"), (20, 8, 0.1, "by window")]


@pytest.mark.parametrize(("n", "n_groups", "spread", "view"), CASES, ids=lambda x: str(x))
def test_ends_leave_what_they_should(n: int, n_groups: int, spread: float, view: str) -> None:
    draws = 60_000
    low, high, _ = simulation.beyond(n, n_groups, spread, view, draws, seed=3)
    assert max(abs(low - 0.025), abs(high - 0.025)) < 4 * math.sqrt(0.025 * 0.975 / draws)  # 0.25 %


@pytest.mark.long
@pytest.mark.parametrize(("n", "n_groups", "spread", "view"), simulation.cells(), ids=lambda x: str(x))
def test_every_cell_of_the_table(n: int, n_groups: int, spread: float, view: str) -> None:
    draws = 100_000
    low, high, _ = simulation.beyond(n, n_groups, spread, view, draws, seed=4)
    assert max(abs(low - 0.025), abs(high - 0.025)) < 4.5 * math.sqrt(0.025 * 0.975 / draws)


@pytest.mark.long
def test_the_central_law_moved_about_would_be_too_short() -> None:
    """What was done before: only the place of the law followed the shares."""
    reviews, price, group = simulation.market(400, 8)
    later, first = (simulation.table(reviews, price, group, window) for window in (0, 1))
    est, other = (simulation.estimate(t, 0.05) for t in (later, first))
    central = simulation.estimate(later, 0.05, 1e-7).ratio(simulation.estimate(first, 0.05, 1e-7))
    shares = [f.spec.ppf(p) for f, p in zip(est.model.factors, module.sobol(8, 512).T, strict=True)]
    sums = [sum(e.model.y[f.cells].sum() / x for f, x in zip(e.model.factors, shares, strict=True)) for e in (est, other)]
    moved = ScaledMixture(central._law, sums[0] / sums[1] / central.value, np.full(512, 1 / 512))
    rng, draws = np.random.default_rng(3), 40_000
    totals = np.concatenate([simulation.drawn(rng, reviews, price, group, 0.05, 1000, common=True).sum(axis=0)
                             for _ in range(draws // 1000)], axis=1)
    x = totals[0] / totals[1]
    error = math.sqrt(0.025 * 0.975 / draws)
    for law, right in ((moved, False), (est.ratio(other), True)):
        low, high = law.quantile(np.array([0.025, 0.975]))
        off = np.array([np.mean(x < low), np.mean(x > high)]) - 0.025
        assert (np.abs(off) < 4 * error).all() if right else (off > 4 * error).all(), off


# -- a share that acts alone --------------------------------------------------------------------------------------------


def test_one_share_gives_the_mixture_of_the_laws_at_its_gauss_points() -> None:
    rate = ReviewRate(mean=0.2, standard_error=0.05, between_vendor_sd=0.1)
    y, x = np.array([90.0, 40, 20, 10]), np.array([30.0, 60, 10, 10])
    names = [f"v{i}" for i in range(4)]
    later, first = (turnover(Totals.from_cells(vendor=names, value=v, reviews=v / 10, currency="USD", window=w), review_rate=rate)
                    for v, w in ((y, simulation.WINDOWS[0]), (x, simulation.WINDOWS[1])))
    points, weights = gauss(*positive_nodes(rate.mean_spec), 3)
    laws = [ratio_realised(y, x, 10 * y, 10 * x, float(p), rate.spread_at(float(p)), nested=False).law for p in points]
    assert later.ratio(first).quantile(LEVELS) == pytest.approx(Mixture(laws, weights).quantile(LEVELS), rel=1e-9)
    assert later.ratio(first).value == pytest.approx(y.sum() / x.sum(), rel=1e-12)


def test_three_gauss_points_are_enough() -> None:
    """Beside six: within 0.1 % of the interval's length."""
    rate = ReviewRate(mean=0.2, standard_error=0.05, between_vendor_sd=0.1)
    rng = np.random.default_rng(2)
    y, x = rng.lognormal(4, 1, (2, 30))
    found = []
    for n in (3, 6):
        points, weights = gauss(*positive_nodes(rate.mean_spec), n)
        laws = [ratio_realised(y, x, 9 * y, 9 * x, float(p), rate.spread_at(float(p)), nested=False).law for p in points]
        found.append(Mixture(laws, weights).quantile(LEVELS[1:4]))
    assert np.abs(found[0] - found[1]).max() < 1e-3 * np.ptp(found[1])


def test_a_share_that_is_known_well_leaves_the_central_law() -> None:
    rates = [ReviewRate(mean=0.44, standard_error=e, between_vendor_sd=0.11) for e in (0.0, 0.02)]
    reviews, price, group = simulation.market(40, 1)
    later, first = (simulation.table(reviews, price, group, window) for window in (0, 1))
    known, uncertain = (turnover(later, review_rate=r).ratio(turnover(first, review_rate=r)) for r in rates)
    assert uncertain.quantile(LEVELS) == pytest.approx(known.quantile(LEVELS), rel=1e-12)


# -- properties ---------------------------------------------------------------------------------------------------------


def test_atoms_stay_where_they_are() -> None:
    """One vendor in each window, each with one review at 10: A / B = (1 + K) / (1 + L)."""
    rate = ReviewRate(mean=0.9, standard_error=0.05)
    one = [turnover(Totals.from_cells(vendor=[v], value=[10.0], reviews=[1], currency="USD", window=w), review_rate=rate)
           for v, w in (("a", simulation.WINDOWS[0]), ("b", simulation.WINDOWS[1]))]
    law = one[0].ratio(one[1])
    shares, weights = positive_nodes(rate.mean_spec)
    both = float(weights @ (shares**2 * sum((1 - shares) ** (2 * k) for k in range(40))))  # P(K = L)
    assert law.cdf(1.02) - law.cdf(0.98) == pytest.approx(both, abs=0.01)


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_growth_read_backwards_is_its_reciprocal(spread: float) -> None:
    reviews, price, group = simulation.market(20, 2)
    later, first = (simulation.estimate(simulation.table(reviews, price, group, window), spread) for window in (0, 1))
    there, back = later.ratio(first).quantile(LEVELS), 1 / first.ratio(later).quantile(LEVELS)[::-1]
    assert np.abs(there - back).max() < 2e-3 * (there[3] - there[1])


def test_the_shares_of_two_groups_mirror_each_other() -> None:
    reviews, price, group = simulation.market(20, 2)
    est = simulation.estimate(simulation.table(reviews, price, group, 0), 0.1)
    one, other = (est.share(label, of="market").quantile(LEVELS) for label in ("m0", "m1"))
    assert np.abs(one - (1 - other[::-1])).max() < 2e-3 * (one[3] - one[1])


def test_the_order_of_the_vendors_and_the_unit_of_the_prices_do_not_matter() -> None:
    reviews, price, group = simulation.market(20, 2)
    order = np.random.default_rng(1).permutation(20)
    found = [simulation.estimate(simulation.table(reviews[o], price[o] * unit, group[o], 0), 0.05).share("m0", of="market")
             .quantile(LEVELS) for o, unit in ((np.arange(20), 1.0), (order, 1.0), (np.arange(20), 1024.0))]
    assert found[1] == pytest.approx(found[0], rel=1e-6)
    assert found[2] == pytest.approx(found[0], rel=1e-8)


def test_levels_nest_and_a_larger_uncertainty_is_wider() -> None:
    law = growth(20, 2, 0.0)
    ends = law.quantile(np.linspace(0.0005, 0.9995, 199))
    assert (np.diff(ends) > 0).all()
    lengths = [np.ptp(growth(20, 2, 0.0, error).interval) for error in (1e-6, 0.02, 0.06)]
    assert (np.diff(lengths) > 0).all()


def test_many_rows_are_each_the_ratio_of_its_groups() -> None:
    reviews, price, group = simulation.market(60, 3)
    later, first = (simulation.estimate(simulation.table(reviews, price, group, window), 0.02) for window in (0, 1))
    table = later.ratios(first, by="half")
    for row in table.itertuples():
        one = (later.ratio(first) if row.half not in ("even", "odd")
               else later.group(half=row.half).ratio(first.group(half=row.half)))
        assert (row.low, row.high) == pytest.approx(one.interval, rel=1e-6)


def test_factors_on_groups_of_counted_sales_move_the_place_alone() -> None:
    y = {"NL": 60.0, "DE": 40.0}
    totals = [Totals.from_cells(vendor=["a", "b"], value=[y["NL"] * f, y["DE"]], reviews=[6, 4], currency="USD", counted="sold",
                                groups={"country": ["NL", "DE"]}, window=w) for f, w in ((2.0, simulation.WINDOWS[0]),
                                                                                        (1.0, simulation.WINDOWS[1]))]
    law = stats.beta(80, 20)
    later, first = (turnover(t, market_coverage=ByGroup("country", {"NL": law, "DE": 0.8})) for t in totals)
    nl = y["NL"] / law.ppf([0.975, 0.025])
    assert later.ratio(first).interval == pytest.approx((2 * nl + 50) / (nl + 50), rel=2e-3)


def test_probabilities_are_those_of_the_laws() -> None:
    rng = np.random.default_rng(9)
    a = rng.lognormal(3, 1, 30)
    strata = [Stratum(a[k::2] * inside[k::2], a[k::2], 5 * a[k::2] * inside[k::2], 5 * a[k::2],
                      np.array([0, 7, 15]), share, 0.1)
              for k, share in ((0, 0.4), (1, 0.6)) for inside in [np.arange(30) % 3 == 0]]
    laws = ratios_realised(strata, nested=True)
    r = np.array([law.quantile(np.array([0.03, 0.5, 0.97])) for law in laws]).T
    assert probabilities_realised(strata, r, nested=True) == pytest.approx(np.tile([[0.03], [0.5], [0.97]], 2), abs=1e-3)
    turned = [Stratum(s.b - s.a, s.b, s.qb - s.qa, s.qb, s.start, s.share, s.spread) for s in strata]
    assert probabilities_realised(turned, 1 - r, nested=True) == pytest.approx(np.tile([[0.97], [0.5], [0.03]], 2), abs=1e-3)


def test_the_mixture_of_normal_laws_is_exact() -> None:
    rng = np.random.default_rng(4)
    place, width = rng.normal(0, 0.3, 512), rng.lognormal(-1, 0.3, 512)
    shape = np.linspace(-4.25, 4.25, 171)
    law = module._mixture(place, width, shape, np.tile(shape, (512, 1)), np.exp)
    x = np.linspace(-2, 2, 41)
    assert law.cdf(np.exp(x)) == pytest.approx(special.ndtr((x[:, None] - place) / width).mean(axis=1), abs=2e-4)


@pytest.mark.parametrize("seed", range(6))
def test_odd_tables_give_ordered_ends_and_no_warnings(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, groups = int(rng.integers(1, 6)), ["a", "b"]
    rates = {g: ReviewRate(mean=float(m), standard_error=float(0.3 * min(m, 1 - m)), between_vendor_sd=s)
             for g, m, s in zip(groups, rng.choice([0.02, 0.5, 0.98], 2), rng.choice([None, 0.01, 0.1], 2), strict=True)}
    tables = []
    for window in simulation.WINDOWS:
        vendor = [f"v{i}" for i in rng.integers(0, 5, n)] + ["x", "y"]
        reviews = np.append(rng.integers(1, 50, n), [1, 1])
        tables.append(Totals.from_cells(vendor=vendor, value=reviews * rng.lognormal(0, 3, n + 2), reviews=reviews, window=window,
                                        groups={"g": [*rng.choice(groups, n), *groups]}, currency="USD"))
    later, first = (turnover(t, review_rate=ByGroup("g", rates)) for t in tables)
    for law, top in ((later.ratio(first), math.inf), (later.share("a", of="g"), 1.0)):
        low, middle, high = law.quantile(np.array([0.0005, 0.5, 0.9995]))
        assert 0 <= low < middle < high <= top
        assert law.kind == "hybrid prediction interval" or law.kind == "prediction interval"
