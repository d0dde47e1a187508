"""From data to posterior: identities, closed forms, files and failures."""

import dataclasses
import json
import math
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import darkmarket_estimates as dme
from darkmarket_estimates import bayes
from darkmarket_estimates.bayes import CountPriors, LogNormal, Normal, ReviewCount, _arviz, posterior, sampling
from darkmarket_estimates.errors import AssumptionError, DataError, NotSupportedError
from tests.bayes.markets import RATE, compiled, vendors


def test_loading_the_room_loads_no_sampler():
    code = ("import sys, darkmarket_estimates as dme; dme.bayes.ReviewCount; "
            "print([m for m in ('pymc', 'pytensor', 'arviz', 'matplotlib', 'numba') if m in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == "[]"


@pytest.fixture(scope="module")
def by_fit():
    """One posterior through the front door: four short chains, two processes' worth of work in one."""
    spec = ReviewCount(review_rate=RATE, size_law="gamma")
    with pytest.warns(bayes.ConvergenceWarning):
        return bayes.fit(vendors(80), spec, draws=60, tune=60, chains=2, rng=7, progress=False)


def test_an_unconverged_fit_is_flagged(by_fit):
    assert not by_fit.checks.passed
    assert any(f.startswith("not converged") for f in by_fit.estimate.flags)
    assert any(f.startswith("not converged") for f in by_fit.with_estimand("expected").estimate.flags)
    with pytest.warns(bayes.ConvergenceWarning):
        by_fit.check()
    with pytest.raises(bayes.ConvergenceError):
        by_fit.check("raise")
    assert by_fit.entropy > 0


def test_the_same_rng_gives_the_same_draws(flexible):
    a, b, other = (flexible.run(flexible.data, draws=40, tune=40, chains=1, seed=s) for s in (3, 3, 4))
    for name in ("size_centre", "value_sd"):
        x, y, z = (_arviz.flat_draws(c)[name] for c in (a, b, other))
        np.testing.assert_array_equal(x, y)
        assert (x != z).any()
    estimates = [posterior.finish(flexible.spec, flexible.data, a, bayes.Checks(()), estimand="expected", confidence_level=0.9,
                                  entropy=e, method="nuts", seconds=0.0).estimate for e in (1, 1, 2)]
    assert estimates[0].interval == estimates[1].interval != estimates[2].interval


def test_the_chains_pass_their_rules(fitted, fitted_groups):
    for post, least in ((fitted, 200), (fitted_groups, 40)):
        table = post.checks.to_frame().set_index("rule")
        assert table.loc["r-hat", "value"] < 1.08
        assert table.loc["ess-bulk", "value"] > least
        assert table.loc["divergences", "value"] <= 5


def test_realised_is_the_closed_form_of_the_cut(fitted):
    est, plain = fitted.estimate, dme.turnover(vendors(), review_rate=RATE)
    sd = math.sqrt(plain.law.variance)
    n = len(fitted.outcome.draws)
    assert est.kind == "posterior predictive interval"
    assert est.floor == plain.floor
    assert est.value == pytest.approx(plain.value, abs=4 * sd / math.sqrt(n))
    for p in (0.1, 0.5, 0.9):
        # a quantile's Monte Carlo error, in probability, is sqrt(p (1 - p) / n)
        assert plain.cdf(est.quantile(p)) == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / n))


def test_expected_agrees_with_the_sample_where_vendors_are_many(fitted):
    est = fitted.with_estimand("expected").estimate
    plain = dme.turnover(vendors(), review_rate=RATE, estimand="expected")
    assert est.kind == "credible interval"
    low, high = plain.interval
    assert low < est.value < high
    assert est.interval[0] < plain.value < est.interval[1]
    np.testing.assert_array_equal(fitted.draws["size_sd"], fitted.with_estimand("expected").draws["size_sd"])


def test_groups_add_up_draw_by_draw(fitted_groups):
    for estimand in ("realised", "expected"):
        est = fitted_groups.with_estimand(estimand).estimate
        assert est.value == pytest.approx(sum(r.value for r in est.rows[:-1]), rel=1e-12)
        assert est.shares("category")["value"].sum() == pytest.approx(1.0)
        assert len(est.rows) == 4


