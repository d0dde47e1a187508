import numpy as np
import pytest
from scipy import stats

import darkmarket_estimates as dme
from darkmarket_estimates.bayes import cut
from darkmarket_estimates.bayes.assumed import draw_assumptions, values_of
from darkmarket_estimates.bayes.cut import moments, realised_draws, share_odds
from darkmarket_estimates.bayes.draws_model import groups_of
from darkmarket_estimates.distribution.moments import realised_parts
from darkmarket_estimates.distribution.realised import realised
from darkmarket_estimates.errors import AssumptionError
from darkmarket_estimates.factors import resolve
from tests.bayes.markets import RATE, vendors

KNOWN = dme.ReviewRate(mean=0.44, between_vendor_sd=0.13)


def draws_of(totals, rate=KNOWN, n=4000, seed=1, **assumptions):
    codes, labels = groups_of(totals)
    assumed = draw_assumptions(resolve(totals, review_rate=rate, measure="money", **assumptions), codes, len(labels), n)
    return realised_draws(totals, totals.columns["value"], totals.columns["price_sq_reviews"], codes, assumed,
                          np.random.default_rng(seed))


@pytest.mark.parametrize("share,spread", [(0.44, 0.13), (0.3, 0.3), (0.9, 0.05)], ids=str)
def test_moments_are_those_of_the_law(share, spread):
    size = share * (1 - share) / spread**2 - 1
    between, within = moments(np.array([share]), np.array([size]))
    assert (between[0], within[0]) == pytest.approx(realised_parts(np.ones(1), np.zeros(1), share, spread)[:1]
                                                    + realised_parts(np.zeros(1), np.ones(1), share, spread)[1:], rel=1e-10)
    between, within = moments(np.array([share]), np.array([np.inf]))
    assert (between[0], within[0]) == (0.0, pytest.approx((1 - share) / share**2))


def test_odds_are_those_of_the_beta_law():
    size = 0.44 * 0.56 / 0.13**2 - 1
    a, b = 0.44 * size, 0.56 * size
    odds = share_odds(np.full(20_000, 0.44), size, np.random.default_rng(2))
    assert stats.kstest(1 / (1 + odds), stats.beta(a + 2, b * (a + 1) / a).cdf).pvalue > 0.001
    assert (share_odds(np.full(3, 0.25), np.inf, np.random.default_rng(2)) == 3).all()
    assert (share_odds(np.ones(3), 12.0, np.random.default_rng(2)) == 0).all()


@pytest.mark.parametrize("n", [3, 40, 1500])
def test_draws_have_the_law_of_the_closed_form(n):
    totals = vendors(n)
    law = realised(totals.columns["value"], totals.columns["price_sq_reviews"], 0.44, 0.13)
    u = law.cdf(draws_of(totals)[:, 0])
    # Kolmogorov-Smirnov at 0.1 %, with room for steps of one price
    assert stats.kstest(u, "uniform").statistic < 1.95 / np.sqrt(len(u)) + 0.005


def test_few_rows_drawn_one_by_one_give_the_same_law(monkeypatch):
    totals = vendors(600)
    law = realised(totals.columns["value"], totals.columns["price_sq_reviews"], 0.44, 0.13)
    monkeypatch.setattr(cut, "MOST_ROWS", 5)
    u = law.cdf(draws_of(totals, n=8000)[:, 0])
    assert stats.kstest(u, "uniform").statistic < 1.95 / np.sqrt(len(u)) + 0.01


def test_a_vendor_that_carries_much_is_drawn_from_its_own_law():
    """A Gamma law of the same mean and variance, which many small vendors have, is 0.04 away: four times the limit."""
    one = dme.Totals.from_cells(vendor=["a"], value=[5e4], reviews=[5000], currency="USD")
    law = realised(one.columns["value"], one.columns["price_sq_reviews"], 0.3, 0.3)
    draws = draws_of(one, dme.ReviewRate(mean=0.3, between_vendor_sd=0.3), n=40_000)[:, 0]
    assert stats.kstest(law.cdf(draws), "uniform").statistic < 1.95 / np.sqrt(40_000)
    extra, (mean, variance) = draws - 5e4, (law.mean - 5e4, law.variance)
    gamma = stats.gamma(mean**2 / variance, scale=variance / mean)
    assert stats.kstest(extra, gamma.cdf).statistic > 4 * 1.95 / np.sqrt(40_000)


