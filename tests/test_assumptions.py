import math

import numpy as np
import pytest
from scipy import integrate, stats

from darkmarket_estimates import AssumptionError, ByGroup, ExchangeRate, HoldingPrice, LogitNormal, Range, ReviewRate


@pytest.mark.parametrize("bad", [0, 1.0001, -0.3, float("nan"), float("inf"), "0.4", None, True, Range(0, 0.5),
                                 Range(0.5, 1.2), stats.norm(0.4, 0.2), stats.beta, stats.norm(0.4, 0), [0.4]])
def test_impossible_review_shares(bad):
    with pytest.raises(AssumptionError):
        ReviewRate(mean=bad)


@pytest.mark.parametrize("options", [
    {"mean": 0.4, "standard_error": -1}, {"mean": 0.4, "standard_error": 0.6}, {"mean": Range(0.3, 0.5),
    "standard_error": 0.1}, {"mean": 0.4, "between_vendor_sd": 0.5}, {"mean": 0.4, "between_vendor_sd": -0.1},
    {"mean": 1.0, "between_vendor_sd": 0.1}, {"mean": 1.0, "between_market_sd": 0.3},
    {"mean": stats.beta(4, 5), "between_market_sd": 0.3}, {"mean": 0.4, "between_market_sd": 0},
])
def test_impossible_uncertainties(options):
    with pytest.raises(AssumptionError):
        ReviewRate(**options)


def test_ranges():
    assert Range(1, 1).middle == 1
    with pytest.raises(AssumptionError, match=r"Range\(0\.5, 1\)"):
        Range(1, 0.5)
    with pytest.raises(AssumptionError):
        Range(float("nan"), 1)


def test_mean_with_standard_error_has_that_mean_and_deviation():
    law = ReviewRate(mean=0.44, standard_error=0.02).mean_spec
    assert law.mean() == pytest.approx(0.44, rel=1e-12) and law.std() == pytest.approx(0.02, rel=1e-12)


def test_between_market_sd_adds_up_on_the_logit():
    rate = ReviewRate(mean=0.44, standard_error=0.0117, between_market_sd=0.5)
    law = rate.mean_spec
    assert law.sd == pytest.approx(math.hypot(0.5, 0.0117 / (0.44 * 0.56)))
    assert law.mean() == pytest.approx(0.44, rel=1e-9) and rate.central == 0.44 and rate.is_prior


@pytest.mark.parametrize(("mean", "sd"), [(0.1, 1.0), (0.44, 0.5), (0.9, 2.0), (0.5, 3.0)])
def test_logit_normal_with_a_mean(mean, sd):
    law = LogitNormal.with_mean(mean, sd)
    assert law.mean() == pytest.approx(mean, rel=1e-9) and law.sd == sd


@pytest.mark.parametrize("law", [stats.norm(0.44, 0.02), stats.norm(0.8, 0.01), stats.uniform(0.5, 0.6)])
def test_a_distribution_must_have_its_support_inside(law):
    with pytest.raises(AssumptionError, match="reaches outside"):
        ReviewRate(mean=law)


@pytest.mark.parametrize(("centre", "sd"), [(0.44, 0.5), (0.9, 1.5), (0.05, 0.2)])
def test_logit_normal_is_a_law(centre, sd):
    law = LogitNormal(centre, sd)
    mean = integrate.quad(lambda z: law.ppf(stats.norm.cdf(z)) * stats.norm.pdf(z), -9, 9)[0]
    square = integrate.quad(lambda z: law.ppf(stats.norm.cdf(z)) ** 2 * stats.norm.pdf(z), -9, 9)[0]
    assert law.mean() == pytest.approx(mean, rel=1e-8) and law.var() == pytest.approx(square - mean**2, rel=1e-6)
    assert law.std() == pytest.approx(math.sqrt(law.var()))
    p = np.array([0.01, 0.5, 0.99])
    assert law.cdf(law.ppf(p)) == pytest.approx(p) and law.isf(p) == pytest.approx(law.ppf(1 - p))
    assert integrate.quad(law.pdf, 1e-9, 1 - 1e-9, limit=200)[0] == pytest.approx(1, abs=1e-6)


def test_spread_at_another_mean_keeps_the_beta_size():
    rate = ReviewRate(mean=0.4, between_vendor_sd=0.12)
    assert rate.size == pytest.approx(0.24 / 0.0144 - 1)
    assert rate.spread_at(0.4) == pytest.approx(0.12)
    assert rate.spread_at(0.6) == pytest.approx(0.12) and rate.spread_at(1.0) == 0.0
    assert ReviewRate(mean=0.4).spread_at(0.5) == 0.0


def test_by_group_is_frozen_and_its_labels_are_text():
    spec = ByGroup("year", {2014: 0.5})
    assert spec.values == {"2014": 0.5} and spec == ByGroup("year", {"2014": 0.5}) and hash(spec)
    with pytest.raises(AttributeError):
        spec.column = "x"
    for bad in ({}, None, 0.5):
        with pytest.raises(AssumptionError):
            ByGroup("year", bad)


@pytest.mark.parametrize("options", [{}, {"cap": 0}, {"cap": float("nan")}, {"upper_multiple": 0.5},
                                     {"lower_multiple": 2}, {"cap": 1, "action": "mean"},
                                     {"cap": 1, "min_observations": 0}])
def test_impossible_holding_price_rules(options):
    with pytest.raises(AssumptionError):
        HoldingPrice(**options)


@pytest.mark.parametrize("bad", [0, -1, float("inf"), Range(-1, 1), "x"])
def test_impossible_exchange_rates(bad):
    with pytest.raises(AssumptionError):
        ExchangeRate(bad)


def test_specs_are_frozen():
    for spec in (Range(0, 1), ReviewRate(mean=0.5), HoldingPrice(cap=1), ExchangeRate(1.0)):
        with pytest.raises((AttributeError, TypeError)):
            spec.low = 3


@pytest.mark.parametrize(("spec", "fix"), [
    (44, "0.44, if that was a percentage"), (100, "1, if that was a percentage"), (101, None), ((0.57, 1.0), "Range(0.57, 1)"),
    ([1, 0.5], "Range(0.5, 1)"), ((1, 2, 3), None), (("a", "b"), None),
], ids=["percent", "hundred", "beyond", "tuple", "list", "triple", "text"])
def test_likely_slips_are_answered_with_what_was_meant(spec, fix):
    with pytest.raises(AssumptionError) as caught:
        ReviewRate(mean=spec)
    assert caught.value.fix == fix


@pytest.mark.parametrize("mean", [0.05, 0.44, 0.9])
@pytest.mark.parametrize("sd", [0.3, 2.0, 5.0])
def test_a_logit_normal_law_keeps_the_mean_it_is_asked_for(mean, sd):
    assert LogitNormal.with_mean(mean, sd).mean() == pytest.approx(mean, abs=1e-10)


def test_a_standard_error_too_large_for_a_share_is_refused_beside_a_spread_between_markets_too():
    with pytest.raises(AssumptionError, match="too large for a share"):
        ReviewRate(mean=0.44, standard_error=0.6, between_market_sd=0.3)
