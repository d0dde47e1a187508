import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtr, ndtri

from darkmarket_estimates import AssumptionError, DataError
from darkmarket_estimates.distribution.law import GridLaw, LogNormalLaw, NormalLaw, PointLaw
from darkmarket_estimates.evaluation import coverage, crps, interval_score, quantile_score, weighted_interval_score

NUMBERS = st.floats(-50, 50)


def crps_of_a_normal(y: float, mean: float, sd: float) -> float:
    z = (y - mean) / sd
    return sd * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / math.sqrt(math.pi))


def crps_of_a_lognormal(y: float, mu: float, s: float) -> float:
    """Baran and Lerch (2015), Q. J. R. Meteorol. Soc. 141, 2289-2299."""
    z = (math.log(y) - mu) / s
    return y * (2 * ndtr(z) - 1) - 2 * math.exp(mu + s**2 / 2) * (ndtr(z - s) + ndtr(s / math.sqrt(2)) - 1)


@pytest.mark.parametrize("y", [-30.0, -1.0, 0.0, 3.0, 4.5, 40.0])
def test_crps_of_a_normal_is_the_closed_form(y):
    assert crps(y, NormalLaw(3.0, 2.0)) == pytest.approx(crps_of_a_normal(y, 3, 2), rel=1e-8)


