"""Laws of order values: against numerical integration, and four summaries at once."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from darkmarket_estimates.errors import AssumptionError
from darkmarket_estimates.published import compare_order_values, fit_order_values, plot_order_values
from darkmarket_estimates.published.order_values import orders_for_maximum
from darkmarket_estimates.published.size_laws import FAMILIES, SizeLaw

SCIPY = {
    "lognormal": lambda m, s: stats.lognorm(s, scale=m * np.exp(-s * s / 2)),
    "gamma": lambda m, s: stats.gamma(s**-2, scale=m * s**2),
    "weibull": lambda m, s: stats.weibull_min(1 / s, scale=m / special.gamma(1 + s)),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [0.3, 0.97, 1.8])
def test_laws_against_scipy_and_integration(family, shape):
    law, other = SizeLaw(family=family, mean=75, shape=shape), SCIPY[family](75, shape)
    x = np.array([1.0, 40, 75, 200, 973])
    np.testing.assert_allclose(law.cdf(x), other.cdf(x), rtol=1e-10)
    np.testing.assert_allclose(law.sf(x), other.sf(x), rtol=1e-9)
    assert other.mean() == pytest.approx(75)
    for edge in (40, 200):
        below = integrate.quad(lambda t: t * other.pdf(t), 1e-9, edge, limit=400)[0] / 75
        assert law.money_above(edge) == pytest.approx(1 - below, abs=1e-6)
    assert law.cdf(0.0) == 0 and law.sf(0.0) == 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("threshold", "share"), [(200, 0.3), (200, 0.05), (50, 0.9), (1000, 0.25)])
def test_the_fit_has_what_was_asked_for(family, threshold, share):
    law = fit_order_values(mean=75, threshold=threshold, money_above=share, family=family)
    assert law.money_above(threshold) == pytest.approx(share, rel=1e-9) and law.mean == 75
    doubled = fit_order_values(mean=150, threshold=2 * threshold, money_above=share, family=family)
    assert doubled.shape == pytest.approx(law.shape, rel=1e-9)


def test_lognormal_by_hand():
    """(ln(75/200) + s^2/2) / s = Phi^-1(0.3) in closed form."""
    z = stats.norm.ppf(0.3)
    s = z + np.sqrt(z * z - 2 * np.log(75 / 200))
    law = fit_order_values(mean=75, threshold=200, money_above=0.3)
    assert law.shape == pytest.approx(s, rel=1e-10)
    assert float(law.sf(200)) == pytest.approx(stats.norm.sf((np.log(200 / 75) + s * s / 2) / s), rel=1e-10)


def test_cryptodrug_has_such_distributions():
    frame = compare_order_values(mean=75, threshold=200, money_above=0.3, orders_above_limit=0.10, maximum=973)
    assert frame["has_all_four"].all() and frame["family"].tolist() == list(FAMILIES)
    assert (frame["few"] < frame["typical"]).all() and (frame["typical"] < frame["many"]).all()
    tight = compare_order_values(mean=75, threshold=200, money_above=0.3, orders_above_limit=0.07, maximum=973)
    assert tight["has_all_four"].tolist() == [True, False, False]


def test_the_number_of_orders_behind_a_maximum():
    """The median of simulated maxima of that many orders is the maximum."""
    law = fit_order_values(mean=75, threshold=200, money_above=0.3)
    n = round(orders_for_maximum(law, 973))
    rng = np.random.default_rng(5)
    draws = SCIPY["lognormal"](75, law.shape).rvs((4000, n), random_state=rng).max(axis=1)
    assert (draws <= 973).mean() == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 4000))
    for maximum, p in ((60, 0.5), (200, 0.9), (973, 0.025)):
        assert float(law.cdf(maximum)) ** orders_for_maximum(law, maximum, p) == pytest.approx(p, rel=1e-9)
    few, many = orders_for_maximum(law, 973, 0.975), orders_for_maximum(law, 973, 0.025)
    assert few < n < many and np.isinf(orders_for_maximum(law, 1e30))


def test_few_and_many_are_the_95_percent_range_of_orders():
    frame = compare_order_values(mean=75, threshold=200, money_above=0.3, orders_above_limit=0.10, maximum=973)
    for family, row in frame.set_index("family").iterrows():
        at_most = float(fit_order_values(mean=75, threshold=200, money_above=0.3, family=family).cdf(973))
        assert [at_most ** row[n] for n in ("few", "typical", "many")] == pytest.approx([0.975, 0.5, 0.025], rel=1e-8)


def test_what_cannot_be():
    with pytest.raises(AssumptionError, match="no gamma"):
        fit_order_values(mean=75, threshold=200, money_above=0.9999, family="gamma")
    for bad in ({"mean": 0}, {"threshold": -1}, {"money_above": 1.0}, {"money_above": float("nan")}, {"family": "normal"}):
        with pytest.raises(AssumptionError):
            fit_order_values(**{"mean": 75, "threshold": 200, "money_above": 0.3, **bad})


def test_picture():
    import matplotlib.pyplot as plt

    laws = [fit_order_values(mean=75, threshold=200, money_above=0.3, family=f) for f in FAMILIES]
    own = plt.figure().add_subplot()
    assert plot_order_values(laws, threshold=200, maximum=973, ax=own) is own
    assert len(own.get_lines()) == len(laws) + 2
    plt.close("all")
