"""Vendors with sales on both sides of a ratio: against every pair of counts, and against draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from darkmarket_estimates.distribution import paired, ratios
from darkmarket_estimates.distribution.law import NormalLaw, PointLaw
from darkmarket_estimates.distribution.multiplier import Multiplier
from darkmarket_estimates.distribution.paired import joint_atoms, probability_below_0, split_sides
from darkmarket_estimates.distribution.ratios import ratio_realised
from darkmarket_estimates.distribution.strata import Stratum

MULTIPLIERS = {"narrow": Multiplier.of(0.44, 0.05), "wide": Multiplier.of(0.44, 0.2), "heavy": Multiplier.of(0.15, 0.12),
               "conservative": Multiplier.of(0.44, 0.11, "conservative")}


def every_pair(m: Multiplier, n: float, other: float, most: int) -> np.ndarray:
    """P(K = k, L = j) of counts that share one Beta(alpha, beta): the integral over it, written out."""
    k, j = np.arange(most)[:, None], np.arange(most)[None, :]
    log = special.betaln(m.alpha + n + other, m.beta + k + j) - special.betaln(m.alpha, m.beta)
    for number, count in ((n, k), (other, j)):
        log = log + special.gammaln(number + count) - special.gammaln(number) - special.gammaln(count + 1)
    return np.exp(log)


@pytest.mark.parametrize("name", MULTIPLIERS)
@pytest.mark.parametrize(("n", "other"), [(1, 1), (2, 7), (1.5, 0.3), (20, 3)], ids=lambda x: f"{x:g}")
def test_joint_atoms_are_the_integral_over_the_share(name: str, n: float, other: float) -> None:
    m = MULTIPLIERS[name]
    k, j, mass, *_ = joint_atoms(m, n, other)
    table, count = every_pair(m, n, other, 900), np.arange(900)
    assert mass.sum() == pytest.approx(1, abs=1e-12)
    assert mass[(k == 0) & (j == 0)].sum() == pytest.approx(table[0, 0], rel=2e-3)
    for s, u in ((0.5, 0.5), (0.9, 0.7), (0.2, 0.95), (0.97, 0.99)):  # the transform at real points
        assert mass @ (s**k * u**j) == pytest.approx(s**count @ table @ u**count, rel=2e-3)


@pytest.mark.parametrize("name", MULTIPLIERS)
@pytest.mark.parametrize(("n", "other"), [(3, 5), (40, 2), (900, 1400), (2.5, 1e5)], ids=lambda x: f"{x:g}")
def test_joint_atoms_have_the_moments_of_one_share(name: str, n: float, other: float) -> None:
    """Mean n (1 / rho - 1); variance between n^2 + within n; covariance between n m: `moments` in two dimensions."""
    m = MULTIPLIERS[name]
    between, within = m.variances
    k, j, mass, *_ = joint_atoms(m, n, other)
    light = m.alpha > 6  # else much of the variance lies far out, where blocks are left out
    for number, count in ((n, k), (other, j)):
        assert mass @ count == pytest.approx(number * (1 / m.share - 1), rel=3e-3 if light else 0.02)
        if light:
            spread = mass @ (count - mass @ count) ** 2
            assert spread == pytest.approx(between * number**2 + within * number, rel=0.01)
    if light:
        assert mass @ (k * j) - (mass @ k) * (mass @ j) == pytest.approx(between * n * other, rel=0.01)


def test_atoms_of_next_to_no_reviews() -> None:
    k, j, mass, *_ = joint_atoms(MULTIPLIERS["narrow"], 1e-12, 1e-12)
    assert mass[(k == 0) & (j == 0)] == pytest.approx(1, abs=1e-9)


# -- sums ---------------------------------------------------------------------------------------------------------------


def test_a_vendor_beside_normal_laws() -> None:
    """P(X + Z <= 0) by every pair of counts and the normal distribution function."""
    m = MULTIPLIERS["narrow"]
    y, q, other, square = 30.0, 300.0, -24.0, 96.0  # 3 reviews at 10 and 6 at 4
    table = every_pair(m, 3, 6, 500)
    k = np.arange(500)
    for mean, deviation in ((-20.0, 15.0), (5.0, 40.0), (60.0, 3.0)):
        place = y + 10 * k[:, None] + other - 4 * k[None, :] + mean + 7.0
        exact = float((table * special.ndtr(-place / deviation)).sum())
        found = probability_below_0([NormalLaw(mean, deviation), PointLaw(7.0)], [(m, (y, q, other, square))])
        assert found == pytest.approx(exact, abs=1e-3)


def test_two_vendors_are_convolved() -> None:
    m = MULTIPLIERS["narrow"]
    rng, n = np.random.default_rng(1), 400_000
    rows = [(30.0, 300.0, -24.0, 96.0), (5.0, 5.0, -7.0, 7.0)]  # 5 reviews at 1, and 7 at 1
    total = np.zeros(n)
    for (a, reviews_a, b, reviews_b) in ((10.0, 3, 4.0, 6), (1.0, 5, 1.0, 7)):
        rho = rng.beta(m.alpha, m.beta, n)
        total += a * (reviews_a + rng.negative_binomial(reviews_a, rho)) - b * (reviews_b + rng.negative_binomial(reviews_b, rho))
    for shift in (-60.5, -4.5, 20.5):
        p = float(np.mean(total + shift <= 0))
        assert probability_below_0([PointLaw(shift)], [(m, row) for row in rows]) == pytest.approx(
            p, abs=4 * np.sqrt(p * (1 - p) / n) + 1e-3)


# -- two vendors for one -------------------------------------------------------------------------------------------------


def test_two_sides_as_two_vendors_keep_mean_and_variance() -> None:
    m = MULTIPLIERS["narrow"]
    between, within = m.variances
    y, q, other, square = (np.array(x, dtype=float) for x in ([30, 500, 2], [300, 10, 2], [-24, -480, -3], [96, 12, 3]))
    some, left = split_sides(y, q, other, square, m)
    assert some.tolist() == [True, False, True]  # with so many sales as the second has, the common share is all that varies
    two = between * (y**2 + other**2) + within * left * (q + square)
    one = between * (y + other) ** 2 + within * (q + square)
    assert two == pytest.approx(one, rel=1e-12)


@pytest.mark.parametrize("nested", [True, False], ids=["share", "growth"])
def test_rows_of_a_signed_total_add_up(nested: bool) -> None:
    a, b = np.array([5.0, 3.0, 0.0, 2.0]), np.array([5.0, 9.0, 4.0, 6.0])
    s = Stratum(a, b, 2 * a, 3 * b, np.array([0, 2, 4]), 0.44, 0.05)
    m, r, rows, owner = Multiplier.of(0.44, 0.05), np.array([0.3, 0.6]), np.arange(4), np.array([0, 0, 1, 1])
    y, q, of = paired.signed_rows(s, m, r, rows, owner, nested=nested)
    whole_y, whole_q = s.form(r[owner], rows, nested=nested)
    between, within = m.variances
    assert np.bincount(of, y) == pytest.approx(np.bincount(owner, whole_y), rel=1e-12)
    assert np.bincount(of, between * y**2 + within * q) == pytest.approx(
        np.bincount(owner, between * whole_y**2 + within * whole_q), rel=1e-12)
    assert len(y) > 4 and (np.diff(of) >= 0).all()


@pytest.mark.parametrize("nested", [True, False], ids=["share", "growth"])
def test_sides_apart_are_the_same_form_and_vendors_of_one_side_stay(nested: bool) -> None:
    a, b = np.array([5.0, 3.0, 0.0, 2.0]), np.array([5.0, 9.0, 4.0, 6.0])
    s = Stratum(a, b, 2 * a, 3 * b, np.array([0, 2, 4]), 0.44, 0.0)
    apart = s.apart(nested=nested)
    assert not apart.between(nested=nested).any()
    for name in ("a", "qa", "b", "qb"):
        assert apart.sums(getattr(apart, name)) == pytest.approx(s.sums(getattr(s, name)), rel=1e-14)
    both = int(s.between(nested=nested).sum())
    assert len(apart.a) == len(a) + both and both == (2 if nested else 3)
    r = np.array([0.3, 0.6])  # nothing is between vendors, so the variance is that of the form too
    assert apart.variance(r, nested=nested) == pytest.approx(s.variance(r, nested=nested), rel=1e-12)


def test_rounding_is_no_side() -> None:
    a = np.array([0.1 + 0.2, 1.0])
    s = Stratum(a, np.array([np.nextafter(0.3, 1), 1e12]), a, np.array([np.nextafter(0.3, 1), 1e12]), np.array([0, 2]), 0.4, 0.1)
    assert not s.between(nested=True).any()
    assert s.between(nested=False).all()


# -- ratios ---------------------------------------------------------------------------------------------------------------


def drawn(a: np.ndarray, ra: np.ndarray, b: np.ndarray, rb: np.ndarray, m: Multiplier, n: int, *, nested: bool) -> np.ndarray:
    """A / B of vendors who sell at price a in A and at price b outside it."""
    rng = np.random.default_rng(5)
    top, rest = np.zeros(n), np.zeros(n)
    for pa, ka, pb, kb in zip(a, ra, b, rb, strict=True):
        rho = np.full(n, m.share) if np.isinf(m.alpha) else rng.beta(m.alpha, m.beta, n)
        top += pa * (ka + rng.negative_binomial(ka, rho)) if ka else 0.0
        rest += pb * (kb + rng.negative_binomial(kb, rho)) if kb else 0.0
    return top / (top + rest) if nested else top / rest


TABLES = {
    "one of two, few sales": ([7.1], [3], [1.3], [9]),
    "one that sells much outside": ([3.1], [6], [2.3], [300]),
    "three, unlike": ([7.1, 1.7, 3.3], [3, 11, 2], [1.3, 4.1, 9.7], [9, 4, 8]),
    "beside vendors of one side": ([7.1, 2.9, 1.0, 4.4], [4, 15, 0, 6], [1.0, 3.7, 5.3, 1.9], [0, 21, 12, 30]),
    "eighty": (np.linspace(1, 5, 80), np.arange(80) % 3, np.linspace(4, 2, 80), np.arange(80) % 7),
}


@pytest.mark.parametrize("nested", [True, False], ids=["share", "growth"])
@pytest.mark.parametrize("spread", [0.0, 0.05, 0.15], ids=lambda x: f"sd {x:g}")
@pytest.mark.parametrize("table", TABLES)
def test_few_vendors_on_both_sides_against_draws(table: str, spread: float, nested: bool) -> None:
    """Mean and variance of the form alone left 5 to 17 % beyond an end that 2.5 % should pass.

    What is left is that a law with atoms is read from a few of its values: an atom, or a fiftieth of the length.
    """
    a, ra, b, rb = (np.asarray(x, dtype=float) for x in TABLES[table])
    m, n = Multiplier.of(0.44, spread), 200_000
    ya, yb, qa, qb = a * ra, b * rb, a**2 * ra, b**2 * rb
    law = ratio_realised(ya, ya + yb if nested else yb, qa, qa + qb if nested else qb, 0.44, spread, nested=nested)
    sample = drawn(a, ra, b, rb, m, n, nested=nested)
    ends = np.quantile(sample, [0.025, 0.975])
    slack = 0.02 * (ends[1] - ends[0])
    error = 4.5 * np.sqrt(0.025 * 0.975 / n)
    for p, at in ((0.025, law.quantile(0.025)), (0.5, law.quantile(0.5)), (0.975, law.quantile(0.975))):
        wide = error if p != 0.5 else 4.5 * 0.5 / np.sqrt(n)
        assert np.mean(sample <= at - slack) - wide <= p <= np.mean(sample <= at + slack) + wide


@pytest.mark.parametrize("nested", [True, False], ids=["share", "growth"])
def test_large_vendors_by_atoms_or_by_transforms(nested: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the law is smooth both ways lead to it."""
    rng = np.random.default_rng(3)
    n = 90
    ra, rb = rng.poisson(3, n).astype(float), rng.poisson(6, n).astype(float)
    ra[:4], rb[:4] = 40, 55
    price_a, price_b = rng.lognormal(0, 0.5, n), rng.lognormal(0, 0.5, n)
    ya, yb, qa, qb = price_a * ra, price_b * rb, price_a**2 * ra, price_b**2 * rb
    args = (ya, ya + yb if nested else yb, qa, qa + qb if nested else qb, 0.44, 0.11)
    levels = np.array([0.025, 0.3, 0.7, 0.975])
    smooth = ratio_realised(*args, nested=nested).quantile(levels)
    monkeypatch.setattr(ratios, "signed_totals", lambda *args, **options: [])
    atoms = ratio_realised(*args, nested=nested)
    large = paired.large_vendors(Stratum(*args[:4], np.array([0, n]), 0.44, 0.11), np.array([atoms.value]),
                                 np.array([(atoms.law.variance * args[1].sum() ** 2 / 0.44**2)]), nested=nested)
    assert 1 <= large.sum() <= 33
    assert atoms.cdf(smooth) == pytest.approx(levels, abs=3e-3)


