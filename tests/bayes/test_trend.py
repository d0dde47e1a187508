"""`Trend`: months side by side, the posterior against quadrature, growth, and what is refused."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from scipy import stats

import darkmarket_estimates as dme
from darkmarket_estimates.bayes.diagnostics import ConvergenceWarning
from darkmarket_estimates.bayes.fit import fit
from darkmarket_estimates.bayes.months import by_month
from darkmarket_estimates.bayes.priors import HalfNormal, Known
from darkmarket_estimates.bayes.trend import PARAMETERS, Trend
from darkmarket_estimates.bayes.trend_law import log_likelihood
from darkmarket_estimates.errors import AssumptionError, DataError, NotIdentifiedError, NotSupportedError

RATE = dme.ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.13)
#: Chains here are short and rules would flag them; that they are flagged is tested.
SHORT = {"draws": 300, "tune": 300, "chains": 2, "cores": 1, "on_failure": "ignore"}


def monthly(rng, n_vendors=300, n_months=9, growth=0.05, noise=0.5, alive=0.7, sigma=1.2):
    """Vendors with a size, monthly noise and gaps; expected turnover grows by `growth` a month. Returns totals, truth."""
    size = rng.lognormal(6, sigma, n_vendors)
    level = np.exp(growth * np.arange(n_months))
    vendor, month, value = [], [], []
    for i in range(n_months):
        y = size * level[i] * rng.lognormal(-noise**2 / 2, noise, n_vendors) * (rng.uniform(size=n_vendors) < alive)
        kept = np.flatnonzero(y)
        vendor += [f"v{j}" for j in kept]
        month += [f"2016-{i + 1:02d}"] * len(kept)
        value += y[kept].tolist()
    totals = dme.Totals.from_cells(vendor=vendor, value=value, reviews=np.ones(len(value)), groups={"month": month},
                                   currency="USD", window=("2016-01-01", f"2016-{n_months + 1:02d}-01"))
    return totals, level * n_vendors * alive * np.exp(6 + sigma**2 / 2)


@pytest.fixture(scope="module")
def totals():
    return monthly(np.random.default_rng(1))[0]


@pytest.fixture(scope="module")
def posterior(totals):
    return fit(totals, Trend(review_rate=RATE), rng=1, **SHORT)


# -- months ---------------------------------------------------------------------------------------------------------------


def test_marks_days_and_vendors_of_months():
    totals = dme.Totals.from_cells(vendor=["a", "b", "a", "b", "a", "c"], value=[10.0, 5, 20, 5, 30, 1], reviews=[1] * 6,
                                   groups={"month": ["2016-01", "2016-01", "2016-02", "2016-02", "2016-04", "2016-04"],
                                           "country": ["NL", "US", "NL", "US", "NL", "NL"]},
                                   currency="USD", window=("2016-01-11", "2016-05-01"))
    months = by_month(totals, "month")
    assert months.labels == ("2016-01", "2016-02", "2016-04")
    assert months.t.tolist() == [0, 1, 3]
    assert months.days.tolist() == [21, 29, 30]
    np.testing.assert_array_equal(months.marks, [[10, 20, 30], [5, 5, 0], [0, 0, 1]])
    assert months.totals.groups == ("month",)


def test_a_mapping_of_windows_is_the_same_table(totals):
    key = totals.keys["month"]
    labels, vendors = key.take(), totals.keys["vendor"].take()
    parts = {}
    for label in key.labels:
        own = labels == label
        after = str(np.datetime64(label, "M") + np.timedelta64(1, "M"))
        parts[label] = dme.Totals.from_cells(vendor=vendors[own], value=totals.columns["value"][own], currency="USD",
                                             reviews=totals.columns["reviews"][own], window=(f"{label}-01", f"{after}-01"))
    a, b = by_month(parts, "month"), by_month(totals, "month")
    assert (a.labels, a.days.tolist()) == (b.labels, b.days.tolist())
    np.testing.assert_array_equal(a.marks, b.marks)
    assert a.totals.header.window == b.totals.header.window


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [({"groups": {}}, NotIdentifiedError, "by=['month']"), ({"groups": {"month": ["2016-1"] * 4}}, DataError, "no month"),
     ({"groups": {"month": ["2016-01", "2016-02"] * 2}}, NotIdentifiedError, "three months"),
     ({"value": [1.0, 0, 1, 1]}, DataError, "2016-02"), ({"window": ("2016-02-01", "2016-06-01")}, DataError, "outside"),
     ({"groups": {"month": [None, "2016-02", "2016-03", "2016-04"]}}, DataError, "no month")],
    ids=["no month", "spelling", "two months", "empty month", "outside the window", "missing label"])
def test_what_months_refuse(change, error, says):
    given = {"vendor": list("abcd"), "value": [1.0, 2, 3, 4], "reviews": [1, 1, 1, 1], "currency": "USD",
             "groups": {"month": ["2016-01", "2016-02", "2016-03", "2016-04"]}, **change}
    with pytest.raises(error, match="(?s)" + says.replace("[", r"\[").replace("]", r"\]")):
        Trend(review_rate=RATE).data(dme.Totals.from_cells(**given))


@pytest.mark.parametrize("bad", [None, 3, "2016", [1], {}, {"2016-01": 3}], ids=str)
def test_no_totals(bad):
    with pytest.raises(DataError):
        Trend(review_rate=RATE).data(bad)


def test_without_a_review_share_the_way_out_is_named(totals):
    with pytest.raises(NotIdentifiedError, match="gives reviewed turnover"):
        Trend().data(totals)
    with pytest.raises(AssumptionError, match="Range"):
        Trend(review_rate=dme.Range(0.4, 0.6)).data(totals)


@pytest.mark.parametrize("bad", [{"level_sd": -1}, {"slope_sd": "x"}, {"counter_error": None}, {"first_level_sd": 0},
                                 {"first_slope_sd": np.nan}], ids=str)
def test_priors_that_cannot_be(bad):
    with pytest.raises(AssumptionError):
        Trend(review_rate=RATE, **bad)


def test_a_source_that_is_not_there_is_known_to_be_0():
    assert Trend(review_rate=RATE, counter_error=0).counter_error == Known(0.0)


# -- data -----------------------------------------------------------------------------------------------------------------


def test_scale_and_order_of_vendors_leave_no_trace(totals):
    ours = Trend(review_rate=RATE).data(totals)
    rng = np.random.default_rng(4)
    order = rng.permutation(totals.n_cells)
    again = dme.Totals.from_cells(vendor=[f"x{v}" for v in totals.keys["vendor"].take()[order]],
                                  value=1000 * totals.columns["value"][order], reviews=np.ones(totals.n_cells),
                                  groups={"month": totals.keys["month"].take()[order]}, currency="USD",
                                  window=totals.header.window)
    theirs = Trend(review_rate=RATE).data(again)
    for name, values in ours.arrays.items():
        np.testing.assert_allclose(theirs.arrays[name], values, rtol=1e-9, atol=1e-12, err_msg=name)
    assert theirs.own[2] - ours.own[2] == pytest.approx(np.log(1000))


def test_the_log_is_that_of_the_day_and_of_the_mean():
    """Months of equal daily turnover are level, and exp(eta) is the mean of what vendors would sell, not its median."""
    days = [31, 29, 31]
    totals = dme.Totals.from_cells(vendor=["a", "b"] * 3, value=np.repeat(days, 2).astype(float), reviews=[1] * 6,
                                   groups={"month": np.repeat(["2016-01", "2016-02", "2016-03"], 2)}, currency="USD")
    data = Trend(review_rate=1.0).data(totals)
    np.testing.assert_allclose(data.arrays["y"], 0, atol=1e-12)
    assert data.own[2] == pytest.approx(np.log(2) + 0.5 / 2)  # two vendors alike: S = 1 / 2


def test_flags_say_what_is_assumed(totals):
    assert "one review share over all months" in Trend(review_rate=RATE).data(totals).flags
    few = monthly(np.random.default_rng(2), n_vendors=20, n_months=4)[0]
    assert any(flag.startswith("indicative: effectively") for flag in Trend(review_rate=RATE).data(few).flags)
    key = totals.keys["month"].take()
    gap = totals.keys["month"].take() != "2016-03"
    part = dme.Totals.from_cells(vendor=totals.keys["vendor"].take()[gap], value=totals.columns["value"][gap],
                                 reviews=np.ones(gap.sum()), groups={"month": key[gap]}, currency="USD")
    assert any(flag.startswith("months are missing") for flag in Trend(review_rate=RATE).data(part).flags)


# -- posterior ------------------------------------------------------------------------------------------------------------


def quadrature(data, spec, n=28):
    """Posterior mean and sd of the parameters by brute force over the cube of their priors."""
    grids = [np.linspace(1e-4, 4.5 * getattr(spec, name).sd, n) for name in PARAMETERS]
    points = np.array(list(itertools.product(*grids)))
    arrays = [data.arrays[k] for k in ("y", "fixed", "walk", "slope", "counter")]
    log = np.array([log_likelihood(*p, *arrays)[0] for p in points])
    log += sum(stats.halfnorm(scale=getattr(spec, name).sd).logpdf(points[:, i]) for i, name in enumerate(PARAMETERS))
    w = np.exp(log - log.max())
    edge = (points[:, 0] == 1e-4) * 1.0 + (points[:, 1] == 1e-4) + (points[:, 2] == 1e-4)
    w *= 0.5**edge  # trapezoidal rule: at the lower end the density does not vanish
    w /= w.sum()
    mean = w @ points
    return mean, np.sqrt(w @ (points - mean) ** 2)


def test_a_compiled_step_compiles_nothing_again(totals, monkeypatch):
    """What PyMC compiles stays in memory: runs of one chain with one step write their draws with one function."""
    import pymc as pm

    from darkmarket_estimates.bayes import _arviz, sampling

    class Recorded(pm.backends.NDArray):
        def __init__(self, *given, fn=None, **options):
            functions.append(fn)
            super().__init__(*given, fn=fn, **options)

    functions = []
    spec = Trend(review_rate=RATE)
    model = spec.model(spec.data(totals))
    step = sampling.compiled_step(model)

    def run(**options):
        out = sampling.sample(model, draws=20, tune=10, rng=np.random.default_rng(2), cores=1, progress=False, **options)
        return _arviz.flat_draws(out)

    first = run(chains=1, step=step)
    monkeypatch.setattr(pm.backends, "NDArray", Recorded)
    again = run(chains=1, step=step)
    assert functions
    assert all(f is step.written for f in functions)
    for name, values in first.items():
        np.testing.assert_array_equal(again[name], values)
    functions.clear()
    two = run(chains=2, step=step)
    assert not any(f is step.written for f in functions)
    assert np.abs(two["level_sd"][:20] - two["level_sd"][20:]).min() > 0  # each chain has a record of its own


def test_the_posterior_is_that_of_quadrature(posterior):
    mean, sd = quadrature(posterior.data, posterior.spec)
    for i, name in enumerate(PARAMETERS):
        draws = posterior.draws[name]
        error = 4 * sd[i] / np.sqrt(80)  # at least 80 effective draws of these short chains
        assert draws.mean() == pytest.approx(mean[i], abs=error), name
        assert draws.std() == pytest.approx(sd[i], rel=0.35), name


def test_states_drawn_back_have_the_closed_form(posterior):
    """At one value of the parameters the drawn levels have the mean and covariance of the smoother."""
    from darkmarket_estimates.bayes.trend_law import smoothed

    n, data, spec = 4000, posterior.data, posterior.spec
    draws = {"level_sd": np.full(n, 0.1), "slope_sd": np.full(n, 0.02), "counter_error": np.full(n, 0.05)}
    levels = spec.levels(data, draws, np.random.default_rng(1)) - data.own[2]
    state = (spec.first_level_sd**2 + spec.first_slope_sd**2 * np.outer(data.own[0].t, data.own[0].t)
             + 0.1**2 * data.arrays["walk"] + 0.02**2 * data.arrays["slope"])
    mean, covariance = smoothed(state, data.own[1] + 0.05**2 * data.arrays["counter"], data.arrays["y"])
    sd = np.sqrt(np.diag(covariance))
    assert (np.abs(levels.mean(axis=0) - mean) < 4 * sd / np.sqrt(n)).all()
    np.testing.assert_allclose(np.cov(levels.T), covariance, atol=5 * sd.max() ** 2 / np.sqrt(n))


def test_the_estimate_is_by_month_and_divided_by_the_share(posterior, totals):
    est = posterior.estimate
    frame = est.to_frame()
    assert frame["month"].tolist() == [*[f"2016-{i + 1:02d}" for i in range(9)], "(all)"]
    assert est.kind == "credible interval"
    assert est.value == pytest.approx(frame["value"].iloc[:-1].sum())
    assert "one review share over all months" in est.flags
    level = posterior.spec.levels(posterior.data, posterior.draws, np.random.default_rng(0))
    money = (np.exp(level) * posterior.data.own[0].days).sum(axis=1)
    share = np.sort(posterior.outcome.shared["review share"])
    assert share.mean() == pytest.approx(0.44, abs=1e-3)
    assert est.value == pytest.approx(money.mean() * np.mean(1 / share), rel=0.05)


def test_growth_cancels_the_share_and_is_surer_than_two_months_apart(posterior):
    est = posterior.estimate
    last, first = est.group(month="2016-09"), est.group(month="2016-01")
    growth = last.ratio(first)
    draws = posterior.outcome.draws
    assert growth.value == pytest.approx((draws[:, 8] / draws[:, 0]).mean())
    assert growth.kind == "credible interval"
    assert "one review share for both" in growth.flags
    low, high = growth.interval
    apart = np.log(draws[:, 8]).var() + np.log(draws[:, 0]).var()
    assert np.log(draws[:, 8] / draws[:, 0]).var() < 0.8 * apart  # vendors and the share are common
    assert low < np.exp(0.05 * 8) < high


def test_the_same_rng_gives_the_same_draws(posterior, totals):
    again = fit(totals, Trend(review_rate=RATE), rng=1, **SHORT)
    np.testing.assert_array_equal(again.outcome.draws, posterior.outcome.draws)
    other = posterior.with_review_rate(1.0)
    np.testing.assert_allclose(other.estimate.value, posterior.estimate.value * 0.44, rtol=0.02)


def test_a_posterior_is_read_back_as_it_was_written(posterior, tmp_path):
    from darkmarket_estimates.bayes.posterior import Posterior

    posterior.save(tmp_path / "trend.zip", vendor_key="secret")
    again = Posterior.load(tmp_path / "trend.zip")
    np.testing.assert_array_equal(again.outcome.draws, posterior.outcome.draws)
    assert again.spec == posterior.spec
    assert again.estimate.interval == posterior.estimate.interval
    np.testing.assert_allclose(again.data.arrays["y"], posterior.data.arrays["y"], rtol=1e-12)


def test_the_container_holds_every_group(posterior):
    groups = posterior.idata.children if hasattr(posterior.idata, "children") else posterior.idata.groups()
    assert {"posterior", "constant_data", "log_likelihood", "posterior_predictive", "observed_data"} <= set(groups)


def test_short_chains_are_flagged_and_warned_of(totals):
    with pytest.warns(ConvergenceWarning, match="chains"):
        short = fit(totals, Trend(review_rate=1.0), rng=1, draws=40, tune=40, chains=1, cores=1)
    assert any(flag.startswith("not converged") for flag in short.estimate.flags)


def test_realised_growth_is_sent_to_the_ratio(posterior, totals):
    with pytest.raises(NotSupportedError, match="ratio"):
        posterior.spec.after(posterior.data, posterior.draws, np.random.default_rng(1), estimand="realised")
    with pytest.raises(AssumptionError):
        fit(totals, Trend(review_rate=1.0), estimand="realised")


def test_predictive_checks_accept_data_of_the_model(posterior):
    frame = posterior.predictive_check(rng=1).to_frame()
    assert {"growth, last month over first", "autocorrelation of monthly steps"} <= set(frame.index)
    assert frame["p"].between(0.01, 0.99).all()


def test_the_container_speaks_of_months(posterior):
    assert posterior.data.coords["month"][0] == "2016-01"
    values = posterior.spec.log_likelihood(posterior.data, {k: v[:3] for k, v in posterior.draws.items()})["months"]
    arrays = [posterior.data.arrays[k] for k in ("y", "fixed", "walk", "slope", "counter")]
    assert values[1, 0] == log_likelihood(*(posterior.draws[n][1] for n in PARAMETERS), *arrays)[0]


def test_the_prior_speaks_of_money_and_growth(totals):
    table = Trend(review_rate=RATE).prior_predictive(totals, draws=400, rng=1)
    money = table.loc["turnover a day, first month"]
    assert money["unit"] == "USD"
    assert money["observed"] == pytest.approx(totals.sum("value") / 274 * 0.8, rel=0.2)  # it grows by 5 % a month
    assert money["low"] < money["observed"] < money["high"]
    growth = table.loc["last month over first"]
    assert growth["low"] < 0.3
    assert growth["high"] > 3


def test_a_prior_draw_makes_data_of_its_own(posterior):
    spec, template = posterior.spec, posterior.data
    rng = np.random.default_rng(3)
    y = np.array([spec.simulate(rng, template)[1].arrays["y"] for _ in range(3000)])
    arrays = template.arrays
    expected = arrays["fixed"] + sum(getattr(spec, n).sd ** 2 * arrays[k]
                                     for n, k in zip(PARAMETERS, ("walk", "slope", "counter"), strict=True))
    sd = np.sqrt(np.diag(expected))
    assert (np.abs(y.mean(axis=0)) < 4 * sd / np.sqrt(3000)).all()
    np.testing.assert_allclose(y.std(axis=0), sd, rtol=0.1)


def test_by_hand_what_follows_from_stated_parameters(totals):
    """First level and slope, growth, days and factors, replicates: each against its formula, without a sampler."""
    from darkmarket_estimates.bayes.trend import _statistics
    from darkmarket_estimates.bayes.trend_law import smoothed, vendor_covariance

    spec = Trend(review_rate=0.5, genuine_share=0.9, first_level_sd=3.0, first_slope_sd=0.3)
    data, n = spec.data(totals), 3000
    months, t = data.own[0], np.arange(9)
    first = 9.0 + 0.09 * np.outer(t, t)
    noise = vendor_covariance(months.marks)
    np.testing.assert_allclose(data.arrays["fixed"], first + noise, rtol=1e-12)
    draws = {"level_sd": np.full(n, 0.1), "slope_sd": np.full(n, 0.03), "counter_error": np.full(n, 0.2)}
    state = first + 0.1**2 * data.arrays["walk"] + 0.03**2 * data.arrays["slope"]
    noise = noise + 0.2**2 * data.arrays["counter"]
    mean, covariance = smoothed(state, noise, data.arrays["y"])
    few = {name: values[:2] for name, values in draws.items()}
    assert spec.quantities(data, few)["growth"] == pytest.approx((mean[-1] - mean[0]) / 8, rel=1e-9)
    money = np.exp(spec.levels(data, few, np.random.default_rng(1))) * months.days * 0.9 / 0.5
    np.testing.assert_allclose(spec.after(data, few, np.random.default_rng(1), estimand="expected").draws, money, rtol=1e-9)
    made = np.log(spec.replicate(data, draws, np.random.default_rng(2)).replicated["growth, last month over first"])
    both = covariance + noise
    variance = both[0, 0] + both[-1, -1] - 2 * both[0, -1]
    assert made.mean() == pytest.approx(mean[-1] - mean[0], abs=4 * np.sqrt(variance / n))
    assert made.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / n))
    found = _statistics(np.array([0.0, 1.0, 3.0, 3.0]))  # steps 1, 2, 0: 0, 1, -1 about their mean
    assert found["standard deviation of monthly steps"] == pytest.approx(np.sqrt(2 / 3))
    assert found["autocorrelation of monthly steps"] == pytest.approx(-0.5)


@pytest.mark.parametrize(("n", "flagged"), [(59, True), (61, False)], ids=["59 vendors", "61 vendors"])
def test_the_month_with_the_fewest_vendors_decides(n, flagged):
    months = ["2016-01"] * 100 + ["2016-02"] * n + ["2016-03"] * 100
    vendors = [f"v{i}" for k in (100, n, 100) for i in range(k)]
    flags = Trend(review_rate=0.5).data(dme.Totals.from_cells(vendor=vendors, value=np.ones(len(months)), currency="USD",
                                                              reviews=[1] * len(months), groups={"month": months})).flags
    assert any("indicative" in flag for flag in flags) == flagged


# -- statistics -----------------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.statistical
@pytest.mark.parametrize("sigma", [0.8, 1.5])
def test_intervals_of_growth_and_level_cover(sigma):
    """90 % intervals of growth over eight months and of a month's expected turnover; 200 markets with persistent vendors.

    With log-sd 0.8 some 120 vendors count effectively; with 1.5 about 30, and the flag "indicative" is there for what follows:
    a covariance that is estimated from so few misses the largest vendors, as every interval of expected turnover does.
    """
    rng = np.random.default_rng(20160115)
    spec = Trend(review_rate=1.0, counter_error=0)
    inside, flagged, n = {"growth": 0, "level": 0}, 0, 200
    for _ in range(n):
        totals, truth = monthly(rng, n_vendors=400, sigma=sigma)
        data = spec.data(totals)
        draws = by_importance(spec, data, rng, n=250)
        levels = np.exp(spec.levels(data, draws, rng))
        flagged += any(flag.startswith("indicative") for flag in data.flags)
        for name, sample, true in (("growth", levels[:, -1] / levels[:, 0], truth[-1] / truth[0]),
                                   ("level", levels[:, 4] * data.own[0].days[4], truth[4])):
            low, high = np.quantile(sample, [0.05, 0.95])
            inside[name] += low <= true <= high
    nominal = 0.9 if sigma < 1 else 0.8
    error = 3 * np.sqrt(nominal * (1 - nominal) / n)
    assert inside["growth"] / n > nominal - error, inside
    assert inside["level"] / n > nominal - error, inside
    assert flagged / n < 0.1 if sigma < 1 else flagged / n > 0.8


def by_importance(spec, data, rng, n=400):
    """Draws of the three standard deviations without a sampler: weighted prior draws, resampled."""
    prior = {name: getattr(spec, name).draw(rng, 10 * n) for name in PARAMETERS}
    arrays = [data.arrays[k] for k in ("y", "fixed", "walk", "slope", "counter")]
    log = np.array([log_likelihood(*row, *arrays)[0] for row in zip(*prior.values(), strict=True)])
    weight = np.exp(log - log.max())
    pick = rng.choice(len(weight), n, p=weight / weight.sum())
    return {name: np.asarray(values)[pick] for name, values in prior.items()}


@pytest.mark.long
@pytest.mark.statistical
def test_ranks_under_the_exact_posterior_are_uniform(totals):
    """Calibration without a sampler: it tests the model alone, and three thousand simulations take a minute.

    The truth and K more draws of the prior are K + 1 equal candidates; given data that the truth made, the truth is each of
    them with probability proportional to its likelihood. So the weight of those below it, and a random part of its own, is
    uniform, exactly and for any K.
    """
    spec, n, more = Trend(review_rate=1.0), 3000, 80
    template, rng = spec.data(totals), np.random.default_rng(2016)
    found = {}
    for _ in range(n):
        truth, data = spec.simulate(rng, template)
        draws = {name: np.append(truth[name], getattr(spec, name).draw(rng, more)) for name in PARAMETERS}
        draws |= spec.quantities(data, draws)
        weight = np.exp(draws["log_likelihood"] - draws["log_likelihood"].max())
        weight /= weight.sum()
        for name, values in draws.items():
            found.setdefault(name, []).append(weight[values < values[0]].sum() + rng.uniform() * weight[0])
    assert set(found) == {*PARAMETERS, "growth", "log_likelihood"}
    for name, u in found.items():
        assert stats.kstest(u, "uniform").pvalue > 0.001, name
        assert stats.chisquare(np.histogram(u, 10, (0, 1))[0]).pvalue > 0.001, name


@pytest.mark.long
@pytest.mark.statistical
def test_the_sampler_ranks_as_the_exact_posterior_does(totals):
    """Each chain's share of draws below the truth, beside that of a quadrature: they differ as independent draws would.

    This sees what ranks alone see only in thousands of simulations, since the luck of the truths is in both.
    """
    from darkmarket_estimates.bayes import _arviz, calibration, sampling

    spec, n = Trend(review_rate=1.0), 15
    template, rng = spec.data(totals), np.random.default_rng(3)
    at = stats.qmc.Sobol(3, rng=np.random.default_rng(4)).random_base2(14)
    points = {name: stats.halfnorm.ppf(u) * getattr(spec, name).sd for name, u in zip(PARAMETERS, at.T, strict=True)}
    parts = [template.arrays[name] for name in ("walk", "slope", "counter")]
    covariance = template.arrays["fixed"] + sum(points[name][:, None, None] ** 2 * part
                                                for name, part in zip(PARAMETERS, parts, strict=True))
    step, z = None, []
    for _ in range(n):
        truth, data = spec.simulate(rng, template)
        if step is None:
            model = spec.model(data)
            step = sampling.compiled_step(model)
        calibration.put(model, data)
        container = sampling.sample(model, draws=2000, tune=500, chains=1, rng=rng, cores=1, progress=False, step=step)
        drawn = _arviz.flat_draws(container)
        drawn |= spec.quantities(data, drawn)
        y = data.arrays["y"]
        log = stats.multivariate_normal.logpdf
        true = {**truth, "log_likelihood": log(y, cov=template.arrays["fixed"] + sum(
            truth[name] ** 2 * part for name, part in zip(PARAMETERS, parts, strict=True)))}
        inverse = np.linalg.inv(covariance)
        exact = {**points, "log_likelihood": -0.5 * (y @ inverse @ y + np.linalg.slogdet(covariance)[1]
                                                     + len(y) * np.log(2 * np.pi))}
        weight = np.exp(exact["log_likelihood"] - exact["log_likelihood"].max())
        weight /= weight.sum()
        row = []
        for name, value in true.items():
            u = np.clip(weight[exact[name] < value].sum(), 0.001, 0.999)
            below = drawn[name] < value
            row.append((below.mean() - u) / np.sqrt(u * (1 - u) / calibration.effective({name: drawn[name]})))
        z.append(row)
    z = np.array(z)
    assert (np.abs(z.mean(axis=0)) < 3.9 / np.sqrt(n)).all(), z.mean(axis=0)
    assert ((z**2).mean(axis=0) < stats.chi2(n).ppf(0.9999) / n).all(), (z**2).mean(axis=0)


@pytest.mark.long
@pytest.mark.statistical
def test_simulation_based_calibration(totals):
    from darkmarket_estimates.bayes.calibration import calibrate

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        result = calibrate(Trend(review_rate=1.0, level_sd=HalfNormal(0.1)), Trend(review_rate=1.0).data(totals),
                           n_simulations=40, draws=600, tune=300, rng=5)
    assert result.passed, result.to_frame()
    assert result.short == 0
