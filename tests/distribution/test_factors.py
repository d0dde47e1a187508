from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from darkmarket_estimates.distribution.factors import gauss, log_variance, nodes, product_nodes, sobol
from darkmarket_estimates.distribution.law import LogNormalLaw, NormalLaw, PointLaw
from darkmarket_estimates.distribution.relative import scaled
from darkmarket_estimates.errors import AssumptionError

DISTRIBUTIONS = {
    "beta": stats.beta(80, 20),
    "flat beta": stats.beta(0.8, 1.2),
    "U-shaped beta": stats.beta(0.2, 0.3),
    "truncated normal": stats.truncnorm(-2, 3, loc=0.5, scale=0.1),
    "log-normal": stats.lognorm(0.3, scale=2),
    "wide log-normal": stats.lognorm(1.5),
    "uniform": stats.uniform(0.5, 0.5),
    "triangular": stats.triang(0.3, loc=1),
    "gamma": stats.gamma(0.5),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_nodes_have_mean_variance_and_skewness(name: str) -> None:
    dist = DISTRIBUTIONS[name]
    x, w = nodes(dist)
    assert w.sum() == pytest.approx(1, abs=1e-14) and np.all(w > 0) and np.all(np.diff(x) >= 0)
    assert w @ x == pytest.approx(dist.mean(), rel=1e-12)
    assert w @ (x - dist.mean()) ** 2 == pytest.approx(dist.var(), rel=1e-10)
    # the rule itself, not the last linear step, makes the third moment
    assert w @ ((x - dist.mean()) / dist.std()) ** 3 == pytest.approx(float(dist.stats("s")), rel=1e-5, abs=1e-5)
    low, high = dist.support()
    assert x[0] >= low and x[-1] <= high


@pytest.mark.parametrize("n", [8, 24, 64, 1000])
def test_any_number_of_nodes_keeps_two_moments(n: int) -> None:
    dist = stats.beta(5, 3)
    x, w = nodes(dist, n)
    assert len(x) <= n
    assert (w @ x, w @ (x - dist.mean()) ** 2) == (pytest.approx(dist.mean()), pytest.approx(dist.var()))


def test_expectation_of_a_function() -> None:
    x, w = nodes(stats.beta(8, 10))
    assert w @ (1 / x) == pytest.approx(17 / 7, rel=1e-10)  # E[1/M] = (a + b - 1) / (a - 1)


@pytest.mark.parametrize(
    ("dist", "words"),
    [
        (stats.poisson(3), "discrete"),
        (stats.binom(5, 0.5), "discrete"),
        (0.4, "float"),
        (stats.beta, "the family beta"),
        (stats.cauchy(), "standard deviation"),
        (stats.t(1.5), "standard deviation"),
        (stats.norm(1, 0), "standard deviation"),
    ],
)
def test_laws_that_cannot_be_mixed_over_are_refused(dist: object, words: str) -> None:
    with pytest.raises(AssumptionError, match=words):
        nodes(dist)


def test_log_variance() -> None:
    assert log_variance(stats.lognorm(0.4, scale=7)) == pytest.approx(0.16, abs=1e-12)
    a, b = 5.0, 3.0  # Var ln of a beta: trigamma(a) - trigamma(a + b)
    trigammas = float(special.polygamma(1, a) - special.polygamma(1, a + b))
    assert log_variance(stats.beta(a, b)) == pytest.approx(trigammas, rel=1e-10)
    assert log_variance(stats.uniform(0, 1)) == pytest.approx(1.0, rel=1e-9)
    with pytest.raises(AssumptionError, match="negative"):
        log_variance(stats.norm(1, 0.1))


def test_product_nodes_keep_mean_and_variance_without_blowing_up() -> None:
    parts = [stats.beta(80, 20), stats.lognorm(0.4), stats.uniform(0.9, 0.2), stats.gamma(4)]
    x, w = product_nodes([nodes(d) for d in parts])
    assert len(x) <= 256 and np.all(x > 0) and w.sum() == pytest.approx(1)
    mean = math.prod(d.mean() for d in parts)
    square = math.prod(d.mean() ** 2 + d.var() for d in parts)
    assert w @ x == pytest.approx(mean, rel=1e-9)
    assert w @ x**2 == pytest.approx(square, rel=1e-9)
    simulated = math.prod(d.rvs(200_000, random_state=i) for i, d in enumerate(parts))
    for p in (0.025, 0.5, 0.975):
        assert w @ (x <= np.quantile(simulated, p)) == pytest.approx(p, abs=0.01)


def test_product_of_one_and_of_none() -> None:
    one = nodes(stats.beta(8, 3), 64)
    x, w = product_nodes([one])
    assert np.array_equal(x, one[0]) and np.allclose(w, one[1])
    assert [part.tolist() for part in product_nodes([])] == [[1.0], [1.0]]
    with pytest.raises(AssumptionError, match="factor 0"):
        product_nodes([(np.array([-1.0, 1.0]), np.array([0.5, 0.5]))])


@pytest.mark.parametrize("cv", [0.0, 1e-3, 0.05, 0.5])
@pytest.mark.parametrize("dist", [stats.uniform(0.5, 1.0), stats.beta(20, 20)], ids=["uniform", "beta"])
def test_common_factor_has_no_steps_however_narrow_the_law(cv: float, dist: object) -> None:
    law = scaled(LogNormalLaw(100.0, cv) if cv else PointLaw(100.0), [(dist, 1.0, 1)])
    for p in (0.025, 0.3, 0.9):
        q = law.quantile(p)
        if cv == 0:
            assert q == pytest.approx(100 * dist.ppf(p), rel=2e-3)
        else:
            exact = integrate.quad(lambda u, q=q: LogNormalLaw(100.0, cv).cdf(q / dist.ppf(u)), 0, 1, limit=400,
                                   points=[min(0.999, max(0.001, dist.cdf(q / 100)))])[0]
            assert exact == pytest.approx(p, abs=1e-3)
    assert law.mean == pytest.approx(100 * dist.mean())


def test_common_factors_multiply() -> None:
    law = scaled(LogNormalLaw(10.0, 0.3), [(stats.lognorm(0.2), 1.0, 1), (stats.lognorm(0.4), 1.0, 1)])
    sigma = math.sqrt(math.log(1.09) + 0.04 + 0.16)
    median = 10 / math.sqrt(1.09)
    ends = median * np.exp(sigma * np.array([-1, 1]) * 1.959964)
    assert law.quantile([0.025, 0.975]) == pytest.approx(ends, rel=2e-3)
    assert scaled(PointLaw(1.0), []).quantile(0.3) == 1.0
    signed = scaled(NormalLaw(0.0, 1.0), [(stats.uniform(0.5, 1.0), 1.0, 1)])
    assert signed.quantile(0.5) == pytest.approx(0, abs=1e-9)
    with pytest.raises(AssumptionError, match="negative"):
        scaled(PointLaw(1.0), [(stats.norm(1.0, 0.1), 1.0, 1)])


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("dist", [stats.beta(3, 5), stats.lognorm(0.2), stats.uniform(0.3, 0.4)],
                         ids=["beta", "log-normal", "uniform"])
def test_gauss_points_keep_all_moments_they_can(dist: object, n: int) -> None:
    x, w = nodes(dist, 256)
    points, weights = gauss(x, w, n)
    assert len(points) == n and weights.min() > 0
    for power in range(2 * n):
        assert weights @ points**power == pytest.approx(w @ x**power, rel=1e-10)
    assert weights @ points ** (2 * n) != pytest.approx(w @ x ** (2 * n), rel=1e-10)


def test_gauss_points_of_hermite_and_of_few_places() -> None:
    z = np.linspace(-12, 12, 2001)
    w = np.exp(-z * z / 2) / np.exp(-z * z / 2).sum()
    points, weights = gauss(5 + 2 * z, w, 3)  # of the normal law: 0 and +- sqrt 3, weights 2/3 and 1/6
    assert points == pytest.approx([5 - 2 * 3**0.5, 5, 5 + 2 * 3**0.5]) and weights == pytest.approx([1 / 6, 2 / 3, 1 / 6])
    assert [part.tolist() for part in gauss(np.array([3.0]), np.ones(1), 4)] == [[3.0], [1.0]]
    assert gauss(np.array([0.0, 1.0]), np.array([0.5, 0.5]), 4)[0] == pytest.approx([0, 1])


def test_sobol() -> None:
    points = sobol(3, 256)
    assert points.shape == (256, 3) and points.min() > 0 and points.max() < 1
    assert np.array_equal(points, sobol(3, 256)) and not np.array_equal(points, sobol(3, 256, seed=1))
    # balanced: one point in each of 256 slices of every axis
    assert all(len(np.unique((256 * column).astype(int))) == 256 for column in points.T)
    with pytest.raises(AssumptionError, match="power of 2"):
        sobol(3, 100)
