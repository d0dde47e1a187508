from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special, stats

from darkmarket_estimates.distribution import confidence
from darkmarket_estimates.distribution.compound_poisson import compound_poisson
from darkmarket_estimates.distribution.confidence import AcceleratedLaw
from darkmarket_estimates.distribution.law import Hull, PointLaw
from darkmarket_estimates.distribution.moments import effective_number
from darkmarket_estimates.distribution.tail import tail_count
from darkmarket_estimates.errors import DataError

METHODS = [confidence.percentile, confidence.bca, confidence.skew_corrected, confidence.tail, confidence.delta,
           confidence.lognormal, confidence.default]
LEVELS = np.array([0.005, 0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975, 0.995])
X = np.random.default_rng(11).lognormal(0, 1.5, 60)
by_name = pytest.mark.parametrize("method", METHODS, ids=[m.__name__ for m in METHODS])


@by_name
@pytest.mark.parametrize(
    "x", [[3.0], [3.0, 3.0], [3.0, 1.0], [3.0, 2.0, 1.0], [2.0] * 40, [1e9, 1e-9], X, [1e6, *X]], ids=str
)
def test_small_and_odd_tables(method: object, x: object) -> None:
    law = method(x)
    q = law.quantile(LEVELS)
    assert np.all(np.isfinite(q)) and np.all(np.diff(q) >= -1e-9 * np.sum(x))
    heights = law.cdf(np.linspace(-np.sum(x), 4 * np.sum(x), 300))
    assert np.all(np.diff(heights) >= -1e-12)
    if method is not confidence.delta:
        assert q[0] >= 0
    assert law.quantile(0.995) > np.sum(x) * 0.9


@by_name
def test_zeros_are_dropped_and_nothing_is_zero(method: object) -> None:
    assert np.array_equal(method([0.0, *X, 0.0]).quantile(LEVELS), method(X).quantile(LEVELS))
    assert method([]).quantile(0.975) == 0 and method([0.0]).quantile(0.5) == 0


@by_name
@settings(max_examples=15, deadline=None)
@given(x=arrays(float, st.integers(2, 40), elements=st.floats(0.01, 100)), unit=st.floats(1e-6, 1e6))
def test_laws_scale_and_forget_the_order(method: object, x: np.ndarray, unit: float) -> None:
    p = np.array([0.025, 0.5, 0.975])
    slack = 1e-3 * x.sum()  # steps of the grid
    assert method(unit * x[::-1]).quantile(p) == pytest.approx(unit * method(x).quantile(p), abs=unit * slack)


@by_name
@pytest.mark.parametrize("bad", [[1.0, -1.0], [math.nan], [math.inf, 1.0], "x"], ids=str)
def test_bad_marks_are_refused(method: object, bad: object) -> None:
    if method is confidence.bca and bad == [1.0, -1.0]:
        return  # linear forms are signed
    with pytest.raises(DataError):
        method(bad)


def test_bca_endpoints_by_efron_s_formula() -> None:
    law, bca = compound_poisson(X), confidence.bca(X)
    z0 = stats.norm.ppf(law.cdf(X.sum()))
    a = (X**3).sum() / (6 * (X**2).sum() ** 1.5)
    for p in LEVELS:
        z = z0 + stats.norm.ppf(p)
        level = stats.norm.cdf(z0 + z / (1 - a * z))
        assert bca.quantile(p) == pytest.approx(law.quantile(level), rel=1e-6)
        assert bca.cdf(law.quantile(level)) == pytest.approx(p, abs=1e-6)


def test_bca_of_equal_vendors_is_a_map_of_the_poisson_law() -> None:
    n, bca = 20, confidence.bca(np.ones(20))
    middle = stats.poisson(n).cdf(n - 1) + stats.poisson(n).pmf(n) / 2
    z0, a = stats.norm.ppf(middle), 1 / (6 * math.sqrt(n))
    w = stats.norm.ppf(stats.poisson(n).cdf([12, 20, 31])) - z0
    assert bca.cdf([12.5, 20.5, 31.5]) == pytest.approx(stats.norm.cdf(w / (1 + a * w) - z0), abs=1e-8)


def test_bca_of_a_mirrored_form_is_mirrored() -> None:
    form = X * np.where(np.arange(len(X)) % 3, 1, -1)
    p = np.array([0.025, 0.3, 0.975])
    slack = 3 * compound_poisson(form).error_bound
    assert confidence.bca(-form).quantile(1 - p) == pytest.approx(-confidence.bca(form).quantile(p), abs=slack)


def test_hall_by_hand() -> None:
    law, total, se = confidence.skew_corrected(X), X.sum(), math.sqrt((X**2).sum())
    g = (X**3).sum() / se**3
    for p in LEVELS:
        z = stats.norm.ppf(1 - p)
        h = 3 / g * (np.cbrt(1 + g * (z - g / 6)) - 1)
        assert law.quantile(p) == pytest.approx(max(total - se * h, 0), rel=1e-10)
        if total - se * h > 0:
            assert law.cdf(total - se * h) == pytest.approx(p, abs=1e-12)
    assert law.cdf(-1e-9) == 0 and (law.mean, law.variance) == (pytest.approx(total), pytest.approx(se**2))