def test_a_normal_limit() -> None:
    """With many sales each a vendor's two counts are a normal pair: the joint law keeps the correlation."""
    m = MULTIPLIERS["narrow"]
    y, other, n = 5000.0, -4000.0, 5000.0
    between, within = m.variances
    mean, variance = (y + other) / m.share, between * (y + other) ** 2 + within * (y**2 / n + other**2 / 4000)
    found = probability_below_0([PointLaw(-mean - np.sqrt(variance))], [(m, (y, y**2 / n, other, other**2 / 4000))])
    assert found == pytest.approx(stats.norm.cdf(1), abs=0.02)


@pytest.mark.parametrize("spread", [0.48, 0.4959, 0.4963, 0.49638694], ids=lambda x: f"sd {x:g}")
def test_shares_that_are_nearly_all_0_or_1(spread: float) -> None:
    """alpha is 2 but for rounding."""
    law = ratio_realised([10.0, 3.0], [30.0, 3.5], [20.0, 3.0], [50.0, 3.5], 0.44, spread, nested=True)
    low, middle, high = law.quantile([0.025, 0.5, 0.975])
    assert 0 <= low < middle < high <= 1
    assert spread > 0.4963 or 0.35 < middle < 0.45  # where draws are, whatever the standard deviation


def test_the_same_numbers_are_kept_whatever_the_ratio() -> None:
    joint_atoms.cache_clear()
    ratio_realised([10.7, 3.1], [30.3, 30.5], [20.9, 3.3], [51.0, 93.5], 0.44, 0.1, nested=True)
    assert joint_atoms.cache_info().misses == 2


