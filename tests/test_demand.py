"""Spending brackets: against a brute-force likelihood, invariances, coverage on simulated surveys, bad input."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from darkmarket_estimates import Range
from darkmarket_estimates.demand import from_spending_brackets
from darkmarket_estimates.errors import AssumptionError, DataError, NotIdentifiedError
from darkmarket_estimates.published.size_laws import SizeLaw

INF = math.inf
EDGES, COUNTS = [0, 100, 250, 500, 1000, INF], [20, 25, 22, 15, 9]
FAMILIES = ("lognormal", "gamma", "weibull")


def survey(edges=EDGES, counts=COUNTS, **options):
    return from_spending_brackets(edges, counts, currency="EUR", **options)


def brute(edges, counts, family):
    """Both parameters at once, by scipy's own distributions."""
    def law(theta):
        m, s = np.exp(theta)
        return {"lognormal": lambda: stats.lognorm(s, scale=m * math.exp(-s * s / 2)),
                "gamma": lambda: stats.gamma(s**-2, scale=m * s**2),
                "weibull": lambda: stats.weibull_min(1 / s, scale=m / math.gamma(1 + s))}[family]()

    def loss(theta):
        return -float(np.asarray(counts) @ np.log(np.maximum(np.diff(law(theta).cdf(edges)), 1e-300)))

    found = optimize.minimize(loss, [6.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000})
    return math.exp(found.x[0]), math.exp(found.x[1]), -found.fun, law(found.x), loss


@pytest.mark.parametrize("family", FAMILIES)
def test_maximum_likelihood_against_brute_force(family):
    fit = survey(families=family).fits[0]
    mean, shape, likelihood, law, loss = brute(EDGES, COUNTS, family)
    assert (fit.mean, fit.law.shape) == pytest.approx((mean, shape), rel=1e-5)
    assert fit.log_likelihood == pytest.approx(likelihood, abs=1e-8)
    np.testing.assert_allclose(fit.expected, sum(COUNTS) * np.diff(law.cdf(EDGES)), rtol=1e-4)
    n = np.array(COUNTS)
    deviance = 2 * float(n @ np.log(n / np.array(fit.expected)))
    assert fit.p_value == pytest.approx(stats.chi2.sf(deviance, 2), rel=1e-9)  # 5 brackets, 2 parameters
    # the ends of the interval lie where the best shape loses half the chi-square quantile
    for end in fit.interval:
        best = optimize.minimize_scalar(lambda s, e=end: loss([math.log(e), s]), bounds=(-2, 1.7), method="bounded",
                                        options={"xatol": 1e-10}).fun
        assert likelihood + best == pytest.approx(stats.chi2.ppf(0.95, 1) / 2, abs=1e-5)


def test_the_maximum_is_found_far_from_the_edges():
    edges, counts = [0, 10, 200, 1500, INF], [24, 49, 43, 131]
    fit = survey(edges, counts, families="lognormal").fits[0]
    at = np.array(edges[1:4])

    def loss(theta):
        z = np.concatenate([[-np.inf], (np.log(at) - theta[0]) / math.exp(theta[1]), [np.inf]])
        return -float(np.asarray(counts) @ np.log(np.diff(stats.norm.cdf(z))))

    found = optimize.minimize(loss, [7.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000})
    assert fit.log_likelihood == pytest.approx(-found.fun, abs=1e-7)
    assert math.log(fit.mean) == pytest.approx(found.x[0] + math.exp(2 * found.x[1]) / 2, abs=1e-4)


def test_nearly_equal_and_very_unequal_spending():
    """Three brackets are met exactly, whatever the shape that this needs."""
    narrow = survey([0, 1000, 1005, INF], [2, 20, 3])
    wide = survey([0, 1e6, 2e6, INF], [9998, 1, 1])
    for fitted, counts in ((narrow, [2, 20, 3]), (wide, [9998, 1, 1])):
        for f in fitted.fits:
            np.testing.assert_allclose(f.expected, counts, rtol=1e-4, err_msg=f.law.family)
    assert narrow.fits[0].law.shape < 0.002 and 60 < wide.fits[1].law.shape < 75
    z = stats.norm.isf([2e-4, 1e-4])
    sigma = math.log(2) / (z[1] - z[0])
    assert wide.fits[0].mean == pytest.approx(1e6 * math.exp(sigma**2 / 2 - sigma * z[0]), rel=1e-5)