def test_the_total_does_not_depend_on_another_share_but_by_its_mean(fitted):
    half = fitted.with_review_rate(0.22)
    twice = fitted.with_review_rate(0.44)
    a, b = (p.with_estimand("expected").estimate.value for p in (half, twice))
    assert a == pytest.approx(2 * b, rel=1e-12)


def test_growth_lets_the_common_share_cancel(fitted):
    est = fitted.with_estimand("expected").estimate
    ratio = est.ratio(fitted.with_estimand("expected").estimate)
    assert ratio.value == pytest.approx(1.0, rel=1e-9)
    # of the expected total the law of values is most of the width: seen in the realised one
    known = fitted.with_review_rate(dme.ReviewRate(mean=0.44, between_vendor_sd=0.13)).estimate
    assert np.diff(known.interval) < np.diff(fitted.estimate.interval)


def test_prior_only_returns_the_prior(flexible):
    """Every multiplicity 0: 2 chains of 700 draws, each parameter against its prior by Kolmogorov-Smirnov."""
    observed = ("count_n", "vendors_n", "value_n", "value_sum", "value_square")
    none = dataclasses.replace(flexible.data, arrays={k: v * 0 if k in observed else v for k, v in flexible.data.arrays.items()})
    container = flexible.run(none, draws=700, tune=300, chains=2)
    ess = _arviz.diagnostics(container)["ess_bulk"]
    for name, draws in _arviz.flat_draws(container).items():
        prior = getattr(flexible.data.own.priors, name)
        gap = stats.kstest(draws, prior.cdf).statistic
        assert gap < 1.95 / math.sqrt(float(ess[name][0])) + 0.02, name


def test_a_conjugate_case_has_its_closed_form():
    """Everything known but the level of values: a normal mean with known variances and a normal prior."""
    totals = vendors(60)
    priors = CountPriors(size_mean=8.0, size_shape=0.7, value_level=Normal(3.0, 0.5), value_slope=0.1, value_bend=-0.2,
                         value_few=0.3, value_sd=0.8, value_sd_slope=0.1, review_sd=0.4)
    c = compiled(ReviewCount(review_rate=0.5, size_law="gamma", value_tails="normal", priors=priors), totals)
    draws = _arviz.flat_draws(c.run(c.data, draws=600, tune=300, chains=2))["value_level"]
    r, y = totals.columns["reviews"], totals.columns["value"]
    x = np.log(r) - c.data.own.centre
    v = 0.8**2 * np.exp(2 * 0.1 * x) + 0.4**2 / r
    z = np.log(y / r) + v / 2 - 0.1 * x + 0.2 * np.maximum(x - c.data.own.bend, 0) - 0.3 / r
    precision = 1 / 0.5**2 + (1 / v).sum()
    mean = (3.0 / 0.5**2 + (z / v).sum()) / precision
    error = 1 / math.sqrt(precision * 300)  # of 1,200 draws at least a quarter are effective
    assert draws.mean() == pytest.approx(mean, abs=4 * error)
    assert draws.std() == pytest.approx(1 / math.sqrt(precision), rel=0.12)


def test_the_law_of_sizes_has_the_posterior_of_a_quadrature():
    """One unknown, the mean rate of a Gamma law: the posterior by a grid."""
    totals = vendors(60)
    known = {"size_shape": 0.7, "value_level": 4.0, "value_slope": 0.0, "value_bend": 0.0, "value_few": 0.0, "value_sd": 1.0,
             "value_sd_slope": 0.0, "review_sd": 0.4, "value_lower_tail": 0.5}
    spec = ReviewCount(review_rate=0.5, size_law="gamma", priors=CountPriors(size_mean=LogNormal(8.0, 1.0), **known))
    c = compiled(spec, totals)
    draws = np.log(_arviz.flat_draws(c.run(c.data, draws=600, tune=300, chains=2))["size_mean"])
    t = np.linspace(-1, 5, 2001)
    r = totals.columns["reviews"]
    p = 0.7 / (0.7 + np.exp(t))
    log_post = -0.5 * (t - math.log(8.0)) ** 2 + stats.nbinom.logpmf(r[:, None], 0.7, p).sum(axis=0) - 60 * np.log1p(-(p**0.7))
    w = np.exp(log_post - log_post.max())
    w /= w.sum()
    mean, sd = w @ t, math.sqrt(w @ (t - w @ t) ** 2)
    assert draws.mean() == pytest.approx(mean, abs=4 * sd / math.sqrt(300))
    assert draws.std() == pytest.approx(sd, rel=0.12)


