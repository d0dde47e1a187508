from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from darkmarket_estimates.distribution import confidence, moments
from darkmarket_estimates.distribution.law import PointLaw
from darkmarket_estimates.distribution.ratios import METHODS, Stratum, ratio_expected, ratio_realised, ratios_realised
from darkmarket_estimates.errors import AssumptionError, DataError, NotIdentifiedError

LEVELS = np.array([0.025, 0.1, 0.5, 0.9, 0.975])
RNG = np.random.default_rng(31)
B = RNG.lognormal(0, 1.2, 80)
GROUP = np.arange(80) % 4 == 0
A = B * GROUP
MIXED = B * np.where(GROUP, 1.0, RNG.random(80) * 0.3)
NEXT = np.where(np.arange(80) % 5 == 0, 0, B * RNG.lognormal(0.1, 0.5, 80))  # the month after


def ranks(values: np.ndarray, law: object, levels: np.ndarray = LEVELS) -> np.ndarray:
    return np.array([(values <= q).mean() for q in law.quantile(levels)])


@pytest.mark.parametrize(("a", "b"), [(A, B), (MIXED, B), (NEXT, B)], ids=["groups", "vendors in both", "growth"])
def test_percentile_law_is_the_bootstrap_of_the_ratio(a: np.ndarray, b: np.ndarray) -> None:
    n = 100_000
    w = np.random.default_rng(32).poisson(1, (n, len(b)))
    law = ratio_expected(a, b, method="compound-poisson")
    error = 4.5 * np.sqrt(LEVELS * (1 - LEVELS) / n) + 1e-3  # the table of the law is interpolated
    assert np.all(np.abs(ranks((w @ a) / (w @ b), law) - LEVELS) < error)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("a", [A, MIXED, B - A], ids=["group", "vendors in both", "large group"])
def test_a_share_mirrors_its_complement(method: str, a: np.ndarray) -> None:
    share, rest = ratio_expected(a, B, method=method), ratio_expected(B - a, B, method=method)
    assert share.value + rest.value == pytest.approx(1)
    assert share.quantile(LEVELS) == pytest.approx(1 - rest.quantile(1 - LEVELS), abs=1e-9)
    assert share.cdf(0.3) + rest.cdf(0.7) == pytest.approx(1, abs=1e-9)
    assert share.mean + rest.mean == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_shares_lie_between_0_and_1_nest_and_forget_units(method: str) -> None:
    law, p = ratio_expected(A, B, method=method), np.linspace(0.001, 0.999, 99)
    q = law.quantile(p)
    assert np.all(np.diff(q) >= 0) and q[0] >= 0 and q[-1] <= 1
    assert ratio_expected(1e7 * A[::-1], 1e7 * B[::-1], method=method).quantile(LEVELS) == pytest.approx(
        law.quantile(LEVELS), abs=1e-4)
    assert law.quantile(0.025) < law.value < law.quantile(0.975)
    assert law.no_denominator == pytest.approx(math.exp(-80))


def test_bca_maps_the_bootstrap_law() -> None:
    raw, law = ratio_expected(A, B, method="compound-poisson"), ratio_expected(A, B, method="bca")
    value = A.sum() / B.sum()
    u = (A - value * B) / B.sum()
    acceleration = (u**3).sum() / (6 * (u @ u) ** 1.5)
    z0 = special.ndtri(raw.cdf(value))
    for r in raw.quantile(LEVELS):
        v = special.ndtri(raw.cdf(r)) - z0
        # both laws are linear between the same points
        assert law.cdf(r) == pytest.approx(special.ndtr(v / (1 + acceleration * v) - z0), abs=1e-6)


def test_tail_rule_on_both_groups() -> None:
    law = ratio_expected(A, B, method="tail")
    rng = np.random.default_rng(33)
    first, second = (confidence.tail(x).quantile(rng.random(200_000)) for x in (A, B - A))
    error = 4.5 * np.sqrt(LEVELS * (1 - LEVELS) / 200_000) + 1e-3
    assert np.all(np.abs(ranks(first / (first + second), law) - LEVELS) < error)


def test_tail_rule_joins_vendors_of_both_groups() -> None:
    # a vendor in both with next to nothing in one changes next to nothing
    nearly = A + 1e-7 * B * ~GROUP
    apart, joint = (ratio_expected(a, B, method="tail").quantile(LEVELS) for a in (A, nearly))
    assert joint == pytest.approx(apart, abs=3e-3)
    # vendors who all sell the same mix leave nothing uncertain
    assert isinstance(ratio_expected(0.3 * B, B).law, PointLaw)
    wide, narrow = (np.ptp(ratio_expected(a, B).quantile([0.025, 0.975])) for a in (A, MIXED))
    assert narrow < wide


