"""The model's formulas: each against another way of computing it."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import special, stats

import darkmarket_estimates as dme
from darkmarket_estimates.bayes import CountPriors, ReviewCount, cells, count_law
from darkmarket_estimates.errors import AssumptionError, DataError, NotIdentifiedError
from tests.bayes.markets import RATE, vendors

SPECS = {"flexible": ReviewCount(review_rate=RATE), "gamma": ReviewCount(review_rate=RATE, size_law="gamma"),
         "normal": ReviewCount(review_rate=RATE, value_tails="normal"),
         "heavy": ReviewCount(review_rate=RATE, value_tails="heavy")}


def some_draws(spec, data, n=3, seed=1):
    rng = np.random.default_rng(seed)
    truths = [spec.simulate(rng, data)[0] for _ in range(n)]
    return {k: np.array([t[k] for t in truths]) for k in truths[0]}


def by_vendor(spec, data, draws):
    """Log likelihood vendor by vendor, without cells; constants that the model leaves out are left out."""
    v, own = data.own.vendors, data.own
    out = []
    for s in range(len(draws["value_level"])):
        one = {k: np.asarray(x)[s:s + 1] for k, x in draws.items()}
        counts, where = np.unique(v.reviews, return_inverse=True)
        p = own.law.probabilities(one, counts, np.ones_like(counts))[0][where]
        total = np.log(p).sum()
        if own.truncated:
            total -= len(v.reviews) * math.log1p(-own.law.probabilities(one, np.zeros(1), np.ones(1))[0, 0])
        x = np.log(v.reviews[v.row_vendor]) - own.centre
        top = np.clip(x - own.bend, 0, None)
        mean = (one["value_level"][0] + one["value_slope"][0] * x + one["value_bend"][0] * top
                + one["value_few"][0] / v.reviews[v.row_vendor])
        if len(own.labels) > 1:
            mean = mean + one["group_value"][0][v.row_group]
            log_w = one["group_share"][0][:, None] + one["group_slope"][0][:, None] * x
            alpha = one["concentration"][0] * np.exp(log_w - special.logsumexp(log_w, axis=0))
            at = alpha[v.row_group, np.arange(len(x))]
            phi = one["concentration"][0]
            total += (special.gammaln(v.row_reviews + at) - special.gammaln(at)).sum()
            total += (special.gammaln(phi) - special.gammaln(v.reviews + phi)).sum()
        variance = ((one["value_sd"][0] * np.exp(one["value_sd_slope"][0] * x)) ** 2
                    + one["review_sd"][0] ** 2 / v.row_reviews)
        log_m = np.log(v.row_value / v.row_reviews)
        if spec.value_tails == "heavy":
            rare = one["heavy_share"][0]
            mean_of_exp = (1 - rare) * np.exp(variance / 2) + rare * np.exp(2 * variance)
            centre = mean - np.log(mean_of_exp)
            density = ((1 - rare) * stats.norm.pdf(log_m, centre, np.sqrt(variance))
                       + rare * stats.norm.pdf(log_m, centre, 2 * np.sqrt(variance)))
            total += (np.log(density) + math.log(2 * math.pi) / 2).sum()
        elif spec.value_tails == "lower":
            b, sd = one["value_lower_tail"][0], np.sqrt(variance)
            # SciPy's law has the tail above
            e = log_m - mean + variance / 2 - math.log(1 + b)
            total += (stats.exponnorm.logpdf(-e, b / sd, 0, sd) + math.log(2 * math.pi) / 2).sum()
        else:
            total += (stats.norm.logpdf(log_m, mean - variance / 2, np.sqrt(variance)) + math.log(2 * math.pi) / 2).sum()
        out.append(total)
    return np.array(out)


@pytest.mark.parametrize("name", SPECS)
def test_cells_have_the_likelihood_of_the_vendors(name):
    """Counts up to 30 are exact everywhere: the two must agree to rounding."""
    spec = SPECS[name]
    totals = vendors(250)
    keep = totals.columns["reviews"] <= 30
    totals = dme.Totals.from_cells(vendor=totals.keys["vendor"].take()[keep], value=totals.columns["value"][keep],
                                   reviews=totals.columns["reviews"][keep], currency="USD")
    data = spec.data(totals)
    draws = some_draws(spec, data)
    ours = sum(part.sum(axis=1) for part in spec.log_likelihood(data, draws).values())
    np.testing.assert_allclose(ours, by_vendor(spec, data, draws), rtol=1e-10)


@pytest.mark.parametrize("name,groups", [("flexible", 0), ("flexible", 3), ("normal", 0), ("heavy", 0)])
def test_classes_of_large_counts_change_next_to_nothing(name, groups):
    spec = SPECS[name]
    data = spec.data(vendors(300, groups=groups))
    draws = some_draws(spec, data)
    ours = sum(part.sum(axis=1) for part in spec.log_likelihood(data, draws).values())
    theirs = by_vendor(spec, data, draws)
    # what a posterior sees are differences between parameter values
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), rtol=0.01, atol=1.0)


def test_the_pymc_model_has_the_numpy_likelihood(flexible, grouped):
    for c in (flexible, grouped):
        check_potentials(c.spec, c.data, c.model)


@pytest.mark.parametrize("name", ["gamma", "normal", "heavy"])
def test_the_other_pymc_models_have_it_too(name):
    spec = SPECS[name]
    data = spec.data(vendors(60))
    check_potentials(spec, data, spec.model(data))


def check_potentials(spec, data, model, n=3):
    """At random points of the sampler's coordinates; the graph names the parameters that it has there."""
    import pymc as pm

    from darkmarket_estimates.bayes import calibration, sampling

    calibration.put(model, data)
    names = [v for v in (*model.free_RVs, *model.deterministics) if not v.name.endswith(("_", "_z"))]
    parts = [v for v in model.potentials if v.name in ("counts", "values", "splits")]
    with sampling.quiet():
        # the cheapest way of computing them: what is tested is the graph, not its compilation
        compute = pm.compile(model.free_RVs, [*names, sum(parts)], mode="FAST_COMPILE", on_unused_input="ignore")
    rng, first = np.random.default_rng(3), model.initial_point()
    for _ in range(n):
        point = []
        for rv in model.free_RVs:
            noise = 0.3 * rng.standard_normal(rv.shape.eval())
            if rv.name.endswith("_z"):
                point.append(noise - noise.mean())
            elif rv.name in first:
                point.append(first[rv.name] + noise)
            else:
                point.append(rng.uniform(0.2, 0.4) * np.exp(noise))  # positive, and below any bound
        *values, total = compute(*point)
        draws = {v.name: np.asarray(x)[None] for v, x in zip(names, values, strict=True)}
        theirs = sum(part.sum() for part in spec.log_likelihood(data, draws).values())
        assert float(total) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("name", SPECS)
