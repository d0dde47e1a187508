"""Huggins' estimator: the likelihood written out afresh, its identities, and what it must refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from darkmarket_estimates import coverage as cov
from darkmarket_estimates.coverage import truncated_logit as module
from darkmarket_estimates.coverage.truncated_logit import Design, goodness_of_fit, moments, probabilities, sweep
from darkmarket_estimates.errors import DataError, NotIdentifiedError


def log_likelihood(beta, x, k, t):
    """Truncated binomial law through scipy.stats, up to the binomial coefficients."""
    p = 1 / (1 + np.exp(-(beta[0] + x @ beta[1:])))
    coefficient = stats.binom.logpmf(k, t, 0.5) + t * math.log(2)
    return float((stats.binom.logpmf(k, t, p) - stats.binom.logsf(0, t, p) - coefficient).sum())


@pytest.fixture(scope="module")
def data(draw):
    rng = np.random.default_rng(11)
    h, x, _, _ = draw(rng, n=900, t=5, base=-1.6, slope=0.6)
    x = np.column_stack([100 + 7 * x, rng.integers(0, 2, len(x))])
    vendor = rng.integers(0, 40, len(x))
    return h, x, h.sum(axis=1), vendor, np.exp(rng.normal(4, 1, len(x)))


@pytest.fixture(scope="module")
def fit(data):
    h, x, _, _, _ = data
    return cov.huggins(h, x)


def test_maximum_by_an_independent_optimiser(data, fit):
    _, x, k, _, _ = data
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    best = optimize.minimize(
        lambda b: -log_likelihood(b, z, k, 5),
        np.zeros(3),
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000},
    )
    slopes = best.x[1:] / x.std(axis=0)
    np.testing.assert_allclose(fit.coefficients, [best.x[0] - slopes @ x.mean(axis=0), *slopes], rtol=1e-6)
    assert fit.log_likelihood == pytest.approx(-best.fun, rel=1e-10)
    assert fit.log_likelihood >= -best.fun - 1e-9


def test_score_and_information_are_derivatives(data):
    _, x, k, _, _ = data
    design, gamma = Design.of(x), np.array([-1.2, 0.3, -0.2])
    _, score, information = sweep(gamma, design, k, 5)
    for j, step in enumerate(1e-5 * np.eye(3)):
        up, down = sweep(gamma + step, design, k, 5), sweep(gamma - step, design, k, 5)
        assert (up[0] - down[0]) / 2e-5 == pytest.approx(score[j], rel=1e-6)
        np.testing.assert_allclose((down[1] - up[1]) / 2e-5, information[j], rtol=1e-6)


def test_moments_are_those_of_the_truncated_binomial():
    for t in (2, 5, 30):
        eta = np.array([-8.0, -2.0, 0.0, 1.5, 6.0])
        pi, star, normaliser = probabilities(eta, t)
        mean, variance = moments(pi, star, t)
        k = np.arange(1, t + 1)
        for i in range(5):
            law = stats.binom.pmf(k, t, pi[i]) / star[i]
            assert mean[i] == pytest.approx(law @ k, rel=1e-10)
            assert variance[i] == pytest.approx(law @ (k - law @ k) ** 2, rel=1e-6, abs=1e-12)
        np.testing.assert_allclose(normaliser, np.log((1 + np.exp(eta)) ** t - 1), rtol=1e-10)


def test_value_and_variance_written_out(data, fit):
    x = data[1]
    x1 = np.column_stack([np.ones(len(x)), x])
    pi = 1 / (1 + np.exp(-x1 @ fit.coefficients))
    star = 1 - (1 - pi) ** 5
    np.testing.assert_allclose(fit.pi, pi, rtol=1e-9)
    np.testing.assert_allclose(fit.pi_star, star, rtol=1e-9)
    assert fit.value == pytest.approx((1 / star).sum(), rel=1e-10)
    bracket = (5 * pi * (1 - pi) + 25 * pi**2) / star - (5 * pi / star) ** 2
    covariance = np.linalg.inv((x1.T * bracket) @ x1)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-5)
    d = -(5 * pi * (1 - pi) ** 5 / star**2) @ x1
    assert fit.standard_error**2 == pytest.approx(((1 - star) / star**2).sum() + d @ covariance @ d, rel=1e-6)
    assert fit.details["smallest_pi_star"] == pytest.approx(star.min(), rel=1e-9)
    f0 = fit.value - len(x)
    c = math.exp(stats.norm.ppf(0.975) * math.sqrt(math.log(1 + (fit.standard_error / f0) ** 2)))
    assert fit.interval == pytest.approx((len(x) + f0 / c, len(x) + f0 * c), rel=1e-10)


def test_gradient_is_a_derivative(data, fit):
    _, x, _, _, y = data
    est = cov.huggins_value(y, fit)
    x1 = np.column_stack([np.ones(len(x)), x])

    def total(beta):
        return float((y / (1 - (1 + np.exp(x1 @ beta)) ** -5.0)).sum())

    for j in range(3):
        h = np.zeros(3)
        h[j] = 1e-6 / max(1, np.abs(x1[:, j]).max())
        slope = (total(fit.coefficients + h) - total(fit.coefficients - h)) / (2 * h[j])
        assert est.details["gradient"][j] == pytest.approx(slope, rel=1e-5)


def test_without_covariates_it_is_m0(data):
    h, _, k, _, _ = data
    fit, m0 = cov.huggins(h), cov.m0(h)
    assert fit.value == pytest.approx(m0.value, rel=1e-10)
    assert fit.standard_error == pytest.approx(m0.standard_error, rel=1e-8)
    assert cov.huggins(captures=k, occasions=5).value == fit.value
    assert fit.coefficients[0] == pytest.approx(math.log(m0.details["p"] / (1 - m0.details["p"])), rel=1e-9)


def test_goodness_of_fit_without_covariates_is_pearson():
    f = np.array([60, 55, 31, 12])
    k = np.repeat([1, 2, 3, 4], f)
    fit = cov.huggins(captures=k, occasions=4)
    law = stats.binom.pmf([1, 2, 3, 4], 4, fit.pi[0]) / fit.pi_star[0]
    expected = f.sum() * law
    test = fit.details["goodness_of_fit"]
    assert test["statistic"] == pytest.approx(((f - expected) ** 2 / expected).sum(), rel=1e-8)
    assert test["df"] == 2 and test["p_value"] == pytest.approx(stats.chi2.sf(test["statistic"], 2), rel=1e-10)
    np.testing.assert_allclose(test["expected"], expected, rtol=1e-9)
    assert test["observed"].tolist() == f.tolist() and test["cells_up_to"].tolist() == [1, 2, 3, 4]


def test_goodness_of_fit_covariance_written_out(data):
    _, x, k, _, _ = data
    design = Design.of(x)
    gamma, _ = module.maximise(design, k, 5)
    information = sweep(gamma, design, k, 5)[2]
    statistic, df, last, observed, expected = goodness_of_fit(gamma, np.linalg.inv(information), design, k, 5)
    z = np.column_stack([np.ones(len(x)), (x - x.mean(axis=0)) / x.std(axis=0)])
    pi = 1 / (1 + np.exp(-z @ gamma))
    pmf = np.array([stats.binom.pmf(j, 5, pi) for j in range(1, 6)]) / (1 - (1 - pi) ** 5)
    cell = np.searchsorted(last, np.arange(1, 6))
    p = np.array([pmf[cell == g].sum(axis=0) for g in range(len(last))])
    mean = np.arange(1, 6) @ pmf
    cross = np.array(
        [((np.arange(1, 6)[cell == g, None] - mean) * pmf[cell == g]).sum(axis=0) @ z for g in range(len(last))]
    )
    v = np.diag(p.sum(axis=1)) - p @ p.T - cross @ np.linalg.inv(information) @ cross.T
    d = observed - p.sum(axis=1)
    np.testing.assert_allclose(expected, p.sum(axis=1), rtol=1e-9)
    keep = np.linalg.eigvalsh(v / np.sqrt(np.outer(expected, expected))) > 0.02
    assert df == keep.sum() >= 1
    scaled = np.linalg.pinv(v / np.sqrt(np.outer(expected, expected)), rtol=0.019, hermitian=True)
    assert statistic == pytest.approx(d / np.sqrt(expected) @ scaled @ (d / np.sqrt(expected)), rel=1e-6)


def test_two_scrapes_cannot_be_tested(data):
    h, x, _, _, _ = data
    two = h[:, :2].any(axis=1)
    fit = cov.huggins(h[two, :2], x[two])
    assert math.isnan(fit.details["goodness_of_fit"]["p_value"]) and any(
        "cannot be tested" in flag for flag in fit.flags
    )


def test_clusters_written_out(data, fit):
    h, x, k, vendor, _ = data
    got = cov.huggins(h, x, clusters=vendor)
    x1 = np.column_stack([np.ones(len(x)), x])
    mean = 5 * fit.pi / fit.pi_star
    bracket = (5 * fit.pi * (1 - fit.pi) + 25 * fit.pi**2) / fit.pi_star - mean**2
    r = k - mean
    by = [vendor == v for v in np.unique(vendor)]
    c_hat = max(1.0, sum((r / fit.pi_star)[b].sum() ** 2 for b in by) / (bracket / fit.pi_star**2).sum())
    scores = np.array([(r[b, None] * x1[b]).sum(axis=0) for b in by])
    meat = fit.covariance @ scores.T @ scores @ fit.covariance
    d = -(5 * fit.pi * (1 - fit.pi) ** 5 / fit.pi_star**2) @ x1
    want = c_hat * ((1 - fit.pi_star) / fit.pi_star**2).sum() + d @ meat @ d
    assert got.c_hat == pytest.approx(c_hat, rel=1e-9)
    assert got.standard_error**2 == pytest.approx(want, rel=1e-8)
    np.testing.assert_allclose(got.coefficient_standard_errors, np.sqrt(np.diag(meat)), rtol=1e-7)
    assert got.value == fit.value
    for labels in (vendor.astype(str), vendor * 10**9, vendor - 20, [f"v{v}" for v in vendor], vendor.astype(object)):
        assert cov.huggins(h, x, clusters=labels).standard_error == pytest.approx(got.standard_error, rel=1e-12)


def test_c_hat_counts_captures_that_go_together():
    k = np.repeat([1, 2, 3, 4], [40, 40, 40, 40])
    together = cov.huggins(captures=k, occasions=5, clusters=np.repeat(np.arange(8), 20))
    assert together.c_hat > 5
    assert cov.huggins(captures=k, occasions=5, clusters=np.tile(np.arange(8), 20)).c_hat == 1


def test_value_terms_written_out(data, fit):
    _, x, k, vendor, y = data
    x1 = np.column_stack([np.ones(len(x)), x])
    pi, star = fit.pi, fit.pi_star
    est = cov.huggins_value(y, fit)
    d = -(y * 5 * pi * (1 - pi) ** 5 / star**2) @ x1
    missing = (y**2 * (1 - star) / star**2).sum()
    assert est.value == pytest.approx((y / star).sum(), rel=1e-12) and est.quantity == "value"
    assert est.standard_error**2 == pytest.approx(missing + d @ fit.covariance @ d, rel=1e-9)
    mean = 5 * pi / star
    bracket = (5 * pi * (1 - pi) + 25 * pi**2) / star - mean**2
    by = [vendor == v for v in np.unique(vendor)]
    r = k - mean
    c_hat = max(1.0, sum((r * y / star)[b].sum() ** 2 for b in by) / (bracket * y**2 / star**2).sum())
    scores = np.array([(r[b, None] * x1[b]).sum(axis=0) for b in by])
    direction = fit.covariance @ d
    clustered = cov.huggins_value(y, fit, vendor=vendor)
    assert clustered.standard_error**2 == pytest.approx(c_hat * missing + ((scores @ direction) ** 2).sum(), rel=1e-9)
    influence = y / star + (r[:, None] * x1) @ direction
    expected = cov.huggins_value(y, fit, estimand="expected")
    assert expected.standard_error**2 == pytest.approx(influence @ influence, rel=1e-9)
    expected = cov.huggins_value(y, fit, vendor=vendor, estimand="expected")
    assert expected.standard_error**2 == pytest.approx(sum(influence[b].sum() ** 2 for b in by), rel=1e-9)
    c = math.exp(stats.norm.ppf(0.975) * math.sqrt(math.log(1 + (expected.standard_error / expected.value) ** 2)))
    assert expected.interval == pytest.approx((expected.value / c, expected.value * c), rel=1e-10)


def test_value_of_ones_is_the_count_and_clusters_are_kept(data, fit):
    h, x, _, vendor, y = data
    est = cov.huggins_value(np.ones(len(x)), fit)
    assert (est.value, est.standard_error) == pytest.approx((fit.value, fit.standard_error), rel=1e-12)
    assert est.interval == pytest.approx(fit.interval, rel=1e-12)
    clustered = cov.huggins(h, x, clusters=vendor)
    assert cov.huggins_value(np.ones(len(x)), clustered).standard_error == pytest.approx(
        clustered.standard_error, rel=1e-12
    )
    assert cov.huggins_value(y, clustered).standard_error == cov.huggins_value(y, fit, vendor=vendor).standard_error


def test_value_is_additive_and_scales(data, fit):
    y = data[4]
    z = y[::-1].copy()
    a, b, both = (cov.huggins_value(v, fit) for v in (y, z, y + z))
    assert both.value == pytest.approx(a.value + b.value, rel=1e-12)
    for estimand in ("realised", "expected"):
        one, many = (cov.huggins_value(c * y, fit, estimand=estimand) for c in (1, 1e6))
        assert (many.value, many.standard_error, *many.interval) == pytest.approx(
            tuple(1e6 * v for v in (one.value, one.standard_error, *one.interval)), rel=1e-12
        )
        inner, outer = (cov.huggins_value(y, fit, estimand=estimand, confidence_level=c).interval for c in (0.5, 0.99))
        assert outer[0] < inner[0] < one.value < inner[1] < outer[1]
    nothing = cov.huggins_value(np.zeros(len(y)), fit, vendor=data[3])
    assert nothing.value == 0 and nothing.interval == (0, 0)


def test_covariates_may_be_rescaled_and_listings_permuted(data, fit):
    h, x, _, _, _ = data
    other = cov.huggins(h, x * [1000, -3] + [5e4, 7])
    assert (other.value, other.standard_error) == pytest.approx((fit.value, fit.standard_error), rel=1e-9)
    np.testing.assert_allclose(other.coefficients[1:] * [1000, -3], fit.coefficients[1:], rtol=1e-8)
    order = np.random.default_rng(1).permutation(len(x))
    assert cov.huggins(h[order], x[order]).value == pytest.approx(fit.value, rel=1e-11)
    assert cov.huggins(np.packbits(h, axis=1), x, occasions=5).value == fit.value


def test_chunks_and_start_do_not_matter(data, fit, monkeypatch):
    h, x, _, _, _ = data
    monkeypatch.setattr(module, "CHUNK", 64)
    monkeypatch.setattr(module, "START_ROWS", 50)  # Newton starts from a subsample of every 10th listing or so
    other = cov.huggins(h, x)
    assert other.details["newton_steps"] < fit.details["newton_steps"] + 2
    assert (other.value, other.standard_error) == pytest.approx((fit.value, fit.standard_error), rel=1e-10)


def test_many_scrapes_take_the_logarithmic_path():
    rng = np.random.default_rng(3)
    x = np.linspace(-3, 6, 400)
    k = rng.binomial(300, 1 / (1 + np.exp(-x)))
    fit = cov.huggins(captures=np.maximum(k, 1), covariates=x, occasions=300)
    test = fit.details["goodness_of_fit"]
    assert test["expected"].sum() == pytest.approx(400, rel=1e-9) and test["p_value"] > 1e-4
    assert len(test["cells_up_to"]) <= module.CELLS + 1 and test["cells_up_to"][-1] == 300


def separated():
    k = np.array([1] * 20 + [1, 2, 3, 2, 1, 2] * 5)
    return k, np.r_[np.ones(20), np.zeros(30)]


def test_separation_is_refused():
    k, group = separated()
    with pytest.raises(NotIdentifiedError, match="separates"):
        cov.huggins(captures=k, covariates=group, occasions=4)
    with pytest.raises(NotIdentifiedError, match="separates"):
        cov.huggins(captures=np.where(group == 1, 4, k), covariates=group, occasions=4)
    with pytest.raises(NotIdentifiedError, match="separates"):
        cov.huggins(captures=np.r_[np.ones(50, dtype=int), np.full(50, 2)], covariates=np.arange(100.0), occasions=2)
    assert cov.huggins(captures=k, occasions=4).value > 50
    rng = np.random.default_rng(4)
    many = np.maximum(rng.binomial(4, 0.4, 20_000), 1)
    rare = np.arange(20_000) < 3
    many[rare] = 1
    with pytest.raises(NotIdentifiedError, match="separates"):  # a category of three listings, each seen once
        cov.huggins(captures=many, covariates=rare, occasions=4)
    many[0] = 2
    assert math.isfinite(cov.huggins(captures=many, covariates=rare, occasions=4).standard_error)


def test_degenerate_captures_are_refused():
    with pytest.raises(NotIdentifiedError, match="twice"):
        cov.huggins(captures=[1, 1, 1], occasions=3)
    with pytest.raises(NotIdentifiedError, match="every scrape"):
        cov.huggins(captures=[3, 3], occasions=3)


@pytest.mark.parametrize(
    "change",
    [
        {"captures": [1, 2, 4, 1]},
        {"captures": [0, 1, 2, 1]},
        {"captures": [1.5, 1, 2, 1]},
        {"captures": [1, 2, -1, 1]},
        {"captures": []},
        {"occasions": 1},
        {"occasions": None},
        {"occasions": 2.5},
        {"covariates": [1, 2, 3]},
        {"covariates": [1, 1, 1, 1]},
        {"covariates": [[1, 2], [2, 4], [3, 6], [5, 10]]},
        {"covariates": [1, 2, np.nan, 3]},
        {"covariates": [1, 2, np.inf, 3]},
        {"covariates": ["a", "b", "c", "d"]},
        {"covariates": [1, 2, 3, 1e200]},
        {"clusters": [1, 1, 1, 1]},
        {"clusters": [1, 2, 3]},
        {"clusters": ["a", None, "b", "c"]},
        {"clusters": [1.0, np.nan, 2, 3]},
        {"histories": [[1, 0, 1]] * 4},
        {"captures": None},
        {"confidence_level": 95},
    ],
)
def test_bad_input(change):
    good = {"captures": [1, 2, 2, 1], "occasions": 3, "covariates": [0.0, 1.0, 0.5, 2.0], "clusters": [0, 0, 1, 1]}
    cov.huggins(**good)
    with pytest.raises(DataError):
        cov.huggins(**{**good, **change})


def test_flags(data):
    h, x = data[:2]
    few = np.r_[np.ones(40, dtype=int), np.full(9, 2)]
    assert any("fewer than 10" in flag for flag in cov.huggins(captures=few, occasions=3).flags)
    assert not any("fewer than 10" in flag for flag in cov.huggins(captures=np.r_[few, 2], occasions=3).flags)
    rare = cov.huggins(captures=np.r_[np.ones(400, dtype=int), np.full(3, 2)], occasions=2)
    assert rare.pi_star[0] < 0.05 and any("1 chance in 20" in flag for flag in rare.flags)
    mixed = np.repeat([1, 2, 3, 4, 5], [300, 60, 50, 60, 90])
    assert any("do not fit" in flag for flag in cov.huggins(captures=mixed, occasions=5).flags)
    assert cov.huggins(h, x).flags == ()


def test_a_subsample_that_is_separated_does_not_matter(monkeypatch):
    rng = np.random.default_rng(2)
    k = rng.binomial(4, 0.4, 500)
    k = np.maximum(k, 1)
    x = rng.normal(size=500)
    want = cov.huggins(captures=k, covariates=x, occasions=4).value
    monkeypatch.setattr(module, "START_ROWS", 3)  # a start from three listings
    assert cov.huggins(captures=k, covariates=x, occasions=4).value == pytest.approx(want, rel=1e-10)


def test_bad_values(fit, data):
    y = data[4]
    for bad in (y[:-1], -y, np.where(y == y[3], np.nan, y), y * 1e200, np.full(len(y), 1e-150)):
        with pytest.raises(DataError):
            cov.huggins_value(bad, fit)
    with pytest.raises(DataError, match="huggins"):
        cov.huggins_value(y, cov.chapman(10, 10, 5))
    with pytest.raises(DataError):
        cov.huggins_value(y, fit, estimand="mean")
    with pytest.raises(DataError):
        cov.huggins_value(y, fit, vendor=np.zeros(len(y)))
