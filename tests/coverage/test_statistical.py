"""Known truth: unbiasedness, standard errors, coverage, and the failures that the documentation states.

Each threshold is `Z` Monte Carlo errors from nominal; seeds are fixed, so a pass is a pass.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates import coverage as cov
from darkmarket_estimates.coverage.fit import equal_scrapes_fit
from darkmarket_estimates.errors import DataError

pytestmark = pytest.mark.statistical
Z = 3.5
RUNS = 300


def collect(make, truth, runs=RUNS, seed=0):
    """Arrays of value, standard error, low, high over runs; `make(rng)` returns estimates by name."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list] = {}
    for _ in range(runs):
        for name, est in make(rng).items():
            rows.setdefault(name, []).append((est.value, est.standard_error, *(est.interval or (np.nan, np.nan))))
    return {name: np.array(values).T for name, values in rows.items()}


def assert_covers(low, high, truth, level=0.95, name=""):
    rate = np.mean((low <= truth) & (truth <= high))
    assert rate > level - Z * np.sqrt(level * (1 - level) / len(low)), (name, rate)
    return rate


def assert_calibrated(value, error, truth, name="", slack=0.0):
    """Bias within `Z` errors of the mean, mean variance within `Z` errors of the mean squared error."""
    square = (value - truth) ** 2
    gap = np.mean(error**2) - np.mean(square)
    assert abs(gap) < Z * np.std(square) / np.sqrt(len(value)) + slack * np.mean(square), (
        name,
        np.mean(error**2) / np.mean(square),
    )


def alike(rng, n=1000, t=5, p=0.2):
    h = rng.random((n, t)) < p
    return h[h.any(axis=1)]


def test_closed_estimators_when_listings_are_alike():
    def make(rng):
        h = alike(rng)
        c = cov.summary(h)
        pair = int(c.together[0, 0]), int(c.together[1, 1]), int(c.together[0, 1])
        return {
            "chapman": cov.chapman(*pair),
            "petersen": cov.petersen(*pair),
            "bailey": cov.bailey(*pair),
            "normal": cov.chapman(*pair, interval="normal"),
            "proportion": cov.petersen(*pair, interval="proportion"),
            "schnabel": cov.schnabel(h),
            "schumacher": cov.schumacher_eschmeyer(h),
            "m0": cov.m0(h),
            "mt": cov.mt(h),
            "ice": cov.ice(h),
            "huggins": cov.huggins(h),
            "chao2": cov.chao2(h),
            "classic": cov.chao2(h, bias_corrected=False),
        }

    got = collect(make, 1000)
    for name, (value, error, low, high) in got.items():
        assert_covers(low, high, 1000, name=name)
        mean_error = value.std() / np.sqrt(RUNS)
        bias = {"petersen": 20, "normal": 0, "classic": 8, "schumacher": 2, "ice": 12}.get(
            name, 0
        )  # of order 1 / recaptures
        assert abs(value.mean() - 1000) < Z * mean_error + bias + 4, (name, value.mean())
        if name in ("m0", "mt", "huggins", "chapman", "petersen", "classic", "chao2", "ice"):
            assert_calibrated(value, error, value.mean(), name, slack=0.12)


def test_unequal_scrapes_need_mt():
    def make(rng):
        h = rng.random((1500, 4)) < np.array([0.05, 0.1, 0.3, 0.5])
        h = h[h.any(axis=1)]
        return {"mt": cov.mt(h), "m0": cov.m0(h), "schnabel": cov.schnabel(h)}

    got = collect(make, 1500, seed=1)
    assert_covers(got["mt"][2], got["mt"][3], 1500)
    assert_calibrated(*got["mt"][:2], 1500, slack=0.1)
    assert np.mean(got["m0"][2] > 1500) > 0.9  # too high


def test_poisson_finds():
    def make(rng):
        counts = rng.poisson(1.2, 800)
        counts = counts[counts > 0]
        return {
            "ztp": cov.zero_truncated_poisson(frequencies=np.bincount(counts)[1:]),
            "chao1": cov.chao1(counts),
            "classic": cov.chao1(counts, bias_corrected=False),
            "ace": cov.ace(counts),
        }

    for name, (value, error, low, high) in collect(make, 800, seed=2).items():
        assert_covers(low, high, 800, name=name)
        assert_calibrated(value, error, value.mean(), name, slack=0.12)
        assert abs(value.mean() - 800) < Z * value.std() / np.sqrt(RUNS) + (5 if name != "ztp" else 1), name


def test_chao_is_a_lower_bound_under_heterogeneity(draw):
    def make(rng):
        h, _, _, _ = draw(rng, n=1000, t=5, base=-1.6, spread=1.0)
        return {"chao2": cov.chao2(h, confidence_level=0.9), "mt": cov.mt(h)}

    got = collect(make, 1000, seed=3)
    assert np.mean(got["chao2"][2] <= 1000) == 1 and np.mean(got["mt"][3] < 1000) > 0.9
    assert got["mt"][0].mean() < got["chao2"][0].mean() < 1000