def test_the_expected_total_is_that_of_simulated_vendors(name):
    spec = SPECS[name]
    data = spec.data(vendors(300))
    draws = {"size_centre": [1.2], "size_sd": [0.7], "upper_tail": [0.2], "lower_tail": [0.3], "size_mean": [9.0],
             "size_shape": [0.6], "value_level": [4.0], "value_slope": [0.2],
             "value_bend": [-0.1], "value_few": [0.3], "value_sd": [0.5], "review_sd": [0.6],
             "value_sd_slope": [-0.1],
             "value_lower_tail": [0.8], "heavy_share": [0.05]}
    draws = {k: np.array(v) for k, v in draws.items()}
    total = spec.expected(data, draws, None)[0, 0]
    big = 400_000
    many = cells.Vendors(*(np.ones(big), np.ones(big)), *(np.empty(0),) * 4, 1)
    own = dataclasses.replace(data.own, vendors=many, truncated=True)
    made = count_law.simulate(type(data)(arrays={}, own=own), draws, np.random.default_rng(8), spec.values)
    per_vendor = np.bincount(made.row_vendor, made.row_value, minlength=big)
    error = per_vendor.std() / math.sqrt(big)
    assert total / 300 == pytest.approx(per_vendor.mean(), abs=4 * error)


def test_simulated_values_scatter_as_the_law_says():
    """Variance of ln m at one review and at many: (tau e^(k x))^2 + omega^2 / r + b^2."""
    spec = SPECS["flexible"]
    data = spec.data(vendors(300))
    tau, k, omega, tail = 0.5, -0.1, 0.9, 0.4
    draws = {"size_centre": 1.2, "size_sd": 0.7, "upper_tail": 0.2, "lower_tail": 0.3, "value_level": 4.0, "value_slope": 0.2,
             "value_bend": -0.1, "value_few": 0.3, "value_sd": tau, "value_sd_slope": k, "review_sd": omega,
             "value_lower_tail": tail}
    n = 200_000
    many = cells.Vendors(*(np.ones(n), np.ones(n)), *(np.empty(0),) * 4, 1)
    own = dataclasses.replace(data.own, vendors=many, truncated=True)
    made = count_law.simulate(type(data)(arrays={}, own=own), {name: np.array([x]) for name, x in draws.items()},
                              np.random.default_rng(9), spec.values)
    log_m = np.log(made.row_value / made.row_reviews)
    for r in (1.0, 12.0):
        some = made.row_reviews == r
        e = log_m[some] - log_m[some].mean()
        size = math.log(r) - own.centre
        variance = tau**2 * math.exp(2 * k * size) + omega**2 / r + tail**2
        error = (e**2).std() / math.sqrt(some.sum())
        assert (e**2).mean() == pytest.approx(variance, abs=4 * error)
        assert error < 0.05 * variance


