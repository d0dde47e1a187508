"""Laws of values: densities against SciPy's, moments, limits, and the points that stand for rows."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

from darkmarket_estimates.bayes import ReviewCount, cells, points, value_law
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
    np.testing.assert_allclose(exponentially_modified(e, sd, b)[0], theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sd,b", [(0.5, 0.01), (1.0, 0.3), (0.02, 3.0)], ids=str)
def test_the_density_integrates_to_one_and_its_exponential_to_a_closed_form(sd, b):
    def density(e, power):
        return float(np.exp(exponentially_modified(e, sd, b)[0] - CONSTANT + power * e))
    edges = [-40 * (sd + b), -9 * sd, -4 * sd, 0.0, 4 * sd, 12 * sd]
    for power, value in ((0, 1.0), (1, math.exp(sd**2 / 2) / (1 + b))):
        mass = sum(integrate.quad(density, low, high, args=(power,), epsabs=0, epsrel=1e-11, limit=400)[0]
                   for low, high in itertools.pairwise(edges))
        assert mass == pytest.approx(value, rel=1e-8)


def test_without_a_tail_it_is_the_normal_law():
    e = np.linspace(-4, 4, 17)
    for b in (1e-6, 1e-12, 1e-100):
        np.testing.assert_allclose(exponentially_modified(e, 0.7, b)[0], stats.norm.logpdf(e, 0, 0.7) + CONSTANT,
                                   atol=10 * b + 1e-11)


def test_without_noise_it_is_the_exponential_law():
    e = np.array([-8.0, -1.0, -0.1])
    np.testing.assert_allclose(exponentially_modified(e, 1e-7, 0.8)[0], stats.expon.logpdf(-e, 0, 0.8) + CONSTANT, rtol=1e-6)


@pytest.mark.parametrize("sd", [1e-6, 0.01, 1.0, 30.0], ids=str)
@pytest.mark.parametrize("b", [1e-12, 0.01, 1.0, 30.0], ids=str)
def test_the_slopes_are_finite_and_right_in_every_corner(sd, b):
    """By e, sd and b, against differences of the value."""
    for e in (-1e3, -3.0, -0.01, 0.0, 0.02, 5.0, 1e3):
        point = np.array([e, sd, b])
        slopes = exponentially_modified(*point)[1:]
        assert np.isfinite(slopes).all()
        step = np.diag([1e-4 * sd, 1e-5 * sd, 1e-5 * b])
        for g, h in zip(slopes, step):
            up, down = (float(exponentially_modified(*(point + s * h))[0]) for s in (1, -1))
            rounding = 1e-13 * (abs(up) + 1 + (math.log(b) ** 2)) / h.max()
            assert g == pytest.approx((up - down) / (2 * h.max()), rel=1e-3, abs=1e-3 + 10 * rounding)


def exact_slopes(e, sd, b):
    """By Laplace's continued fraction of the hazard of the normal law, in which nothing cancels, above u = 3."""
    z, ratio = e / sd, sd / b
    u = z + ratio
    if u >= 3:
        t = u
        for k in range(400, 1, -1):
            t = u + k / t
        t -= u  # 2 / (u + 3 / (u + ...))
        w, q = 1 / (u + t), t / (u + t)
        tail = -u * u / 2 - math.log((u + w) * math.sqrt(2 * math.pi))
    else:
        w = stats.norm.pdf(u) / stats.norm.sf(u) - u
        q, tail = 1 - u * w, stats.norm.logsf(u)
    value = CONSTANT - math.log(b) + ratio * (ratio / 2 + z) + tail
    return value, -(z + w) / sd, (z * z - w * (ratio - z)) / sd, (-q - z * w) / b


@pytest.mark.parametrize("u", [-30.0, -8.5, -7.9, -1.0, 0.0, 3.0, 12.0, 49.0, 51.0, 90.0, 400.0], ids=str)
def test_the_slopes_have_ten_digits_on_both_sides_of_every_branch(u):
    sd = 0.8
    for b in (0.3, 0.01):
        e = (u - sd / b) * sd
        terms = [(sd / b) ** 2 + u * u, (1 + abs(u)) / sd, (1 + u * u) / sd, (1 + u * u) / b]  # no more digits than theirs
        for ours, theirs, size in zip(exponentially_modified(e, sd, b), exact_slopes(e, sd, b), terms, strict=True):
            assert ours == pytest.approx(theirs, rel=1e-10, abs=1e-15 * size)


@pytest.mark.parametrize("b", [0.02, 1e-3, 1e-6], ids=str)
def test_a_short_tail_moves_the_log_density_by_its_cumulants(b):
    """To the second order, sd being 1: f = -z^2 / 2 - b z + b^2 (z^2 - 2) / 2."""
    for z in (-1.5, 0.3, 2.0):
        _, by_e, by_sd, by_b = exponentially_modified(z, 1.0, b)
        assert by_e == pytest.approx(-z - b + b * b * z, abs=20 * b**3 + 1e-9)
        assert by_sd == pytest.approx(z * z - 1 + 2 * b * z, abs=20 * b**2 + 1e-9)
        assert by_b == pytest.approx(-z + b * (z * z - 2), abs=20 * b**2 + 1e-9)


