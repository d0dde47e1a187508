"""What one group, another unit and a suspicious listing make of an estimate."""

import warnings

import numpy as np
import pytest

import darkmarket_estimates as dme
from darkmarket_estimates import ByGroup, HoldingPriceWarning, Range, ReviewRate, Totals, turnover
from darkmarket_estimates.inference import imbens_manski
from tests.tables import vendor_totals

Y = np.random.default_rng(8).lognormal(7, 1.2, 60)
RATE = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)


def grouped(values=(900.0, 600.0, 300.0, 50.0), groups=("NL", "NL", "US", "US"), name="country", **header):
    return Totals.from_cells(vendor=[f"v{i}" for i in range(len(values))], value=list(values), reviews=[9, 10, 3, 1],
                             groups={name: list(groups)}, currency="USD", **header)


def test_a_group_keeps_its_own_assumptions_alone():
    est = turnover(grouped(), review_rate=ByGroup("country", {"NL": 0.5, "US": Range(0.25, 0.5)}), interval=None)
    assert est.group(country="NL").bounds is None and est.group(country="NL").value == 3000
    assert est.group(country="US").bounds == (700, 1400)
    assert [len(e.to_dict()["assumptions"]) for e in (est, est.group(country="NL"))] == [2, 1]


def test_flags_of_the_total_are_not_those_of_a_group():
    est = turnover(grouped((9000.0, 600.0, 300.0, 290.0)), review_rate=RATE)
    assert any(f.startswith("one vendor makes 88%") for f in est.flags)
    assert not any(f.startswith("one vendor makes 88%") for f in est.group(country="NL").flags)
    assert any(f.startswith("one vendor makes 94%") for f in est.group(country="NL").flags)


def test_group_and_unit_commute():
    est = turnover(grouped(window=("2016-01-01", "2016-02-01")), review_rate=RATE)
    one, other = est.per("day").group(country="NL"), est.group(country="NL").per("day")
    assert one.unit == other.unit == "day" and one.value == pytest.approx(1500 / 0.44 / 31)
    assert (one.value, *one.interval) == pytest.approx((other.value, *other.interval), rel=1e-12)


def test_a_label_may_be_given_as_the_number_that_it_shows():
    est = turnover(grouped(groups=("2014", "2014", "2015", "2015"), name="year"), review_rate=0.5)
    assert est.group(year=2014).value == est.group(year="2014").value == 3000


@pytest.mark.parametrize(("n", "reviews", "warned"), [(1000, 58, True), (1000, 52, False), (100, 12, True), (100, 10, False),
                                                      (3, 1000, True), (3, 8, False), (1, 5, False)])
def test_which_listing_carries_too_much(n, reviews, warned):
    # above 5 % of the money, and above ten times its even share or 90 %: 5.5 and 5.0 %, 10.8 and 9.2 %, 99.8 and 80 %
    frame = {"price": np.full(n, 10.0), "reviews": np.r_[reviews, np.ones(n - 1, dtype=int)], "id": [f"l{i}" for i in range(n)],
             "seller": [f"s{i % 50}" for i in range(n)]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        est = dme.turnover(frame, price="price", reviews="reviews", vendor="seller", listing="id", currency="USD")
    assert [w.category for w in caught] == [HoldingPriceWarning] * warned
    assert any(f.startswith("holding price suspected") for f in est.flags) == warned


@pytest.mark.parametrize(("largest", "small", "flagged"), [(1000.0, 2.0, False), (1050.0, 1e-6, True)])
def test_ten_effective_vendors_are_enough(largest, small, flagged):
    y = np.r_[largest, np.full(9, 1000.0), np.full(90, small)]
    assert (y.sum() ** 2 / (y @ y) < 10) == flagged
    est = turnover(Totals.from_cells(vendor=[f"v{i}" for i in range(100)], value=y, reviews=np.ones(100), currency="USD"),
                   review_rate=0.5, estimand="expected", interval="delta")
    assert any(f.startswith("indicative") for f in est.flags) == flagged


@pytest.mark.parametrize(("top", "flagged"), [(0.502, True), (0.498, False)])
def test_a_vendor_that_makes_more_than_half_is_named(top, flagged):
    est = turnover(vendor_totals(np.r_[top, np.full(49, (1 - top) / 49)] * 1e5), review_rate=0.5)
    assert any(f.startswith("one vendor makes") for f in est.flags) == flagged


def test_vendors_without_sales_are_no_sellers():
    est = turnover(vendor_totals(np.r_[np.full(29, 100.0), np.zeros(20)]), review_rate=0.5, estimand="expected")
    assert any(f.startswith("indicative: 29 vendor(s) with sales") for f in est.flags)


def test_flags_of_the_whole_stand_at_the_total_alone():
    est = turnover(grouped(), review_rate=ReviewRate(mean=0.44))
    flag = "no spread between vendors assumed"
    assert [flag in row.flags for row in est.rows] == [False, False, True]
    assert flag not in turnover(grouped(), review_rate=0.44, estimand="expected").flags
    assert flag not in turnover(grouped(), review_rate=1.0).flags


def test_groups_without_a_range_have_a_value_and_the_total_has_none():
    frame = turnover(grouped(), review_rate=ByGroup("country", {"NL": 0.5, "US": Range(0.25, 0.5)}), interval=None).to_frame()
    assert frame.value.isna().tolist() == [False, True, True] and frame.kind.tolist() == ["point", "bounds", "bounds"]


def test_a_share_fitted_on_this_market_is_no_prior_and_a_stated_law_is():
    from scipy import stats

    fitted = ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.1)
    assert turnover(grouped(), review_rate=fitted).kind == "prediction interval"
    assert turnover(grouped(), review_rate=stats.beta(44, 56)).kind == "hybrid prediction interval"
    law = ByGroup("country", {"NL": stats.beta(80, 20), "US": 0.8})
    frame = turnover(grouped(), review_rate=fitted, market_coverage=law).to_frame()
    assert frame.kind.tolist() == ["hybrid prediction interval", "prediction interval", "hybrid prediction interval"]