def test_the_expected_total_of_groups_is_that_of_simulated_vendors():
    spec = SPECS["flexible"]
    data = spec.data(vendors(300, groups=3))
    draws = {"size_centre": [1.2], "size_sd": [0.7], "upper_tail": [0.15], "lower_tail": [0.3], "value_level": [4.0],
             "value_slope": [0.1], "value_bend": [-0.1], "value_few": [0.3], "value_sd": [0.4], "review_sd": [0.3],
             "value_sd_slope": [0.1], "value_lower_tail": [0.6], "concentration": [0.8],
             "group_value": [[0.5, 0.0, -0.5]], "group_share": [[1.0, 0.0, -1.0]], "group_slope": [[-0.2, 0.0, 0.2]],
             "group_value_sd": [1.0], "group_share_sd": [1.0], "group_slope_sd": [0.1]}
    draws = {k: np.array(v) for k, v in draws.items()}
    ours = spec.expected(data, draws, None)[0] / 300
    n = 200_000
    many = cells.Vendors(np.ones(n), np.ones(n), *(np.empty(0),) * 4, 3)
    own = dataclasses.replace(data.own, vendors=many, truncated=True)
    made = count_law.simulate(type(data)(arrays={}, own=own), draws, np.random.default_rng(8), spec.values)
    for g in range(3):
        y = np.bincount(made.row_vendor[made.row_group == g], made.row_value[made.row_group == g], minlength=n)
        assert ours[g] == pytest.approx(y.mean(), abs=4 * y.std() / math.sqrt(n))


def test_the_number_of_vendors_is_poisson():
    spec = SPECS["flexible"]
    data = spec.data(vendors(100))
    draws = {k: np.repeat(v, 20_000, axis=0) for k, v in some_draws(spec, data, n=1).items()}
    draws = {k: v[:20_000] for k, v in draws.items()}
    fixed = spec.expected(data, {k: v[:1] for k, v in draws.items()}, None)[0, 0]
    factor = spec.expected(data, draws, np.random.default_rng(1))[:, 0] / fixed
    assert stats.kstest(factor, stats.gamma(100, scale=1 / 100).cdf).pvalue > 0.001