def test_jackknife_variance_over_captures():
    def make(rng):
        h = alike(rng)
        return {"1": cov.jackknife(h), "2": cov.jackknife(h, order=2)}

    for name, (value, error, _, _) in collect(make, 1000, seed=4).items():
        # Burnham and Overton's variance is for a random number seen: compare with the spread of the estimates
        assert_calibrated(value, error, value.mean(), name, slack=0.1)


def coverage_runs(estimator, t, seed):
    rng = np.random.default_rng(seed)
    p = 0.02 + 0.4 * rng.beta(1, 4, 1500)
    error, variance, inside = [], [], []
    for _ in range(RUNS):
        h = rng.random((1500, t)) < p[:, None]
        truth = p[h.any(axis=1)].sum() / p.sum()
        est = estimator(h[h.any(axis=1)])
        error.append(est.value - truth)
        variance.append(est.standard_error**2)
        inside.append(est.interval[0] <= truth <= est.interval[1])
    return np.array(error), np.array(variance), np.array(inside)


def test_sample_coverage_of_scrapes():
    error, variance, inside = coverage_runs(cov.chao_jost, 5, 5)
    assert abs(error.mean()) < 0.01  # Chao and Jost's estimate has a small upward bias
    assert np.mean(inside) > 0.95 - Z * np.sqrt(0.95 * 0.05 / RUNS)
    noise = Z * np.sqrt(2 / RUNS)
    assert 1 - noise < np.mean(variance) / error.var() < 1.8 + noise  # documented as conservative
    error, _, _ = coverage_runs(cov.good_turing, 5, 5)
    assert error.mean() < -0.02  # Good-Turing's is too low with few scrapes


def test_sample_coverage_of_finds():
    rng = np.random.default_rng(6)
    p = rng.dirichlet(np.full(500, 0.5))
    for function in (cov.good_turing, cov.chao_jost):
        error, variance = [], []
        for _ in range(RUNS):
            counts = rng.multinomial(800, p)
            est = function(frequencies=np.bincount(counts[counts > 0])[1:])
            error.append(est.value - p[counts > 0].sum())
            variance.append(est.standard_error**2)
        error = np.array(error)
        assert abs(error.mean()) < Z * error.std() / np.sqrt(RUNS) + 5e-4
        assert np.mean(variance) == pytest.approx(error.var(), rel=Z * np.sqrt(2 / RUNS))


def open_market(rng, n=800, t=6, stay=0.85, p=0.4):
    """Listings live at the start, and as many new ones as go; returns histories and who was live."""
    live = np.zeros((4 * n, t), dtype=bool)
    used = n
    live[:n, 0] = True
    for j in range(1, t):
        live[:, j] = live[:, j - 1] & (rng.random(4 * n) < stay)
        arrive = rng.poisson((1 - stay) * n)
        live[used : used + arrive, j] = True
        used += arrive
    h = live & (rng.random(live.shape) < p)
    return h[h.any(axis=1)], live


@pytest.mark.parametrize("form", ["classic", "bias corrected"])
def test_jolly_seber_in_an_open_market(form):
    rng = np.random.default_rng(7)
    rows = []
    for _ in range(RUNS):
        h, live = open_market(rng)
        est = cov.jolly_seber(h, form=form)
        table = est.details["table"]
        alive_now = live.sum(axis=0)
        born = (live[:, 3] & ~live[:, 2]).sum()
        rows.append(
            (
                table["alive"][2] - alive_now[2],
                table["alive_se"][2],
                table["survival"][2] - 0.85,
                table["survival_se"][2],
                table["entered"][2] - born,
                table["entered_se"][2],
                est.interval[0] <= alive_now[4] <= est.interval[1],
                est.details["occasion"],
            )
        )
    alive, alive_se, survival, survival_se, entered, entered_se, inside, at = np.array(rows).T
    assert (at == 4).all()
    assert np.mean(inside) > 0.95 - Z * np.sqrt(0.95 * 0.05 / RUNS)
    for error, se, name in ((alive, alive_se, "N"), (survival, survival_se, "phi"), (entered, entered_se, "B")):
        assert np.mean(se**2) == pytest.approx(np.mean(error**2), rel=Z * np.sqrt(2 / RUNS)), name
        assert abs(error.mean()) < Z * error.std() / np.sqrt(RUNS) + (1.6 if name != "phi" else 0.02), name


# --- Huggins and values -----------------------------------------------------------------------------------------------