def test_every_sale_counted_is_a_census_of_what_was_sold_and_a_sample_of_what_markets_sell():
    totals = vendor_totals(Y, counted="sold")
    assert turnover(totals).kind == "census" and turnover(totals, market_coverage=0.8).kind == "point"
    assert turnover(totals, estimand="expected").kind == "confidence interval"
    assert turnover(totals, estimand="expected", interval=None).kind == "point"


def test_a_range_is_covered_with_the_larger_of_the_two_spreads():
    est = turnover(vendor_totals(Y), review_rate=ReviewRate(mean=Range(0.5, 0.56), between_vendor_sd=0.2))
    cells = est.rows[-1].cells
    spreads = [est.model.log_variance(cells, end) for end in ("low", "high")]
    assert max(spreads) > 1.05 * min(spreads)
    gamma = imbens_manski(est.bounds, max(spreads), 0.95)
    assert 0.026 < gamma < 0.049
    ends = est.model.law(cells, "low").quantile(gamma), est.model.law(cells, "high").quantile(1 - gamma)
    assert est.interval == pytest.approx(ends, rel=1e-6)


def test_a_share_carried_over_with_a_spread_between_markets_is_not_flagged_as_of_one_market():
    from dataclasses import replace

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rate = ReviewRate.from_counts(reviews=[4, 11, 30, 2, 25], sales=[10, 20, 70, 5, 40])
    flag = "review share fitted from counts"
    assert any(f.startswith(flag) for f in turnover(grouped(), review_rate=rate).flags)
    assert not any(f.startswith(flag) for f in turnover(grouped(), review_rate=replace(rate, between_market_sd=0.3)).flags)


def test_a_sampled_vendor_that_sells_in_two_groups_has_one_weight_in_both():
    from scipy import stats

    y = np.tile(Y / 2, 2)
    totals = Totals.from_cells(vendor=[f"v{i}" for i in range(len(Y))] * 2, value=y, reviews=np.ones(len(y)), currency="USD",
                               groups={"g": ["a"] * len(Y) + ["b"] * len(Y)}, counted="sold")
    nearly_known = ByGroup("g", {"a": stats.beta(80_000, 20_000), "b": 0.8})
    low, high = turnover(totals, market_coverage=nearly_known, estimand="expected").interval
    known = turnover(totals, market_coverage=0.8, estimand="expected").interval
    assert (low, high) == pytest.approx(known, rel=0.01)  # two independent halves would be narrower by a third


def both_groups(rate, **options):
    totals = Totals.from_cells(vendor=[f"v{i}" for i in range(60)], value=Y, reviews=np.ceil(Y / 100), currency="USD",
                               groups={"g": ["a"] * 30 + ["b"] * 30})
    low, high = turnover(totals, review_rate=rate, **options).interval
    return high - low


def test_uncertain_factors_of_groups_widen_an_expected_total():
    from scipy import stats

    options = {"estimand": "expected", "interval": "bca"}
    known = both_groups(0.5, market_coverage=ByGroup("g", {"a": 0.5, "b": 0.5}), **options)
    unknown = both_groups(0.5, market_coverage=ByGroup("g", {"a": stats.beta(5, 5), "b": 0.5}), **options)
    assert unknown > 1.2 * known


def test_the_conservative_law_is_taken_in_every_group():
    rates = ByGroup("g", {g: ReviewRate(mean=m, between_vendor_sd=0.2) for g, m in (("a", 0.4), ("b", 0.5))})
    assert both_groups(rates, spread_law="conservative") > 1.02 * both_groups(rates)


def test_a_common_factor_beside_shares_of_groups_widens_the_total():
    from scipy import stats

    rates = ByGroup("g", {g: ReviewRate(mean=m, standard_error=0.02, between_vendor_sd=0.1) for g, m in (("a", 0.4), ("b", 0.5))})
    assert both_groups(rates, market_coverage=stats.beta(20, 20)) > 1.5 * both_groups(rates, market_coverage=0.5)