def test_twice_the_exposure_of_all_is_half_the_rate():
    totals = vendors(80)
    names = totals.keys["vendor"].labels
    spec = ReviewCount(review_rate=RATE, exposure=dict.fromkeys(names, 2.0))
    one, two = SPECS["flexible"].data(totals), spec.data(totals)
    draws = some_draws(SPECS["flexible"], one, n=2)
    moved = {**draws, "size_centre": draws["size_centre"] - math.log(2)}
    np.testing.assert_allclose(spec.expected(two, moved, None), SPECS["flexible"].expected(one, draws, None), rtol=1e-6)
    before, after = (model.resolve(totals).size_centre.mean for model in (SPECS["flexible"], spec))
    assert after == pytest.approx(before - 0.7, abs=0.1001)


def test_scale_aware_priors_follow_the_currency():
    a = vendors(100)
    b = dme.Totals.from_cells(vendor=a.keys["vendor"].take(), value=1000 * a.columns["value"], reviews=a.columns["reviews"],
                              currency="XMR")
    before, after = (SPECS["flexible"].resolve(t) for t in (a, b))
    assert after.value_level.mean - before.value_level.mean == pytest.approx(math.log(1000), abs=0.1001)
    assert after.size_centre == before.size_centre


def test_the_prior_is_shown_in_money():
    table = SPECS["flexible"].prior_predictive(vendors(100), draws=60, rng=1)
    assert table.loc["reviewed turnover", "unit"] == "USD"
    assert (table["low"] < table["median"]).all()
    assert (table["median"] < table["high"]).all()
    assert (table["low"] < table["observed"]).all()
    again = SPECS["flexible"].prior_predictive(vendors(100), draws=60, rng=1)
    assert table.equals(again)


def test_zeros_decide_on_truncation():
    totals = dme.Totals.from_cells(vendor=list("abc"), value=[9.0, 4, 0], reviews=[3, 2, 0], currency="USD")
    assert not SPECS["flexible"].data(totals).own.truncated
    assert SPECS["flexible"].data(vendors(5)).own.truncated
    counted = ReviewCount(review_rate=RATE, zeros="counted").data(vendors(5))
    assert counted.arrays["vendors_n"].sum() == 0
    truncated = ReviewCount(review_rate=RATE, zeros="truncated").data(totals)
    assert truncated.arrays["count_n"].sum() == 2


def test_replicates_look_like_the_data():
    spec = SPECS["flexible"]
    data = spec.data(vendors(200))
    made = spec.replicate(data, some_draws(spec, data, n=20), np.random.default_rng(0))
    assert set(made.observed) == set(made.replicated)
    assert all(len(v) == 20 for v in made.replicated.values())
    r, y = data.own.vendors.reviews, data.own.vendors.row_value
    assert made.observed["reviewed turnover"] == pytest.approx(y.sum())
    assert made.observed["count-value dependence"] == pytest.approx(r.mean() * (y / r).mean() / y.mean())
    assert made.observed["top-10 share"] == pytest.approx(np.sort(y)[-10:].sum() / y.sum())


EDGES = {
    "one vendor": ([90.0], [9]), "all counts equal": ([90.0, 80, 70, 60], [3, 3, 3, 3]), "one review each": ([9.0, 8], [1, 1]),
    "millions": ([1e9, 50, 3e7], [1_000_000, 2, 300_000]), "tiny money": ([1e-9, 2e-9], [1, 2]),
}


