"""Laws of values: densities against SciPy's, moments, limits, and the points that stand for rows."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from darkmarket_estimates.bayes import ReviewCount, cells, value_law
from darkmarket_estimates.bayes.value_law import VALUE_LAWS, exponentially_modified
from tests.bayes.markets import RATE

P = {"value_level": 5.0, "value_slope": 0.05, "value_bend": -0.2, "value_few": 0.5, "value_sd": 0.9, "value_sd_slope": -0.05,
     "review_sd": 0.6, "value_lower_tail": 1.07, "heavy_share": 0.08}
#: As `exponentially_modified` leaves it out.
CONSTANT = math.log(2 * math.pi) / 2


@pytest.mark.parametrize("sd,b", [(1.0, 1.0), (0.3, 2.0), (2.0, 0.1), (0.05, 1.5), (0.9, 1.07)], ids=str)
def test_the_density_is_that_of_scipy(sd, b):
    e = np.linspace(-6, 3, 19) * math.hypot(sd, b)
    theirs = stats.exponnorm.logpdf(-e, b / sd, 0, sd) + CONSTANT  # its tail is above
    np.testing.assert_allclose(exponentially_modified(e, sd, b), theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sd,b", [(0.5, 0.01), (1.0, 0.3), (0.02, 3.0)], ids=str)
def test_the_density_integrates_to_one_and_its_exponential_to_a_closed_form(sd, b):
    def density(e, power):
        return float(np.exp(exponentially_modified(e, sd, b) - CONSTANT + power * e))
    edges = [-40 * (sd + b), -9 * sd, -4 * sd, 0.0, 4 * sd, 12 * sd]
    for power, value in ((0, 1.0), (1, math.exp(sd**2 / 2) / (1 + b))):
        mass = sum(integrate.quad(density, low, high, args=(power,), epsabs=0, epsrel=1e-11, limit=400)[0]
                   for low, high in itertools.pairwise(edges))
        assert mass == pytest.approx(value, rel=1e-8)


def test_without_a_tail_it_is_the_normal_law():
    e = np.linspace(-4, 4, 17)
    for b in (1e-6, 1e-12, 1e-100):
        np.testing.assert_allclose(exponentially_modified(e, 0.7, b), stats.norm.logpdf(e, 0, 0.7) + CONSTANT,
                                   atol=10 * b + 1e-11)


def test_without_noise_it_is_the_exponential_law():
    e = np.array([-8.0, -1.0, -0.1])
    np.testing.assert_allclose(exponentially_modified(e, 1e-7, 0.8), stats.expon.logpdf(-e, 0, 0.8) + CONSTANT, rtol=1e-6)


@pytest.mark.parametrize("sd", [1e-6, 0.01, 1.0, 30.0], ids=str)
@pytest.mark.parametrize("b", [1e-12, 0.01, 1.0, 30.0], ids=str)
def test_the_gradient_is_finite_and_right_in_every_corner(sd, b):
    """The same formula as a graph: value and gradient by e, sd and b; the latter against differences of the former."""
    import pytensor.tensor as pt
    from pymc.pytensorf import compile as compile_fn

    inputs = pt.dscalars("e", "sd", "b")
    value = exponentially_modified(*inputs, pt)
    f = compile_fn(list(inputs), [value, *pt.grad(value, list(inputs))], mode="FAST_COMPILE")
    for e in (-1e3, -3.0, -0.01, 0.0, 0.02, 5.0, 1e3):
        point = np.array([e, sd, b])
        log_f, *gradient = map(float, f(*point))
        assert log_f == pytest.approx(float(exponentially_modified(*point)), rel=1e-10, abs=1e-10)
        assert np.isfinite(gradient).all()
        step = np.diag([1e-4 * sd, 1e-5 * sd, 1e-5 * b])
        for g, h in zip(gradient, step):
            up, down = (float(exponentially_modified(*(point + s * h))) for s in (1, -1))
            rounding = 1e-13 * (abs(up) + 1 + (math.log(b) ** 2)) / h.max()
            assert g == pytest.approx((up - down) / (2 * h.max()), rel=1e-3, abs=1e-3 + 10 * rounding)


def test_the_scaled_error_function_is_that_of_scipy():
    x = np.concatenate([np.linspace(0, 60, 241), np.geomspace(20.001, 1e12, 40)])
    np.testing.assert_allclose(value_law.log_erfcx(x), np.log(special.erfcx(x)), rtol=1e-13, atol=2e-12)


@pytest.mark.parametrize("name", VALUE_LAWS)
def test_residuals_have_a_mean_of_one_in_money(name):
    rng = np.random.default_rng(4)
    e = VALUE_LAWS[name].residuals(rng, np.full(400_000, 0.6), P)
    m = np.exp(e)
    assert m.mean() == pytest.approx(1.0, abs=4 * m.std() / math.sqrt(len(m)))


@pytest.mark.parametrize("name", VALUE_LAWS)
def test_residuals_have_the_density_of_the_likelihood(name):
    """Kolmogorov-Smirnov on 20,000 residuals against the integral of the likelihood of one row."""
    law, v = VALUE_LAWS[name], 0.6
    grid = np.linspace(-25, 12, 74_001)
    a = {"value_n": np.ones_like(grid), "value_log": grid, "value_sum": grid, "value_square": grid**2}
    density = np.exp(law.log_likelihood(a, 0.0, v, P) - CONSTANT)
    cumulative = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2) * (grid[1] - grid[0])])
    assert cumulative[-1] == pytest.approx(1.0, abs=1e-6)
    e = law.residuals(np.random.default_rng(5), np.full(20_000, v), P)
    assert stats.kstest(e, lambda x: np.interp(x, grid, cumulative)).pvalue > 0.001


def test_a_lower_tail_has_its_skewness():
    v, b = 0.8**2, 1.1
    e = VALUE_LAWS["lower"].residuals(np.random.default_rng(6), np.full(1_000_000, v), {"value_lower_tail": b})
    assert e.mean() == pytest.approx(-v / 2 + math.log1p(b) - b, abs=4 * math.sqrt((v + b**2) / 1e6))
    assert stats.skew(e) == pytest.approx(-2 * b**3 / (v + b**2) ** 1.5, abs=0.02)


def test_mean_and_variance_by_hand():
    assert value_law.log_mean(P, 1.5, 0.5, 0.25) == pytest.approx(5 + 0.05 * 1.5 - 0.2 * 0.5 + 0.5 * 0.25, rel=1e-14)
    assert value_law.variance(P, 1.5, 0.25) == pytest.approx((0.9 * math.exp(-0.05 * 1.5)) ** 2 + 0.6**2 * 0.25, rel=1e-14)


def market(n, seed=0):
    """Vendors whose values obey the law `P`, with its centre and bend."""
    rng = np.random.default_rng(seed)
    r = np.maximum(rng.poisson(np.exp(rng.normal(1.5, 1.5, n))), 1).astype(float)
    rows = cells.Vendors(r, np.ones(n), np.arange(n), np.zeros(n, dtype=np.int64), r, r, 1)
    centre = cells.log_centre(rows)
    bend = cells.log_bend(rows, centre)
    x = np.log(r) - centre
    mean = value_law.log_mean(P, x, np.maximum(x - bend, 0), 1 / r)
    log_m = mean + VALUE_LAWS["lower"].residuals(rng, value_law.variance(P, x, 1 / r), P)
    return cells.Vendors(r, np.ones(n), np.arange(n), rows.row_group, r, r * np.exp(log_m), 1), centre, bend


def log_likelihood(a, bend, centre, p):
    x = a["value_size"]
    mean = value_law.log_mean(p, x, np.maximum(x - bend, 0), np.exp(-x - centre))
    return VALUE_LAWS["lower"].log_likelihood(a, mean, value_law.variance(p, x, a["value_inverse"]), p).sum()


@pytest.mark.parametrize("n,near", [(400, 1e-7), (5_000, 1e-4), (60_000, 5e-3)], ids=str)
def test_points_have_the_likelihood_of_the_rows(n, near):
    """Differences between parameters 1.5 posterior standard deviations away, which move it by 1 or so, are kept.

    The standard deviations are those that 60,000 vendors leave, times the root of 60,000 / n.
    """
    v, centre, bend = market(n)
    points = cells.value_points(v, centre, bend)
    assert len(points["value_n"]) < 6_000
    rows = {"value_size": np.log(v.reviews) - centre, "value_inverse": 1 / v.reviews, "value_n": np.ones(n),
            "value_log": np.log(v.row_value / v.row_reviews)}
    sd = {"value_level": 0.018, "value_slope": 0.013, "value_bend": 0.035, "value_few": 0.045, "value_sd": 0.015,
          "value_sd_slope": 0.01, "review_sd": 0.06, "value_lower_tail": 0.01}
    for name, step in sd.items():
        moved = {**P, name: P[name] + 1.5 * step * math.sqrt(60_000 / n)}
        ours, theirs = (log_likelihood(a, bend, centre, moved) - log_likelihood(a, bend, centre, P) for a in (points, rows))
        assert ours == pytest.approx(theirs, abs=near * max(1.0, abs(theirs)))


def test_the_bend_is_where_half_of_the_reviews_are():
    v, centre, bend = market(60_000)
    size = np.log(v.reviews) - centre
    assert v.reviews[size > bend + 1e-12].sum() <= v.reviews.sum() / 2 < v.reviews[size >= bend - 1e-12].sum()
    points = cells.value_points(v, centre, bend)
    # no cell crosses it: the vendors above it, and the part of their size that is, add up to those of the rows
    ours = points["value_n"] @ np.maximum(points["value_size"] - bend, 0)
    assert ours == pytest.approx(np.maximum(size - bend, 0).sum(), rel=2e-4)  # points of a cell may
    sums = cells.value_cells(v, centre, bend)
    assert sums["value_n"] @ np.maximum(sums["value_size"] - bend, 0) == pytest.approx(np.maximum(size - bend, 0).sum(), rel=1e-9)


def test_real_prices_are_what_the_default_is_for():
    assert ReviewCount(review_rate=RATE).value_tails == "lower"


def test_normal_values_in_cells_are_those_of_the_rows():
    # the slope above the bend stands on few vendors: classes 10 % wide moved its mode by 0.12 standard deviations
    rng = np.random.default_rng(3)
    r = rng.poisson(rng.gamma(0.7, 15.0, 2500)).astype(float)
    r = r[r > 0]
    n = len(r)
    v = cells.Vendors(reviews=r, exposure=np.ones(n), row_vendor=np.arange(n), row_group=np.zeros(n, dtype=np.int64),
                      row_reviews=r, row_value=r * np.exp(rng.normal(4 + 0.1 * np.log(r), 1)), n_groups=1)
    centre = cells.log_centre(v)
    bend = cells.log_bend(v, centre)
    size, law = np.log(r) - centre, value_law.VALUE_LAWS["normal"]
    log_m = np.log(v.row_value / r)
    rows = {"value_n": np.ones(n), "value_sum": log_m, "value_square": log_m**2, "value_size": size, "value_inverse": 1 / r}
    centres = {"value_level": 4.7, "value_slope": 0.1, "value_bend": 0.0, "value_few": 0.0, "value_sd": 1.0,
               "value_sd_slope": 0.0, "review_sd": 0.3}
    spread = np.array([0.06, 0.04, 0.1, 0.1, 0.02, 0.02, 0.2])

    def log_likelihood(a, p):
        variance = value_law.variance(p, a["value_size"], a["value_inverse"])
        mean = value_law.log_mean(p, a["value_size"], np.maximum(a["value_size"] - bend, 0), a["value_inverse"])
        return float(law.log_likelihood(a, mean, variance, p).sum())

    a = law.cells(v, centre, bend)
    draws = [dict(zip(centres, draw, strict=True)) for draw in (
        np.array(list(centres.values())) + spread * rng.standard_normal((100, 7)))]
    apart = np.array([log_likelihood(a, p) - log_likelihood(rows, p) for p in draws])
    assert apart.std() < 0.01 and len(a["value_n"]) < 200