@pytest.mark.parametrize("cv", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("y", [0.05, 1.0, 20.0])
def test_crps_of_a_lognormal_is_the_closed_form(y, cv):
    s = math.sqrt(math.log1p(cv**2))
    assert crps(y, LogNormalLaw(1.0, cv)) == pytest.approx(crps_of_a_lognormal(y, -(s**2) / 2, s), rel=1e-7)


@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
def test_crps_of_a_uniform_law(y):
    law = GridLaw(np.array([0.0, 1.0]), np.array([0.0, 1.0]), mean=0.5, variance=1 / 12)
    assert crps(y, law) == pytest.approx((y**3 + (1 - y) ** 3) / 3, rel=1e-10)


def test_crps_of_a_point_is_the_absolute_error():
    assert crps(3.0, PointLaw(7.5)) == pytest.approx(4.5) and crps(9.0, PointLaw(7.5)) == pytest.approx(1.5)


def test_interval_score_by_hand():
    # width 4; 3 below the low end at 90 %: a fine of 2 / 0.1 * 3
    assert interval_score(7.0, 10.0, 14.0, 0.9) == pytest.approx(64.0)
    assert interval_score(15.5, 10.0, 14.0, 0.9) == pytest.approx(34.0)
    assert interval_score(10.0, 10.0, 14.0, 0.9) == interval_score(14.0, 10.0, 14.0, 0.9) == 4.0
    assert isinstance(interval_score(1, 0, 2), float)
    assert interval_score(np.array([[1, 2], [3, 4]]), 0.0, 5.0).shape == (2, 2)


def test_quantile_score_by_hand():
    assert quantile_score([2.0, 8.0], 5.0, 0.25).tolist() == pytest.approx([2.25, 0.75])


@given(y=NUMBERS, mean=NUMBERS, sd=st.floats(0.1, 20), k=st.integers(1, 40))
def test_weighted_interval_score_is_the_mean_quantile_score(y, mean, sd, k):
    p = np.arange(1, k + 1) / (2 * k + 2)
    law = NormalLaw(mean, sd)
    wis = weighted_interval_score(y, mean, law.quantile(p), law.quantile(1 - p), 1 - 2 * p)
    every = np.array([*p, 0.5, *(1 - p)])
    assert wis == pytest.approx(2 * quantile_score(y, law.quantile(every), every).mean(), rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(y=st.floats(-4, 4), sd=st.floats(0.5, 2))
def test_weighted_interval_score_tends_to_the_crps(y, sd):
    law = NormalLaw(0.0, sd)

    def distance(k: int) -> float:
        p = np.arange(1, k + 1) / (2 * k + 2)
        wis = weighted_interval_score(y, 0.0, law.quantile(p), law.quantile(1 - p), 1 - 2 * p)
        return abs(wis - crps(y, law))

    # the trapezoid rule over 2k + 1 levels leaves O(1 / k), with a constant of the size of the error and the spread
    for k in (50, 500, 5_000):
        assert distance(k) < (abs(y) + sd) * 2 / k


def test_scores_are_proper():
    """The law that the truths come from scores best, by more than 3 errors of the paired difference."""
    rng = np.random.default_rng(5)
    y = rng.normal(0, 1, 4_000)
    p = np.arange(1, 12) / 24
    z = ndtri(p)

    def scores(mean: float, sd: float) -> dict[str, np.ndarray]:
        low, high = np.tile(mean + sd * z, (y.size, 1)), np.tile(mean - sd * z, (y.size, 1))
        return {"interval": interval_score(y, mean - 1.96 * sd, mean + 1.96 * sd, 0.95),
                "weighted": weighted_interval_score(y, np.full(y.size, mean), low, high, 1 - 2 * p),
                "crps": np.array([crps(v, NormalLaw(mean, sd)) for v in y[:1_000]])}

    right = scores(0, 1)
    for mean, sd in ((0.5, 1), (-0.5, 1), (0, 1.6), (0, 0.6)):
        for name, wrong in scores(mean, sd).items():
            worse = wrong - right[name]
            assert worse.mean() > 3 * worse.std() / math.sqrt(worse.size), (name, mean, sd)


@given(y=NUMBERS, low=NUMBERS, width=st.floats(0, 30), shift=NUMBERS, scale=st.floats(0.1, 9))
def test_interval_score_moves_and_scales_with_the_unit(y, low, width, shift, scale):
    score = interval_score(y, low, low + width)
    assert interval_score(y + shift, low + shift, low + width + shift) == pytest.approx(score, rel=1e-6, abs=1e-6)
    assert interval_score(scale * y, scale * low, scale * (low + width)) == pytest.approx(scale * score, abs=1e-6)


def test_coverage_counts_misses_on_each_side():
    found = coverage([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 2.0, 0.0, 0.0, 0.0], [3.0, 3.0, np.inf, 4.0, 3.0])
    assert (found.n, found.share) == (5, pytest.approx(0.6))
    assert (found.truth_below, found.truth_above) == (0.2, 0.2)
    smoothed = 3.5 / 6
    assert found.standard_error == pytest.approx(math.sqrt(smoothed * (1 - smoothed) / 5))
    assert coverage([1.0], [0.0], [2.0]).standard_error > 0


@pytest.mark.parametrize("call", [
    lambda: interval_score(1.0, 3.0, 2.0),
    lambda: interval_score(1.0, 0.0, 2.0, 95),
    lambda: weighted_interval_score(1.0, 1.0, [0.0], [2.0, 3.0], [0.5, 0.9]),
    lambda: weighted_interval_score(1.0, 1.0, [0.0, 4.0], [2.0, 3.0], [0.5, 0.9]),
    lambda: interval_score(1.0, [0.0, 1.0], [2.0, 3.0, 4.0]),
    lambda: weighted_interval_score(1.0, 1.0, [], [], []),
    lambda: weighted_interval_score(1.0, 1.0, [0.0], [2.0], [1.0]),
    lambda: crps(math.nan, NormalLaw(0, 1)),
    lambda: coverage([], [], []),
    lambda: coverage([1.0], [math.nan], [2.0]),
    lambda: coverage([1.0], [0.0], [math.nan]),
    lambda: coverage([math.nan], [0.0], [1.0]),
    lambda: coverage([1.0, 2.0], [0.0], [1.0]),
])
def test_bad_input_is_refused(call):
    with pytest.raises((DataError, AssumptionError)):
        call()
