"""The sampler's coordinates change no posterior: same density, same draws in any number of processes, priors unchanged."""

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates.bayes import (
    HalfNormal,
    LogNormal,
    Normal,
    _arviz,
    calibration,
    cells,
    coordinates,
    law_coordinates,
    sampling,
)
from tests.bayes.markets import vendors

PRIORS = {"size_centre": Normal(1.5, 2.0), "size_sd": LogNormal(1.0, 0.5), "upper_tail": HalfNormal(0.4, 0.95),
          "lower_tail": HalfNormal(1.5)}


def bent_model():
    """Two parameters on a ridge, one of them positive."""
    import pymc as pm

    with pm.Model() as model:
        shift = pm.Data("shift", np.array(0.0))
        a = pm.Normal("a", 0.0, 1.0)
        b = pm.HalfNormal("b", 1.0)
        pm.Potential("ridge", -0.5 * ((a + b - shift) / 0.05) ** 2)
    return model


@pytest.fixture(scope="module")
def bent():
    model = bent_model()
    return model, sampling.compiled_step(model)


def test_the_density_is_that_of_the_model_up_to_a_constant(bent):
    model, step = bent
    own = model.logp_dlogp_function(ravel_inputs=True)
    own.set_extra_values({})
    rng = np.random.default_rng(1)
    step.standard.put(np.array([0.3, -0.2]), np.array([[0.5, 0.1], [-0.4, 0.7]]), normal=True)
    z = rng.standard_normal((4, 2))
    x = np.array([0.3, -0.2]) + z @ np.array([[0.5, 0.1], [-0.4, 0.7]]).T
    ours, theirs = [step.density(row) for row in z], [own(row) for row in x]
    gaps = [float(a[0]) - float(b[0]) for a, b in zip(ours, theirs, strict=True)]
    np.testing.assert_allclose(gaps, gaps[0], rtol=1e-9)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a[1], np.array([[0.5, 0.1], [-0.4, 0.7]]).T @ b[1], rtol=1e-8)


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_at_the_mode_the_density_is_standard_normal(bent, shift):
    """Placed anew for the data that the model holds: gradient 0 and curvature 1."""
    import pymc as pm

    model, step = bent
    pm.set_data({"shift": np.array(shift)}, model=model)
    with sampling.quiet():
        step.standard.place(step.density)
    assert step.standard.normal
    np.testing.assert_allclose(step.density(np.zeros(2))[1], 0.0, atol=0.02)
    h = 1e-3
    second = [(step.density(h * e)[1] - step.density(-h * e)[1]) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(second, -np.eye(2), atol=0.02)


def test_the_posterior_is_right_on_the_ridge(bent):
    """a + b is nearly 3 and b is half normal: b given a + b = 3 has the density of N(3 / 2, 1 / 2) above 0."""
    import pymc as pm

    model, step = bent
    pm.set_data({"shift": np.array(3.0)}, model=model)
    draws = _arviz.flat_draws(sampling.sample(model, draws=800, chains=2, rng=np.random.default_rng(2), step=step,
                                              cores=1, progress=False))
    assert set(draws) == {"a", "b"}
    law = stats.truncnorm(-1.5 / np.sqrt(0.5), np.inf, 1.5, np.sqrt(0.5))
    assert draws["b"].mean() == pytest.approx(law.mean(), abs=4 * law.std() / np.sqrt(400))
    assert draws["b"].std() == pytest.approx(law.std(), rel=0.12)
    np.testing.assert_allclose(draws["a"] + draws["b"], 3.0, atol=0.3)


def test_a_used_step_draws_the_same_in_two_processes(bent):
    """PyMC starts to adapt anew in one process alone: in others a used step kept its last step size, and stood still."""
    import pymc as pm

    model, step = bent
    pm.set_data({"shift": np.array(1.0)}, model=model)
    sampling.sample(model, draws=2, tune=2, chains=1, rng=np.random.default_rng(0), step=step, cores=1, progress=False)
    one, two = (_arviz.flat_draws(sampling.sample(model, draws=50, tune=60, chains=2, rng=np.random.default_rng(4), step=step,
                                                  cores=cores, progress=False)) for cores in (1, 2))
    assert np.unique(one["a"]).size > 50
    np.testing.assert_array_equal(one["a"], two["a"])


def test_without_a_mode_the_model_samples_in_its_own_coordinates():
    """Flat between two walls: there is no curvature to stand on."""
    import pymc as pm

    with pm.Model() as model:
        a = pm.Flat("a", initval=0.0)
        pm.Normal("b", 0.0, 1.0)
        pm.Potential("wall", -pm.math.log1pexp(50 * (pm.math.abs(a) - 1)) )
    step = sampling.compiled_step(model)
    draws = _arviz.flat_draws(sampling.sample(model, draws=300, tune=300, chains=2, rng=np.random.default_rng(1), step=step,
                                              cores=1, progress=False))
    assert not step.standard.normal
    assert np.abs(draws["a"]).max() < 1.5
    assert draws["a"].std() == pytest.approx(1 / np.sqrt(3), rel=0.15)


def test_starts_are_wider_than_the_posterior(bent):
    _, step = bent
    with sampling.quiet():
        step.standard.place(step.density)
    z = np.array([s[coordinates.COORDINATES] for s in step.standard.starts(step.density, 2000, np.random.default_rng(1))])
    assert z.std() == pytest.approx(coordinates.START_SD, rel=0.05)


def test_other_data_have_other_coordinates(flexible):
    """What SBC relies on: the mode of each data set, with one compiled function."""
    calibration.put(flexible.model, flexible.data)
    with sampling.quiet():
        flexible.step.standard.place(flexible.step.density)
        first = flexible.step.standard.centre.get_value().copy()
        calibration.put(flexible.model, flexible.spec.data(vendors(seed=2)))
        flexible.step.standard.place(flexible.step.density)
    assert flexible.step.standard.normal
    assert np.abs(first - flexible.step.standard.centre.get_value()).max() > 0.01


# -- the flexible law of sizes --------------------------------------------------------------------------------------------


def log_prior(c, s, u, low):
    """Of (c, s, u, l) by SciPy."""
    return (stats.norm.logpdf(c, 1.5, 2.0) + stats.lognorm.logpdf(s, 0.5) + stats.halfnorm.logpdf(u, scale=0.4)
            + stats.halfnorm.logpdf(low, scale=1.5))


@pytest.mark.parametrize("units", [{}, {"upper_tail_unit": np.array(0.1), "lower_tail_unit": np.array(0.4)}],
                         ids=["long", "short"])
def test_body_and_tails_have_the_density_of_their_priors(units):
    """Density in the sampler's coordinates = density of the priors times the Jacobian determinant, by differences."""
    import pymc as pm

    with pm.Model() as model:
        law_coordinates.body_and_tails(PRIORS, units)
    values = model.value_vars
    shown = {v.name: v for v in model.deterministics}
    with sampling.quiet():
        density = pm.compile(values, model.logp(), mode="FAST_COMPILE")
        back = pm.compile(values, model.replace_rvs_by_values([shown[name] for name in PRIORS]), mode="FAST_COMPILE")
    rng = np.random.default_rng(5)
    order = [v.name for v in values]
    gaps = []
    for _ in range(12):
        x = np.array([{"size_mean_": 1.5, "size_spread_": 0.3}.get(name, 0.0) for name in order]) + 0.7 * rng.standard_normal(4)
        h = 1e-5
        jacobian = np.array([(np.array(back(*(x + h * e))) - np.array(back(*(x - h * e)))) / (2 * h) for e in np.eye(4)])
        c, s, u, low = map(float, back(*x))
        assert s > 0
        assert 0 < u < 0.95
        assert low > 0
        gaps.append(float(density(*x)) - log_prior(c, s, u, low) - np.linalg.slogdet(jacobian)[1])
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-5)