def test_a_first_look_is_near_and_labelled(flexible, fitted):
    from darkmarket_estimates.bayes import calibration

    calibration.put(flexible.model, flexible.data)
    container = sampling.laplace(flexible.model, draws=2000, rng=np.random.default_rng(1))
    near = _arviz.flat_draws(container)
    # no lower tail is in these values: how the spread is divided is far from normal, the whole is not
    for draws in (near, exact := dict(fitted.draws)):
        within = draws["review_sd"] ** 2 * flexible.data.arrays["mean_inverse"]
        draws["spread"] = np.sqrt(draws["value_sd"] ** 2 + draws["value_lower_tail"] ** 2 + within)
    for name in ("value_level", "value_slope", "spread"):
        assert near[name].mean() == pytest.approx(exact[name].mean(), abs=0.5 * exact[name].std())
    checks = bayes.diagnostics.check_container(container, "laplace")
    post = posterior.finish(flexible.spec, flexible.data, container, checks, estimand="expected", confidence_level=0.95,
                            entropy=1, method="laplace", seconds=0.0)
    assert any(f.startswith("approximate posterior: laplace") for f in post.estimate.flags)
    assert post.estimate.interval[0] < post.estimate.value < post.estimate.interval[1]


@pytest.mark.long
@pytest.mark.parametrize("method", ["laplace", "advi"])
def test_fit_by_an_approximation(method, fitted):
    post = bayes.fit(vendors(), fitted.spec, method=method, rng=1, draws=500, estimand="expected", progress=False)
    assert post.method == method
    assert post.estimate.value == pytest.approx(fitted.with_estimand("expected").estimate.value, rel=0.3)
    assert any(method in f for f in post.estimate.flags)


@pytest.mark.long
def test_a_long_fit_passes_every_rule():
    post = bayes.fit(vendors(groups=3), ReviewCount(review_rate=RATE), rng=1, on_failure="raise", target_accept=0.95,
                     progress=False)
    assert post.checks.passed
    assert not any("converged" in f for f in post.estimate.flags)


def test_the_container_has_the_groups_of_the_field(fitted):
    names = set(_arviz.group_names(fitted.idata))
    assert {"posterior", "sample_stats", "constant_data", "log_likelihood", "posterior_predictive", "observed_data"} <= names
    cells = _arviz.dataset(fitted.idata, "constant_data")
    assert float(cells["count_n"].sum()) == 300
    likelihood = _arviz.dataset(fitted.idata, "log_likelihood")
    assert likelihood["counts"].dims[:2] == ("chain", "draw")
    assert likelihood["counts"].shape[:2] == (4, 300)
    statistics = _arviz.dataset(fitted.idata, "posterior_predictive")
    assert {"reviewed_turnover", "top_10_share", "count_value_dependence"} == set(statistics.data_vars)


def test_coordinates_are_the_groups(fitted_groups):
    ds = _arviz.dataset(fitted_groups.container, "posterior")
    assert list(ds["group_value"].coords["group"].to_numpy()) == ["c0", "c1", "c2"]
    np.testing.assert_allclose(ds["group_share"].sum("group"), 0, atol=1e-9)


def test_the_predictive_check_finds_data_of_the_model_ordinary(fitted):
    check = fitted.predictive_check(100)
    table = check.to_frame()
    assert table["p"].between(0.005, 0.995).all()
    assert check.flags == ()
    assert table.loc["reviewed turnover", "unit"] == "USD"
    again = fitted.predictive_check(100)
    assert table.equals(again.to_frame())
    for ax in (*check.plot(), check.plot("top-10 share")):
        ax.figure.canvas.draw()


