import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from darkmarket_estimates import DataError, NotIdentifiedError, ReviewRate, ReviewShareWarning
from darkmarket_estimates.review_share import beta_shape, fit_review_share

R, S = np.array([4, 11, 30, 2, 0]), np.array([10, 20, 70, 5, 0])


def test_ratio_standard_error_and_spread_by_hand():
    fit = fit_review_share(R, S)
    share = 47 / 105
    residual = R - share * S
    assert fit.share == pytest.approx(share, rel=1e-14)
    assert fit.standard_error == pytest.approx(math.sqrt(4 / 3 * (residual**2).sum()) / 105, rel=1e-14)
    assert (fit.n_vendors, fit.n_without_sales) == (5, 1)
    wide = fit_review_share([9, 1, 40, 5], [10, 20, 60, 50])
    rho = 55 / 140
    e = np.array([9, 1, 40, 5]) - rho * np.array([10, 20, 60, 50])
    s = np.array([10, 20, 60, 50])
    by_hand = ((e**2).sum() - rho * (1 - rho) * 140) / (s * (s - 1)).sum()
    assert wide.spread == pytest.approx(math.sqrt(by_hand), rel=1e-12)


def test_weighted_by_value_is_the_share_of_the_money():
    price = np.array([10.0, 100.0, 5.0, 1000.0, 0.0])
    fit = fit_review_share(R, S, value=price * S)
    assert fit.share == pytest.approx((price * R).sum() / (price * S).sum(), rel=1e-14)
    residual = price * (R - fit.share * S)
    assert fit.standard_error == pytest.approx(
        math.sqrt(4 / 3 * (residual**2).sum()) / (price * S).sum(), rel=1e-14)


@pytest.mark.parametrize("value", [None, "money"])
def test_vendors_without_sales_or_money_change_nothing(value):
    """The error is that of the vendors who sell: 500 empty rows are no evidence."""
    r, s, price = np.array([4, 11, 30]), np.array([10, 20, 70]), np.array([9.0, 5.0, 2.0])
    money = None if value is None else price * s
    alone = fit_review_share(r, s, money)
    empty = np.zeros(500, dtype=int)
    padded = fit_review_share(np.append(r, empty), np.append(s, empty), None if value is None else np.append(money, empty))
    for name in ("share", "standard_error", "spread", "likelihood_share", "slope"):
        assert getattr(padded, name) == pytest.approx(getattr(alone, name), rel=1e-12), name
    if value is not None:
        free = fit_review_share(np.append(r, [3, 9]), np.append(s, [30, 40]), np.append(money, [0, 0]))
        assert (free.share, free.standard_error) == pytest.approx((alone.share, alone.standard_error), rel=1e-12)


def test_one_vendor_with_money_has_no_standard_error():
    with pytest.raises(NotIdentifiedError, match="two vendors with sales of value"):
        fit_review_share([4, 5, 6], [10, 20, 30], value=[100, 0, 0])


def test_the_spread_weighs_squares_by_the_price():
    r, s, price = np.array([9, 1, 40, 5]), np.array([10, 20, 60, 50]), np.array([3.0, 8.0, 1.0, 2.0])
    fit = fit_review_share(r, s, value=price * s)
    rho = (price * r).sum() / (price * s).sum()
    over = (price**2 * ((r - rho * s) ** 2 - rho * (1 - rho) * s)).sum()
    assert fit.spread == pytest.approx(math.sqrt(over / (price**2 * s * (s - 1)).sum()), rel=1e-12)


@pytest.mark.parametrize(("errors", "told"), [(0.9, False), (1.1, True), (1.9, True)])
def test_a_vendor_mean_more_than_one_standard_error_away_is_told(errors, told):
    fit = fit_review_share(R, S)
    moved = dataclasses.replace(fit, likelihood_share=fit.share - errors * fit.standard_error, slope_p_value=1.0)
    assert any("more than one standard error" in w for w in moved.warnings) == told