def test_the_gradient_of_points_is_that_of_the_sum():
    rng = np.random.default_rng(2)
    mean, v, y, n = rng.normal(size=6), rng.uniform(0.3, 2, 6), rng.normal(size=6), rng.uniform(1, 3, 6)
    b, h = 0.4, 1e-6

    def value(mean=mean, v=v, b=b):
        return value_law.lower_tail(mean, v, b, y, n)[0]
    _, by_mean, by_v, by_b = value_law.lower_tail(mean, v, b, y, n)
    likelihood = VALUE_LAWS["lower"].log_likelihood({"value_log": y, "value_n": n}, mean, v, {"value_lower_tail": b})
    assert value() == pytest.approx(likelihood.sum(), rel=1e-14)
    for j, step in enumerate(h * np.eye(6)):
        assert by_mean[j] == pytest.approx((value(mean=mean + step) - value(mean=mean - step)) / (2 * h), rel=1e-6)
        assert by_v[j] == pytest.approx((value(v=v + step) - value(v=v - step)) / (2 * h), rel=1e-6)
    assert by_b == pytest.approx((value(b=b + h) - value(b=b - h)) / (2 * h), rel=1e-6)


@pytest.mark.parametrize("name", VALUE_LAWS)
def test_the_model_has_the_likelihood_of_the_arrays(name):
    """The potential as a graph, and its gradient by V, against the sum and differences of it."""
    import pytensor.tensor as pt
    from pymc.pytensorf import compile as compile_fn

    rng = np.random.default_rng(3)
    a = {k: rng.uniform(1, 3, 5) for k in ("value_log", "value_n", "value_sum")}
    a["value_square"] = a["value_sum"] ** 2 / a["value_n"] + 1
    p, mean, v = {k: P[k] for k in VALUE_LAWS[name].parameters}, rng.uniform(1, 3, 5), rng.uniform(0.4, 1, 5)
    v_ = pt.dvector("v")
    value = VALUE_LAWS[name].potential({k: pt.as_tensor_variable(x) for k, x in a.items()}, pt.as_tensor_variable(mean), v_,
                                       {k: pt.as_tensor_variable(x) for k, x in p.items()})
    ours, slope = compile_fn([v_], [value, pt.grad(value, v_)], mode="FAST_COMPILE")(v)

    def total(v):
        return VALUE_LAWS[name].log_likelihood(a, mean, v, p).sum()
    assert float(ours) == pytest.approx(total(v), rel=1e-12)
    for j, step in enumerate(1e-6 * np.eye(5)):
        assert slope[j] == pytest.approx((total(v + step) - total(v - step)) / 2e-6, rel=1e-6, abs=1e-7)


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
    mean = value_law.log_mean(p, x, a.get("value_top", np.maximum(x - bend, 0)), np.exp(-x - centre))
    return VALUE_LAWS["lower"].log_likelihood(a, mean, value_law.variance(p, x, a["value_inverse"]), p).sum()


@pytest.mark.parametrize("n,near", [(400, 1e-7), (5_000, 1e-4), (60_000, 5e-4)], ids=str)
def test_points_have_the_likelihood_of_the_rows(n, near):
    """Differences between parameters 1.5 posterior standard deviations away, which move it by 1 or so, are kept.

    The standard deviations are those that 60,000 vendors leave, times the root of 60,000 / n.
    """
    v, centre, bend = market(n)
    some = points.value_points(v, centre, bend)
    assert len(some["value_n"]) < 3_000
    rows = {"value_size": np.log(v.reviews) - centre, "value_inverse": 1 / v.reviews, "value_n": np.ones(n),
            "value_log": np.log(v.row_value / v.row_reviews)}
    sd = {"value_level": 0.018, "value_slope": 0.013, "value_bend": 0.035, "value_few": 0.045, "value_sd": 0.015,
          "value_sd_slope": 0.01, "review_sd": 0.06, "value_lower_tail": 0.01}
    for name, step in sd.items():
        moved = {**P, name: P[name] + 1.5 * step * math.sqrt(60_000 / n)}
        ours, theirs = (log_likelihood(a, bend, centre, moved) - log_likelihood(a, bend, centre, P) for a in (some, rows))
        assert ours == pytest.approx(theirs, abs=near * max(1.0, abs(theirs)))


def test_the_bend_is_where_half_of_the_reviews_are():
    v, centre, bend = market(60_000)
    size = np.log(v.reviews) - centre
    assert v.reviews[size > bend + 1e-12].sum() <= v.reviews.sum() / 2 < v.reviews[size >= bend - 1e-12].sum()
    some = points.value_points(v, centre, bend)
    # no cell crosses it: the vendors above it, and the part of their size that is, add up to those of the rows
    assert some["value_n"] @ some["value_top"] == pytest.approx(np.maximum(size - bend, 0).sum(), rel=1e-10)
    assert some["value_n"] @ (some["value_top"] * some["value_log"]) == pytest.approx(
        np.maximum(size - bend, 0) @ np.log(v.row_value / v.row_reviews), rel=1e-10)
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