def test_the_predictive_check_finds_what_the_model_has_not(fitted):
    made = fitted.predictive_check(100).replicates
    odd = dataclasses.replace(made, observed={**made.observed, "count-value dependence": 40.0})
    assert "does not reproduce the count-value dependence" in bayes.PredictiveCheck(odd).flags[0]


def with_values(base, m):
    r = base.columns["reviews"]
    return dme.Totals.from_cells(vendor=base.keys["vendor"].take(), value=r * m, reviews=r, currency="USD")


def misfits(est):
    return [f for f in est.flags if f.startswith("predictive check")]


def test_an_expected_total_that_the_model_cannot_reproduce_says_so(flexible, fitted):
    """The largest vendor at a thousand times the price of the others, as a holding price is: no law puts money there."""
    assert not misfits(fitted.with_estimand("expected").estimate)
    base = vendors()
    r = base.columns["reviews"]
    price = np.exp(np.random.default_rng(6).normal(4, 0.5, 300)) * np.where(r == r.max(), 1000, 1)
    data = flexible.spec.data(with_values(base, price))
    post = flexible.posterior(data, estimand="expected", draws=150, tune=150)
    assert any("does not reproduce the reviewed turnover" in f for f in misfits(post.estimate))
    assert not misfits(post.with_estimand("realised").estimate)


def test_a_long_lower_tail_is_no_money_above(flexible):
    """Values as on real markets: under a normal law of their logs the expected total is twice what the vendors sell."""
    totals = with_values(vendors(), np.exp(5 - np.random.default_rng(6).gamma(0.5, 3.0, 300)))
    est = flexible.posterior(flexible.spec.data(totals), estimand="expected", draws=150, tune=150).estimate
    plain = dme.turnover(totals, review_rate=RATE, estimand="expected")
    assert not misfits(est)
    assert plain.interval[0] < est.value < plain.interval[1]
    assert est.interval[0] < plain.value < est.interval[1]


def test_saved_and_loaded_is_the_same(fitted_groups, tmp_path):
    path = tmp_path / "posterior.zip"
    fitted_groups.save(path)
    back = bayes.load(path)
    assert back.spec == fitted_groups.spec
    # vendors are in another order: sums over them differ by rounding
    pd.testing.assert_frame_equal(back.estimate.to_frame(), fitted_groups.estimate.to_frame(), rtol=1e-12)
    assert back.checks.to_frame().equals(fitted_groups.checks.to_frame())
    for name, draws in fitted_groups.draws.items():
        np.testing.assert_array_equal(back.draws[name], draws)
    assert back.estimate.share("c1", of="category").interval == fitted_groups.estimate.share("c1", of="category").interval
    assert not {"v1", "v2"} & set(back.outcome.totals.keys["vendor"].labels)  # anonymous unless asked for
    with zipfile.ZipFile(path) as archive:
        assert all(name.endswith((".nc", ".json", ".parquet")) for name in archive.namelist())
    assert [p.name for p in tmp_path.iterdir()] == ["posterior.zip"]