def centre_body_and_tails():
    """A function from a point in the sampler's coordinates to c, s, u and l."""
    import pymc as pm

    with pm.Model() as model:
        law_coordinates.body_and_tails(PRIORS)
    shown = {v.name: v for v in model.deterministics}
    with sampling.quiet():
        back = pm.compile(model.value_vars, model.replace_rvs_by_values([shown[name] for name in PRIORS]), mode="FAST_COMPILE")
    return lambda point: [float(x) for x in back(*(point[v.name] for v in model.value_vars))]


def test_centre_and_body_by_hand():
    """c = m - u + w arctan(l / w); s by q = 1 - e^(-2t) [u^2 + l^2 / (1 + l^2 / v^2)], where tails are much of the spread."""
    m, t = 1.2, 0.1
    c, s, u, low = centre_body_and_tails()({"size_mean_": m, "size_spread_": t, "upper_tail_": 0.5, "lower_tail_": 1.5})
    q = 1 - np.exp(-2 * t) * (u**2 + low**2 / (1 + low**2 / 0.9**2))
    assert c == pytest.approx(m - u + 1.5 * np.arctan(low / 1.5), rel=1e-12)
    assert s == pytest.approx(np.exp(t) * np.sqrt((q + np.sqrt(q**2 + 4 * 0.05**2)) / 2), rel=1e-12)
    assert low > 1.5
    assert 0 < s < np.exp(t) - 0.1