def market(rng, n=1500, t=4, slope=0.6, spread=0.0, scrape=0.0, vendors=60, shock=0.0):
    x = rng.normal(size=n)
    vendor = rng.integers(0, vendors, n)
    eta = -1.6 + slope * x + spread * rng.normal(size=n)
    eta = eta[:, None] + scrape * np.linspace(-1, 1, t) + shock * rng.normal(size=(vendors, t))[vendor]
    h = rng.random((n, t)) < 1 / (1 + np.exp(-eta))
    y = np.exp(4 + 0.8 * x + 0.5 * rng.normal(size=n))
    seen = h.any(axis=1)
    return h[seen], x[seen], y[seen], vendor[seen], y.sum()


def test_huggins_when_the_covariates_explain_catchability():
    rng = np.random.default_rng(8)
    rows = []
    for _ in range(RUNS):
        h, x, y, _, truth = market(rng)
        fit = cov.huggins(h, x)
        value = cov.huggins_value(y, fit)
        rows.append(
            (
                fit.value,
                fit.standard_error,
                *fit.interval,
                value.value / truth - 1,
                value.standard_error / truth,
                value.interval[0] <= truth <= value.interval[1],
                fit.details["goodness_of_fit"]["p_value"],
                fit.coefficients[1],
                fit.coefficient_standard_errors[1],
            )
        )
    n, se, low, high, error, relative, inside, p, slope, slope_se = np.array(rows).T
    assert_covers(low, high, 1500)
    assert_calibrated(n, se, 1500, slack=0.05)
    assert_calibrated(error, relative, 0, slack=0.05)
    assert np.mean(inside) > 0.95 - Z * np.sqrt(0.95 * 0.05 / RUNS)
    assert np.mean(p < 0.05) < 0.05 + Z * np.sqrt(0.05 * 0.95 / RUNS)
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    assert_calibrated(slope, slope_se, 0.6, slack=0.05)


def test_huggins_fails_under_unobserved_differences_and_the_test_says_so():
    rng = np.random.default_rng(9)
    rows = []
    for _ in range(60):
        h, x, y, _, truth = market(rng, n=4000, t=6, spread=1.0)
        fit = cov.huggins(h, x)
        rows.append((cov.huggins_value(y, fit).interval[1] < truth, fit.details["goodness_of_fit"]["p_value"] < 0.05))
    missed, flagged = np.array(rows).mean(axis=0)
    assert missed > 0.9 and flagged > 0.9


def test_clusters_repair_vendors_that_are_scraped_together():
    rng = np.random.default_rng(10)
    rows = []
    for _ in range(RUNS):
        h, x, y, vendor, truth = market(rng, t=6, shock=1.0)
        fit = cov.huggins(h, x)
        rows.append(
            [
                e.interval[0] <= truth <= e.interval[1]
                for e in (cov.huggins_value(y, fit), cov.huggins_value(y, fit, vendor=vendor))
            ]
        )
    plain, clustered = np.array(rows).mean(axis=0)
    assert clustered > 0.95 - Z * np.sqrt(0.95 * 0.05 / RUNS) and plain < clustered


def test_value_bound_lies_below_the_truth_where_the_equal_form_does_not():
    rng = np.random.default_rng(11)
    for t in (2, 3, 6):
        rows = []
        for _ in range(150):
            h, _, y, vendor, truth = market(rng, n=3000, t=t, slope=0.0, scrape=1.5)
            k, first, _ = cov.captures(h)
            unequal, equal = (
                cov.value_chao(y, k, first, t, form=form) for form in ("unequal scrapes", "equal scrapes")
            )
            by_vendor = cov.value_chao(y, k, first, t, vendor=vendor)
            rows.append(
                (
                    unequal.interval[0] <= truth,
                    by_vendor.interval[0] <= truth,
                    equal.interval[0] > truth,
                    unequal.details["unseen"] / (truth - y.sum()),
                )
            )
        below, vendors_below, above, found = np.array(rows).T
        assert below.mean() > 0.95 - Z * np.sqrt(0.95 * 0.05 / 150) and vendors_below.mean() >= below.mean()
        assert abs(found.mean() - 1) < Z * found.std() / np.sqrt(150)  # listings alike: the bound is met
        assert above.mean() > {2: 0.9, 3: 0.7, 6: 0.1}[t]


def test_value_bound_under_heterogeneity_and_count_times_mean():
    rng = np.random.default_rng(12)
    rows = []
    for _ in range(100):
        h, _, y, _, truth = market(rng, n=3000, slope=1.0)
        k, first, t = cov.captures(h)
        est = cov.value_chao(y, k, first, t)
        rows.append(
            (
                est.interval[0] <= truth,
                est.details["unseen"] / (truth - y.sum()),
                cov.count_times_mean(y, k, t).value / truth,
            )
        )
    below, found, wrong = np.array(rows).T
    assert below.mean() == 1 and 0.3 < found.mean() < 0.9
    assert wrong.mean() > 1.05