def test_a_rare_group_may_be_empty() -> None:
    a = np.zeros(80)
    a[:2] = B[:2]
    law = ratio_expected(a, B, method="compound-poisson")
    assert law.cdf(0.0) == pytest.approx(math.exp(-2), rel=1e-6)
    assert law.quantile(0.1) == 0 and law.quantile(0.2) > 0
    nobody = ratio_expected(np.zeros(80), B)
    assert nobody.value == 0 and nobody.quantile(0.975) == 0


def test_conditions_on_a_denominator() -> None:
    a, b = np.array([1.0, 0.0, 0.0]), np.array([1.0, 1.0, 1.0])
    law = ratio_expected(a, b, method="compound-poisson")
    assert law.no_denominator == pytest.approx(math.exp(-3))
    # P(w1 = 0 | w1 + w2 + w3 > 0)
    assert law.cdf(0.0) == pytest.approx((math.exp(-1) - math.exp(-3)) / (1 - math.exp(-3)), rel=1e-6)


def draws(cells: list[tuple[np.ndarray, np.ndarray]], share: float, spread: float, n: int) -> list[np.ndarray]:
    """Totals of cells that share their vendors' review shares."""
    rng = np.random.default_rng(34)
    a, b = moments.beta_shape(share, spread)
    totals = [np.zeros(n) for _ in cells]
    for v in range(len(cells[0][0])):
        rho = rng.beta(a + 2, b * (a + 1) / a, n) if spread else np.full(n, share)
        for total, (y, q) in zip(totals, cells):
            if y[v] > 0:
                total += y[v] + q[v] / y[v] * rng.poisson(rng.gamma(y[v] ** 2 / q[v], size=n) * (1 - rho) / rho)
    return totals


@pytest.mark.parametrize("spread", [0.0, 0.13])
@pytest.mark.parametrize("a", [A, MIXED], ids=["groups", "vendors in both"])
def test_realised_share(a: np.ndarray, spread: float) -> None:
    a, b = 100 * a, 100 * B
    law = ratio_realised(a, b, 5 * a, 5 * b, 0.44, spread, nested=True)
    inside, outside = draws([(a, 5 * a), (b - a, 5 * (b - a))], 0.44, spread, 40_000)
    error = 4.5 * np.sqrt(LEVELS * (1 - LEVELS) / 40_000) + 4e-3
    assert np.all(np.abs(ranks(inside / (inside + outside), law) - LEVELS) < error)
    rest = ratio_realised(b - a, b, 5 * (b - a), 5 * b, 0.44, spread, nested=True)
    assert law.quantile(LEVELS) == pytest.approx(1 - rest.quantile(1 - LEVELS), abs=1e-9)


def test_realised_growth() -> None:
    a, b = 100 * NEXT, 100 * B
    law = ratio_realised(a, b, 5 * a, 5 * b, 0.44, 0.13, nested=False)
    later, before = draws([(a, 5 * a), (b, 5 * b)], 0.44, 0.13, 40_000)
    error = 4.5 * np.sqrt(LEVELS * (1 - LEVELS) / 40_000) + 4e-3
    assert np.all(np.abs(ranks(later / before, law) - LEVELS) < error)


def test_realised_share_has_the_variance_of_the_form() -> None:
    a, b = 1e4 * A, 1e4 * B
    law, r = ratio_realised(a, b, a, b, 0.44, 0.05, nested=True), A.sum() / B.sum()
    v = sum(moments.realised_parts(a - r * b, (1 - r) ** 2 * a + r**2 * (b - a), 0.44, 0.05))
    # to second order: the variance of a ratio exceeds the delta method's by terms of relative size cv^2 and skewness^2
    assert math.sqrt(law.variance) == pytest.approx(math.sqrt(v) / (b.sum() / 0.44), rel=0.02)


def strata(a: np.ndarray, b: np.ndarray, shares: tuple[float, float], spread: float = 0.13) -> list[Stratum]:
    """Every third vendor under the first share, the others under the second."""
    first = np.arange(len(b)) % 3 == 0
    return [Stratum(a[on], b[on], 5 * a[on], 5 * b[on], np.array([0, on.sum()]), share, spread)
            for on, share in zip((first, ~first), shares, strict=True)]


@pytest.mark.parametrize(("a", "nested"), [(MIXED, True), (B - A, True), (NEXT, False)], ids=["share", "large share", "growth"])
def test_two_strata_with_one_share_are_one(a: np.ndarray, nested: bool) -> None:
    a, b = 100 * a, 100 * B
    apart, = ratios_realised(strata(a, b, (0.44, 0.44)), nested=nested)
    whole = ratio_realised(a, b, 5 * a, 5 * b, 0.44, 0.13, nested=nested)
    assert apart.value == pytest.approx(whole.value, rel=1e-13)
    assert whole.cdf(apart.quantile(LEVELS)) == pytest.approx(LEVELS, abs=3e-4)


