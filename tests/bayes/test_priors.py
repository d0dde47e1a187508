import math

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates.bayes import CountPriors, HalfNormal, Known, LogNormal, Normal
from darkmarket_estimates.bayes.priors import as_prior
from darkmarket_estimates.errors import AssumptionError

PRIORS = {"normal": (Normal(1.0, 2.0), stats.norm(1, 2)), "half": (HalfNormal(1.5), stats.halfnorm(scale=1.5)),
          "cut": (HalfNormal(0.4, 0.95), stats.truncnorm(0, 0.95 / 0.4, scale=0.4)),
          "log": (LogNormal(2.0, 0.5), stats.lognorm(0.5, scale=2.0))}


@pytest.mark.parametrize("name", PRIORS)
def test_cdf_is_that_of_scipy(name):
    ours, theirs = PRIORS[name]
    x = np.linspace(-1, 4, 41)
    np.testing.assert_allclose(ours.cdf(x), theirs.cdf(x), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", PRIORS)
def test_draws_have_the_law(name):
    ours, theirs = PRIORS[name]
    assert stats.kstest(ours.draw(np.random.default_rng(3), 4000), theirs.cdf).pvalue > 0.001


@pytest.mark.parametrize("name", PRIORS)
def test_the_variable_of_the_model_has_the_same_density(name):
    import pymc as pm

    ours, theirs = PRIORS[name]
    with pm.Model() as model:
        variable = ours.variable("x")
    for x in (0.2, 0.7):
        assert pm.logp(variable, x).eval() == pytest.approx(theirs.logpdf(x), rel=1e-7)
    assert model.free_RVs


def test_known_is_a_constant():
    import pymc as pm

    with pm.Model() as model:
        x = Known(3.0).variable("x")
    assert not model.free_RVs
    assert float(x.eval()) == 3.0
    assert Known(3.0).draw(np.random.default_rng(1), 2).tolist() == [3.0, 3.0]
    assert Known(3.0).cdf([2.9, 3.0]).tolist() == [0.0, 1.0]


IMPOSSIBLE = {
    "mean": lambda: Normal(math.nan, 1), "sd": lambda: Normal(0, 0), "negative": lambda: HalfNormal(-1),
    "cut at 0": lambda: HalfNormal(1, 0), "median": lambda: LogNormal(0, 1), "sd of log": lambda: LogNormal(1, 0),
    "text": lambda: Known("1"), "no prior": lambda: as_prior("x", "a", positive=False),
    "normal for positive": lambda: CountPriors(size_sd=Normal(0, 1)), "below 0": lambda: CountPriors(value_sd=-1),
    "text for a prior": lambda: CountPriors(size_centre="big"),
}


@pytest.mark.parametrize("make", IMPOSSIBLE)
def test_impossible_priors_are_refused(make):
    with pytest.raises(AssumptionError):
        IMPOSSIBLE[make]()
