"""Probabilities of ratios by one sum over frequencies: against every vendor by itself, against grids, and by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from darkmarket_estimates.distribution import ratio_grids, ratios, shapes, signed_totals
from darkmarket_estimates.distribution.multiplier import Multiplier
from darkmarket_estimates.distribution.ratios import ratio_realised, ratios_realised
from darkmarket_estimates.distribution.signed_totals import SignedTotals
from darkmarket_estimates.distribution.strata import Stratum

LEVELS = np.array([0.005, 0.025, 0.2, 0.5, 0.8, 0.975, 0.995])
SCORES = (-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0)


def market(n: int, seed: int, *, nested: bool, within: float = 0.2, share: float = 0.44, spread: float = 0.11) -> Stratum:
    """Vendors that are outside A, wholly in A, and in between."""
    rng = np.random.default_rng(seed)
    reviews, price = 1 + rng.poisson(4 * rng.lognormal(0, 1.2, n)), rng.lognormal(4, 0.8, n)
    top = np.where(rng.random(n) < within, reviews, np.where(rng.random(n) < 0.3, rng.binomial(reviews, within), 0))
    bottom = reviews if nested else np.where(rng.random(n) < 0.8, rng.poisson(reviews), 0)
    return Stratum(price * top, price * bottom, price**2 * top, price**2 * bottom, np.array([0, n]), share, spread)


def prepared(strata: list[Stratum], *, nested: bool) -> tuple[SignedTotals, np.ndarray]:
    """The sums, and the standard deviation of the ratio."""
    n = len(strata[0].start) - 1
    multipliers = [Multiplier.of(s.share, s.spread) for s in strata]
    whole = sum((s.sums(s.b) / s.share for s in strata), np.zeros(n))
    value = sum((s.sums(s.a) / s.share for s in strata), np.zeros(n)) / whole
    found = signed_totals.signed_totals(strata, multipliers, value, whole, nested=nested)
    deviation = np.sqrt(sum(s.variance(value, nested=nested) for s in strata)) / whole
    assert found and found[0].smooth.all()
    return found[0], deviation


CASES = {
    "share": ([market(900, 1, nested=True)], True),
    "share, two review shares": ([market(500, 2, nested=True), market(400, 3, nested=True, share=0.7, spread=0.05)], True),
    "share, no spread": ([market(900, 4, nested=True, spread=0.0)], True),
    "growth": ([market(900, 5, nested=False, within=0.8)], False),
    "growth, two review shares": ([market(500, 6, nested=False, within=0.7), market(300, 7, nested=False, share=0.7)], False),
}


@pytest.mark.parametrize("case", CASES)
def test_like_vendors_together_are_the_vendors_one_by_one(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes keep mean and variance; what they lose is far below a quantile's meaning."""
    strata, nested = CASES[case]
    classed, deviation = prepared(strata, nested=nested)
    alike = shapes.alike_vendors
    for module in (shapes, signed_totals):
        monkeypatch.setattr(module, "alike_vendors", lambda y, q, owner, m, *, apart: alike(y, q, owner, m, apart=True))
    monkeypatch.setattr(signed_totals, "REACHES", (12.0,))
    monkeypatch.setattr(signed_totals, "LOST_MASS", 1e-9)
    exact, _ = prepared(strata, nested=nested)
    for score in SCORES:
        r = classed.value + score * deviation
        p = exact.probability(r, np.zeros(1, dtype=np.int64))
        assert classed.probability(r, np.zeros(1, dtype=np.int64)) == pytest.approx(p, abs=6e-5)
        assert abs(p - stats.norm.cdf(score)) < 0.05  # and it is the distribution function, not its complement