def test_at_most_so_many_rows_are_drawn_one_by_one(monkeypatch):
    drawn = []
    monkeypatch.setattr(cut, "share_odds", lambda *given: drawn.append(1) or share_odds(*given))
    draws_of(vendors(600), n=4)
    every, drawn[:] = len(drawn), []
    monkeypatch.setattr(cut, "MOST_ROWS", 5)
    draws_of(vendors(600), n=4)
    assert (every > 5, len(drawn)) == (True, 5)


def test_rows_without_money_change_nothing():
    y, r = [5e4, 3e4, 0.0], [5000, 3000, 7]
    some = dme.Totals.from_cells(vendor=["a", "b", "z"], value=y, reviews=r, currency="USD")
    without = dme.Totals.from_cells(vendor=["a", "b"], value=y[:2], reviews=r[:2], currency="USD")
    np.testing.assert_array_equal(draws_of(some), draws_of(without))


def few(scale=1.0):
    """Three vendors with so many reviews that all variance is that of their shares."""
    return dme.Totals.from_cells(vendor=["a", "b", "c"], value=[5e4 * scale, 3e4, 2e4 * scale], reviews=[5000, 3000, 2000],
                                 currency="USD")


def test_seeds_are_independent_replicates():
    """Means over seeds scatter by their Monte Carlo error, no less: chi-squared at 0.1 % on either side."""
    n, seeds = 250, 60
    draws = np.array([draws_of(few(), n=n, seed=seed)[:, 0] for seed in range(seeds)])
    ratio = (seeds - 1) * draws.mean(axis=1).var(ddof=1) / (draws.var(axis=1, ddof=1).mean() / n)
    low, high = stats.chi2(seeds - 1).ppf([0.001, 0.999])
    assert low < ratio < high


def test_one_rng_gives_a_vendor_one_share_in_two_windows():
    before, after = draws_of(few(), seed=3)[:, 0], draws_of(few(2.0), seed=3)[:, 0]
    assert np.corrcoef(before, after)[0, 1] > 0.9
    assert abs(np.corrcoef(before, draws_of(few(2.0), seed=4)[:, 0])[0, 1]) < 4 / np.sqrt(len(before))


def test_an_uncertain_share_widens_it():
    totals = vendors(300)
    wide, narrow = draws_of(totals, RATE)[:, 0], draws_of(totals)[:, 0]
    total = totals.sum("value") / 0.44
    extra = (wide.var() - narrow.var()) / total**2
    assert extra == pytest.approx((0.02 / 0.44) ** 2, rel=0.35)


def test_groups_move_together_where_vendors_sell_in_both():
    rng = np.random.default_rng(0)
    y = np.exp(rng.normal(5, 1, 400))
    vendor = [f"v{i}" for i in range(400)]
    both = dme.Totals.from_cells(vendor=vendor * 2, value=[*y, *y], reviews=np.full(800, 1000.0), currency="USD",
                                 groups={"g": ["a"] * 400 + ["b"] * 400})
    for most in (5000, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cut, "MOST_ROWS", max(most, 1))
            d = draws_of(both)
        # with 1,000 reviews a vendor nearly all variance is that of its share, which is one for both groups
        assert np.corrcoef(d.T)[0, 1] > 0.95
        one = draws_of(dme.Totals.from_cells(vendor=vendor, value=2 * y, reviews=np.full(400, 2000.0), currency="USD"))
        assert d.sum(axis=1).std() == pytest.approx(one.std(), rel=0.06)


def test_a_vendor_that_is_large_in_one_group_has_the_same_share_in_the_other():
    """20 vendors make group a, and are 20 of 320 equal ones in b: their shares are what the groups have in common."""
    names = [f"v{i}" for i in range(320)]
    totals = dme.Totals.from_cells(vendor=[*names[:20], *names], value=[1e5] * 20 + [1e4] * 320,
                                   reviews=[10_000] * 20 + [1_000] * 320, currency="USD", groups={"g": ["a"] * 20 + ["b"] * 320})
    n = 12_000
    a, b = draws_of(totals, n=n).T
    exact = 20 * 1e5 * 1e4 / np.sqrt(20 * 1e5**2 * 320 * 1e4**2)
    assert np.corrcoef(a, b)[0, 1] == pytest.approx(exact, abs=4 / np.sqrt(n))


