"""A mixture of logit-normal laws behaves like a frozen distribution, and one component is `LogitNormal`."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, special, stats

import darkmarket_estimates as dme
from darkmarket_estimates.assumptions.share import LogitNormal
from darkmarket_estimates.assumptions.specs import is_distribution
from darkmarket_estimates.bayes.share_law import COMPONENTS, ShareLaw
from darkmarket_estimates.errors import DataError

P = np.array([1e-12, 1e-4, 0.025, 0.3, 0.5, 0.9, 0.975, 1 - 1e-6])


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(1)
    return ShareLaw(rng.normal(-0.3, 0.1, 400), np.abs(rng.normal(0, 0.5, 400)) + 0.02)


def test_one_component_is_logit_normal():
    ours, theirs = ShareLaw([-0.4], [0.7]), LogitNormal(float(special.expit(-0.4)), 0.7)
    for name in ("ppf", "isf", "cdf", "pdf"):
        np.testing.assert_allclose(getattr(ours, name)(P), getattr(theirs, name)(P), rtol=1e-10, err_msg=name)
    assert ours.mean() == pytest.approx(theirs.mean(), rel=1e-12)
    assert ours.std() == pytest.approx(theirs.std(), rel=1e-10)


def test_cdf_and_quantile_invert_each_other(mixed):
    np.testing.assert_allclose(mixed.cdf(mixed.ppf(P)), P, rtol=2e-4)
    np.testing.assert_allclose(mixed.isf(P[1:-1]), mixed.ppf(1 - P[1:-1]), rtol=1e-9)


def test_density_moments_and_cdf_agree(mixed):
    def over(f, high=1.0):
        return integrate.quad(f, 0, high, points=[0.3, 0.4, 0.5] if high == 1 else None, limit=400, epsrel=1e-10)[0]

    assert over(mixed.pdf) == pytest.approx(1, rel=1e-7)
    assert over(mixed.pdf, 0.35) == pytest.approx(mixed.cdf(0.35), rel=1e-7)
    mean = over(lambda x: x * mixed.pdf(x))
    assert mixed.mean() == pytest.approx(mean, rel=1e-7)
    assert mixed.var() == pytest.approx(over(lambda x: (x - mean) ** 2 * mixed.pdf(x)), rel=1e-6)


def test_draws_follow_the_law(mixed):
    draws = mixed.rvs(4000, 7)
    assert stats.kstest(draws, mixed.cdf).pvalue > 1e-3
    np.testing.assert_array_equal(draws, mixed.rvs(4000, 7))


def test_thinning_keeps_the_law_whatever_the_order():
    rng = np.random.default_rng(2)
    centres, sds = rng.normal(0, 0.3, 6000), rng.uniform(0.2, 0.6, 6000)
    order = rng.permutation(6000)
    a, b = ShareLaw(centres, sds), ShareLaw(centres[order], sds[order])
    assert len(a.centres) == COMPONENTS
    np.testing.assert_array_equal(a.ppf(P), b.ppf(P))
    x = np.array([0.2, 0.5, 0.8])
    whole = special.ndtr((special.logit(x)[:, None] - centres) / sds).mean(axis=1)
    np.testing.assert_allclose(a.cdf(x), whole, atol=0.005)


def test_equal_laws_are_one_statement(mixed):
    again = ShareLaw(mixed.centres, mixed.sds)
    assert again == mixed
    assert hash(again) == hash(mixed)
    assert again != ShareLaw(mixed.centres, 2 * mixed.sds)
    totals = [dme.Totals.from_cells(vendor=["a", "b"], value=[10.0 * k, 20.0], reviews=[1, 2], currency="USD",
                                    window=(f"2016-0{k}-01", f"2016-0{k}-20")) for k in (1, 2)]
    ratio = dme.turnover(totals[1], review_rate=mixed).ratio(dme.turnover(totals[0], review_rate=again))
    assert "one review share for both" in ratio.flags  # it cancels


def test_the_edges():
    law = ShareLaw([0.0], [1.0])
    assert (law.cdf(0), law.cdf(1), law.cdf(-3), law.cdf(2)) == (0, 1, 0, 1)
    assert (law.ppf(0), law.ppf(1), law.pdf(0), law.pdf(1)) == (0, 1, 0, 0)
    assert np.isnan(law.ppf(np.nan))
    assert law.support() == (0, 1)


def test_the_kernel_has_silvermans_width():
    """The width 1.06 s n^(-1/5) on the logit scale, at most half of s; the sample drawn together by sqrt(1 - h^2 / s^2)."""
    logit = np.array([-1.2, -0.4, 0.1, 0.3, 0.9, 1.7])
    for sample in (logit, logit[:2], np.repeat(logit, 50) + np.linspace(0, 1e-3, 300)):
        law = ShareLaw.smoothed(special.expit(sample))
        sd = sample.std()
        h = min(1.06 * len(sample) ** -0.2, 0.5) * sd
        np.testing.assert_allclose(law.sds, h, rtol=1e-9)
        drawn = sample.mean() + (np.sort(sample) - sample.mean()) * np.sqrt(1 - (h / sd) ** 2)
        np.testing.assert_allclose(np.sort(law.centres), drawn, rtol=1e-9, atol=1e-12)


def test_a_smoothed_sample_keeps_mean_and_variance_of_the_logit():
    rng = np.random.default_rng(3)
    sample = special.expit(rng.normal(1.0, 0.4, 3000))
    law = ShareLaw.smoothed(sample)
    assert law.centres.mean() == pytest.approx(special.logit(sample).mean(), abs=2e-3)
    assert law.centres.var() + law.sds[0] ** 2 == pytest.approx(special.logit(sample).var(), rel=1e-9)
    np.testing.assert_allclose(law.ppf([0.05, 0.5, 0.95]), np.quantile(sample, [0.05, 0.5, 0.95]), rtol=0.01)


@pytest.mark.parametrize("shares", [[0.5], [0.5, 0.5], [0.0, 0.5], [0.5, 1.0], [0.5, np.nan], []], ids=str)
def test_a_sample_without_a_law_is_refused(shares):
    with pytest.raises(DataError):
        ShareLaw.smoothed(shares)


@pytest.mark.parametrize(("centres", "sds"), [([0.0], [0.0]), ([0.0], [-1.0]), ([], []), ([0.0, 1.0], [1.0]), ([np.inf], [1.0])],
                         ids=["point", "negative", "empty", "lengths", "infinite"])
def test_components_without_a_law_are_refused(centres, sds):
    with pytest.raises(DataError):
        ShareLaw(centres, sds)


def test_it_is_a_review_rate_of_turnover(mixed):
    assert is_distribution(mixed)
    totals = dme.Totals.from_cells(vendor=list("abc"), value=[900.0, 600, 300], reviews=[90, 60, 30], currency="USD")
    est = dme.turnover(totals, review_rate=dme.ReviewRate(mean=mixed, between_vendor_sd=0.13))
    assert est.value == pytest.approx(1800 / mixed.mean())
    low, high = est.interval
    assert low < est.median < high
    wide, narrow = np.diff(est.interval), 1800 * (1 / mixed.ppf(0.025) - 1 / mixed.ppf(0.975))
    assert wide > narrow  # unreviewed sales come on top
    assert "hybrid" in est.kind