@pytest.mark.parametrize("unit", [np.inf, 0.3, 0.02], ids=str)
@pytest.mark.parametrize("prior", [HalfNormal(2.0), HalfNormal(0.4, 0.95), LogNormal(0.7, 0.5)],
                         ids=["open", "bounded", "log-normal"])
def test_a_positive_parameter_has_its_prior(prior, unit):
    """The density by the coordinate, integrated up to a point, is the prior's distribution function, whatever the unit."""
    import pymc as pm

    with pm.Model() as model:
        law_coordinates.positive("tail", prior, unit)
    with sampling.quiet():
        both = pm.compile(model.value_vars, [model.logp(), *model.replace_rvs_by_values(model.deterministics)],
                          mode="FAST_COMPILE")
    # even steps of the value where its coordinate is long
    end = 8.0 if prior == HalfNormal(2.0) else 4.0
    grid = np.linspace(-9, 9, 2001)
    grid = np.concatenate([grid, 9 + np.geomspace(0.01, (1 + end / min(unit, 0.4)) ** 2, 4000)])
    log_p, value = np.array([both(x) for x in grid], dtype=float).T
    some = np.isfinite(log_p)
    assert np.flatnonzero(~some).size == 0 or log_p[some][-1] < log_p[some].max() - 30
    mass = np.exp(log_p[some] - log_p[some].max())
    cumulative = np.concatenate([[0.0], np.cumsum((mass[1:] + mass[:-1]) / 2 * np.diff(grid[some]))])
    assert (np.diff(value) >= -1e-13).all()
    np.testing.assert_allclose(cumulative / cumulative[-1], prior.cdf(value[some]), atol=3e-4)


@pytest.mark.parametrize("high", [0.95, np.inf], ids=["bounded", "open"])
def test_the_coordinate_of_a_tail_by_hand(high):
    """At 0, S = 1 / sqrt(2 pi); far above it is x, and a [sqrt(1 + 2 x) - 1]; beyond the bound's end it is the bound."""
    import pymc as pm

    with pm.Model() as model:
        law_coordinates.positive("tail", HalfNormal(0.4, high), 0.1)
    with sampling.quiet():
        back = pm.compile(model.value_vars, model.replace_rvs_by_values(model.deterministics), mode="FAST_COMPILE")
    at = [float(np.squeeze(back(x))) for x in (0.0, 12.0, 500.0)]
    assert at[0] == pytest.approx(0.1 * (np.sqrt(1 + 2 / np.sqrt(2 * np.pi)) - 1), rel=1e-12)
    assert at[1] == pytest.approx(0.1 * (np.sqrt(25) - 1), rel=1e-12)
    assert at[2] == pytest.approx(0.95 if high == 0.95 else 0.1 * (np.sqrt(1001) - 1), rel=1e-12)