@pytest.mark.parametrize(("a", "nested"), [(MIXED, True), (B - A, True), (NEXT, False)], ids=["share", "large share", "growth"])
def test_strata_under_different_shares(a: np.ndarray, nested: bool) -> None:
    a, b, n = 100 * a, 100 * B, 40_000
    law, = ratios_realised(strata(a, b, (0.3, 0.7)), nested=nested)
    top, bottom = np.zeros(n), np.zeros(n)
    for s in strata(a, b, (0.3, 0.7)):
        other = s.b - s.a if nested else s.b
        inside, outside = draws([(s.a, 5 * s.a), (other, 5 * other)], s.share, s.spread, n)
        top, bottom = top + inside, bottom + outside + (inside if nested else 0)
    assert law.value == pytest.approx(top.mean() / bottom.mean(), abs=4.5 * np.std(top / bottom) / math.sqrt(n) + 1e-3)
    error = 4.5 * np.sqrt(LEVELS * (1 - LEVELS) / n) + 4e-3
    assert np.all(np.abs(ranks(top / bottom, law) - LEVELS) < error)


def test_a_stratum_without_vendors_or_without_unreviewed_sales() -> None:
    a, b = 100 * A, 100 * B
    known, other = strata(a, b, (1.0, 0.5), spread=0.0)
    law, = ratios_realised([known, other], nested=True)
    # the reviewed part is a constant: the law is that of the rest beside it
    total = known.b.sum() + other.b.sum() / 0.5
    assert law.value == pytest.approx((known.a.sum() + other.a.sum() / 0.5) / total, rel=1e-13)
    nothing = Stratum(*np.zeros((4, 0)), np.array([0, 0]), 0.3, 0.1)
    assert ratios_realised([known, other, nothing], nested=True)[0].quantile(LEVELS) == pytest.approx(law.quantile(LEVELS))
    assert isinstance(ratios_realised([known], nested=True)[0].law, PointLaw)


@pytest.mark.parametrize("unit", [2.0**500, 2.0**-500], ids=["huge", "tiny"])
@pytest.mark.parametrize("nested", [True, False], ids=["share", "growth"])
def test_realised_ratios_forget_the_unit(unit: float, nested: bool) -> None:
    a = MIXED if nested else NEXT
    laws = [ratio_realised(u * a, u * B, u * (u * a), u * (u * B), 0.44, 0.13, nested=nested) for u in (1.0, unit)]
    assert laws[0].quantile(LEVELS).tolist() == laws[1].quantile(LEVELS).tolist()


def test_known_ratios() -> None:
    assert isinstance(ratio_realised(A, B, A, B, 1.0, 0.1, nested=True).law, PointLaw)
    assert ratio_realised(B, B, B, B, 0.4, 0.1, nested=True).quantile(0.025) == 1
    assert ratio_realised(0 * B, B, 0 * B, B, 0.4, 0.1, nested=True).quantile(0.975) == 0
    assert ratio_expected(B, B).quantile([0.025, 0.975]).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ratio_expected([0.0], [0.0]), NotIdentifiedError, "B > 0"),
        (lambda: ratio_expected([], []), NotIdentifiedError, "B > 0"),
        (lambda: ratio_expected([1.0, 2.0], [3.0]), DataError, "length"),
        (lambda: ratio_expected([-1.0], [3.0]), DataError, "a holds"),
        (lambda: ratio_expected([1.0], [math.nan]), DataError, "b holds"),
        (lambda: ratio_expected(A, B, method="delta"), AssumptionError, "compound-poisson"),
        (lambda: ratio_realised(B, A, B, A, 0.4, 0.1, nested=True), DataError, "larger than its whole"),
        (lambda: ratio_realised(A, B, A[:3], B, 0.4, 0.1, nested=True), DataError, "length"),
        (lambda: ratio_realised(A, B, A, B, 0.0, 0.1, nested=True), AssumptionError, "share"),
        (lambda: ratio_realised(A, B, A, B, 0.4, 0.6, nested=True), AssumptionError, "spread"),
    ],
)
def test_bad_input(call: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_levels_of_the_log_scale() -> None:
    # growth of two independent lognormal-like totals: symmetric on the log scale about the point
    law = ratio_expected(NEXT, B, method="compound-poisson")
    low, high = np.log(law.quantile([0.16, 0.84]) / law.value)
    se = math.sqrt(((NEXT - law.value * B) ** 2).sum()) / NEXT.sum()
    assert (high - low) / 2 == pytest.approx(se * stats.norm.ppf(0.84), rel=0.1)