def test_delta_and_lognormal_by_hand() -> None:
    total, se = X.sum(), math.sqrt((X**2).sum())
    assert confidence.delta(X).quantile(0.975) == pytest.approx(total + 1.959963984540054 * se, rel=1e-12)
    sigma = math.sqrt(math.log1p(se**2 / total**2))
    assert confidence.lognormal(X).quantile(0.975) == pytest.approx(
        total * math.exp(1.959963984540054 * sigma - sigma**2 / 2), rel=1e-12)


def test_percentile_is_the_compound_poisson_law() -> None:
    assert np.array_equal(confidence.percentile(X).cumulative, compound_poisson(X).cumulative)


def test_tail_count() -> None:
    known = {1: 0, 2: 1, 3: 1, 19: 9, 20: 10, 99: 10, 100: 10, 119: 11, 5000: 500}
    assert {n: tail_count(n) for n in known} == known


def brute_force_tail(x: np.ndarray, q: float) -> float:
    """The formula of the tail rule as it is written, with scipy's generalised Pareto law and a finer grid."""
    x = np.sort(x)[::-1]
    k = tail_count(len(x))
    u, excess = x[k], x[:k] - x[k]
    xi = np.linspace(-0.2, 0.95, 60)[1:-1]
    log_sigma = math.log(excess.mean()) + np.linspace(-2.5, 1.5, 60)
    log_w = stats.genpareto.logpdf(excess, xi[:, None, None], scale=np.exp(log_sigma)[:, None]).sum(axis=2)
    log_w += stats.norm.logpdf(xi, 0.45, 0.15)[:, None]
    w = np.exp(log_w - log_w.max())
    size = u + np.exp(log_sigma) / (1 - xi)[:, None]
    body = compound_poisson(x[k:]).quantile((np.arange(100) + 0.5) / 100)
    tails = np.array([(w * special.gammainc(k, np.maximum(q - b, 0) / size)).sum() / w.sum() for b in body])
    return float(tails.mean())


@pytest.mark.parametrize("x", [X, X[:8], np.concatenate([X, [X.sum()]])], ids=["60", "8", "one giant"])
def test_tail_by_brute_force(x: np.ndarray) -> None:
    law = confidence.tail(x)
    for p in (0.025, 0.5, 0.975):
        assert brute_force_tail(x, law.quantile(p)) == pytest.approx(p, abs=4e-3)


def test_tail_of_equal_vendors_is_a_gamma_and_a_poisson() -> None:
    law, k = confidence.tail(np.ones(40)), 10
    body = stats.poisson(30)
    exact = sum(body.pmf(j) * stats.gamma.cdf(45.5 - j, k) for j in range(46))
    assert law.cdf(45.5) == pytest.approx(exact, abs=6e-3)


def test_tail_of_thousands_collects_its_excesses() -> None:
    x = np.random.default_rng(12).lognormal(0, 2, 6000)  # 600 in the tail: collected above 400
    law = confidence.tail(x)
    for p in (0.05, 0.95):
        assert brute_force_tail(x, law.quantile(p)) == pytest.approx(p, abs=5e-3)


def test_default_changes_at_300_effective_vendors_and_skewness_0_1() -> None:
    many, few = np.ones(300), np.ones(299)
    assert effective_number(many) == pytest.approx(300)
    assert isinstance(confidence.default(many), AcceleratedLaw) and isinstance(confidence.default(few), Hull)
    # 2,000 equal vendors and one of size c: skewness (2000 + c^3) / (2000 + c^2)^1.5
    for c, law in ((17, AcceleratedLaw), (23, Hull)):
        x = np.append(np.ones(2000), c)
        assert effective_number(x) > 300 and (confidence.skewness(x) <= 0.1) == (law is AcceleratedLaw)
        assert confidence.skewness(x) == pytest.approx((2000 + c**3) / (2000 + c**2) ** 1.5)
        assert isinstance(confidence.default(x), law)
    hull, parts = confidence.default(X), [confidence.bca(X), confidence.tail(X)]
    for p in (0.025, 0.975):
        ends = [law.quantile(p) for law in parts]
        assert hull.quantile(p) == (min(ends) if p < 0.5 else max(ends))


def test_resampled() -> None:
    weights = np.random.default_rng(13).poisson(1, (40_000, len(X)))
    law = confidence.resampled(X, weights)
    blocks = confidence.resampled(X, iter([weights[:17], weights[17:]]))
    p = np.array([0.025, 0.5, 0.975])
    assert np.array_equal(law.quantile(p), blocks.quantile(p))
    error = 4.5 * np.sqrt(p * (1 - p) / 40_000)
    assert np.all(np.abs(compound_poisson(X).cdf(law.quantile(p)) - p) < error)
    assert law.mean == pytest.approx((weights @ X).mean())
    for wrong in (weights[:, :5], weights[:0]):
        with pytest.raises(DataError):
            confidence.resampled(X, wrong)


def test_empty_is_a_point() -> None:
    assert isinstance(confidence.default([]), PointLaw)