def test_as_many_sales_as_one_likes() -> None:
    """The two counts of a vendor are all but known given its share: what is left is the normal law of their difference."""
    for reviews in (1e4, 1e6, 1e8):
        a = np.array([reviews, reviews])
        law = ratio_realised(a, 2 * a, a, 2 * a, 0.44, 0.1, nested=True)
        b = Multiplier.of(0.44, 0.1)
        # K and L of one vendor differ by a variance of 2 n E[(1 - rho) / rho^2]; a quarter of it, beside the total squared
        deviation = np.sqrt(2 * 2 * reviews * b.variances[1]) / 2 / (4 * reviews / 0.44)
        low, high = law.quantile([0.025, 0.975])
        assert high - low == pytest.approx(2 * 1.96 * deviation, rel=0.1)


def test_a_vendor_of_which_only_the_share_is_unknown() -> None:
    """With a million sales the total is net / rho, as far out as its law reaches."""
    m = MULTIPLIERS["narrow"]
    y, other = 1e6, -2e3
    for rho in (0.3, 0.4, 0.5, 0.6):
        found = probability_below_0([PointLaw(-(y + other) / rho)], [(m, (y, y, other, -other))])
        assert found == pytest.approx(stats.beta(m.alpha, m.beta).sf(rho), abs=5e-3)