def test_scaling_value_and_permutation_change_nothing():
    rng = np.random.default_rng(2)
    s = np.ceil(rng.lognormal(3, 1, 60))
    r = rng.binomial(s.astype(int), rng.beta(4, 5, 60))
    value = rng.lognormal(3, 1, 60) * s
    a, b = fit_review_share(r, s, value), fit_review_share(r[::-1], s[::-1], 7.0 * value[::-1])
    for name in ("share", "standard_error", "spread", "likelihood_share", "slope", "slope_statistic"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-6)


def test_recovers_mean_spread_and_slope_of_simulated_vendors():
    rng = np.random.default_rng(11)
    n = 4000
    sales = np.ceil(rng.lognormal(4, 0.3, n)).astype(int)
    a, b = beta_shape(0.4, 0.13)
    fit = fit_review_share(rng.binomial(sales, rng.beta(a, b, n)), sales)
    assert abs(fit.share - 0.4) < 4 * fit.standard_error
    assert fit.spread == pytest.approx(0.13, abs=0.006)
    assert abs(fit.likelihood_share - 0.4) < 4 * 0.13 / math.sqrt(n) * 1.3
    assert np.allclose(fit.likelihood_shape, (a, b), rtol=0.12)
    assert fit.slope_p_value > 0.001 and not fit.warnings
    sales = np.ceil(rng.lognormal(4, 1, n)).astype(int)
    mean = 1 / (1 + np.exp(-(-0.4 + 0.3 * (np.log(sales) - np.log(sales).mean()))))
    sloped = fit_review_share(rng.binomial(sales, mean), sales)
    assert sloped.slope == pytest.approx(0.3, abs=0.03) and "rise" in sloped.warnings[0]


def test_standard_error_is_that_of_repeated_samples():
    rng = np.random.default_rng(5)
    a, b = beta_shape(0.4, 0.13)
    fits = []
    for _ in range(400):
        sales = np.ceil(rng.lognormal(3, 1, 150)).astype(int)
        r = rng.binomial(sales, rng.beta(a, b, 150))
        rho = r.sum() / sales.sum()
        fits.append((rho, math.sqrt(150 / 149 * ((r - rho * sales) ** 2).sum()) / sales.sum()))
    shares, errors = np.array(fits).T
    # the sd of 400 runs has a relative Monte Carlo error of 1/sqrt(800) = 0.035, doubled for heavy tails
    assert errors.mean() / shares.std(ddof=1) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(("r", "s", "match"), [
    ([1, -1], [2, 2], "cannot be used"), ([1, np.nan], [2, 2], "cannot be used"), ([0.5, 1], [2, 2], "whole"),
    ([3, 1], [2, 2], "more reviews than sales"), ([1], [2, 2], "length"), (["a", 1], [2, 2], "numbers"),
])
def test_bad_counts(r, s, match):
    with pytest.raises(DataError, match=match):
        fit_review_share(r, s)


@pytest.mark.parametrize(("r", "s"), [([0, 0], [2, 3]), ([1], [2]), ([0, 0], [0, 0])])
def test_not_identified(r, s):
    with pytest.raises(NotIdentifiedError):
        fit_review_share(r, s)


def test_all_reviewed_and_one_sale_each_are_legal():
    assert fit_review_share([5, 7], [5, 7]).share == 1.0
    assert fit_review_share([1, 0, 1], [1, 1, 1]).spread == 0.0


def test_torrez(real_data):
    vendors = pd.read_parquet(real_data / "torrez2021" / "vendors.parquet")
    with pytest.warns(ReviewShareWarning, match="rise with vendor size"):
        rate = ReviewRate.from_counts(vendors.feedback_total, vendors.transactions)
    assert round(rate.mean, 3) == 0.441
    assert round(rate.standard_error, 4) == 0.0117
    assert round(rate.between_vendor_sd, 3) == 0.134
    assert np.allclose(rate.fit.likelihood_shape, (5.0, 6.6), atol=0.05)
    assert round(rate.fit.likelihood_share, 3) == 0.431
    assert round(rate.fit.slope, 3) == 0.081 and round(rate.fit.slope_statistic, 1) == 18.5
    assert stats.chi2.sf(rate.fit.slope_statistic, 1) == pytest.approx(rate.fit.slope_p_value)
