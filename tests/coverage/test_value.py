"""The bound on the value of the unseen: brute force, identities and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates import coverage as cov
from darkmarket_estimates.errors import DataError, NotIdentifiedError

FORMS = ("unequal scrapes", "equal scrapes")


@pytest.fixture(scope="module")
def data(draw):
    rng = np.random.default_rng(5)
    h, x, _, _ = draw(rng, n=900, t=4, base=-1.4, scrape=0.7)
    k, first, t = cov.captures(h)
    return np.exp(4 + x), k, first, t, rng.integers(0, 30, len(x))


def brute(y, k, first, t, form, corrected):
    """V0, slopes, Q0 by loops over scrapes and listings."""
    v1 = [sum(y[i] for i in range(len(y)) if k[i] == 1 and first[i] == j) for j in range(t)]
    q1 = sum(y[i] ** 2 for i in range(len(y)) if k[i] == 1)
    v2, q2 = sum(y[k == 2]), sum(y[k == 2] ** 2)
    m = (q1 + q2) / (sum(v1) + v2) if corrected else 0
    if form == "unequal scrapes":
        v0 = sum(v1[i] * v1[j] for j in range(t) for i in range(j)) / (v2 + m)
        g = [(sum(v1) - v1[j]) / (v2 + m) for j in range(t)]
    else:
        c = (t - 1) / (2 * t)
        v0 = c * (sum(v1) ** 2 - (q1 if corrected else 0)) / (v2 + m)
        g = [2 * c * sum(v1) / (v2 + m)] * t
    return v0, np.array(g), -v0 / (v2 + m), (t - 1) / (2 * t) * q1**2 / q2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("corrected", [True, False])
def test_bound_and_variances_written_out(data, form, corrected):
    y, k, first, t, vendor = data
    v0, g, g2, q0 = brute(y, k, first, t, form, corrected)
    slope = np.where(k == 1, g[first], np.where(k == 2, g2, 0.0))
    realised = q0 + sum((slope * y) ** 2)
    z = y * (1 + slope)
    clustered = sum(z[vendor == v].sum() ** 2 for v in range(30))
    options = {"form": form, "bias_corrected": corrected}
    est = cov.value_chao(y, k, first, t, **options)
    assert est.value == pytest.approx(y.sum() + v0, rel=1e-11)
    assert est.standard_error**2 == pytest.approx(realised, rel=1e-10)
    c = math.exp(stats.norm.ppf(0.95) * math.sqrt(math.log(1 + realised / v0**2)))
    assert est.interval == (pytest.approx(y.sum() + v0 / c, rel=1e-11), math.inf)
    assert est.details["share_unseen"] == pytest.approx(v0 / est.value) and est.details["limit"] == est.interval[0]
    by_vendor = cov.value_chao(y, k, first, t, vendor=vendor, **options)
    assert by_vendor.standard_error**2 == pytest.approx(clustered, rel=1e-10)
    expected = cov.value_chao(y, k, first, t, vendor=vendor, estimand="expected", **options)
    assert expected.standard_error**2 == pytest.approx(clustered, rel=1e-10)
    c = math.exp(stats.norm.ppf(0.95) * math.sqrt(math.log(1 + clustered / est.value**2)))
    assert expected.interval[0] == pytest.approx(est.value / c, rel=1e-11)
    alone = cov.value_chao(y, k, first, t, estimand="expected", **options)
    assert alone.standard_error**2 == pytest.approx((z**2).sum(), rel=1e-10)
    own = cov.value_chao(y, k, first, t, vendor=np.arange(len(y)), estimand="expected", **options)
    assert own.standard_error == pytest.approx(alone.standard_error, rel=1e-10)


def test_slopes_are_derivatives_of_the_uncorrected_bound():
    v1, v2 = np.array([300.0, 500.0, 200.0]), 800.0

    def run(form, v1, v2, q, q2=0.0):
        return cov.value_chao_from_sums(
            seen=5000,
            single_value=v1,
            single_square=q,
            double_value=v2,
            double_square=q2,
            n_single=50,
            n_double=50,
            bias_corrected=False,
            form=form,
        )

    for form in FORMS:
        for j in range(3):
            q = np.zeros(3)
            q[j] = 1.0  # the variance is then g_j^2 (Q_0 = m V_0 = 0 as Q_2 = 0)
            h = np.zeros(3)
            h[j] = 1e-3
            slope = (run(form, v1 + h, v2, q * 0).value - run(form, v1 - h, v2, q * 0).value) / 2e-3
            assert run(form, v1, v2, q).standard_error == pytest.approx(slope, rel=1e-8)
        slope = (run(form, v1, v2 + 1e-3, q * 0).value - run(form, v1, v2 - 1e-3, q * 0).value) / 2e-3
        assert run(form, v1, v2, q * 0, 1.0).standard_error == pytest.approx(-slope, rel=1e-6)


@pytest.mark.parametrize("t", [2, 3, 6])
def test_ones_give_chao2_exactly(draw, t):
    h, _, _, _ = draw(np.random.default_rng(t), n=600, t=t)
    k = cov.captures(h)[0]
    one = np.ones(len(h))
    for corrected in (True, False):
        est = cov.value_chao(one, k, None, t, form="equal scrapes", bias_corrected=corrected)
        assert est.value == pytest.approx(cov.chao2(h, bias_corrected=corrected).value, rel=1e-13)
    classic = cov.chao2(h, bias_corrected=False)
    assert est.standard_error == pytest.approx(classic.standard_error, rel=1e-12)
    same = cov.chao2(h, bias_corrected=False, confidence_level=0.9)  # its lower end is the one-sided 95 % limit
    assert est.interval[0] == pytest.approx(same.interval[0], rel=1e-11)


def test_two_scrapes_are_a_value_weighted_petersen(draw):
    h, x, _, _ = draw(np.random.default_rng(9), n=900, t=2, scrape=1.0)
    y = np.exp(x)
    k, first, _ = cov.captures(h)
    est = cov.value_chao(y, k, first, 2, bias_corrected=False)
    in1, in2, both = y[h[:, 0]].sum(), y[h[:, 1]].sum(), y[h.all(axis=1)].sum()
    assert est.value == pytest.approx(in1 * in2 / both, rel=1e-12)
    ones = cov.value_chao(np.ones(len(y)), k, first, 2, bias_corrected=False)
    petersen = cov.petersen(int(h[:, 0].sum()), int(h[:, 1].sum()), int(h.all(axis=1).sum()))
    assert ones.value == pytest.approx(petersen.value, rel=1e-12)


def test_equal_singles_make_the_two_forms_equal():
    k = np.r_[np.ones(60, dtype=int), np.full(40, 2), np.full(10, 3)]
    first = np.arange(110) % 3
    y = np.full(110, 7.0)
    a, b = (cov.value_chao(y, k, first, 3, form=form, bias_corrected=False) for form in FORMS)
    assert a.value == pytest.approx(b.value, rel=1e-13) and a.standard_error == pytest.approx(
        b.standard_error, rel=1e-13
    )
    first = np.where(np.arange(110) < 55, 0, 1)
    a, b = (cov.value_chao(y, k, first, 3, form=form, bias_corrected=False) for form in FORMS)
    assert a.details["unseen"] < 0.25 * b.details["unseen"]  # scrapes that differ: the equal form is too high


@pytest.mark.parametrize("form", FORMS)
def test_properties(data, form):
    y, k, first, t, vendor = data
    rng = np.random.default_rng(2)
    for options in ({}, {"vendor": vendor}, {"estimand": "expected"}, {"vendor": vendor, "estimand": "expected"}):
        est = cov.value_chao(y, k, first, t, form=form, **options)
        scaled = cov.value_chao(1e9 * y, k, first, t, form=form, **options)
        assert (scaled.value, scaled.standard_error, scaled.interval[0]) == pytest.approx(
            (1e9 * est.value, 1e9 * est.standard_error, 1e9 * est.interval[0]), rel=1e-11
        )
        p = rng.permutation(len(y))
        moved = {**options, **({"vendor": vendor[p]} if "vendor" in options else {})}
        other = cov.value_chao(
            y[p], k[p], rng.permutation(t)[first[p]], t, form=form, **moved
        )  # scrapes relabelled too
        assert (other.value, other.standard_error) == pytest.approx((est.value, est.standard_error), rel=1e-11)
        limits = [
            cov.value_chao(y, k, first, t, form=form, confidence_level=c, **options).interval[0]
            for c in (0.6, 0.8, 0.95, 0.999)
        ]
        assert limits == sorted(limits, reverse=True) and len(set(limits)) == 4
        if "estimand" not in options:
            assert limits[-1] > y.sum()


def test_numerator_is_bilinear(data):
    """V0 (V_2 + m) is a quadratic form in y: parallelogram law."""
    y, k, first, t, _ = data
    z = y[::-1].copy()

    def numerator(v):
        est = cov.value_chao(v, k, first, t, bias_corrected=False)
        return est.details["unseen"] * v[k == 2].sum()

    assert numerator(y + z) + numerator(y + 2 * z) == pytest.approx(
        2 * numerator(y + 1.5 * z) + 0.5 * numerator(z), rel=1e-10
    )


def test_sufficient_statistics_give_the_same(data):
    y, k, first, t, vendor = data
    one, two = k == 1, k == 2
    sums = {
        "seen": y.sum(),
        "single_value": [y[one & (first == j)].sum() for j in range(t)],
        "single_square": [(y[one & (first == j)] ** 2).sum() for j in range(t)],
        "double_value": y[two].sum(),
        "double_square": (y[two] ** 2).sum(),
        "n_single": one.sum(),
        "n_double": two.sum(),
    }
    by = {
        "vendor_seen": [y[vendor == v].sum() for v in range(30)],
        "vendor_single": [[y[one & (first == j) & (vendor == v)].sum() for j in range(t)] for v in range(30)],
        "vendor_double": [y[two & (vendor == v)].sum() for v in range(30)],
    }
    for extra, options in (({}, {}), (by, {"vendor": vendor})):
        a, b = cov.value_chao_from_sums(**sums, **extra), cov.value_chao(y, k, first, t, **options)
        assert (a.value, a.standard_error, a.interval[0]) == pytest.approx(
            (b.value, b.standard_error, b.interval[0]), rel=1e-12
        )
        assert a.flags == b.flags
    with pytest.raises(NotIdentifiedError, match="vendor"):
        cov.value_chao_from_sums(**sums, estimand="expected")
    with pytest.raises(NotIdentifiedError, match="incomplete"):
        cov.value_chao_from_sums(**sums, vendor_seen=by["vendor_seen"])
    with pytest.raises(DataError, match="columns"):
        cov.value_chao_from_sums(**sums, **{**by, "vendor_single": np.ones((30, t + 1))})
    for change in (
        {"seen": 1.0},
        {"seen": -1.0},
        {"double_value": -1.0},
        {"single_value": [1.0]},
        {"single_value": [-1.0] * t},
        {"double_square": math.nan},
        {"n_single": -1},
        {"n_double": None},
        {"bias_corrected": 1},
        {"estimand": "both"},
        {"form": "x"},
    ):
        with pytest.raises(DataError):
            cov.value_chao_from_sums(**{**sums, **change})


def test_few_captures_give_the_limit_only():
    y, first = np.full(60, 5.0), np.arange(60) % 3
    for singles, doubles, few in ((9, 30, True), (30, 9, True), (10, 10, False)):
        k = np.r_[np.ones(singles), np.full(doubles, 2), np.full(60 - singles - doubles, 3)].astype(int)
        est = cov.value_chao(y, k, first, 3)
        assert (est.value == est.interval[0]) is few and any("fewer than 10" in flag for flag in est.flags) is few
        assert est.details["unseen"] > 0
    worthless = y.copy()
    worthless[:5] = 0  # of 10 listings seen once, 5 without value
    k = np.r_[np.ones(10), np.full(30, 2), np.full(20, 3)].astype(int)
    assert cov.value_chao(worthless, k, first, 3).details["n_single"] == 5


def test_nothing_seen_twice_or_once():
    y, first = np.linspace(1, 20, 20), np.arange(20) % 2
    once = cov.value_chao(y, np.ones(20, dtype=int), first, 2)
    m = (y**2).sum() / y.sum()
    v0 = y[first == 0].sum() * y[first == 1].sum() / m
    assert once.details["unseen"] == pytest.approx(v0, rel=1e-12)
    g = np.where(first == 0, y[first == 1].sum(), y[first == 0].sum()) / m
    assert once.standard_error**2 == pytest.approx(m * v0 + ((g * y) ** 2).sum(), rel=1e-12)  # Q_0 = m V_0
    with pytest.raises(NotIdentifiedError, match="twice"):
        cov.value_chao(y, np.ones(20, dtype=int), first, 2, bias_corrected=False)
    for estimand in ("realised", "expected"):
        never = cov.value_chao(y, np.full(20, 3), first, 3, estimand=estimand)
        assert never.details["unseen"] == 0 and never.value <= y.sum()
    twice = cov.value_chao(y, np.full(20, 2), first, 3)
    assert twice.value == y.sum() == twice.interval[0] and twice.standard_error == 0
    spread = cov.value_chao(y, np.full(20, 2), first, 3, estimand="expected").standard_error
    assert spread == pytest.approx(math.sqrt((y**2).sum()), rel=1e-12)
    zero = cov.value_chao(np.zeros(20), np.ones(20, dtype=int), first, 2)
    assert zero.value == 0 and zero.standard_error == 0


def test_bad_input(data):
    y, k, first, t, vendor = data
    good = {"y": y, "k": k, "first_scrape": first, "occasions": t}
    for change in (
        {"y": -y},
        {"y": y[1:]},
        {"y": np.where(k == 1, np.nan, y)},
        {"y": y * 1e150},
        {"k": k + t},
        {"k": k - 1},
        {"k": k + 0.5},
        {"first_scrape": first + t},
        {"first_scrape": first - 1},
        {"first_scrape": first[1:]},
        {"occasions": 1},
        {"occasions": 0},
        {"occasions": 2},
        {"form": "x"},
        {"estimand": "x"},
        {"vendor": vendor[1:]},
        {"vendor": np.zeros(len(y))},
        {"confidence_level": 1},
        {"y": y.reshape(1, -1)},
        {"y": []},
    ):
        with pytest.raises(DataError):
            cov.value_chao(**{**good, **change})
    with pytest.raises(NotIdentifiedError, match="equal scrapes"):
        cov.value_chao(y, k, None, t)


def test_count_times_mean_is_named_wrong(data):
    y, k, _, t, _ = data
    est = cov.count_times_mean(y, k, t)
    count = cov.chao2(frequencies=np.bincount(k, minlength=t + 1)[1:], occasions=t)
    assert est.value == pytest.approx(count.value * y.mean(), rel=1e-12) and est.flags[0].startswith("wrong")
    assert est.standard_error == pytest.approx(count.standard_error * y.mean(), rel=1e-12)
    assert est.interval == pytest.approx(tuple(v * y.mean() for v in count.interval), rel=1e-12)
    with pytest.raises(DataError):
        cov.count_times_mean(y, k, 1)