@pytest.mark.parametrize("edge", EDGES)
def test_odd_tables_have_a_finite_likelihood(edge):
    value, reviews = EDGES[edge]
    totals = dme.Totals.from_cells(vendor=[f"v{i}" for i in range(len(value))], value=value, reviews=reviews, currency="USD")
    for spec in SPECS.values():
        data = spec.data(totals)
        draws = some_draws(spec, data, n=5)
        assert all(np.isfinite(part).all() for part in spec.log_likelihood(data, draws).values())
        outcome = spec.after(data, draws, np.random.default_rng(0), estimand="realised")
        assert (outcome.draws >= sum(value) * (1 - 1e-12)).all()


def test_a_group_without_reviews_borrows_strength():
    base = vendors(60, groups=2)
    totals = dme.Totals.from_cells(
        vendor=[*base.keys["vendor"].take(), "empty"], value=[*base.columns["value"], 0.0],
        reviews=[*base.columns["reviews"], 0], groups={"category": [*base.keys["category"].take(), "c9"]}, currency="USD")
    spec = SPECS["flexible"]
    data = spec.data(totals)
    draws = some_draws(spec, data, n=4)
    assert data.coords["group"] == ["c0", "c1", "c9"]
    realised = spec.after(data, draws, np.random.default_rng(0), estimand="realised").draws
    assert (realised[:, 2] == 0).all()
    assert (spec.after(data, draws, np.random.default_rng(0), estimand="expected").draws[:, 2] > 0).all()


def one(value, reviews):
    return dme.Totals.from_cells(vendor=["a"], value=[value], reviews=[reviews], currency="USD")


def with_exposure(exposure):
    return ReviewCount(review_rate=0.5, exposure=exposure).data(vendors(5))


BAD = {
    "no totals": (lambda: SPECS["flexible"].data([1]), DataError),
    "option": (lambda: ReviewCount(size_law="zipf"), AssumptionError),
    "tails": (lambda: ReviewCount(value_tails="t"), AssumptionError),
    "zeros": (lambda: ReviewCount(zeros=0), AssumptionError),
    "no share": (lambda: ReviewCount().data(vendors(5)), NotIdentifiedError),
    "range": (lambda: ReviewCount(review_rate=dme.Range(0.4, 0.6)).data(vendors(5)), AssumptionError),
    "no review": (lambda: SPECS["flexible"].data(one(0.0, 0)), DataError),
    "fractions": (lambda: SPECS["flexible"].data(one(3.0, 0.5)), DataError),
    "exposure of nobody": (lambda: with_exposure({"nobody": 1.0}), DataError),
    "exposure 0": (lambda: with_exposure({"v1": 0.0}), DataError),
    "exposure nan": (lambda: with_exposure({"v1": math.nan}), DataError),
    "estimand": (lambda: SPECS["flexible"].after(SPECS["flexible"].data(vendors(5)), {}, None, estimand="sum"), AssumptionError),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(case):
    call, error = BAD[case]
    with pytest.raises(error) as caught:
        call()
    assert caught.value.what


def test_counted_sales_need_no_share():
    totals = dme.Totals.from_cells(vendor=["a", "b"], value=[9.0, 4.0], reviews=[3, 2], currency="USD", counted="sold")
    spec = ReviewCount()
    data = spec.data(totals)
    assert (spec.after(data, some_draws(spec, data), np.random.default_rng(0), estimand="realised").draws == 13).all()


def test_known_priors_are_read():
    assert ReviewCount(review_rate=1.0, priors=CountPriors(value_slope=0.0)).resolve(vendors(5)).value_slope.value == 0.0


@pytest.mark.parametrize(("given", "says"), [
    ({"priors": {"size_sd": 3}}, "got: dict"), ({"priors": None}, "got: NoneType"),
    ({"exposure": 3}, "got: int"), ({"exposure": ["a"]}, "got: list"),
], ids=["priors of a dict", "no priors", "exposure of a number", "exposure of a list"])
def test_priors_and_exposure_of_another_kind_are_refused(given, says):
    with pytest.raises(AssumptionError, match=next(iter(given))) as caught:
        ReviewCount(review_rate=RATE, **given)
    assert says in str(caught.value)