def test_no_limit_rests_on_the_shapes_that_are_searched():
    edges, counts = [0, 100, 200, INF], np.ones(3)
    fit = survey(edges, counts, families="gamma").fits[0]
    end = fit.interval[1]
    assert 1e5 < end < INF

    def profile(mean):
        shapes = np.exp(np.linspace(math.log(0.01), math.log(500), 20_001))
        law = stats.gamma(shapes**-2, scale=mean * shapes**2)
        p = np.stack([law.cdf(100), law.sf(100) - law.sf(200), law.sf(200)])
        return float(np.log(np.maximum(p, 1e-300)).sum(axis=0).max())

    drop = stats.chi2.ppf(0.95, 1) / 2
    assert profile(end) == pytest.approx(fit.log_likelihood - drop, abs=1e-5)
    assert survey([0, 1e6, 2e6, INF], [9998, 1, 1], families="gamma").fits[0].interval[1] == INF


@pytest.mark.parametrize(("edges", "counts"), [
    ([0, 100, INF], [50, 50]), ([0, 100, INF], [90, 10]), ([0, 100, 200, INF], [0, 50, 50]), ([0, 10, 20, INF], [5, 0, 5]),
], ids=["even", "uneven", "an empty one below", "an empty one between"])
def test_two_brackets_identify_no_mean(edges, counts):
    """With one free share every mean above the edge (or, with a gap, the widest law) fits alike."""
    with pytest.raises(NotIdentifiedError, match="two brackets") as caught:
        survey(edges, counts)
    bounds = float(np.dot(counts, edges[:-1])) / sum(counts)
    assert f"the mean of these is {bounds:,.6g} to inf" in caught.value.fix


def test_a_family_whose_best_mean_is_far_from_the_brackets_is_refused():
    edges, counts = [0, 51, 63, 78, 661, 941, INF], [97, 16, 14, 6, 0, 137]
    for family in ("lognormal", "weibull"):
        with pytest.raises(NotIdentifiedError, match=f"the {family} law"):
            survey(edges, counts, families=family)
    assert survey(edges, counts, families="gamma").fits[0].p_value < 1e-15
    with pytest.raises(NotIdentifiedError, match="far from"):
        survey([0, 100, 200, INF], [50, 1, 49], families="gamma")


@pytest.mark.parametrize("family", FAMILIES)
def test_small_brackets_of_either_tail_keep_their_probability(family):
    from darkmarket_estimates.demand import _cells

    p = _cells(np.array([0, 1.0, 2.0, 100, 900, INF]), family, 100.0, 0.5)
    law = SizeLaw(family=family, mean=100.0, shape=0.5)
    assert (p > 0).all() and p.sum() == pytest.approx(1)
    assert (p[0], p[-1]) == pytest.approx((float(law.cdf(1.0)), float(law.sf(900.0))), rel=1e-12, abs=0)


@pytest.mark.parametrize("factor", [0.01, 7.0])
def test_another_currency_only_scales(factor):
    one, other = survey(), survey([factor * e for e in EDGES])
    for a, b in zip(one.fits, other.fits):
        assert (b.mean, *b.interval) == pytest.approx(factor * np.array([a.mean, *a.interval]), rel=1e-6)
        assert b.law.shape == pytest.approx(a.law.shape, rel=1e-5)
    assert other.bounds[0] == pytest.approx(factor * one.bounds[0])


def test_more_respondents_and_levels():
    for family in FAMILIES:
        widths = [np.diff(np.log(survey(families=family, confidence_level=p).fits[0].interval))[0] for p in (0.5, 0.9, 0.99)]
        assert widths[0] < widths[1] < widths[2]
    many = survey(counts=[100 * n for n in COUNTS])
    for a, b in zip(survey().fits, many.fits):
        assert b.mean == pytest.approx(a.mean, rel=1e-5)
        assert np.diff(np.log(b.interval))[0] == pytest.approx(np.diff(np.log(a.interval))[0] / 10, rel=0.12)


def test_bounds_need_no_distribution():
    s = survey([50, 100, 250, 1000], [10, 5, 5])
    assert s.bounds == ((500 + 500 + 1250) / 20, (1000 + 1250 + 5000) / 20)
    assert all(s.bounds[0] < f.mean < s.bounds[1] for f in s.fits)
    assert survey().bounds[1] == INF and survey(counts=[20, 25, 22, 15, 0]).bounds[1] < 1000


