"""Closed forms, identities, independent recomputations and properties of the estimators of counts."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates import coverage as cov
from darkmarket_estimates.coverage.fit import equal_scrapes_fit, frequency_fit, recapture_fit, unequal_scrapes_flag
from darkmarket_estimates.coverage.histories import read
from darkmarket_estimates.errors import DataError, NotIdentifiedError

F = [25, 22, 13, 5, 1, 2]
BY_HISTORY = {
    "schnabel": cov.schnabel,
    "schnabel chapman": lambda h, **kw: cov.schnabel(h, form="chapman", **kw),
    "schumacher": cov.schumacher_eschmeyer,
    "m0": cov.m0,
    "mt": cov.mt,
    "ztp": cov.zero_truncated_poisson,
    "chao2": cov.chao2,
    "chao2 classic": lambda h, **kw: cov.chao2(h, bias_corrected=False, **kw),
    "jackknife 1": cov.jackknife,
    "jackknife 2": lambda h, **kw: cov.jackknife(h, order=2, **kw),
    "ice": cov.ice,
    "ice good-turing": lambda h, **kw: cov.ice(h, form="good-turing", **kw),
    "good_turing": cov.good_turing,
    "chao_jost": cov.chao_jost,
    "jolly_seber": cov.jolly_seber,
    "jolly_seber classic": lambda h, **kw: cov.jolly_seber(h, form="classic", **kw),
    "huggins": cov.huggins,
}
ORDERED = {"schnabel", "schnabel chapman", "schumacher", "jolly_seber", "jolly_seber classic"}


def two_list_variants():
    for name in ("petersen", "chapman", "bailey"):
        for interval in ("seber", "binomial", "poisson", "normal", "proportion"):
            yield pytest.param(getattr(cov, name), interval, id=f"{name} {interval}")


# --- two scrapes ------------------------------------------------------------------------------------------------------


def test_two_list_formulas_exactly():
    for big, n, m in ((948, 421, 167), (30, 20, 6), (9, 9, 9), (50, 7, 1)):
        args = (big, n, m)
        p, c, b = cov.petersen(*args), cov.chapman(*args), cov.bailey(*args)
        assert p.value == pytest.approx(float(Fraction(big * n, m)), rel=1e-12)
        assert c.value == pytest.approx(float(Fraction((big + 1) * (n + 1), m + 1) - 1), rel=1e-12)
        assert b.value == pytest.approx(float(Fraction(big * (n + 1), m + 1)), rel=1e-12)
        want = Fraction(big**2 * n * (n - m), m**3)
        assert cov.petersen(*args, variance="binomial").standard_error ** 2 == pytest.approx(float(want), rel=1e-12)
        want = Fraction(big * n * (big - m) * (n - m), m**3)
        assert p.standard_error**2 == pytest.approx(float(want), rel=1e-12)
        want = Fraction((big + 1) * (n + 1) * (big - m) * (n - m), (m + 1) ** 2 * (m + 2))
        assert c.standard_error**2 == pytest.approx(float(want), rel=1e-12)
        want = Fraction(big**2 * (n + 1) * (n - m), (m + 1) ** 2 * (m + 2))
        assert b.standard_error**2 == pytest.approx(float(want), rel=1e-12)
        assert p.details["seen"] == big + n - m


def test_chapman_is_unbiased_under_the_hypergeometric_law():
    n, big, caught = 90, 50, 45  # M + n >= N
    law = stats.hypergeom(n, big, caught)
    m = np.arange(caught + 1)
    p = law.pmf(m)
    values = np.array([cov.chapman(big, caught, int(i)).value if i <= big else 0.0 for i in m])
    assert p @ values == pytest.approx(n, rel=1e-10)
    # Seber's variance is unbiased too there
    variances = np.array([cov.chapman(big, caught, int(i)).standard_error ** 2 for i in m])
    assert p @ variances == pytest.approx(p @ values**2 - n**2, rel=1e-8)


def test_interval_choice_follows_seber():
    assert cov.petersen(948, 421, 167).interval_kind == "exact binomial"  # m / n = 0.40
    assert cov.petersen(10_000, 1000, 60).interval_kind == "normal"
    assert cov.petersen(10_000, 1000, 50).interval_kind == "exact poisson"
    assert cov.petersen(10_000, 1000, 100).interval_kind == "normal"  # 0.10 exactly is not above 0.10


def test_exact_limits_against_scipy_stats():
    est = cov.petersen(948, 421, 167)
    limits = stats.binomtest(167, 421).proportion_ci(0.95, "exact")
    assert est.interval == pytest.approx((948 / limits.high, 948 / limits.low), rel=1e-9)
    est = cov.chapman(1000, 500, 10, confidence_level=0.9)
    low, high = stats.chi2.ppf(0.05, 20) / 2, stats.chi2.ppf(0.95, 22) / 2
    assert est.interval == pytest.approx((1001 * 501 / (high + 1) - 1, 1001 * 501 / (low + 1) - 1), rel=1e-9)
    est = cov.bailey(1000, 500, 10, confidence_level=0.9)
    assert est.interval == pytest.approx((1000 * 501 / (high + 1), 1000 * 501 / (low + 1)), rel=1e-9)
    est = cov.bailey(1000, 500, 10, interval="normal", confidence_level=0.8)
    spread = stats.norm.ppf(0.9) * est.standard_error
    assert est.interval == pytest.approx((max(1490, est.value - spread), est.value + spread), rel=1e-12)


@pytest.mark.parametrize(("function", "interval"), list(two_list_variants()))
def test_two_list_intervals(function, interval):
    for args in ((948, 421, 167), (30, 20, 6), (9, 9, 9), (200, 100, 1)):
        last = None
        for level in (0.5, 0.8, 0.95, 0.999):
            est = function(*args, interval=interval, confidence_level=level)
            low, high = est.interval
            assert args[0] + args[1] - args[2] <= low <= high
            if last:
                assert low <= last[0] and high >= last[1]
                if args == (948, 421, 167):
                    assert low < last[0] and high > last[1]
            last = low, high


def test_no_recapture_is_refused_or_flagged():
    with pytest.raises(NotIdentifiedError, match="chapman"):
        cov.petersen(100, 50, 0)
    for function in (cov.chapman, cov.bailey):
        est = function(100, 50, 0)
        assert any("no recapture" in flag for flag in est.flags) and est.interval[0] >= 150
    assert any("7 recaptures" in flag for flag in cov.petersen(100, 50, 6).flags)
    assert not cov.petersen(100, 50, 7).flags


@pytest.mark.parametrize(
    "bad",
    [
        (10, 5, 6),
        (5, 10, 6),
        (0, 5, 0),
        (5, 0, 0),
        (5, 5, -1),
        (5.5, 5, 1),
        (5, math.nan, 1),
        ("5", 5, 1),
        (True, 5, 1),
    ],
)
def test_bad_two_list_counts(bad):
    for function in (cov.petersen, cov.chapman):
        with pytest.raises(DataError):
            function(*bad)
    for level in (0, 1, 95, None):
        with pytest.raises(DataError):
            cov.chapman(10, 10, 5, confidence_level=level)
    with pytest.raises(DataError):
        cov.chapman(10, 10, 5, interval="wald")


def test_bailey_may_recapture_more_than_marked_but_not_more_than_caught():
    assert cov.bailey(5, 10, 6).value == pytest.approx(5 * 11 / 7)
    with pytest.raises(DataError):
        cov.bailey(20, 10, 11)


# --- likelihoods ------------------------------------------------------------------------------------------------------


def test_m0_with_two_scrapes_in_closed_form():
    for f1, f2 in ((1035, 167), (40, 3), (7, 100)):
        s, x = f1 + f2, f1 + 2 * f2
        assert cov.m0(frequencies=[f1, f2], occasions=2).value == pytest.approx(max(s, x**2 / (4 * (x - s))), rel=1e-12)


def test_likelihood_estimates_solve_their_equations(sample):
    h, _ = sample
    s = cov.summary(h)
    n = cov.m0(h).value
    assert n * (1 - (1 - s.captures / (6 * n)) ** 6) == pytest.approx(s.distinct, rel=1e-12)
    n = cov.mt(h).value
    assert n * (1 - np.prod(1 - s.caught / n)) == pytest.approx(s.distinct, rel=1e-12)
    n = cov.zero_truncated_poisson(h).value
    assert n * (1 - math.exp(-s.captures / n)) == pytest.approx(s.distinct, rel=1e-12)
    two = h[h[:, :2].any(axis=1), :2]
    c = cov.summary(two).caught
    both = int((two.sum(axis=1) == 2).sum())
    assert cov.mt(two).value == pytest.approx(cov.petersen(c[0], c[1], both).value, rel=1e-10)
    assert cov.mt(two).standard_error == pytest.approx(cov.petersen(c[0], c[1], both).standard_error, rel=1e-8)


def test_mt_with_equal_scrapes_is_m0_and_poisson_is_its_limit():
    f = np.array([30, 12, 3])
    x = int(np.arange(1, 4) @ f)
    m0 = cov.m0(frequencies=f, occasions=7 * 9)
    mt = cov.mt(caught=[x // 63] * 63, distinct=45) if x % 63 == 0 else cov.mt(caught=[x / 63] * 63, distinct=45)
    assert mt.value == pytest.approx(m0.value, rel=1e-10)
    assert mt.standard_error == pytest.approx(m0.standard_error, rel=1e-9)
    assert mt.interval == pytest.approx(m0.interval, rel=1e-7)
    ztp = cov.zero_truncated_poisson(frequencies=f)
    limit = cov.m0(frequencies=f, occasions=10**6)
    assert (ztp.value, ztp.standard_error) == pytest.approx((limit.value, limit.standard_error), rel=1e-5)
    assert ztp.interval == pytest.approx(limit.interval, rel=1e-4)


def multinomial_m0(n, s, x, t):
    """Profile log-likelihood with factorials: an independent way to write it."""
    p = x / (t * n)
    return math.lgamma(n + 1) - math.lgamma(n - s + 1) + x * math.log(p) + (t * n - x) * math.log(1 - p)


def test_profile_interval_is_where_the_likelihood_has_dropped():
    x, s = 145, 68
    for level in (0.5, 0.9, 0.95, 0.99):
        low, high = cov.m0(frequencies=F, occasions=6, confidence_level=level).interval
        grid = np.linspace(68, 120, 200_001)
        values = np.array([multinomial_m0(n, s, x, 6) for n in grid[::100]])
        target = values.max() - stats.chi2.ppf(level, 1) / 2
        assert multinomial_m0(low, s, x, 6) == pytest.approx(target, abs=2e-5)
        assert multinomial_m0(high, s, x, 6) == pytest.approx(target, abs=2e-5)


def test_profile_interval_of_mt_and_poisson():
    n_j, s = np.array([16, 28, 20, 26, 23, 32]), 68

    def mt(n):
        return (
            math.lgamma(n + 1)
            - math.lgamma(n - s + 1)
            + float((n_j * np.log(n_j / n) + (n - n_j) * np.log(1 - n_j / n)).sum())
        )

    def ztp(n):
        return math.lgamma(n + 1) - math.lgamma(n - s + 1) + 145 * math.log(145 / n)

    for function, interval in (
        (mt, cov.mt(caught=n_j, distinct=s).interval),
        (ztp, cov.zero_truncated_poisson(frequencies=F).interval),
    ):
        peak = max(function(n) for n in np.linspace(68, 130, 3000))
        for end in interval:
            assert function(end) == pytest.approx(peak - stats.chi2.ppf(0.95, 1) / 2, abs=1e-4)


def test_standard_errors_by_the_information_of_the_likelihood():
    """1 / V is the expected information on N: compare with a numerical second derivative at large counts."""
    f = [40_000, 25_000, 9_000, 1_800, 170]
    x, s = int(np.arange(1, 6) @ f), sum(f)
    est = cov.m0(frequencies=f, occasions=5)
    step = 50.0
    second = sum(w * multinomial_m0(est.value + d * step, s, x, 5) for w, d in ((1, 1), (-2, 0), (1, -1))) / step**2
    assert 1 / -second == pytest.approx(est.standard_error**2, rel=5e-3)


def test_no_recapture_is_refused_by_likelihoods():
    h = np.eye(4, dtype=bool)
    for name in ("m0", "mt", "ztp", "huggins", "schnabel", "schumacher", "chao2 classic", "ice", "jolly_seber classic"):
        with pytest.raises(NotIdentifiedError):
            BY_HISTORY[name](h)
    assert any("f2 = 0" in flag for flag in cov.chao2(h).flags)
    assert any("no recapture" in flag for flag in cov.schnabel(h, form="chapman").flags)
    for function in (cov.good_turing, cov.chao_jost):
        assert function(h).interval is None and math.isnan(function(h).standard_error)


def test_everything_seen_always():
    h = np.ones((20, 4), dtype=bool)
    for name in ("m0", "mt", "chao2", "jackknife 1", "schnabel"):
        est = BY_HISTORY[name](h)
        assert est.value == pytest.approx(20) and est.interval[0] == 20
    with pytest.raises(NotIdentifiedError):
        cov.huggins(h)
    one_missing = np.ones((20, 300), dtype=bool)
    one_missing[0, 0] = False
    for name in ("m0", "mt", "ztp"):
        assert BY_HISTORY[name](one_missing).value == pytest.approx(20, rel=1e-6)


# --- frequencies ------------------------------------------------------------------------------------------------------


def test_chao_formulas_exactly():
    f1, f2, s, t = 25, 22, 68, 6
    k = Fraction(t - 1, t)
    est = cov.chao2(frequencies=F, occasions=t)
    assert est.value == pytest.approx(float(s + k * f1 * (f1 - 1) / (2 * (f2 + 1))), rel=1e-13)
    variance = (
        k * Fraction(f1 * (f1 - 1), 2 * (f2 + 1))
        + k**2 * Fraction(f1 * (2 * f1 - 1) ** 2, 4 * (f2 + 1) ** 2)
        + k**2 * Fraction(f1**2 * f2 * (f1 - 1) ** 2, 4 * (f2 + 1) ** 4)
    )
    assert est.standard_error**2 == pytest.approx(float(variance), rel=1e-12)
    classic = cov.chao2(frequencies=F, occasions=t, bias_corrected=False)
    assert classic.value == pytest.approx(float(s + k * f1**2 / (2 * f2)), rel=1e-13)
    r = Fraction(f1, f2)
    assert classic.standard_error**2 == pytest.approx(
        float(f2 * (k * r**2 / 2 + k**2 * r**3 + k**2 * r**4 / 4)), rel=1e-12
    )
    f0 = classic.value - s
    c = math.exp(stats.norm.ppf(0.95) * math.sqrt(math.log(1 + classic.standard_error**2 / f0**2)))
    got = cov.chao2(frequencies=F, occasions=t, bias_corrected=False, confidence_level=0.9).interval
    assert got == pytest.approx((s + f0 / c, s + f0 * c), rel=1e-10)


def test_chao1_factor_and_counts():
    counts = np.repeat([1, 2, 3, 4, 5, 6], F)
    n = counts.sum()
    plain, exact = cov.chao1(counts), cov.chao1(frequencies=F, finite_sample=True)
    assert exact.value - 68 == pytest.approx((n - 1) / n * (plain.value - 68), rel=1e-12)
    assert cov.chao1(counts).value == cov.chao1(frequencies=F).value
    # chao2 over n scrapes has the same factor
    assert exact.value == pytest.approx(cov.chao2(frequencies=F, occasions=int(n)).value, rel=1e-12)


def test_chao_without_doubles():
    with pytest.raises(NotIdentifiedError, match="bias_corrected"):
        cov.chao2(frequencies=[5, 0, 1], occasions=3, bias_corrected=False)
    est = cov.chao2(frequencies=[5, 0, 1], occasions=4)
    assert est.value == pytest.approx(6 + 0.75 * 5 * 4 / 2) and any("f2 = 0" in flag for flag in est.flags)
    none = cov.chao2(frequencies=[0, 4], occasions=3)
    assert none.value == 4 and none.interval == (4, 4) and any("f1 = 0" in flag for flag in none.flags)
    assert any("fewer than 10" in flag for flag in cov.chao2(frequencies=[9, 30], occasions=3).flags)
    assert not cov.chao2(frequencies=[10, 10], occasions=3).flags


def test_jackknife_is_a_jackknife(sample):
    """Leave out one scrape, then two: the definitions, by brute force."""
    h, _ = sample
    n, t = h.shape
    full = n
    one = [h[:, np.arange(t) != j].any(axis=1).sum() for j in range(t)]
    first = cov.jackknife(h)
    assert first.value == pytest.approx(t * full - (t - 1) * np.mean(one), rel=1e-12)
    over = math.sqrt((t - 1) / t * ((np.array(one) - np.mean(one)) ** 2).sum())
    assert first.details["standard_error_over_scrapes"] == pytest.approx(over, rel=1e-10)
    two = [h[:, ~np.isin(np.arange(t), (i, j))].any(axis=1).sum() for i in range(t) for j in range(i)]
    # second order: (t^2 S - 2 (t - 1)^2 S_(1) + (t - 2)^2 S_(2)) / 2 removes the terms in 1/t and 1/t^2
    want = (t**2 * full - 2 * (t - 1) ** 2 * np.mean(one) + (t - 2) ** 2 * np.mean(two)) / 2
    assert cov.jackknife(h, order=2).value == pytest.approx(want, rel=1e-12)


def test_jackknife_variance():
    f, t = np.array([25, 22, 13]), 3
    for order, a in ((1, [1 + 2 / 3, 1, 1]), (2, [1 + 3 / 3, 1 - 1 / 6, 1])):
        est = cov.jackknife(frequencies=f, occasions=t, order=order)
        assert est.standard_error**2 == pytest.approx(np.array(a) ** 2 @ f - est.value, rel=1e-12)


def test_ace_and_ice_written_out():
    f = [25, 22, 13, 5, 1, 2, 0, 0, 0, 3, 0, 4, 1]  # 5 listings above 10
    k = np.arange(1, 14)
    rare = np.array(f) * (k <= 10)
    n, s = k @ rare, rare.sum()
    c = 1 - 25 / n
    g = max(s / c * (k * (k - 1)) @ rare / (n * (n - 1)) - 1, 0)
    ace = cov.ace(frequencies=f)
    assert ace.value == pytest.approx(5 + s / c + 25 / c * g, rel=1e-12)
    t = 20
    for form, c in (("good-turing", 1 - 25 / n), ("chao-jost", 1 - 25 / n * (t - 1) * 25 / ((t - 1) * 25 + 44))):
        g = max(s / c * t / (t - 1) * (k * (k - 1)) @ rare / n**2 - 1, 0)
        ice = cov.ice(frequencies=f, occasions=t, form=form)
        assert ice.value == pytest.approx(5 + s / c + 25 / c * g, rel=1e-12)
    # delta-method variance with numerical derivatives
    f = np.array(f, dtype=float)

    def value(x):
        n = k[:10] @ x[:10]
        c = 1 - x[0] / n
        s = x[:10].sum()
        return x[10:].sum() + s / c + x[0] / c * (s / c * (k * (k - 1))[:10] @ x[:10] / (n * (n - 1)) - 1)

    gradient = np.array([(value(f + h) - value(f - h)) / 2e-4 for h in 1e-4 * np.eye(13)])
    covariance = np.diag(f) - np.outer(f, f) / ace.value
    assert ace.standard_error**2 == pytest.approx(gradient @ covariance @ gradient, rel=1e-6)


def test_ice_is_exact_when_all_listings_are_alike():
    """Expected frequencies of N listings with one p: the improved coverage returns N, the old one does not."""
    n, p = 10**7, 0.2
    for t in (2, 3, 6, 12):
        f = np.rint(n * stats.binom.pmf(np.arange(1, t + 1), t, p)).astype(int)
        assert cov.ice(frequencies=f, occasions=t, rare=t).value == pytest.approx(n, rel=1e-3)
        assert cov.ice(frequencies=f, occasions=t, rare=t, form="good-turing").value > 1.02 * n
        assert cov.chao2(frequencies=f, occasions=t).value == pytest.approx(n, rel=1e-4)
        assert cov.chao_jost(frequencies=f, occasions=t).value == pytest.approx(1 - (1 - p) ** t, rel=1e-5)


def test_sample_coverage_written_out():
    n = 145
    assert cov.good_turing(frequencies=F).value == pytest.approx(1 - 25 / n, rel=1e-13)
    assert cov.good_turing(frequencies=F).standard_error == pytest.approx(
        math.sqrt(25 * (1 - 25 / n) + 44) / n, rel=1e-12
    )
    assert cov.chao_jost(frequencies=F).value == pytest.approx(1 - 25 / n * 144 * 25 / (144 * 25 + 44), rel=1e-13)
    even = cov.chao_jost(frequencies=[12, 12], occasions=2)
    assert even.value == pytest.approx(1 - 12 / 36 * 12 / 36, rel=1e-13)
    est = cov.chao_jost(frequencies=F, occasions=6)
    assert est.value == pytest.approx(1 - 25 / n * 5 * 25 / (5 * 25 + 44), rel=1e-13)
    f, k = np.array(F, dtype=float), np.arange(1, 7)

    def value(x):
        return 1 - x[0] / (k @ x) * 5 * x[0] / (5 * x[0] + 2 * x[1])

    gradient = np.array([(value(f + h) - value(f - h)) / 2e-4 for h in 1e-4 * np.eye(6)])
    assert est.standard_error**2 == pytest.approx(gradient**2 @ f + 2 * 22 * 6 / 5 / n**2, rel=1e-6)
    finds = cov.chao_jost(frequencies=F)
    assert finds.standard_error == cov.good_turing(frequencies=F).standard_error
    turing = cov.good_turing(frequencies=F, occasions=6)
    gradient = -np.r_[1 / n, np.zeros(5)] + 25 * k / n**2
    assert turing.standard_error**2 == pytest.approx(gradient**2 @ f + 2 * 22 * 6 / 5 / n**2, rel=1e-10)
    assert "chao_jost" in turing.flags[0] and not est.flags
    spread = stats.norm.ppf(0.975) * est.standard_error
    assert est.interval == pytest.approx((est.value - spread, min(1, est.value + spread)), rel=1e-12)


def test_rare_listings_must_exist():
    with pytest.raises(NotIdentifiedError, match="rare"):
        cov.ace(frequencies=[0] * 11 + [4])
    with pytest.raises(NotIdentifiedError):
        cov.ace(frequencies=[7, 0, 0])
    with pytest.raises(DataError):
        cov.good_turing(frequencies=[1])


# --- marked series ----------------------------------------------------------------------------------------------------


def test_schnabel_limits_above_fifty_recaptures():
    n, m = [100, 120, 110, 90], [0, 20, 35, 40]
    est = cov.schnabel(caught=n, recaptured=m)
    big = np.array([0, 100, 200, 275])
    product = int(np.array(n) @ big)
    assert est.value == pytest.approx(product / 95)
    spread = stats.t.ppf(0.975, 3) * math.sqrt(95) / product
    seen = 420 - 95
    assert est.interval == pytest.approx(
        (max(seen, 1 / (95 / product + spread)), 1 / (95 / product - spread)), rel=1e-10
    )
    assert est.standard_error == pytest.approx(est.value**2 * math.sqrt(95) / product, rel=1e-12)
    shifted = cov.schnabel(caught=n, recaptured=m, form="chapman")
    assert shifted.interval[1] == pytest.approx(1 / (96 / product - spread), rel=1e-10)
    just = cov.schnabel(caught=[100, 120], recaptured=[0, 50])
    assert (
        just.interval_kind.startswith("Student")
        and cov.schnabel(caught=[100, 120], recaptured=[0, 49]).interval_kind == "exact Poisson"
    )


def test_schumacher_is_a_regression_through_the_origin(sample):
    h, _ = sample
    s = cov.summary(h)
    est = cov.schumacher_eschmeyer(h)
    y, x, w = s.recaptured / s.caught, s.marked, s.caught
    slope = (w * x * y).sum() / (w * x**2).sum()
    residual = (w * (y - slope * x) ** 2).sum() / (6 - 2)
    error = math.sqrt(residual / (w * x**2).sum())
    assert est.value == pytest.approx(1 / slope, rel=1e-12)
    assert est.standard_error == pytest.approx(error / slope**2, rel=1e-9)
    t = stats.t.ppf(0.975, 4)
    assert est.interval == pytest.approx((max(len(h), 1 / (slope + t * error)), 1 / (slope - t * error)), rel=1e-9)


def test_series_from_counts_and_histories_agree(sample):
    h, _ = sample
    s = cov.summary(h)
    for function in (cov.schnabel, cov.schumacher_eschmeyer):
        assert function(h).value == function(caught=s.caught, recaptured=s.recaptured).value
    assert (
        cov.jolly_seber(h).value
        == cov.jolly_seber(caught=s.caught, recaptured=s.recaptured, later=s.later, around=s.around).value
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"caught": [5, 4], "recaptured": [0, 5]},
        {"caught": [5, 9], "recaptured": [0, 6]},
        {"caught": [5], "recaptured": [0]},
        {"caught": [5, 5], "recaptured": [0, 1, 1]},
        {"caught": [5, -5], "recaptured": [0, 1]},
        {"caught": [5, 5.5], "recaptured": [0, 1]},
        {"caught": [5, 5], "recaptured": [0, 1], "released": [6, 5]},
        {"caught": [5, 5]},
        {},
        {"caught": [0, 5], "recaptured": [0, 0]},
    ],
)
def test_bad_series(bad):
    with pytest.raises(DataError):
        cov.schnabel(**bad)
    with pytest.raises(NotIdentifiedError, match="3 scrapes"):
        cov.schumacher_eschmeyer(caught=[5, 5], recaptured=[0, 2])


# --- Jolly-Seber ------------------------------------------------------------------------------------------------------


def test_jolly_seber_with_three_scrapes_by_hand():
    h = np.array(
        [[1, 1, 1]] * 6
        + [[1, 1, 0]] * 5
        + [[1, 0, 1]] * 4
        + [[0, 1, 1]] * 7
        + [[1, 0, 0]] * 3
        + [[0, 1, 0]] * 8
        + [[0, 0, 1]] * 9
    )
    n, m, r, z = 26, 11, 13, 4
    est = cov.jolly_seber(h, form="classic")
    marked = m + n * z / r
    table = est.details["table"]
    assert table["marked"][1] == pytest.approx(marked) and est.value == pytest.approx(n * marked / m)
    assert table["survival"][0] == pytest.approx(marked / 18)
    again = 1 / r - 1 / n
    alive = est.value
    want = alive * (alive - n) * ((marked - m + n) / marked * again + (alive - marked) / (alive * m))
    assert est.standard_error**2 == pytest.approx(want, rel=1e-12)
    assert table["marked_se"][1] ** 2 == pytest.approx((marked - m) * (marked - m + n) * again, rel=1e-12)
    phi = table["survival"][0]
    want = phi**2 * ((marked - m) * (marked - m + n) / marked**2 * again + (1 - phi) / marked)
    assert table["survival_se"][0] ** 2 == pytest.approx(want, rel=1e-12)
    corrected = cov.jolly_seber(h).details["table"]
    marked = m + 27 * z / 14
    assert corrected["marked"][1] == pytest.approx(marked) and corrected["alive"][1] == pytest.approx(27 * marked / 12)
    assert np.isnan(table["alive"][[0, 2]]).all() and np.isnan(table["entered"]).all()


def test_jolly_seber_variances_written_out(draw):
    """Every standard error of the table, term by term (Seber 1982, ch. 5; Pollock et al. 1990, 4.9 to 4.14)."""
    h, _, _, _ = draw(np.random.default_rng(8), n=300, t=6)
    s, t = cov.summary(h), 6
    n, m, R, r, z = (np.asarray(x, float) for x in (s.caught, s.recaptured, s.caught, s.later, s.around))
    M = [m[i] + R[i] * z[i] / r[i] if 0 < i < t - 1 else 0.0 for i in range(t)]
    N = [n[i] * M[i] / m[i] if 0 < i < t - 1 else math.nan for i in range(t)]
    phi = [M[i + 1] / (M[i] - m[i] + R[i]) for i in range(t - 2)]
    B = [N[i + 1] - phi[i] * (N[i] - n[i] + R[i]) for i in range(t - 2)]
    again = [1 / r[i] - 1 / R[i] for i in range(t - 1)]
    table = cov.jolly_seber(h, form="classic").details["table"]
    for i in range(1, t - 1):
        after = M[i] - m[i] + R[i]
        assert table["marked_se"][i] ** 2 == pytest.approx((M[i] - m[i]) * after * again[i], rel=1e-9)
        assert table["alive_se"][i] ** 2 == pytest.approx(
            N[i] * (N[i] - n[i]) * (after / M[i] * again[i] + (N[i] - M[i]) / (N[i] * m[i])), rel=1e-9)
    for i in range(1, t - 2):
        j, after = i + 1, M[i] - m[i] + R[i]
        by_next = (M[j] - m[j]) * (M[j] - m[j] + R[j]) / M[j] ** 2 * again[j]
        here = (M[i] - m[i]) / after * again[i]
        assert table["survival_se"][i] ** 2 == pytest.approx(phi[i] ** 2 * (by_next + here + (1 - phi[i]) / M[j]), rel=1e-9)
        want = (B[i] ** 2 * by_next + here * (phi[i] * R[i] * (N[i] - M[i]) / M[i]) ** 2
                + (N[i] - n[i]) * (N[j] - B[i]) * (N[i] - M[i]) * (1 - phi[i]) / (N[i] * after)
                + N[j] * (N[j] - n[j]) * (N[j] - M[j]) / (N[j] * m[j])
                + phi[i] ** 2 * N[i] * (N[i] - n[i]) * (N[i] - M[i]) / (N[i] * m[i]))
        assert want > 0 and table["entered_se"][i] ** 2 == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize(
    ("recaptured", "later", "words"), [(9, 30, "fewer than 10"), (30, 9, "fewer than 10"), (10, 10, "")]
)
def test_jolly_seber_with_few_marks_is_flagged(recaptured, later, words):
    est = cov.jolly_seber(caught=[60, 40, 50], recaptured=[0, recaptured, 40], later=[35, later, 0], around=[0, 20, 0])
    assert any("fewer than 10" in flag for flag in est.flags) is bool(words)


def test_jolly_seber_without_later_sightings():
    h = np.array([[1, 1, 0, 0]] * 5 + [[0, 1, 1, 0]] * 5 + [[1, 0, 1, 0]] * 2 + [[0, 0, 0, 1]] * 4)  # r = 0 at scrape 2
    classic, corrected = cov.jolly_seber(h, form="classic"), cov.jolly_seber(h)
    assert classic.details["occasion"] == 1 and any("scrape(s) 2" in flag for flag in classic.flags)
    assert corrected.details["occasion"] == 1 and corrected.value == corrected.details["table"]["alive"][1]
    corrected = cov.jolly_seber(h, occasion=2)
    assert not any("fewer than 10" in flag for flag in corrected.flags)
    assert any("r = 0" in flag for flag in corrected.flags)
    assert corrected.interval is None and math.isnan(corrected.standard_error)
    with pytest.raises(NotIdentifiedError, match="not identified"):
        cov.jolly_seber(h, form="classic", occasion=2)
    with pytest.raises(NotIdentifiedError, match="3 scrapes"):
        cov.jolly_seber(h[:, :2][h[:, :2].any(axis=1)])
    with pytest.raises(DataError):
        cov.jolly_seber(h, occasion=9)


@pytest.mark.parametrize(
    "change",
    [
        {"recaptured": [0, 99, 2]},
        {"later": [99, 1, 0]},
        {"around": [0, -1, 0]},
        {"caught": [5, 5]},
        {"released": [6, 5, 5]},
    ],
)
def test_bad_jolly_seber_counts(change):
    good = {"caught": [5, 5, 5], "recaptured": [0, 2, 2], "later": [3, 1, 0], "around": [0, 1, 0]}
    cov.jolly_seber(**good)
    with pytest.raises(DataError):
        cov.jolly_seber(**{**good, **change})
    with pytest.raises(DataError):
        cov.jolly_seber([[1, 1, 1]], **good)
    with pytest.raises(DataError, match="incomplete"):
        cov.jolly_seber(caught=[5, 5, 5])


# --- properties -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BY_HISTORY)
def test_properties(name, sample):
    h, _ = sample
    function = BY_HISTORY[name]
    est = function(h)
    rng = np.random.default_rng(3)
    assert function(h[rng.permutation(len(h))]).value == pytest.approx(est.value, rel=1e-10)
    assert function(np.packbits(h, axis=1), occasions=6).value == pytest.approx(est.value, rel=1e-12)
    shuffled = function(h[:, rng.permutation(6)]).value
    if name in ORDERED:
        assert shuffled != pytest.approx(est.value, rel=1e-6)
    else:
        assert shuffled == pytest.approx(est.value, rel=1e-10)
    last = None
    for level in (0.5, 0.8, 0.95, 0.999):
        wide = function(h, confidence_level=level)
        assert wide.value == est.value and wide.confidence_level == level
        low, high = wide.interval
        assert low < wide.value < high
        assert last is None or (low < last[0] and high > last[1])
        last = low, high
    twice = function(np.repeat(h, 2, axis=0)).value  # every listing doubled
    if name in (
        "m0",
        "mt",
        "ztp",
        "chao2 classic",
        "jackknife 1",
        "jackknife 2",
        "ice",
        "ice good-turing",
        "huggins",
        "schnabel",
        "schumacher",
        "jolly_seber classic",
    ):
        assert twice == pytest.approx(2 * est.value, rel=1e-9)
    if name in ("good_turing", "chao_jost"):
        assert twice == pytest.approx(est.value, rel=1e-9) and est.quantity == "share of captures"
    assert (
        est.assumptions
        and est.to_dict()["value"] == est.value
        and name.split()[0][:3] in repr(est).replace("zer", "ztp")
    )


@pytest.mark.parametrize("seed", range(150))
def test_any_histories_give_a_sound_result_or_an_error(seed):
    rng = np.random.default_rng(seed)
    t = int(rng.integers(2, 7))
    h = rng.random((int(rng.integers(1, 12)), t)) < rng.choice([0.1, 0.5, 0.95])
    h = h[h.any(axis=1)]
    if len(h) == 0:
        return
    for name, function in BY_HISTORY.items():
        try:
            est = function(h)
        except DataError:
            continue
        assert math.isfinite(est.value), name
        if est.interval is not None:
            low, high = est.interval
            assert low <= high, name
            if name.startswith("jolly"):
                assert low >= est.details["seen"]
            elif est.quantity == "listings":
                assert low >= len(h) - 1e-9, name


@pytest.mark.parametrize("function", [cov.chao1, cov.ace])
def test_bad_abundances(function):
    for bad in (
        {"counts": [0, 1, 2]},
        {"counts": [1.5]},
        {"counts": []},
        {"frequencies": [0, 0]},
        {"frequencies": [-1, 2]},
        {},
        {"counts": [1], "frequencies": [1]},
        {"counts": ["a"]},
        {"counts": [math.nan]},
    ):
        with pytest.raises(DataError):
            function(**bad)


def test_bad_options():
    for call in (
        lambda: cov.jackknife(frequencies=F, occasions=6, order=3),
        lambda: cov.schnabel(caught=[5, 5], recaptured=[0, 1], form="x"),
        lambda: cov.jolly_seber([[1, 1, 1]], form="x"),
        lambda: cov.ice(frequencies=F, occasions=6, form="x"),
        lambda: cov.m0(frequencies=F, occasions=6, confidence_level=95),
        lambda: cov.mt(caught=[5, 5], distinct=11),
        lambda: cov.mt(caught=[5, 5], distinct=4),
        lambda: cov.mt(caught=[5], distinct=5),
        lambda: cov.mt(),
        lambda: cov.mt([[1, 1]], caught=[1, 1], distinct=1),
        lambda: cov.petersen(9, 9, 3, variance="x"),
        lambda: cov.mt(read(None, F, 6)),
        lambda: cov.schnabel(read(None, F, 6)),
        lambda: cov.jolly_seber(read(None, F, 6)),
        lambda: cov.schnabel([[1, 1]], caught=[1, 1]),
        lambda: cov.ace(frequencies=F, rare=1),
    ):
        with pytest.raises(DataError):
            call()


# --- fit --------------------------------------------------------------------------------------------------------------


def test_fit_statistics_written_out():
    s = read(None, [50, 44, 26, 16], 4)
    p = cov.m0(s).details["p"]
    law = stats.binom.pmf(np.arange(1, 5), 4, p)
    expected = 136 * law / law.sum()
    assert expected.min() > 5
    got = frequency_fit(s, p)
    assert got == (pytest.approx(((np.array([50, 44, 26, 16]) - expected) ** 2 / expected).sum(), rel=1e-10), 2)
    rate = cov.zero_truncated_poisson(s).details["rate"]
    law = stats.poisson.pmf(np.arange(1, 5), rate)
    expected = 136 * law / law.sum()
    assert frequency_fit(s, None, rate)[0] == pytest.approx(
        ((np.array([50, 44, 26, 16]) - expected) ** 2 / expected).sum(), rel=1e-10
    )
    pooled = frequency_fit(read(None, F, 6), 0.3)
    law = stats.binom.pmf(np.arange(1, 7), 6, 0.3)
    e = 68 * law / law.sum()
    e, o = np.array([*e[:3], e[3:].sum()]), np.array([25, 22, 13, 8])
    assert pooled == (pytest.approx(((o - e) ** 2 / e).sum(), rel=1e-10), 2)


def test_cells_are_pooled_until_each_expects_five():
    f, p = np.array([6, 16, 33, 30]), 0.75
    law = stats.binom.pmf(np.arange(1, 5), 4, p)
    e = 85 * law / law.sum()
    assert 3.5 < e[0] < 4.5 and e[1:].min() > 5  # the first cell expects too few for one of its own
    e, o = np.array([e[0] + e[1], *e[2:]]), np.array([f[0] + f[1], *f[2:]])
    assert frequency_fit(read(None, f, 4), p) == (pytest.approx(((o - e) ** 2 / e).sum(), rel=1e-10), 1)


def test_recaptures_that_hardly_vary_are_left_out():
    """Three scrapes after the first; that of 3 listings, of which 0.3 were seen before, has a variance below a half."""
    caught, recaptured, marked = np.array([100, 80, 3, 90]), np.array([0, 10, 0, 25]), np.array([0, 100, 100, 170])
    s = cov.CaptureSummary(occasions=4, distinct=238, frequencies=np.array([200, 38, 0, 0]), caught=caught,
                           recaptured=recaptured, marked=marked)
    n = 1000.0
    var = {j: stats.hypergeom(1000, int(marked[j]), int(caught[j])).var() for j in (1, 2, 3)}
    assert 0.1 < var[2] < 0.5
    want = sum((recaptured[j] - caught[j] * marked[j] / n) ** 2 / var[j] for j in (1, 3))
    assert recapture_fit(s, n) == (pytest.approx(want, rel=1e-10), 1)


@pytest.mark.parametrize(("caught", "frequencies", "told"), [
    ([1000, 800, 1000, 800], [2000, 500, 200, 0], False),  # sure, but worth 0.4 %
    ([1000, 500, 1000, 500], [1700, 350, 200, 0], False),  # 3.8 %
    ([1000, 420, 1000, 420], [1600, 320, 200, 0], True),  # 5.8 %
    ([16, 7, 16, 7], [26, 4, 4, 0], False),  # 5.4 %, but p = 0.027
    ([20, 8, 20, 8], [35, 6, 3, 0], True),  # 6.5 %, p = 0.006
], ids=["equal", "nearly equal", "unequal", "not quite sure", "sure"])
def test_scrapes_that_differ_are_told_where_it_matters_and_is_sure(caught, frequencies, told):
    n, f = np.array(caught), np.array(frequencies)
    assert n.sum() == np.arange(1, 5) @ f
    assert bool(unequal_scrapes_flag(n, f)) == told


def test_recapture_fit_written_out(sample):
    h, _ = sample
    s = cov.summary(h)
    n = 500.0
    want = sum(
        (m - c * b / n) ** 2 / stats.hypergeom(500, int(b), int(c)).var()
        for m, c, b in zip(s.recaptured[1:], s.caught[1:], s.marked[1:])
    )
    assert recapture_fit(s, n) == (pytest.approx(want, rel=1e-10), 4)


def test_cochran_q_written_out(sample):
    h, _ = sample
    s, t = cov.summary(h), 6
    column, row = h.sum(axis=0), h.sum(axis=1)
    q = (t - 1) * (t * (column**2).sum() - column.sum() ** 2) / (t * row.sum() - (row**2).sum())
    assert equal_scrapes_fit(s.caught, s.frequencies) == (pytest.approx(q, rel=1e-12), 5)


def test_unequal_scrapes_are_flagged(draw):
    rng = np.random.default_rng(5)
    equal, _, _, _ = draw(rng, n=2000, t=4)
    unequal, _, _, _ = draw(rng, n=2000, t=4, scrape=1.5)
    for function in (cov.m0, cov.chao2, cov.huggins):
        assert not any("differ in size" in flag for flag in function(equal).flags)
        assert any("differ in size" in flag for flag in function(unequal).flags)
    n = cov.summary(unequal).caught.astype(float)
    excess = 3 / 8 * n.sum() ** 2 / sum(n[i] * n[j] for i in range(4) for j in range(i)) - 1
    assert f"about {100 * excess:.0f} %" in cov.chao2(unequal).flags[0]
    assert not cov.mt(unequal).flags
