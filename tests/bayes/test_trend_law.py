"""The Gaussian law of a local level and trend, against a Kalman filter, a sum over shocks and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates.bayes import trend_law as law

T = np.array([0, 1, 2, 3, 5, 6, 9])


def from_shocks(t, level_sd, slope_sd):
    """Covariance of the states as a sum over every shock of every month."""
    last = int(t.max())
    level, slope = np.zeros((last + 1, 2 * last)), np.zeros((last + 1, 2 * last))
    for u in range(1, last + 1):
        level[u] = level[u - 1] + slope[u - 1]
        slope[u] = slope[u - 1]
        level[u, u - 1] += 1
        slope[u, last + u - 1] += 1
    square = np.r_[np.full(last, level_sd**2), np.full(last, slope_sd**2)]
    return (level * square @ level.T)[np.ix_(t, t)]


def test_the_covariances_are_sums_over_shocks():
    ours = 0.3**2 * law.walk_covariance(T) + 0.07**2 * law.slope_covariance(T)
    np.testing.assert_allclose(ours, from_shocks(T, 0.3, 0.07), rtol=1e-12, atol=1e-15)


def test_the_counters_error_moves_money_from_one_month_to_the_next():
    money = np.array([10.0, 20.0, 40.0, 20.0, 20.0, 80.0, 5.0])
    months = int(T.max()) + 1
    difference = np.zeros((months, months + 1))
    difference[np.arange(months), np.arange(months)] = -1
    difference[np.arange(months), np.arange(months) + 1] = 1
    expected = (difference @ difference.T)[np.ix_(T, T)] * 20.0**2 / np.outer(money, money)
    np.testing.assert_allclose(law.counter_covariance(T, money), expected, rtol=1e-12)
    assert law.counter_covariance(T, money)[0, 1] < 0


def test_the_vendors_covariance_is_that_of_poisson_vendors():
    rng = np.random.default_rng(1)
    marks = rng.lognormal(0, 0.5, (40, 3)) * (rng.uniform(size=(40, 3)) < 0.7)
    weights = rng.poisson(1.0, (200_000, 40))
    totals = weights @ marks
    relative = totals / marks.sum(axis=0)
    ours = law.vendor_covariance(marks)
    error = 3 * np.sqrt((np.outer(np.diag(ours), np.diag(ours)) + ours**2) / len(weights)) * 1.2  # marks are not normal
    assert (np.abs(np.cov(relative.T) - ours) < error).all()
    assert ours[0, 1] > 0


def kalman(y, t, level_sd, slope_sd, first, noise):
    """Log-likelihood by prediction and correction, a month at a time, with independent noise."""
    mean, cov = np.zeros(2), np.diag(first).astype(float)
    move = np.array([[1.0, 1.0], [0.0, 1.0]])
    value, at = 0.0, 0
    for month in range(t.max() + 1):
        if month:
            mean, cov = move @ mean, move @ cov @ move.T + np.diag([level_sd**2, slope_sd**2])
        if month not in t:
            continue
        spread = cov[0, 0] + noise[at]
        value += stats.norm.logpdf(y[at], mean[0], np.sqrt(spread))
        gain = cov[:, 0] / spread
        mean, cov = mean + gain * (y[at] - mean[0]), cov - np.outer(gain, cov[0])
        at += 1
    return value, mean, cov


def test_the_likelihood_and_the_last_state_are_those_of_a_kalman_filter():
    rng = np.random.default_rng(2)
    y, noise = rng.normal(0, 0.5, len(T)), rng.uniform(0.01, 0.1, len(T))
    fixed = 2.0**2 + 0.25**2 * np.outer(T, T)
    value, mean, cov = kalman(y, T, 0.2, 0.05, (2.0**2, 0.25**2), noise)
    zero = np.zeros((len(T), len(T)))
    ours = law.log_likelihood(0.2, 0.05, 0.0, y, fixed + np.diag(noise), law.walk_covariance(T), law.slope_covariance(T), zero)
    assert ours[0] == pytest.approx(value, rel=1e-9)
    state = fixed + 0.2**2 * law.walk_covariance(T) + 0.05**2 * law.slope_covariance(T)
    centre, spread = law.smoothed(state, np.diag(noise), y)
    assert centre[-1] == pytest.approx(mean[0], rel=1e-8)
    assert spread[-1, -1] == pytest.approx(cov[0, 0], rel=1e-8)


def test_the_likelihood_is_multivariate_normal_and_its_gradient_that_of_differences():
    rng = np.random.default_rng(3)
    marks = rng.lognormal(0, 1, (60, len(T)))
    y = rng.normal(0, 0.4, len(T))
    fixed = 4 + 0.0625 * np.outer(T, T) + law.vendor_covariance(marks)
    parts = (law.walk_covariance(T), law.slope_covariance(T), law.counter_covariance(T, marks.sum(axis=0)))
    sds = np.array([0.15, 0.04, 0.06])

    def value(sds):
        return law.log_likelihood(*sds, y, fixed, *parts)[0]

    covariance = fixed + sum(sd**2 * part for sd, part in zip(sds, parts, strict=True))
    assert value(sds) == pytest.approx(stats.multivariate_normal(np.zeros(len(T)), covariance).logpdf(y), rel=1e-10)
    gradient = law.log_likelihood(*sds, y, fixed, *parts)[1:]
    for i in range(3):
        e = np.eye(3)[i] * 1e-4
        numeric = (8 * (value(sds + e) - value(sds - e)) - (value(sds + 2 * e) - value(sds - 2 * e))) / 12e-4
        assert float(gradient[i]) == pytest.approx(numeric, rel=1e-7)


def test_states_without_noise_are_the_data():
    y = np.array([0.1, -0.2, 0.3])
    state = 1.0 + law.walk_covariance(np.arange(3))
    mean, covariance = law.smoothed(state, 1e-12 * np.eye(3), y)
    np.testing.assert_allclose(mean, y, atol=1e-9)
    assert np.abs(covariance).max() < 1e-9