def test_cryptodrug_means_depend_on_the_family():
    s = survey([0, 250, 1000, INF], [49, 30, 20], period="in 12 months")
    means = [f.mean for f in s.fits]
    assert means == pytest.approx([973.9, 618.2, 680.1], abs=0.1)
    assert all(math.isnan(f.p_value) for f in s.fits) and s.bounds[0] == pytest.approx((30 * 250 + 20 * 1000) / 99)
    np.testing.assert_allclose(s.fits[0].expected, [49, 30, 20], rtol=1e-4)  # as many parameters as free shares
    z = stats.norm.ppf([49 / 99, 79 / 99])
    sigma = math.log(4) / (z[1] - z[0])
    mu = math.log(250) - sigma * z[0]
    assert means[0] == pytest.approx(math.exp(mu + sigma**2 / 2), rel=1e-6)


def test_times_buyers():
    s = survey()
    frame = s.turnover(2000).set_index("family")
    for f in s.fits:
        row = frame.loc[f.law.family]
        assert (row.value, row.low, row.high) == pytest.approx((2000 * f.mean, 2000 * f.interval[0], 2000 * f.interval[1]))
    assert frame.loc["lognormal", "kind"] == "95% confidence interval"
    ranged = s.turnover(Range(1000, 3000)).set_index("family")
    assert ranged.loc["gamma", "low"] == pytest.approx(1000 * s.fits[1].interval[0])
    assert ranged.loc["gamma", "high"] == pytest.approx(3000 * s.fits[1].interval[1])
    assert ranged["value"].isna().all() and "bounds" in ranged.loc["gamma", "kind"]
    assert frame.loc["any (bounds)", "low"] == pytest.approx(2000 * s.bounds[0])
    nobody = survey([0, 100, 200, INF], [1, 1, 1]).turnover(0)
    assert (nobody[["low", "high"]] == 0).all(axis=None)
    for bad in (-1, "many", float("nan"), stats.norm(3), None):
        with pytest.raises(AssumptionError):
            s.turnover(bad)


def test_print_and_frame():
    s = survey(period="a year")
    assert "91 buyers, EUR a buyer a year" in str(s) and "lognormal: mean" in str(s)
    frame = s.to_frame()
    assert frame["family"].tolist() == [*FAMILIES, "any (bounds)"] and frame.loc[3, "low"] == s.bounds[0]


@pytest.mark.parametrize(("edges", "counts", "options", "message"), [
    ([0, 1], [3, 4], {}, "do not fit"), ([0, 2, 1], [3, 4], {}, "must rise"), ([-1, 2, 3], [3, 4], {}, "must rise"),
    ([0, float("nan"), 3], [3, 4], {}, "must rise"), ([0, INF, INF], [3, 4], {}, "must rise"),
    ([0, 1, 2], [3, -4], {}, "cannot be used"), ([0, 1, 2], [3, float("nan")], {}, "cannot be used"),
    ([0, 1, 2], [3, 0], {}, "one bracket"), ([0, 1, 2], [0, 0], {}, "no respondents"),
    ([0, 1, 2], ["a", "b"], {}, "does not hold numbers"),
    (["x", 1, 2], [3, 4], {}, "do not hold numbers"), (EDGES, COUNTS, {"families": "normal"}, "family is unknown"),
    (EDGES, COUNTS, {"families": ()}, "no family"), (EDGES, COUNTS, {"confidence_level": 95}, "confidence_level"),
])
def test_bad_input(edges, counts, options, message):
    with pytest.raises(DataError, match=message):
        survey(edges, counts, **options)


def _covered(n_surveys, n, seed):
    rng = np.random.default_rng(seed)
    sigma, mean = 1.3, 400.0
    hit = 0
    for _ in range(n_surveys):
        spent = rng.lognormal(math.log(mean) - sigma**2 / 2, sigma, n)
        counts = np.histogram(spent, bins=[*EDGES[:-1], 1e12])[0]
        low, high = survey(counts=counts, families="lognormal").fits[0].interval
        hit += low <= mean <= high
    return hit / n_surveys


@pytest.mark.statistical
def test_the_interval_covers():
    """100 surveys of 150 buyers: within 3 Monte Carlo errors of 0.95."""
    assert _covered(100, 150, 11) >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 100)


@pytest.mark.long
@pytest.mark.statistical
@pytest.mark.parametrize("n", [60, 99, 400])
def test_the_interval_covers_long(n):
    assert abs(_covered(600, n, n) - 0.95) < 3 * math.sqrt(0.95 * 0.05 / 600)