def test_limit_for_the_expected_total_may_lie_below_what_was_seen():
    """A limit floored at the value seen exceeds the expected total nearly half the time: the seen is random too."""
    rng = np.random.default_rng(13)
    good, floored = [], []
    size, p, t = 1000, 0.5, 4
    truth = size * np.exp(4 + 0.32)
    for _ in range(RUNS):
        n = rng.poisson(size)
        h = rng.random((n, t)) < p
        y = np.exp(4 + 0.8 * rng.normal(size=n))
        seen = h.any(axis=1)
        k, first, _ = cov.captures(h[seen])
        est = cov.value_chao(y[seen], k, first, t, estimand="expected")
        good.append(est.interval[0] <= truth)
        floored.append(y[seen].sum() <= truth)
    assert np.mean(good) > 0.95 - Z * np.sqrt(0.95 * 0.05 / RUNS) and np.mean(floored) < 0.95
    assert np.mean(good) < 0.995


def test_expected_huggins_value_with_random_vendors():
    rng = np.random.default_rng(14)
    inside = []
    truth = 120 * 8 * np.exp(4 + 0.5 * 0.6**2 + 0.5 * 0.5**2)
    for _ in range(RUNS):
        vendors = rng.poisson(120)
        vendor = np.repeat(np.arange(vendors), rng.poisson(8, vendors))
        x = rng.normal(size=len(vendor))
        y = np.exp(4 + 0.6 * rng.normal(size=vendors)[vendor] + 0.5 * rng.normal(size=len(vendor)))
        h = rng.random((len(vendor), 4)) < 1 / (1 + np.exp(1.2 - 0.5 * x))[:, None]
        seen = h.any(axis=1)
        est = cov.huggins_value(y[seen], cov.huggins(h[seen], x[seen]), vendor=vendor[seen], estimand="expected")
        inside.append(est.interval[0] <= truth <= est.interval[1])
    assert np.mean(inside) > 0.95 - Z * np.sqrt(0.95 * 0.05 / RUNS)
    assert np.mean(inside) < 0.995


def test_cochran_q_has_its_size_whatever_the_listings():
    rng = np.random.default_rng(15)
    p = rng.beta(1, 4, 400)
    values = []
    for _ in range(RUNS):
        h = rng.random((400, 5)) < p[:, None]
        s = cov.summary(h[h.any(axis=1)])
        statistic, df = equal_scrapes_fit(s.caught, s.frequencies)
        values.append(stats.chi2.sf(statistic, df))
    assert stats.kstest(values, "uniform").pvalue > 1e-3


# --- the benchmark ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def benchmark_module():
    path = Path(__file__).parents[2] / "benchmarks" / "capture_recapture.py"
    if not path.exists():
        pytest.skip("benchmarks/ is not beside tests/")
    spec = importlib.util.spec_from_file_location("coverage_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_benchmark_table_in_small(benchmark_module):
    for situation in benchmark_module.SITUATIONS:
        counts, values = benchmark_module.simulate(2, 1, 3, situation)
        assert counts["mt"].runs == 2 and counts["petersen"].failed == 0 and len(values) == 6
        assert all(tally.runs + tally.failed == 2 for tally in (*counts.values(), *values.values()))
        again, _ = benchmark_module.simulate(2, 1, 3, situation)
        assert again["mt"].error == counts["mt"].error
    assert benchmark_module.simulate(1, 1, 2, "equal")[0]["jolly_seber"].failed == 1
    tally = benchmark_module.Tally()
    tally.add(lambda: cov.chapman(100, 100, 50), 200.0)
    tally.add(lambda: cov.petersen(100, 100, 0), 200.0)
    assert tally.cell(False, False) == "-0.5% 1.000 (0.00, 0.00), refused 0.50"


@pytest.mark.long
def test_no_estimator_is_worse_than_documented(benchmark_module):
    """Those that should hold, hold: 300 runs in the situation each is made for."""
    for t in (2, 3, 6):
        equal, equal_value = benchmark_module.simulate(300, 2, t, "equal")
        for name in ("mt", "m0", "huggins", "ice", "chapman"):
            assert equal[name].covered / 300 > 0.95 - Z * np.sqrt(0.95 * 0.05 / 300) - 0.01, (t, name)
        unequal, unequal_value = benchmark_module.simulate(300, 2, t, "unequal scrapes")
        assert unequal["mt"].covered / 300 > 0.95 - Z * np.sqrt(0.95 * 0.05 / 300)
        for values in (equal_value, unequal_value):
            assert values["value_chao (unequal scrapes)"].below / 300 < 0.05 + Z * np.sqrt(0.95 * 0.05 / 300)
    with pytest.raises(DataError):
        cov.huggins(captures=[1, 1], occasions=2)