@pytest.mark.parametrize("case", CASES)
def test_one_sum_is_the_law_on_the_grids(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    strata, nested = CASES[case]
    found, = ratios_realised(strata, nested=nested)
    monkeypatch.setattr(ratios, "signed_totals", lambda *args, **options: [])
    tabulate = ratios.tabulate  # one interpolation for both
    monkeypatch.setattr(ratios, "tabulate", lambda *args, smooth, **options: tabulate(*args, smooth=np.ones(1, bool), **options))
    grids, = ratios_realised(strata, nested=nested)
    assert found.value == grids.value
    assert grids.cdf(found.quantile(LEVELS)) == pytest.approx(LEVELS, abs=4e-4)


@pytest.mark.parametrize("case", CASES)
def test_thirteen_normal_scores_are_nearer_to_the_law_than_twenty_five_probabilities(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the law through 181 of its values; the distances are in lengths of the 95 % interval."""
    strata, nested = CASES[case]
    found = ratios_realised(strata, nested=nested)[0].quantile(LEVELS)
    tabulate = ratios.tabulate
    monkeypatch.setattr(ratios, "tabulate", lambda *args, smooth, **options: tabulate(*args, **options))
    probabilities = ratios_realised(strata, nested=nested)[0].quantile(LEVELS)
    monkeypatch.setattr(ratio_grids, "_SCORES", np.linspace(-4.5, 4.5, 181))
    exact = ratios_realised(strata, nested=nested)[0].quantile(LEVELS)
    length = exact[5] - exact[1]
    assert np.abs(found - exact).max() <= 1e-4 * length
    assert np.abs(found - exact)[[1, 5]].max() <= np.abs(probabilities - exact)[[1, 5]].max() / 4


@pytest.mark.parametrize("case", CASES)
def test_the_sum_is_long_enough(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against twice the length and a smaller probability beyond it: what is folded back is 1e-6."""
    strata, nested = CASES[case]
    found, deviation = prepared(strata, nested=nested)
    monkeypatch.setattr(signed_totals, "LOST_MASS", 1e-12)
    monkeypatch.setattr(signed_totals, "SPAN", 25.0)
    longer, _ = prepared(strata, nested=nested)
    for score in SCORES:
        r = found.value + score * deviation
        p = longer.probability(r, np.zeros(1, dtype=np.int64))
        assert found.probability(r, np.zeros(1, dtype=np.int64)) == pytest.approx(p, abs=2e-6)
    far = found.probability(found.value + 8 * deviation, np.zeros(1, dtype=np.int64))  # the sum reaches that much further
    assert far == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_the_probability_beyond_is_shared_among_the_vendors(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In proportion to their variances, and all of it: none is given twice."""
    strata, nested = CASES[case]
    given = []
    far_end = Multiplier.far_end

    def kept(self: Multiplier, y: np.ndarray, q: np.ndarray, lost: np.ndarray) -> np.ndarray:
        between, within = self.variances
        given.append((lost, between * y * y + within * q))
        return far_end(self, y, q, lost)

    monkeypatch.setattr(Multiplier, "far_end", kept)
    for module in (shapes, signed_totals):
        alike = module.alike_vendors
        monkeypatch.setattr(module, "alike_vendors", lambda *args, apart, alike=alike: alike(*args, apart=True))
    found, _ = prepared(strata, nested=nested)
    lost = np.concatenate([part for part, _ in given[: 4 * len(strata)]])
    assert lost.sum() == pytest.approx(signed_totals.LOST_MASS, rel=1e-9)
    for part, variance in given[: 4 * len(strata)]:  # of one kind of vendor
        assert part / part.sum() == pytest.approx(variance / variance.sum(), rel=1e-9)
    share = found.value[0]
    scale = np.array([1 - share, 1.0, share, share]) if nested else np.array([1.0, 1.0, share, share])
    weight = [(variance * scale[i % 4] ** 2).sum() for i, (_, variance) in enumerate(given[: 4 * len(strata)])]
    expected = signed_totals.LOST_MASS * np.array(weight) / sum(weight)
    assert [part.sum() for part, _ in given[: 4 * len(strata)]] == pytest.approx(expected, rel=1e-9)


def test_a_class_has_a_part_of_the_probability_for_each_of_its_vendors(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, given = [], []
    far_ends, far_end = shapes.far_ends, Multiplier.far_end
    monkeypatch.setattr(signed_totals, "far_ends", lambda parts, *args: seen.append(parts) or far_ends(parts, *args))
    monkeypatch.setattr(Multiplier, "far_end", lambda m, y, q, lost: given.append(lost) or far_end(m, y, q, lost))
    s = market(900, 1, nested=True)
    prepared([s], nested=True)
    between, (wholly, inside, outside, around) = (s.a > 0) & (s.a < s.b), seen[0][0][0]
    assert np.array_equal(inside[0], np.column_stack([s.a, s.qa])[between])
    assert np.array_equal(around[0], np.column_stack([s.b, s.qb])[between])
    assert wholly[1] @ wholly[0] == pytest.approx([s.a[s.a == s.b].sum(), s.qa[s.a == s.b].sum()], rel=1e-9)
    assert outside[1] @ outside[0] == pytest.approx([s.b[s.a == 0].sum(), s.qb[s.a == 0].sum()], rel=1e-9)
    counts = np.concatenate([counts for single, _ in seen[0] for _, counts, _ in single])
    lost = np.concatenate(given[:4])
    assert counts.max() > 5 and len(counts) == len(lost)
    assert counts @ lost == pytest.approx(signed_totals.LOST_MASS, rel=1e-9)


def test_a_vendor_in_between_that_dominates_has_nodes_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its review share alone makes much of the variance: with twelve nodes its transform does not even fade."""
    s = market(900, 1, nested=True)
    price, reviews = 60.0, 400.0
    own = Stratum(*(np.append(x, y) for x, y in ((s.a, price * 0.9 * reviews), (s.b, price * reviews),
                                                 (s.qa, price**2 * 0.9 * reviews), (s.qb, price**2 * reviews))),
                  np.array([0, 901]), 0.44, 0.11)

    def probabilities(n_nodes: int) -> np.ndarray:
        monkeypatch.setattr(signed_totals, "N_DOMINANT", n_nodes)
        found, deviation = prepared([own], nested=True)
        assert sum(side.dominant.sum() for side in found.mixed) == 1
        return np.array([found.probability(found.value + z * deviation, np.zeros(1, dtype=np.int64))[0] for z in SCORES])

    exact = probabilities(400)
    assert probabilities(shapes.N_DOMINANT) == pytest.approx(exact, abs=1e-7)
    with pytest.raises(AssertionError, match="smooth"):
        probabilities(12)


@pytest.mark.parametrize("nested", [True, False], ids=["share", "growth"])
def test_it_is_what_simulation_says(nested: bool) -> None:
    """Vendors drawn from their law given the reviews; the threshold is 4.5 Monte Carlo errors."""
    s = market(150, 8, nested=nested, within=0.5)
    found, deviation = prepared([s], nested=nested)
    rng, n = np.random.default_rng(9), 40_000
    m = Multiplier.of(s.share, s.spread)
    price = np.divide(s.qa + s.qb, s.a + s.b, out=np.ones(len(s.a)), where=s.a + s.b > 0)
    rho = rng.beta(m.alpha, m.beta, (n, len(price)))
    top = price * (s.a / price + _unreviewed(rng, s.a / price, rho))
    rest = (s.b - s.a if nested else s.b) / price
    other = price * (rest + _unreviewed(rng, rest, rho))
    ratio = top.sum(axis=1) / (top.sum(axis=1) + other.sum(axis=1) if nested else other.sum(axis=1))
    for score in (-1.5, 0.0, 1.5):
        r = found.value + score * deviation
        p = float(found.probability(r, np.zeros(1, dtype=np.int64))[0])
        # the form's index y^2 / q matches mean and variance of two lots of sales: 0.005 is what that leaves
        assert np.mean(ratio <= r) == pytest.approx(p, abs=4.5 * np.sqrt(p * (1 - p) / n) + 0.005)


def _unreviewed(rng: np.random.Generator, reviews: np.ndarray, rho: np.ndarray) -> np.ndarray:
    number = np.rint(reviews)
    return np.where(number > 0, rng.negative_binomial(np.maximum(number, 1), rho), 0)


@pytest.mark.parametrize("nested", [True, False], ids=["shares", "growths"])
def test_a_ratio_among_others_has_the_digits_of_its_own(nested: bool) -> None:
    each = [market(n, seed, nested=nested) for seed, n in enumerate((70, 400, 5, 1200, 150))]
    nothing = Stratum(0 * each[0].a, each[0].b, 0 * each[0].a, each[0].qb, each[0].start, 0.44, 0.11)
    each = [nothing, each[0], nothing, *each[1:]]  # a known ratio before, so that smooth ones and others change places
    start = np.cumsum([0, *(len(s.a) for s in each)])
    whole = Stratum(*(np.concatenate([getattr(s, name) for s in each]) for name in ("a", "b", "qa", "qb")), start, 0.44, 0.11)
    for law, s in zip(ratios_realised([whole], nested=nested), each, strict=True):
        one = ratio_realised(s.a, s.b, s.qa, s.qb, 0.44, 0.11, nested=nested)
        assert law.value == pytest.approx(one.value, rel=1e-14, abs=0)
        assert law.quantile(LEVELS) == pytest.approx(one.quantile(LEVELS), rel=1e-12)


@pytest.mark.parametrize("unit", [1e-9, 1e9], ids=["tiny", "huge"])
def test_money_in_another_unit_changes_no_share(unit: float) -> None:
    s = market(300, 11, nested=True)
    plain = ratio_realised(s.a, s.b, s.qa, s.qb, 0.44, 0.11, nested=True).quantile(LEVELS)
    other = ratio_realised(s.a * unit, s.b * unit, s.qa * unit**2, s.qb * unit**2, 0.44, 0.11, nested=True)
    assert other.quantile(LEVELS) == pytest.approx(plain, rel=1e-7)


def test_order_leaves_no_trace_but_rounding() -> None:
    s = market(300, 12, nested=True)
    order = np.random.default_rng(0).permutation(300)
    plain = ratio_realised(s.a, s.b, s.qa, s.qb, 0.44, 0.11, nested=True).quantile(LEVELS)
    mixed = ratio_realised(*(x[order] for x in (s.a, s.b, s.qa, s.qb)), 0.44, 0.11, nested=True).quantile(LEVELS)
    assert mixed == pytest.approx(plain, rel=1e-7)


def towering(price: float) -> Stratum:
    """Many small vendors and one sale that is worth far more."""
    s = market(200, 13, nested=True)
    a, q = np.append(s.a, price), np.append(s.qa, price**2)
    return Stratum(a, np.append(s.b, price), q, np.append(s.qb, price**2), np.array([0, 201]), 0.44, 0.11)


def smooth(s: Stratum) -> bool:
    whole = s.sums(s.b) / s.share
    multipliers = [Multiplier.of(s.share, s.spread)]
    found = signed_totals.signed_totals([s], multipliers, s.sums(s.a) / s.share / whole, whole, nested=bool((s.a <= s.b).all()))
    return any(each.smooth.any() for each in found)


@pytest.mark.parametrize("nested", [True, False], ids=["share", "growth"])
def test_only_vendors_in_between_are_transformed_anew(nested: bool) -> None:
    s = market(300, 21, nested=nested)
    found, _ = prepared([s], nested=nested)
    between = (s.a > 0) & (s.b > 0) & ((s.a < s.b) | (not nested))
    assert len(found.mixed[0].stratum.a) == between.sum() < 150


def test_what_has_atoms_keeps_its_grid() -> None:
    assert smooth(towering(100.0)) and not smooth(towering(1e5))  # one sale whose price nothing blurs
    assert not smooth(market(40, 14, nested=True))  # a few vendors
    assert not smooth(market(300, 15, nested=True, spread=0.3))  # a tail too heavy for few nodes
    assert not smooth(market(300, 15, nested=True, share=1.0, spread=0.0))  # nothing is uncertain


def test_a_price_that_nothing_blurs_is_seen_before_anything_is_transformed() -> None:
    for price, found in ((100.0, True), (1e5, False)):
        s = towering(price)
        args = [s], [Multiplier.of(0.44, 0.11)], s.sums(s.a) / s.sums(s.b), s.sums(s.b) / 0.44
        assert SignedTotals.of(*args, nested=True, reach=8.0, asked=np.ones(1, dtype=bool)).smooth.tolist() == [found]


def test_more_frequencies_than_grids_have_cells_are_not_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = prepared([market(300, 1, nested=True)], nested=True)
    assert np.isfinite(found.probability(found.value, np.zeros(1, dtype=np.int64)))
    monkeypatch.setattr(signed_totals, "MOST", 8)
    assert np.isnan(found.probability(found.value, np.zeros(1, dtype=np.int64)))


def test_a_transform_that_has_not_faded_is_followed_further_or_left_to_the_grids(monkeypatch: pytest.MonkeyPatch) -> None:
    s = market(120, 16, nested=True, within=0.02)
    args = [s], [Multiplier.of(0.44, 0.11)], s.sums(s.a) / s.sums(s.b), s.sums(s.b) / 0.44
    near = SignedTotals.of(*args, nested=True, reach=2.0, asked=np.ones(1, dtype=bool))
    assert near.smooth.all() and np.isnan(near.probability(near.value, np.zeros(1, dtype=np.int64))).all()
    monkeypatch.setattr(signed_totals, "REACHES", (2.0, 8.0, 24.0))
    followed = signed_totals.signed_totals(*args, nested=True)
    assert not followed[0].smooth.any() and followed[-1].smooth.all()
    assert sum(int(each.smooth[0]) for each in followed) == 1  # no further than it takes
    law, = ratios_realised([s], nested=True)
    monkeypatch.setattr(signed_totals, "REACHES", (2.0,))
    left, = ratios_realised([s], nested=True)
    monkeypatch.setattr(ratios, "signed_totals", lambda *a, **k: [])
    grids, = ratios_realised([s], nested=True)
    assert np.array_equal(left.quantile(LEVELS), grids.quantile(LEVELS))
    assert law.quantile(LEVELS) == pytest.approx(grids.quantile(LEVELS), rel=2e-3)


def with_a_whale() -> Stratum:
    """1,000 reviews of one vendor beside many small ones: its share alone decides."""
    s = market(200, 17, nested=True)
    reviews, price = 1000.0, float(s.b.sum()) / 500
    return Stratum(np.append(s.a, 0.0), np.append(s.b, price * reviews), np.append(s.qa, 0.0),
                   np.append(s.qb, price**2 * reviews), np.array([0, 201]), 0.44, 0.11)


def test_a_vendor_that_dominates_is_transformed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    large = with_a_whale()
    assert smooth(large)
    law, = ratios_realised([large], nested=True)
    monkeypatch.setattr(ratios, "signed_totals", lambda *args, **options: [])
    grids, = ratios_realised([large], nested=True)
    assert grids.cdf(law.quantile(LEVELS)) == pytest.approx(LEVELS, abs=4e-4)


def test_a_vendor_that_dominates_needs_the_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    s, one = with_a_whale(), np.zeros(1, dtype=np.int64)
    args = [s], [Multiplier.of(0.44, 0.11)], s.sums(s.a) / s.sums(s.b), s.sums(s.b) / 0.44

    def at(nodes: int | None) -> np.ndarray:
        for module in (shapes, signed_totals):
            monkeypatch.setattr(module, "N_DOMINANT", nodes)
        found = SignedTotals.of(*args, nested=True, reach=24.0, asked=np.ones(1, dtype=bool))
        r = found.value + np.array([-0.02, 0.0, 0.02])[:, None]
        return np.array([found.probability(x, one)[0] for x in r])

    assert at(64) == pytest.approx(at(200), abs=1e-6)
    assert not np.allclose(at(None), at(200), atol=1e-5)


def test_growth_of_other_vendors_needs_no_division_by_what_they_share() -> None:
    s, n = market(300, 20, nested=True), 300
    nothing = np.zeros(n)
    apart = Stratum(np.append(s.b, nothing), np.append(nothing, s.b), np.append(s.qb, nothing), np.append(nothing, s.qb),
                    np.array([0, 2 * n]), 0.44, 0.11)
    assert smooth(apart)
    law, = ratios_realised([apart], nested=False)
    assert law.value == pytest.approx(1, rel=1e-13)
    assert np.log(law.quantile([0.025, 0.2])) == pytest.approx(-np.log(law.quantile([0.975, 0.8])), abs=1e-4)  # a/b is b/a


@pytest.mark.parametrize("nested", [True, False], ids=["share", "growth"])
def test_how_far_curves_are_asked(nested: bool) -> None:
    """The closed form of the largest multiple of T_P and of T_O beside the deviation, against a search."""
    s = market(300, 19, nested=nested)
    variance = signed_totals._variance(s, Multiplier.of(0.44, 0.11), nested=nested)
    r = np.linspace(0, 1, 200_001) if nested else np.concatenate([np.linspace(0, 5, 400_001), np.geomspace(5, 1e7, 2001)])
    deviation = np.sqrt(signed_totals._quadratic(np.repeat(variance, len(r), axis=0), r))
    for i in (0, 7, 50_000, len(r) - 1):
        assert deviation[i] ** 2 == pytest.approx(float(s.variance(r[i : i + 1], nested=nested)[0]), rel=1e-9)
    inside, outside = signed_totals._furthest(variance, nested=nested)
    assert inside[0] == pytest.approx(((1 - r if nested else 1) / deviation).max(), rel=1e-6)
    assert outside[0] == pytest.approx((r / deviation).max(), rel=1e-6)


def test_a_ratio_whose_transform_fades_at_its_mean_alone_is_followed_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fades at the mean need not fade where the law is asked for: it would be left to the grids there, which are rougher."""
    s = market(120, 16, nested=True, within=0.02)
    args = [s], [Multiplier.of(0.44, 0.11)], s.sums(s.a) / s.sums(s.b), s.sums(s.b) / 0.44
    for each in signed_totals.signed_totals(*args, nested=True):
        if each.smooth[0]:
            middle, low, high = signed_totals._about(each, np.zeros(1, dtype=np.int64))
            assert 0 < low[0] < middle[0] < high[0] < 1
            assert np.isfinite([each.probability(r, np.zeros(1, dtype=np.int64)) for r in (low, middle, high)]).all()


@pytest.mark.parametrize("nested", [True, False], ids=["share", "growth"])
def test_how_far_a_law_is_asked_for(nested: bool) -> None:
    """4.5 standard deviations on the logit or the log scale, as its values are spaced."""
    found, deviation = prepared([market(900, 1 if nested else 5, nested=nested, within=0.2 if nested else 0.8)], nested=nested)
    value, low, high = signed_totals._about(found, np.zeros(1, dtype=np.int64))
    scale, inner = (special.logit, value * (1 - value)) if nested else (np.log, value)
    for r, score in ((low, -4.5), (high, 4.5)):
        assert scale(r) == pytest.approx(scale(value) + score * deviation / inner, rel=1e-9)


def test_parts_of_a_review_are_of_no_one_shape() -> None:
    """A number of reviews below 1 stands for a part on each side of 0, which changes with the ratio."""
    s = market(900, 1, nested=True)
    price, reviews = np.full(3, 50.0), np.array([0.3, 0.3, 1.0])
    inside = np.array([1.0, 0.0, 1.0])
    own = Stratum(*(np.append(x, y) for x, y in ((s.a, price * reviews * inside), (s.b, price * reviews),
                                                 (s.qa, price**2 * reviews * inside), (s.qb, price**2 * reviews))),
                  np.array([0, 903]), 0.44, 0.11)
    plain, _ = prepared([s], nested=True)
    found, _ = prepared([own], nested=True)
    assert len(found.mixed[0].stratum.a) == len(plain.mixed[0].stratum.a) + 2


def test_values_that_may_be_rounding_bend_no_spline() -> None:
    scores = np.linspace(-6, 6, 17)
    exact = stats.norm.cdf(1.1 * scores + 0.1 * scores**2 / 6)
    heights = np.where(exact < 1e-7, [0.0, 1e-7] * 8 + [0.0], np.where(exact > 1 - 1e-7, 1.0, exact))
    dense, found = ratio_grids._by_normal_scores(scores, np.maximum.accumulate(heights))
    want = stats.norm.cdf(1.1 * dense + 0.1 * dense**2 / 6)
    assert len(dense) == len(found) and (dense[0], dense[-1]) == (-6, 6)
    assert found == pytest.approx(want, abs=2e-6)
    few = np.array([0.0, 1e-9, 0.4, 1.0])
    assert ratio_grids._by_normal_scores(scores[:4], few)[1].tolist() == ratio_grids._monotone(scores[:4], few)[1].tolist()
