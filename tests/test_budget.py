"""Uncertainty by source, and single vendors."""

import math

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates import ByGroup, ExchangeRate, HoldingPrice, Range, ReviewRate, Totals, turnover
from darkmarket_estimates.distribution.factors import log_variance
from tests.tables import listings, vendor_totals

RATE = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)
Y = np.random.default_rng(3).lognormal(6, 1.2, 120)


def variances(est):
    frame = est.budget()
    return frame[frame.kind == "variance"].set_index("source")


def test_shares_by_hand_realised():
    totals = vendor_totals(Y)
    est = turnover(totals, review_rate=RATE, market_coverage=stats.beta(80, 20))
    frame = variances(est)
    s = 0.44 * 0.56 / 0.11**2 - 1
    a, b = 0.44 * s, 0.56 * s
    between = b * (a + b) / a**3 * (Y**2).sum()
    unreviewed = b * (a + b) * (a + 1) / a**3 * totals.sum("price_sq_reviews")
    v_s = math.log1p((between + unreviewed) / (Y.sum() / 0.44) ** 2 * 0.8**0)
    v = {"spread between vendors": v_s * between / (between + unreviewed),
         "unreviewed sales": v_s * unreviewed / (between + unreviewed),
         "review share": log_variance(RATE.mean_spec), "market coverage": log_variance(stats.beta(80, 20))}
    whole = sum(v.values())
    for name, variance in v.items():
        assert frame.share[name] == pytest.approx(variance / whole, rel=1e-8)
        assert frame.variance[name] == pytest.approx(variance, rel=1e-8)


def test_the_conservative_law_has_its_own_variances():
    totals = vendor_totals(Y)
    est = turnover(totals, review_rate=ReviewRate(mean=0.44, between_vendor_sd=0.11), spread_law="conservative")
    t = Y.sum() / 0.44
    assert variances(est).variance.sum() == pytest.approx(math.log1p(est.law.variance / t**2), rel=1e-5)


def test_without_spread_only_unreviewed_sales_are_left():
    totals = vendor_totals(Y)
    frame = variances(turnover(totals, review_rate=ReviewRate(mean=0.44, between_vendor_sd=0.0)))
    assert list(frame.index) == ["unreviewed sales"]
    v = 0.56 / 0.44**2 * totals.sum("price_sq_reviews")
    assert frame.variance.iloc[0] == pytest.approx(math.log1p(v / (Y.sum() / 0.44) ** 2), rel=1e-8)


def test_a_factor_on_part_of_the_money_counts_by_the_square_of_its_part():
    totals = Totals.from_cells(vendor=range(120), value=Y, reviews=np.ones(120), groups={"g": ["a", "b"] * 60},
                               currency="USD")
    est = turnover(totals, review_rate=1.0, market_coverage=ByGroup("g", {"a": 0.8, "b": stats.beta(80, 20)}))
    part = Y[1::2].sum() / Y.sum()
    assert variances(est).variance.iloc[0] == pytest.approx(part**2 * log_variance(stats.beta(80, 20)), rel=1e-8)


def test_shares_by_hand_expected():
    frame = variances(turnover(vendor_totals(Y), review_rate=RATE, estimand="expected"))
    v_s = math.log1p((Y**2).sum() / Y.sum() ** 2)
    v_r = log_variance(RATE.mean_spec)
    assert frame.share["vendors sampled"] == pytest.approx(v_s / (v_s + v_r), rel=1e-8)


@pytest.mark.parametrize("options", [
    {"review_rate": RATE}, {"review_rate": RATE, "estimand": "expected"},
    {"review_rate": RATE, "market_coverage": stats.beta(80, 20), "genuine_share": stats.beta(90, 10)},
    {"review_rate": ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.0)},
    {"review_rate": RATE, "interval": "delta"}, {"review_rate": RATE, "interval": "lognormal"},
    {"review_rate": RATE, "estimand": "expected", "interval": "delta", "market_coverage": stats.beta(80, 20)},
    {"review_rate": ReviewRate(mean=Range(0.4, 0.6), between_vendor_sd=0.1), "market_coverage": stats.beta(80, 20)},
    {"review_rate": 1.0, "exchange_rate": ExchangeRate(stats.lognorm(0.05), to="EUR")},
])
def test_shares_add_to_one_and_frozen_intervals_are_no_wider(options):
    est = turnover(vendor_totals(Y), **options)
    frame = variances(est)
    assert frame.share.sum() == pytest.approx(1, rel=1e-12) and (frame.share > 0).all()
    width = est.interval[1] - est.interval[0]
    assert (frame.high - frame.low <= width * (1 + 1e-6)).all()
    # a source that carries a tenth or more is seen when it is frozen
    assert (frame.high - frame.low)[frame.share >= 0.1].lt(0.995 * width).all()


def test_the_only_source_frozen_leaves_a_point():
    est = turnover(vendor_totals(Y), review_rate=1.0, market_coverage=stats.beta(80, 20))
    frame = variances(est)
    assert list(frame.index) == ["market coverage"] and frame.low.iloc[0] == frame.high.iloc[0] == pytest.approx(est.value)


def test_frozen_spread_is_the_interval_without_spread():
    est = turnover(vendor_totals(Y), review_rate=ReviewRate(mean=0.44, between_vendor_sd=0.11))
    none = turnover(vendor_totals(Y), review_rate=ReviewRate(mean=0.44, between_vendor_sd=0.0))
    row = variances(est).loc["spread between vendors"]
    assert (row.low, row.high) == pytest.approx(none.interval, rel=1e-9)


def test_ranges_are_scenarios_and_rules_are_money():
    table = listings().clean(HoldingPrice(cap=150))
    est = turnover(table.totals(), review_rate=Range(0.4, 0.8))
    frame = est.budget()
    scenario = frame[frame.kind == "scenario"].iloc[0]
    assert (scenario.low, scenario.high) == pytest.approx(est.bounds) and math.isnan(scenario["share"])
    rule = frame[frame.kind == "rule"].iloc[0]
    assert rule.money == pytest.approx(list(table.audit)[-1].removed) and "price > 150" in rule.source


def test_floor_has_only_rules():
    assert set(turnover(listings().clean(HoldingPrice(cap=150)).totals()).budget().kind) == {"rule"}


def test_budget_follows_the_unit():
    totals = vendor_totals(Y, window=("2016-01-01", "2016-02-01"))
    est = turnover(totals, review_rate=RATE)
    a, b = variances(est), variances(est.per("day"))
    assert b.low.to_numpy() * 31 == pytest.approx(a.low.to_numpy()) and (a.share == b.share).all()


def test_influence_leaves_each_vendor_out():
    rate = ReviewRate(mean=0.44, between_vendor_sd=0.11)
    est = turnover(vendor_totals(Y), review_rate=rate)
    frame = est.influence(5)
    largest = np.sort(Y)[::-1][:5]
    assert frame.value.to_numpy() == pytest.approx(largest / 0.44) and frame.vendor[0] == "vendor 1"
    assert frame.value_without.to_numpy() == pytest.approx((Y.sum() - largest) / 0.44)
    alone = turnover(vendor_totals(np.delete(Y, Y.argmax())), review_rate=rate)
    assert (frame.low_without[0], frame.high_without[0]) == pytest.approx(alone.interval, rel=2e-3)
    assert est.influence(1, names=True).vendor[0] == f"v{Y.argmax()}"
    assert len(turnover(vendor_totals(Y[:4]), review_rate=rate).influence(1000)) == 4
