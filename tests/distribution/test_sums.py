"""Sums of independent laws on one grid, and what several sums of nearly the same laws have in common."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import fft, stats

from darkmarket_estimates.assumptions import ReviewRate
from darkmarket_estimates.distribution import sums
from darkmarket_estimates.distribution.law import GridLaw, LogNormalLaw, Mixture, NormalLaw, PointLaw, ScaledMixture
from darkmarket_estimates.distribution.realised import realised, realised_uncertain_share
from darkmarket_estimates.distribution.relative import positive_nodes
from darkmarket_estimates.distribution.sums import Kept, independent_sum

LEVELS = np.array([0.005, 0.025, 0.5, 0.975, 0.995])
LAWS = [NormalLaw(10.0, 3.0), LogNormalLaw(20.0, 0.4), ScaledMixture(NormalLaw(5.0, 1.0), [0.9, 1.1], [0.5, 0.5]),
        Mixture([NormalLaw(0.0, 1.0), NormalLaw(4.0, 1.0)], [0.5, 0.5])]


@pytest.mark.parametrize("n", [2, 3, 10, 40])
def test_normal_laws_add_up(n: int) -> None:
    rng = np.random.default_rng(n)
    mean, deviation = rng.normal(0, 50, n), rng.lognormal(0, 1, n)
    law = independent_sum([NormalLaw(float(m), float(s)) for m, s in zip(mean, deviation, strict=True)])
    exact = stats.norm(mean.sum(), np.sqrt((deviation**2).sum()))
    assert law.mean == pytest.approx(exact.mean(), rel=1e-12) and law.variance == pytest.approx(exact.var(), rel=1e-12)
    error = np.abs(law.quantile(LEVELS) - exact.ppf(LEVELS))
    assert error.max() <= min(law.error_bound, 2e-3 * exact.std())


def test_gamma_laws_add_up() -> None:
    """The sum of exponential totals, through their tabulated laws: skewed, and with a sharp end."""
    x = np.linspace(0, 60, 60_001)
    one = GridLaw.tabulated(x, -np.expm1(-x))
    law = independent_sum([one, one, one, PointLaw(7.0)])
    assert law.quantile(LEVELS) == pytest.approx(7 + stats.gamma(3).ppf(LEVELS), abs=law.law.error_bound)  # type: ignore[attr-defined]


def test_what_is_kept_changes_no_digit() -> None:
    kept: Kept = {}
    other = NormalLaw(10.0, 2.8)
    for laws in (LAWS, [other, *LAWS[1:]], LAWS, LAWS[:2], [*LAWS, PointLaw(3.0)]):
        assert independent_sum(laws, kept).quantile(LEVELS).tolist() == independent_sum(laws).quantile(LEVELS).tolist()


def test_a_law_is_tabulated_once_for_sums_of_nearly_the_same_width(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    transform = fft.rfft
    monkeypatch.setattr(sums.fft, "rfft", lambda x: calls.append(len(x)) or transform(x))
    kept: Kept = {}
    independent_sum(LAWS, kept)
    assert len(calls) == 4
    independent_sum([NormalLaw(10.0, 2.999), *LAWS[1:]], kept)  # one of them is another law
    assert len(calls) == 5
    independent_sum([NormalLaw(10.0, 30.0), *LAWS[1:]], kept)  # a far wider sum has cells of its own
    assert len(calls) == 9
    monkeypatch.setattr(sums, "MOST_KEPT", 9)
    independent_sum([NormalLaw(10.0, 300.0), *LAWS[1:]], kept)
    assert len(calls) == 13 and len(kept["spectra",]) == 9


def test_the_grid_holds_the_sum_whatever_its_width() -> None:
    """Cells come in four widths to a factor of 2, never narrower than the laws need."""
    for width in np.geomspace(1, 2, 23):
        law = independent_sum([NormalLaw(0.0, float(width)), NormalLaw(0.0, 1.0)])
        step = np.diff(law.points)[5]  # type: ignore[attr-defined]
        ends = 2 * stats.norm.isf(sums.LEFT_OUT) * (1 + width)
        assert ends / sums.CELLS < step < 1.2 * ends / (sums.CELLS - 5)
        assert 4 * np.log2(step) == pytest.approx(np.rint(4 * np.log2(step)), abs=1e-6)
        assert law.quantile(0.975) == pytest.approx(stats.norm.ppf(0.975) * np.hypot(1, width), rel=1e-5)


def test_laws_that_are_all_but_known_add_up_to_a_number() -> None:
    nearly = Mixture([PointLaw(1.0), PointLaw(2.0)], [1 - 1e-12, 1e-12])
    law = independent_sum([nearly, nearly, PointLaw(5.0)])
    assert law.quantile([0.025, 0.975]) == pytest.approx([7.0, 7.0], rel=1e-13)
    assert independent_sum([nearly, NormalLaw(0.0, 1.0)]).quantile(0.975) == pytest.approx(1 + stats.norm.ppf(0.975), rel=1e-3)


def test_atoms_at_the_lower_end_are_kept() -> None:
    """One of two equally likely numbers, three times: binomial."""
    coin = Mixture([PointLaw(1.0), PointLaw(2.0)], [0.5, 0.5])
    law = independent_sum([coin, coin, coin])
    assert law.cdf(np.array([2.5, 3.5, 4.5, 5.5, 6.5])) == pytest.approx(stats.binom(3, 0.5).cdf([-1, 0, 1, 2, 3]), abs=1e-9)
    assert law.quantile([0.025, 0.3, 0.7, 0.975]) == pytest.approx([3, 4, 5, 6], abs=law.error_bound)  # type: ignore[attr-defined]


@pytest.mark.parametrize("spread", [0.0, 0.11])
@pytest.mark.parametrize("reviews", [(1, 1), (1, 3), (2, 2, 1)], ids=str)
def test_vendors_that_may_have_sold_nothing_unreviewed(reviews: tuple[int, ...], spread: float) -> None:
    """The probability that every sale was reviewed is an atom at the reviewed money; against all vendors in one total."""
    y, q = 10.0 * np.array(reviews), 100.0 * np.array(reviews)
    apart = independent_sum([realised([a], [b], 0.44, spread) for a, b in zip(y, q, strict=True)])
    together = realised(y, q, 0.44, spread)
    sales = 10.0 * (sum(reviews) + np.array([-0.5, 0.5, 1.5, 3.5, 6.5, 12.5]))
    assert together.cdf(sales)[1] > 0.01 and apart.quantile(1e-4) >= y.sum() * (1 - 1e-12)
    assert apart.cdf(sales) == pytest.approx(together.cdf(sales), abs=2e-4)
    if spread == 0:
        exact = stats.nbinom(sum(reviews), 0.44).cdf([-1, 0, 1, 3, 6, 12])
        assert apart.cdf(sales) == pytest.approx(exact, abs=2e-4)


def test_far_tails_of_mixtures_do_not_coarsen_the_grid() -> None:
    """Eight totals under shares that are hardly known: 2.5 % of the draws lie below the low end, where 1.1 % did.

    A law of a share of 0.2 +- 0.05 between vendors that differ by 0.1 has a tail so heavy that a grid as far as its last
    1e-9 has cells as wide as a third of a standard deviation.
    """
    rng = np.random.default_rng(3)
    rate = ReviewRate(mean=0.2, standard_error=0.05, between_vendor_sd=0.1)
    shares, weights = positive_nodes(rate.mean_spec)
    y = rng.lognormal(4, 1, (8, 3))
    law = independent_sum([realised_uncertain_share(part, 20 * part, shares, weights, rate.size) for part in y])
    n = 60_000
    total = np.zeros(n)
    for part in y:
        mean = np.asarray(rate.mean_spec.rvs(n, random_state=rng))  # type: ignore[union-attr]
        a, b = mean * rate.size, (1 - mean) * rate.size
        for value in part:
            own = rng.beta(a + 2, b * (a + 1) / a)
            total += value + 20 * rng.poisson(rng.standard_gamma(value / 20, n) * (1 - own) / own)
    for level in (0.005, 0.025, 0.5, 0.975, 0.995):
        assert np.mean(total <= law.quantile(level)) == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / n))
