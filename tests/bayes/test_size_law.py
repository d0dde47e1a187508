import itertools

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

from darkmarket_estimates.bayes.size_law import (
    SHAPE,
    FlexibleSizes,
    GammaSizes,
    count_nodes,
    log_erfcx,
    log_negative_binomial,
    normal_laplace,
    one_or_more,
)

FLEXIBLE = FlexibleSizes.covering(300.0, 1.0)
DRAW = {"size_centre": np.array([1.2]), "size_sd": np.array([0.8]), "upper_tail": np.array([0.4]), "lower_tail": np.array([0.9]),
        "size_mean": np.array([12.0]), "size_shape": np.array([0.6])}


@pytest.mark.parametrize("shape,mean", [(6.25, 3.0), (0.4, 80.0), (2.0, 1e5)], ids=str)
def test_the_kernel_is_negative_binomial(shape, mean):
    r = np.array([0, 1, 2, 17, 400, 1_000_000])
    np.testing.assert_allclose(log_negative_binomial(r, shape, mean), stats.nbinom.logpmf(r, shape, shape / (shape + mean)),
                               rtol=1e-8)


@pytest.mark.parametrize("sd,upper,lower", [(1.0, 0.5, 0.7), (0.3, 0.9, 0.1), (2.0, 0.05, 3.0)], ids=str)
def test_the_density_of_log_sizes_is_the_convolution(sd, upper, lower):
    def density(x):
        def laplace(t):
            return np.exp(-t / upper) if t >= 0 else np.exp(t / lower)
        part = [integrate.quad(lambda t: laplace(t) * stats.norm.pdf(x - 0.5 - t, 0, sd), a, b, epsabs=0, epsrel=1e-11,
                               limit=400)[0] for a, b in ((-40, 0), (0, 40))]
        return np.log(sum(part))

    x = np.array([-2.0, 0.5, 1.7, 4.0])
    ours = normal_laplace(x, 0.5, sd, upper, lower)
    theirs = np.array([density(v) for v in x])
    np.testing.assert_allclose(ours - ours[0], theirs - theirs[0], rtol=1e-8, atol=1e-8)


def test_the_density_stays_finite_far_out():
    x = np.linspace(-60, 60, 13)
    for upper, lower in ((1e-3, 1e-3), (0.95, 5.0)):
        assert np.isfinite(normal_laplace(x, 0.0, 0.1, upper, lower)).all()


def test_the_scaled_error_function_is_that_of_scipy():
    x = np.concatenate([np.linspace(0, 60, 241), np.geomspace(20.001, 1e12, 40)])
    np.testing.assert_allclose(log_erfcx(x), np.log(special.erfcx(x)), rtol=1e-13, atol=2e-12)


@pytest.mark.parametrize("tail", [1e-5, 1e-9, 1e-60, 1e-200], ids=str)
def test_a_tail_of_next_to_nothing_is_none(tail):
    """To rounding: a^2 e-16 of it would be as much as millions of vendors have to say."""
    x = np.linspace(-4, 9, 60)
    ours = normal_laplace(x, 1.0, 1.3, tail, tail)
    theirs = stats.norm.logpdf(x, 1.0, 1.3)
    np.testing.assert_allclose(ours - ours[30], theirs - theirs[30], atol=1e-12 + 40 * tail)


@pytest.mark.parametrize("tails", [(0.3, 0.5), (1e-4, 2.0), (1e-8, 1e-3), (0.9, 1e-30)], ids=str)
def test_the_graph_has_the_log_density_and_its_slopes(tails):
    import pytensor.tensor as pt
    from pymc.pytensorf import compile as compile_fn

    x = np.linspace(-3, 8, 12)
    inputs = pt.dscalars("c", "s", "u", "l")
    weight = np.linspace(-1, 1, 12)  # sums to 0, as constants do not matter
    value = (weight * normal_laplace(x, *inputs, xp=pt)).sum()
    f = compile_fn(list(inputs), [value, *pt.grad(value, list(inputs))], mode="FAST_COMPILE")
    point = np.array([1.0, 1.3, *tails])
    found, *slopes = map(float, f(*point))

    def total(p):
        return float(weight @ normal_laplace(x, *p))
    assert found == pytest.approx(total(point), rel=1e-10)
    for slope, h in zip(slopes, np.diag(1e-5 * point)):
        rounding = 1e-12 * (1 + abs(found)) / h.max()
        assert slope == pytest.approx((total(point + h) - total(point - h)) / (2 * h.max()), rel=1e-4, abs=1e-5 + rounding)


@pytest.mark.parametrize("law", [FLEXIBLE, GammaSizes(300.0)], ids=["flexible", "gamma"])
def test_probabilities_sum_to_one_and_to_the_mean(law):
    r, weight = count_nodes(law.largest_count(1.0))
    p = law.probabilities(DRAW, r, np.ones_like(r))[0]
    none = law.probabilities(DRAW, np.zeros(1), np.ones(1))[0, 0]
    assert none + p @ weight == pytest.approx(1.0, abs=2e-7)
    mean = 12.0 if isinstance(law, GammaSizes) else law.weights(DRAW)[0] @ np.exp(law.log_rates)
    assert p @ (weight * r) == pytest.approx(mean, rel=1e-6)


