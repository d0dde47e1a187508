"""The likelihood of review shares: against scipy's beta-binomial, its weighted mean exact, its gradient checked."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from darkmarket_estimates.bayes import share_by_size as law

PARAMETERS = ("logits", "spread")


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(1)
    m, n = 3, 90
    market = rng.integers(m, size=n)
    sales = np.ceil(rng.lognormal(3, 1.5, n))
    reviews = rng.binomial(sales.astype(int), rng.beta(3, 4, n)).astype(float)
    size_class, words = law.size_classes(sales)
    k = len(words)
    weights = np.bincount(market * k + size_class, weights=sales, minlength=m * k).reshape(m, k)
    assert (weights.sum(axis=1) > 0).all()
    data = (market, size_class, reviews, sales, rng.integers(1, 4, n).astype(float))
    return [rng.normal(0, 1, (m, k)), rng.beta(2, 9, m)], data


def test_size_classes_are_half_decades():
    codes, words = law.size_classes(np.array([1.0, 3, 4, 9, 10, 31, 32, 99, 100]))
    assert codes.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4]
    assert words == ("1 to 3", "4 to 9", "10 to 31", "32 to 99", "100 to 316")
    assert law.size_classes(np.array([50.0, 60.0]))[1] == ("32 to 99",)


@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0, 100.0])
def test_logits_have_the_mean_and_the_steps_asked_for(scale):
    rng = np.random.default_rng(4)
    weights = rng.dirichlet(np.ones(6), 50)
    theta, steps = rng.normal(0, 3, 50), scale * rng.normal(size=(50, 5))
    logits = law.logits_with_mean(theta, steps, weights)
    np.testing.assert_allclose(np.diff(logits, axis=1), steps, atol=1e-11)
    np.testing.assert_allclose(law.mean_logit(logits, weights), theta, atol=1e-9)
    assert law.mean_logit(np.array([[0.0, 1.0]]), np.array([[0.25, 0.75]]))[0] == pytest.approx(
        special.logit(0.25 * 0.5 + 0.75 * special.expit(1.0)))


def test_the_likelihood_is_beta_binomial(case):
    (logits, spread), data = case
    market, size_class, r, s, n = data
    p = special.expit(logits)[market, size_class]
    size = ((1 - spread) / spread)[market]
    ways = special.gammaln(s + 1) - special.gammaln(r + 1) - special.gammaln(s - r + 1)
    expected = n @ (stats.betabinom.logpmf(r, s, p * size, (1 - p) * size) - ways)
    assert law.log_likelihood(logits, spread, *data)[0] == pytest.approx(expected, rel=1e-11)
    np.testing.assert_allclose(n @ law.cell_log_likelihood(p, size, r, s), expected, rtol=1e-11)


def test_spread_is_the_share_of_variance_between_vendors():
    p, spread = 0.4, 0.15
    size = np.array([(1 - spread) / spread])
    r = np.arange(3.0)
    mass = np.exp(law.cell_log_likelihood(np.full(3, p), size, r, np.full(3, 2.0))) * [1, 2, 1]
    assert mass.sum() == pytest.approx(1)
    correlation = (mass[2] - p**2) / (p * (1 - p))  # of two sales of one vendor
    assert correlation == pytest.approx(spread, rel=1e-9)


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_gradient_is_that_of_differences(case, name):
    arguments, data = case
    i = PARAMETERS.index(name)

    def value(shift, j):
        moved = [np.array(a, dtype=float) for a in arguments]
        moved[i].reshape(-1)[j] += shift
        return law.log_likelihood(*moved, *data)[0]

    e = 1e-4
    numeric = [(8 * (value(e, j) - value(-e, j)) - (value(2 * e, j) - value(-2 * e, j))) / (12 * e)
               for j in range(np.size(arguments[i]))]
    np.testing.assert_allclose(np.ravel(law.log_likelihood(*arguments, *data)[1 + i]), numeric, rtol=1e-6, atol=1e-6)


def test_multiplicity_is_repetition(case):
    arguments, (market, size_class, r, s, n) = case
    at = np.repeat(np.arange(len(n)), n.astype(int))
    long = law.log_likelihood(*arguments, market[at], size_class[at], r[at], s[at], np.ones(len(at)))
    for a, b in zip(long, law.log_likelihood(*arguments, market, size_class, r, s, n), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("spread", [0.0, 1e-300, 1.0], ids=["none", "tiny", "whole"])
def test_extreme_spreads_stay_finite(case, spread):
    (logits, _), data = case
    found = law.log_likelihood(logits, np.full(3, spread), *data)
    assert all(np.isfinite(part).all() for part in found)


def test_pooled_logits_by_hand():
    """One market of two classes: (r + 1/2) / (s + 1) by class, weighed; vendors' squares and the binomial floor."""
    found = law.pooled_logits(np.array([[0.25, 0.75]]), np.zeros(3, dtype=int), np.array([0, 0, 1]), np.array([1.0, 3.0, 40.0]),
                              np.array([4.0, 5.0, 99.0]), np.array([2.0, 1.0, 1.0]))
    small, large = 5.5 / 14, 40.5 / 100
    share = 0.25 * small + 0.75 * large
    squares = [2 * (1 - 4 * small) ** 2 + (3 - 5 * small) ** 2, (40 - 99 * large) ** 2]
    variance = squares[0] * (0.25 / 13) ** 2 + squares[1] * (0.75 / 99) ** 2 + share * (1 - share) / 113
    assert found["pooled_logit"] == pytest.approx([special.logit(share)], rel=1e-12)
    assert found["pooled_error"] == pytest.approx(np.sqrt(variance) / (share * (1 - share)), rel=1e-12)


@pytest.mark.parametrize("reviews", [0.0, 4.0], ids=["none", "all"])
def test_pooled_logits_are_finite_at_the_ends(reviews):
    found = law.pooled_logits(np.ones((1, 1)), np.zeros(2, dtype=int), np.zeros(2, dtype=int), np.full(2, reviews),
                              np.full(2, 4.0), np.ones(2))
    assert np.isfinite(found["pooled_logit"]).all()
    assert 0 < found["pooled_error"] <= 2