def test_a_failed_save_leaves_nothing(fitted, tmp_path, monkeypatch):
    path = tmp_path / "posterior.zip"
    path.write_bytes(b"before")
    from darkmarket_estimates.bayes import files

    monkeypatch.setattr(files, "_add", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        fitted.save(path)
    assert path.read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("spoil", ["text", "empty zip", "newer", "unknown model"])
def test_other_files_are_refused(fitted, tmp_path, spoil):
    path = tmp_path / "x.zip"
    if spoil == "text":
        path.write_text("hello")
    else:
        fitted.save(path)
        with zipfile.ZipFile(path) as archive:
            parts = {n: archive.read(n) for n in archive.namelist()}
        meta = json.loads(parts["posterior.json"])
        if spoil == "newer":
            meta["format"] = 99
        if spoil == "unknown model":
            meta["spec"]["type"] = "Popen"
        parts["posterior.json"] = json.dumps(meta).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in () if spoil == "empty zip" else parts.items():
                archive.writestr(name, content)
    with pytest.raises(DataError):
        bayes.load(path)


SPECS = {
    "plain": ReviewCount(review_rate=0.5), "rate": ReviewCount(review_rate=RATE),
    "scipy": ReviewCount(review_rate=stats.beta(44, 56), market_coverage=stats.uniform(loc=0.8, scale=0.1)),
    "groups": ReviewCount(review_rate=dme.ByGroup("g", {"a": 0.4, "b": stats.beta(4, 6)})),
    "priors": ReviewCount(review_rate=0.5, priors=CountPriors(size_sd=0.5, value_level=Normal(1.0, 2.0))),
    "exchange": ReviewCount(review_rate=dme.LogitNormal(0.4, 0.5),
                            exchange_rate=dme.ExchangeRate(0.9, to="EUR", source="s", date="d")),
}


@pytest.mark.parametrize("name", SPECS)
def test_models_survive_a_file(name):
    from darkmarket_estimates.bayes.files import decode, encode

    text = json.dumps(encode(SPECS[name]))
    assert json.dumps(encode(decode(json.loads(text)))) == text


def test_what_cannot_be_written_is_named():
    from darkmarket_estimates.bayes.files import encode

    class Own:
        pass

    with pytest.raises(NotSupportedError, match="cannot be written"):
        encode(Own())


def test_a_stopped_run_keeps_nothing(flexible, monkeypatch):
    import pymc as pm

    real = pm.sample
    monkeypatch.setattr(pm, "sample", lambda **k: real(**{**k, "draws": 5}))
    with pytest.raises(KeyboardInterrupt, match="stopped after 5 of 40 draws"):
        flexible.run(flexible.data, draws=40, tune=10, chains=1)


@pytest.mark.parametrize("options,error", [
    ({"draws": 0}, AssumptionError), ({"chains": 0}, AssumptionError), ({"tune": -1}, AssumptionError),
    ({"method": "gibbs"}, AssumptionError), ({"estimand": "sum"}, AssumptionError), ({"on_failure": "shrug"}, AssumptionError),
    ({"confidence_level": 95}, AssumptionError), ({"target_accept": 1.0}, AssumptionError), ({"rng": "seven"}, AssumptionError),
], ids=lambda x: str(next(iter(x))) if isinstance(x, dict) else "")
def test_impossible_options_are_refused(options, error):
    with pytest.raises(error):
        bayes.fit(vendors(5), ReviewCount(review_rate=0.5), **options)


def test_no_model_is_no_model():
    with pytest.raises(AssumptionError, match="cannot be fitted"):
        bayes.fit(vendors(5), "ReviewCount")
    known = CountPriors(size_mean=1.0, size_shape=1.0, value_level=1.0, value_slope=0.0, value_bend=0.0, value_few=0.0,
                        value_sd=1.0, value_sd_slope=0.0, review_sd=1.0, value_lower_tail=1.0)
    with pytest.raises(AssumptionError, match="every parameter"):
        bayes.fit(vendors(5), ReviewCount(review_rate=0.5, size_law="gamma", priors=known))


def test_compare_takes_a_posterior_beside_the_others(fitted):
    table = dme.compare(vendors(), {
        "closed form": {"review_rate": RATE},
        "bayes": lambda data: fitted.estimate,
        "posterior": lambda data: fitted,
    })
    assert (table["error"] == "").all()
    assert table.loc["bayes", "value"] == table.loc["posterior", "value"]
    assert table.loc["posterior", "kind"] == "posterior predictive interval"
    assert table.loc["posterior", "value"] == pytest.approx(table.loc["closed form", "value"], rel=0.05)


def test_compare_fits_a_model_that_is_named():
    table = dme.compare(vendors(40), {
        "bayes": {"bayes": ReviewCount(review_rate=0.5, size_law="gamma"), "draws": 20, "tune": 20, "chains": 1, "rng": 1},
        "unusable": {"bayes": ReviewCount()},
    })
    assert table.loc["bayes", "value"] > 0
    assert "not converged" in table.loc["bayes", "flags"]
    assert "NotIdentifiedError" in table.loc["unusable", "error"]