def units_of(r, m):
    n = len(r)
    return law_coordinates.units(cells.Vendors(r, np.ones(n), np.arange(n), np.zeros(n, dtype=np.int64), r, r * m, 1))


def test_units_by_hand():
    r, m = np.array([1.0, 2.0, 4.0, 8.0]), np.exp([1.0, 2.0, 4.0, 1.0])
    found = units_of(r, m)
    sizes, values = np.log(2) * np.sqrt(1.25), np.std([1.0, 2.0, 4.0, 1.0])
    few = 1 / r
    left = few - np.polyval(np.polyfit(np.log(r), few, 1), np.log(r))
    assert found["upper_tail_unit"] == pytest.approx(1.2 * sizes / 4 ** (1 / 6), rel=1e-12)
    assert found["lower_tail_unit"] == pytest.approx(5 * sizes / 4 ** (1 / 4), rel=1e-12)
    assert found["value_lower_tail_unit"] == pytest.approx(0.57 * values / 4 ** (1 / 6), rel=1e-12)
    assert found["review_sd_unit"] == pytest.approx(values / (left @ left) ** (1 / 4), rel=1e-10)
    assert found["mean_inverse"] == pytest.approx(few.mean(), rel=1e-12)


def test_units_of_equal_vendors_have_no_limit_and_of_none_are_numbers():
    found = units_of(np.full(5, 3.0), np.full(5, 7.0))
    assert {k for k, v in found.items() if np.isinf(v)} == set(found) - {"mean_inverse"}
    assert all(np.isfinite(v) for v in units_of(np.array([]), np.array([])).values())


def absent(unit_factor):
    """Skewness and largest curvature, in standard deviations, of the posterior of a tail that is not there: exp(-n b^6 / 3)."""
    import pymc as pm

    n = 1e5
    with pm.Model() as model:
        b = law_coordinates.positive("tail", HalfNormal(1.0), unit_factor * n ** (-1 / 6))
        pm.Potential("likelihood", -n * b**6 / 3)
    with sampling.quiet():
        density = pm.compile(model.value_vars, model.logp(), mode="FAST_COMPILE")
    x = np.linspace(-8, 40, 9601)
    log_p = np.array([float(density(v)) for v in x])
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    mean, sd = p @ x, np.sqrt(p @ x**2 - (p @ x) ** 2)
    inside = (np.cumsum(p) > 0.001) & (np.cumsum(p) < 0.999)
    return p @ (x - mean) ** 3 / sd**3, (-np.gradient(np.gradient(log_p, x), x) * sd**2)[inside].max()


def test_a_tail_that_is_absent_has_a_nearly_normal_coordinate():
    """Least among units is the largest curvature near that of `units`: it says how small the steps have to be."""
    skewness, curvature = absent(law_coordinates.VALUE)
    assert abs(skewness) < 0.3
    assert curvature < 2.7
    assert min(absent(law_coordinates.VALUE * factor)[1] for factor in (0.25, 4.0)) > curvature


def test_the_spread_stays_the_same_whatever_the_tails():
    """With short tails t is the standard deviation of log rates and m their mean, to the order of the reaches."""
    point = {"size_mean_": 1.2, "size_spread_": 0.4, "upper_tail_": -0.3, "lower_tail_": -1.3}
    c, s, u, low = centre_body_and_tails()(point)
    assert min(u, low) > 0.1
    assert max(u, low) < 0.25
    assert c + u - low == pytest.approx(1.2, abs=low**3 / (3 * law_coordinates.MEAN_REACH**2) * 1.1)
    assert np.sqrt(s**2 + u**2 + low**2) == pytest.approx(np.exp(0.4), rel=0.01)