def test_the_rule_for_sums_is_as_good_as_the_sum():
    r, weight = count_nodes(20_000.0)
    every = np.arange(1.0, 20_001.0)
    for mean in (5.0, 300.0, 2000.0):
        def h(x, mean=mean):
            return np.exp(log_negative_binomial(x, SHAPE, mean)) * x**1.1
            assert weight @ h(r) == pytest.approx(h(every).sum(), rel=1e-5)


def test_a_short_rule_is_the_sum_itself():
    r, weight = count_nodes(150.0)
    assert r[-1] == 200
    assert (weight == 1).all()


@pytest.mark.parametrize("law", [FLEXIBLE, GammaSizes(300.0)], ids=["flexible", "gamma"])
def test_samples_have_the_probabilities(law):
    n = 40_000
    r = law.sample(np.random.default_rng(5), DRAW, np.ones(n), n)
    p = law.probabilities(DRAW, np.arange(12.0), np.ones(12))[0]
    expected = np.append(p, 1 - p.sum()) * n
    counts = np.append(np.bincount(r, minlength=12)[:12], (r >= 12).sum())
    assert stats.chisquare(counts, expected).pvalue > 0.001


@pytest.mark.parametrize("law", [FLEXIBLE, GammaSizes(300.0)], ids=["flexible", "gamma"])
def test_samples_of_vendors_with_reviews_are_truncated(law):
    n = 40_000
    exposure = np.full(n, 0.05)
    r = law.sample_some(np.random.default_rng(6), DRAW, exposure)
    p = law.probabilities(DRAW, np.arange(6.0), np.full(6, 0.05))[0]
    p = p[1:] / (1 - p[0])
    counts = np.append(np.bincount(r.astype(int), minlength=6)[1:6], (r >= 6).sum())
    assert stats.chisquare(counts, np.append(p, 1 - p.sum()) * n).pvalue > 0.001


def test_one_or_more_of_next_to_nothing_is_one():
    assert (one_or_more(np.random.default_rng(0), 2.0, np.full(100, 1e-9)) == 1).all()


def test_rates_are_a_unit_of_exposure():
    both = FlexibleSizes.covering(300.0, 10.0)
    twice = both.probabilities(DRAW, np.array([7.0]), np.array([2.0]))
    scaled = FlexibleSizes(both.log_rates + np.log(2))
    moved = {**DRAW, "size_centre": DRAW["size_centre"] + np.log(2)}
    assert scaled.probabilities(moved, np.array([7.0]), np.array([1.0])) == pytest.approx(twice, rel=1e-12)


def test_the_grid_reaches_beyond_the_largest_rate():
    assert np.exp(FLEXIBLE.log_rates[-1]) == pytest.approx(300 * np.exp(4))
    assert np.exp(FLEXIBLE.log_rates[0]) <= 0.02


TARGETS = {"log-normal": lambda x: stats.norm.logpdf(x, 1.5, 1.5), "pareto": lambda x: np.where(x > 1, -1.5 * (x - 1), -np.inf),
           "gamma": lambda x: 0.5 * x - 0.5 * np.exp(x) / 20}


@pytest.mark.parametrize("target,near", [("log-normal", 1e-4), ("pareto", 4e-3), ("gamma", 2e-3)])
def test_the_mixture_comes_close_to_the_laws_that_it_should_hold(target, near):
    """Kullback-Leibler divergence of counts, those above 200 as one: what a vendor tells of the difference."""
    x = np.linspace(-6, 11, 1701)
    w = np.exp(TARGETS[target](x))
    r = np.arange(200.0)
    truth = np.exp(r[:, None] * x - np.exp(x) - special.gammaln(r + 1)[:, None]) @ w / w.sum()
    truth = np.append(truth, 1 - truth.sum())
    grid = FlexibleSizes.covering(3000.0, 1.0)

    def gap(theta):
        draw = {"size_centre": theta[:1], "size_sd": np.exp(theta[1:2]), "upper_tail": 0.95 * special.expit(theta[2:3]),
                "lower_tail": np.exp(theta[3:])}
        p = grid.probabilities(draw, r, np.ones_like(r))[0]
        return float(truth @ (np.log(truth) - np.log(np.append(p, max(1 - p.sum(), 1e-12)))))

    start = {"log-normal": [1.5, 0.3, -1.0, -1.5], "pareto": [1.2, -1.5, 0.8, -2.0], "gamma": [4.0, -0.4, -6.0, 0.9]}[target]
    best = optimize.minimize(gap, np.array(start), method="Nelder-Mead", options={"maxiter": 400})
    assert -1e-9 <= best.fun < near


@pytest.mark.parametrize("sd", [1e-3, 0.1, 10.0], ids=str)
def test_slopes_are_finite_where_a_density_is_zero_in_floats(sd):
    """Far from a narrow law both of its sides are: their shares in the sum were 0 / 0, and a first look by ADVI ended there."""
    import pytensor
    import pytensor.tensor as pt

    inputs = pt.dscalars("centre", "sd", "upper", "lower")
    log_f = normal_laplace(np.linspace(-6, 12, 40), *inputs, xp=pt)
    slopes = pytensor.function(inputs, [log_f, *pytensor.grad(log_f.mean(), inputs)], mode="FAST_COMPILE")
    for centre, upper, lower in itertools.product((-5.0, 3.0, 30.0), (1e-12, 1e-3, 0.9), (1e-12, 1e-3, 1.0, 300.0)):
        assert all(np.isfinite(x).all() for x in slopes(centre, sd, upper, lower)), (centre, upper, lower)