@pytest.mark.parametrize("matrix", [500, 1], ids=["a matrix", "many groups"])
@pytest.mark.parametrize("reviews", [1.0, 4.0, 50.0])
def test_the_correlation_of_groups_is_that_of_the_shares_of_their_vendors(reviews, matrix, monkeypatch):
    """400 vendors sell alike in two groups: what their shares have in common, over all that varies."""
    monkeypatch.setattr(cut, "JOINT_GROUPS", matrix)
    monkeypatch.setattr(cut, "BLOCK", 400 * 7_000)  # two blocks and a part of one
    vendor = [f"v{i}" for i in range(400)]
    both = dme.Totals.from_cells(vendor=vendor * 2, value=np.full(800, 20.0 * reviews), reviews=np.full(800, reviews),
                                 currency="USD", groups={"g": ["a"] * 400 + ["b"] * 400})
    between, within = (float(x[0]) for x in moments(np.array([0.44]), np.array([0.44 * 0.56 / 0.13**2 - 1])))
    expected = between * reviews / (between * reviews + within)
    n = 20_000
    assert np.corrcoef(draws_of(both, n=n).T)[0, 1] == pytest.approx(expected, abs=4 * (1 - expected**2) / np.sqrt(n) + 0.005)


@pytest.mark.parametrize("n_groups", [20, 600])
def test_the_variance_of_the_total_does_not_depend_on_the_number_of_groups(n_groups):
    """Vendors sell in many groups and dominate none: all of their variance is in the rest."""
    rng = np.random.default_rng(3)
    n = 220 * n_groups
    vendor, group = rng.integers(0, n // 60, n), rng.permutation(np.arange(n) % n_groups)
    totals = dme.Totals.from_cells(vendor=[f"v{i}" for i in vendor], value=np.full(n, 1e3), reviews=np.full(n, 50.0),
                                   currency="USD", groups={"g": [f"g{i}" for i in group]})
    y, q = (totals.columns[name] for name in ("value", "price_sq_reviews"))
    between, within = (float(x[0]) for x in moments(np.array([0.44]), np.array([0.44 * 0.56 / 0.13**2 - 1])))
    worth = np.bincount(totals.keys["vendor"].codes, y)
    exact = between * (worth**2).sum() + within * q.sum()
    n_draws = 1_500
    assert draws_of(totals, n=n_draws).sum(axis=1).var() == pytest.approx(exact, rel=4 * np.sqrt(2 / n_draws))


@pytest.mark.parametrize("matrix", [500, 1], ids=["a matrix", "many groups"])
def test_genuine_reviews_leave_groups_less_alike(matrix, monkeypatch):
    """Of half as many genuine reviews more of the variance is that of unreviewed sales, which groups do not share."""
    monkeypatch.setattr(cut, "JOINT_GROUPS", matrix)
    vendor = [f"v{i}" for i in range(400)]
    both = dme.Totals.from_cells(vendor=vendor * 2, value=np.full(800, 80.0), reviews=np.full(800, 4.0), currency="USD",
                                 groups={"g": ["a"] * 400 + ["b"] * 400})
    between, within = (float(x[0]) for x in moments(np.array([0.44]), np.array([0.44 * 0.56 / 0.13**2 - 1])))
    expected = between * 4 / (between * 4 + within / 0.25)
    n = 20_000
    found = np.corrcoef(draws_of(both, n=n, genuine_share=0.25).T)[0, 1]
    assert found == pytest.approx(expected, abs=4 * (1 - expected**2) / np.sqrt(n) + 0.005)


def test_shares_of_their_own_leave_groups_unrelated():
    y = np.exp(np.random.default_rng(0).normal(5, 1, 400))
    vendor = [f"v{i}" for i in range(400)]
    both = dme.Totals.from_cells(vendor=vendor * 2, value=[*y, *y], reviews=np.full(800, 1000.0), currency="USD",
                                 groups={"g": ["a"] * 400 + ["b"] * 400})
    d = draws_of(both, dme.ByGroup("g", {"a": KNOWN, "b": dme.ReviewRate(mean=0.6, between_vendor_sd=0.1)}))
    assert abs(np.corrcoef(d.T)[0, 1]) < 4 / np.sqrt(len(d))
    assert d[:, 1].mean() == pytest.approx(y.sum() / 0.6, rel=0.01)


def test_sales_that_are_counted_are_not_drawn():
    totals = dme.Totals.from_cells(vendor=["a", "b"], value=[90.0, 10.0], reviews=[9, 1], currency="USD", counted="sold")
    assert (draws_of(totals, None) == 100).all()


@pytest.mark.parametrize("n", [500, 5])
def test_genuine_reviews_are_fewer_reviews(n):
    """Of many vendors, drawn by their sum, and of few, drawn one by one."""
    r = 1000 / n
    totals = dme.Totals.from_cells(vendor=[f"v{i}" for i in range(n)], value=np.full(n, 10 * r), reviews=np.full(n, r),
                                   currency="USD")
    known = dme.ReviewRate(mean=0.5, between_vendor_sd=0)
    d = draws_of(totals, known, genuine_share=0.25)[:, 0]
    y = totals.sum("value")
    assert d.mean() == pytest.approx(y * 0.25 / 0.5, rel=0.01)
    # 250 genuine reviews at a price of 10: (1 - rho) / rho^2 x sum p^2 r
    assert d.var() == pytest.approx(2 * 100 * 250, rel=0.12)


@pytest.mark.parametrize("assumption", ["units_per_order", "market_coverage", "exchange_rate"])
def test_other_assumptions_scale(assumption):
    totals = vendors(50)
    value = {"units_per_order": 2.0, "market_coverage": 0.5,
             "exchange_rate": dme.ExchangeRate(2.0, to="EUR", source="x", date="y")}
    np.testing.assert_allclose(draws_of(totals, **{assumption: value[assumption]}), 2 * draws_of(totals), rtol=1e-12)


def test_the_same_statement_has_the_same_draws():
    factor, = resolve(vendors(5), review_rate=RATE, measure="money")
    values = values_of(factor, 1000)
    np.testing.assert_array_equal(values, values_of(resolve(vendors(9), review_rate=RATE, measure="money")[0], 1000))
    assert values.mean() == pytest.approx(0.44, abs=1e-4)
    assert values.std() == pytest.approx(0.02, rel=0.01)
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.15


def test_a_range_has_no_prior():
    with pytest.raises(AssumptionError, match="Range"):
        draws_of(vendors(5), dme.Range(0.4, 0.6))


@pytest.mark.statistical
def test_reviews_and_sales_of_known_markets():
    """Nine in ten intervals hold what was sold: 400 markets, threshold three Monte Carlo errors below."""
    rng = np.random.default_rng(4)
    size = 0.44 * 0.56 / 0.13**2 - 1
    hits = 0
    for _ in range(400):
        sales = rng.poisson(np.exp(rng.normal(3, 1.5, 150)))
        r = rng.binomial(sales, rng.beta(0.44 * size, 0.56 * size, 150)).astype(float)
        price = np.exp(rng.normal(4, 1, 150))
        seen = r > 0
        totals = dme.Totals.from_cells(vendor=np.flatnonzero(seen), value=(r * price)[seen], reviews=r[seen],
                                       price_sq_reviews=(r * price**2)[seen], currency="USD")
        low, high = np.quantile(draws_of(totals, n=1000, seed=int(rng.integers(1e9))), [0.05, 0.95])
        hits += low <= sales @ price <= high
    assert hits / 400 > 0.9 - 3 * np.sqrt(0.09 / 400)


def test_an_assumption_is_drawn_at_the_middles_of_equal_probabilities():
    (factor,) = resolve(few(), review_rate=stats.beta(40, 60), measure="money")
    values = values_of(factor, 9)
    np.testing.assert_allclose(np.sort(values), stats.beta(40, 60).ppf((np.arange(9) + 0.5) / 9), rtol=1e-12)
    assert (np.diff(values) < 0).any() and (values == values_of(factor, 9)).all()
