from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from darkmarket_estimates.distribution import moments
from darkmarket_estimates.distribution.factors import nodes
from darkmarket_estimates.distribution.law import GridLaw, PointLaw
from darkmarket_estimates.distribution.multiplier import Multiplier
from darkmarket_estimates.distribution.realised import realised, realised_uncertain_share
from darkmarket_estimates.distribution.vendors import arrange
from darkmarket_estimates.errors import AssumptionError, DataError

LEVELS = np.array([0.005, 0.025, 0.1, 0.5, 0.9, 0.975, 0.995])


def spread_of(a: float, b: float) -> tuple[float, float]:
    return a / (a + b), math.sqrt(a * b / (a + b) ** 2 / (a + b + 1))


BETAS = {"Beta(5.2, 6.8)": spread_of(5.2, 6.8), "Beta(0.8, 1.2)": spread_of(0.8, 1.2), "no spread": (0.5, 0.0)}


def populations() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(21)

    def market(n: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
        price, reviews = rng.lognormal(4, 1, n), np.ceil(rng.lognormal(2, sigma, n))
        return price * reviews, price**2 * reviews

    y, q = market(299, 1)
    giant = 9 * y.sum()
    return {
        "300 vendors": market(300, 1.5),
        "one of 300 has 90 % of the money": (np.append(y, giant), np.append(q, giant * 50)),
        "two giants": (np.array([1e6, 7e5]), np.array([1e8, 9e7])),
        "30 vendors": market(30, 1.5),
        "all equal": (np.full(50, 100.0), np.full(50, 100.0)),
        "one vendor": (np.array([5000.0]), np.array([50_000.0])),
    }


POPULATIONS = populations()
by_population = pytest.mark.parametrize("name", POPULATIONS)
by_beta = pytest.mark.parametrize("beta", BETAS)


def draw(y: np.ndarray, q: np.ndarray, share: float, spread: float, n: int, rng: np.random.Generator,
         spread_law: str = "default") -> np.ndarray:
    """Totals straight from the definition: a share, then negative binomial sales (a Poisson with Gamma mean)."""
    total = np.zeros(n)
    a, b = moments.beta_shape(share, spread)
    for value, square in zip(y, q):
        price, reviews = square / value, value**2 / square
        if spread == 0:
            rho = np.full(n, share)
        elif spread_law == "default":
            rho = rng.beta(a + 2, b * (a + 1) / a, n)
        else:
            rho = rng.beta(a + 1, b, n)
        total += value + price * rng.poisson(rng.gamma(reviews, size=n) * (1 - rho) / rho)
    return total


def check_against_draws(law: GridLaw, totals: np.ndarray, levels: np.ndarray, slack: float) -> None:
    """Ranks of the law's quantiles among the draws, within 4.5 binomial errors, a quantile being free by `slack`."""
    q, n = law.quantile(levels), len(totals)
    error = 4.5 * np.sqrt(levels * (1 - levels) / n)
    below = np.array([(totals < v - slack).mean() for v in q])
    upto = np.array([(totals <= v + slack).mean() for v in q])
    assert np.all(below <= levels + error), (below - levels) / error
    assert np.all(upto >= levels - error), (upto - levels) / error


@by_population
@by_beta
def test_moments(name: str, beta: str) -> None:
    (y, q), (share, spread) = POPULATIONS[name], BETAS[beta]
    law = realised(y, q, share, spread)
    assert law.mean == pytest.approx(y.sum() / share, rel=1e-12)
    assert law.variance == pytest.approx(sum(moments.realised_parts(y, q, share, spread)), rel=1e-12)
    image = GridLaw.tabulated(law.points.copy(), law.cumulative.copy())
    deviation = math.sqrt(law.variance)
    # a power tail of index a + 2 = 2.8 beyond the grid holds some of the second moment
    assert image.mean == pytest.approx(law.mean, abs=(6e-3 if beta == "Beta(0.8, 1.2)" else 1e-3) * deviation)
    assert image.variance == pytest.approx(law.variance, rel=0.06 if beta == "Beta(0.8, 1.2)" else 2e-3)


@by_population
@by_beta
def test_quantiles_of_simulated_totals(name: str, beta: str) -> None:
    (y, q), (share, spread) = POPULATIONS[name], BETAS[beta]
    n = 8_000 if len(y) > 100 else 40_000
    law = realised(y, q, share, spread)
    totals = draw(y, q, share, spread, n, np.random.default_rng(22))
    assert law.error_bound <= 0.011 * law.mean
    check_against_draws(law, totals, LEVELS, min(law.error_bound, 0.003 * law.mean))


@pytest.mark.long
@pytest.mark.statistical
@by_population
@by_beta
def test_quantiles_of_a_million_totals(name: str, beta: str) -> None:
    (y, q), (share, spread) = POPULATIONS[name], BETAS[beta]
    law = realised(y, q, share, spread)
    totals = draw(y, q, share, spread, 1_000_000, np.random.default_rng(23))
    check_against_draws(law, totals, np.array([0.025, 0.975]), 0.003 * law.mean)


@pytest.mark.long
@pytest.mark.statistical
@by_beta
def test_quantiles_of_5_000_vendors(beta: str) -> None:
    share, spread = BETAS[beta]
    rng = np.random.default_rng(24)
    price, reviews = rng.lognormal(4, 1, 5000), np.ceil(rng.lognormal(2, 2, 5000))
    y, q = price * reviews, price**2 * reviews
    totals = draw(y, q, share, spread, 100_000, rng)
    law = realised(y, q, share, spread)
    check_against_draws(law, totals, np.array([0.025, 0.5, 0.975]), 0.003 * law.mean)


@pytest.mark.parametrize("spread_law", ["default", "conservative"])
@pytest.mark.parametrize("reviews", [1, 3, 40, 5000])
def test_one_vendor_is_beta_negative_binomial(reviews: int, spread_law: str) -> None:
    a, b = 5.2, 6.8
    shape = (a + 2, b * (a + 1) / a) if spread_law == "default" else (a + 1, b)
    share, spread = spread_of(a, b)
    law = realised([10.0 * reviews], [100.0 * reviews], share, spread, spread_law=spread_law)
    reference = stats.betanbinom(reviews, *shape)
    k = np.unique(reference.ppf([0.01, 0.1, 0.5, 0.9, 0.99]))
    # half way between two atoms; above thousands of reviews the atoms merge into the grid
    assert law.cdf(10 * (reviews + k + 0.5)) == pytest.approx(reference.cdf(k), abs=2e-4)


@pytest.mark.parametrize("reviews", [1, 25, 4000])
def test_one_vendor_without_spread_is_negative_binomial(reviews: int) -> None:
    law = realised([10.0 * reviews], [100.0 * reviews], 0.4, 0.0)
    reference = stats.nbinom(reviews, 0.4)
    k = np.unique(reference.ppf([0.01, 0.1, 0.5, 0.9, 0.99]))
    assert law.cdf(10 * (reviews + k + 0.5)) == pytest.approx(reference.cdf(k), abs=2e-4)


@pytest.mark.parametrize("spread", [0.0, 0.05])
def test_blocks_of_a_large_vendor_lie_at_their_middle(spread: float) -> None:
    law = realised([4e5], [4e5], 0.4, spread)  # some hundred sales a step of the grid
    image, deviation = GridLaw.tabulated(law.points.copy(), law.cumulative.copy()), math.sqrt(law.variance)
    assert image.mean == pytest.approx(law.mean, abs=2e-5 * deviation)


@pytest.mark.parametrize("beta", ["Beta(5.2, 6.8)", "Beta(0.8, 1.2)"])
@pytest.mark.parametrize(
    "counts", [[3, 8], [40] * 12, [1] * 200, list(range(1, 120)), [2000, *([5] * 60)]],
    ids=["two vendors", "12 equal", "200 with a review", "119 of all sizes", "a giant"])
def test_sums_of_vendors_are_convolutions(counts: list[int], beta: str) -> None:
    share, spread = BETAS[beta]
    a, b = moments.beta_shape(share, spread)
    length, exact = 2**15, np.ones(1)
    spectrum = np.ones(length // 2 + 1, dtype=complex)
    for r in sorted(set(counts)):
        pmf = stats.betanbinom(r, a + 2, b * (a + 1) / a).pmf(np.arange(length))
        spectrum *= np.fft.rfft(pmf) ** counts.count(r)
    exact = np.cumsum(np.fft.irfft(spectrum, length))
    y = np.array(counts, dtype=float)
    law = realised(y, y, share, spread)
    k = np.unique(np.searchsorted(exact, [0.01, 0.025, 0.1, 0.5, 0.9, 0.975, 0.99]))
    assert law.cdf(y.sum() + k + 0.5) == pytest.approx(exact[k], abs=2e-3)


@pytest.mark.parametrize("share", [0.85, 0.96])
@pytest.mark.parametrize("spread", [0.0, 0.05, 0.1])
@pytest.mark.parametrize("n", [1, 10, 200])
def test_few_sales_without_a_review(n: int, spread: float, share: float) -> None:
    """The law has atoms where next to nothing is missing, and rises like a power where b is below 1."""
    rng = np.random.default_rng(27)
    price, reviews = np.round(rng.lognormal(2, 1, n)) + 1, np.ceil(rng.lognormal(2, 1, n))
    y, q = price * reviews, price**2 * reviews
    law = realised(y, q, share, spread)
    image, deviation = GridLaw.tabulated(law.points.copy(), law.cumulative.copy()), math.sqrt(law.variance)
    assert image.mean == pytest.approx(law.mean, abs=0.01 * deviation)
    assert image.variance == pytest.approx(law.variance, rel=0.02)
    totals = draw(y, q, share, spread, 20_000, rng)
    check_against_draws(law, totals, LEVELS, law.error_bound)


def test_three_missing_sales_among_thousands_of_vendors() -> None:
    y = np.ones(3000)
    law = realised(y, y, 0.999, 0.0)
    assert law.cdf(3000 + np.arange(12) + 0.5) == pytest.approx(stats.nbinom(3000, 0.999).cdf(np.arange(12)), abs=2e-3)


@pytest.mark.parametrize("reviews", [50, 10_000_000])
def test_a_singular_multiplier(reviews: int) -> None:
    a, b = 3.6, 0.4  # density (1 - rho)^(b' - 1) without bound at 1
    law = realised([float(reviews)], [float(reviews)], *spread_of(a, b))
    k = np.floor(reviews * np.array([1e-4, 0.003, 0.02, 0.1, 0.5, 1.0]))
    exact = stats.betanbinom(reviews, a + 2, b * (a + 1) / a).cdf(k) if reviews < 100 else stats.beta(
        a + 2, b * (a + 1) / a).sf(1 / (1 + k / reviews))
    assert law.cdf(reviews + k + 0.5) == pytest.approx(exact, abs=0.02 if reviews > 100 else 2e-3)


def test_price_spread_enters_by_effective_price_and_index() -> None:
    # 60 vendors with 11 reviews at 10 and 3 at 30: the law of one effective price against the two real ones
    y, q = np.full(60, 11 * 10.0 + 3 * 30.0), np.full(60, 11 * 100.0 + 3 * 900.0)
    share, spread = BETAS["Beta(5.2, 6.8)"]
    law, rng, n = realised(y, q, share, spread), np.random.default_rng(26), 40_000
    rho = rng.beta(7.2, 6.8 * 6.2 / 5.2, (n, 60))
    sold = 10 * rng.negative_binomial(11, rho) + 30 * rng.negative_binomial(3, rho)
    check_against_draws(law, y.sum() + sold.sum(axis=1), LEVELS, 0.003 * law.mean)
    assert sold.sum(axis=1).var() == pytest.approx(law.variance, rel=0.05)


def test_a_share_of_1_knows_everything() -> None:
    for spread in (0.0, 0.1):
        law = realised([3.0, 4.0], [3.0, 4.0], 1.0, spread)
        assert isinstance(law, PointLaw) and law.value == 7
    assert isinstance(realised([], [], 0.4, 0.1), PointLaw)
    assert realised([0.0], [0.0], 0.4, 0.1).quantile(0.5) == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.floats(1e-6, 1e6), st.integers(0, 10**6))
def test_scaling_and_permutation(n: int, unit: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    price, reviews = rng.lognormal(0, 1, n), np.ceil(rng.lognormal(1, 1, n))
    y, q, order = price * reviews, price**2 * reviews, rng.permutation(n)
    law = realised(y, q, 0.44, 0.13)
    p = np.array([0.025, 0.5, 0.975])
    assert realised(unit * y[order], unit**2 * q[order], 0.44, 0.13).quantile(p) == pytest.approx(
        unit * law.quantile(p), rel=1e-3)
    assert np.all(np.diff(law.quantile(LEVELS)) >= 0)
    assert law.quantile(0.0) >= y.sum() * (1 - 1e-12)


def test_more_spread_and_less_share_are_wider() -> None:
    y, q = POPULATIONS["300 vendors"]
    width = lambda law: float(np.diff(law.quantile([0.025, 0.975]))[0])  # noqa: E731
    by_spread = [width(realised(y, q, 0.44, s)) for s in (0.0, 0.01, 0.05, 0.13, 0.25)]
    by_share = [width(realised(y, q, m, 0.13)) for m in (0.9, 0.7, 0.44, 0.2)]
    assert by_spread == sorted(by_spread) and by_share == sorted(by_share)
    laws = [realised(y, q, *spread_of(5.2, 6.8), spread_law=law) for law in ("default", "conservative")]
    default, conservative = map(width, laws)
    assert 1.02 < conservative / default < math.sqrt(6.2 / 4.2)


def test_small_spread_joins_no_spread() -> None:
    y, q = POPULATIONS["30 vendors"]
    p = np.array([0.025, 0.975])
    for spread in (1e-3, 1e-4, 1e-7):
        known, nearly = realised(y, q, 0.44, 0.0).quantile(p), realised(y, q, 0.44, spread).quantile(p)
        assert nearly == pytest.approx(known, rel=20 * spread + 2e-4)


def test_linear_forms() -> None:
    rng = np.random.default_rng(25)
    y, q = POPULATIONS["300 vendors"]
    signed = y * np.where(rng.random(300) < 0.4, -1, 1)
    share, spread = BETAS["Beta(5.2, 6.8)"]
    law = realised(signed, q, share, spread)
    assert law.mean == pytest.approx(signed.sum() / share, rel=1e-9)
    assert law.variance == pytest.approx(sum(moments.realised_parts(signed, q, share, spread)), rel=1e-9)
    a, b = moments.beta_shape(share, spread)
    n, totals = 8000, np.zeros(8000)
    for value, square in zip(signed, q):
        price, reviews = square / value, value**2 / square
        rho = rng.beta(a + 2, b * (a + 1) / a, n)
        totals += value + price * rng.poisson(rng.gamma(reviews, size=n) * (1 - rho) / rho)
    check_against_draws(law, totals, LEVELS, 1e-3 * np.abs(y).sum())
    mirrored = realised(-signed, q, share, spread)
    assert mirrored.quantile(1 - LEVELS) == pytest.approx(-law.quantile(LEVELS), abs=1e-4 * np.abs(y).sum())


@pytest.mark.parametrize("spread", [0.0, 0.13])
def test_forms_that_cancel_within_a_vendor(spread: float) -> None:
    # e = 0 but q > 0: the sales of both signs are symmetric
    e, q = np.concatenate([np.zeros(40), [-2.0, 0.5]]), np.concatenate([np.full(40, 300.0), [4.0, 9.0]])
    law = realised(e, q, 0.44, spread)
    assert law.mean == pytest.approx(-1.5 / 0.44, rel=1e-9)
    assert law.variance == pytest.approx(sum(moments.realised_parts(e, q, 0.44, spread)), rel=1e-9)
    deviation = math.sqrt(law.variance)
    assert law.quantile([0.025, 0.975]) == pytest.approx(law.mean + 1.96 * deviation * np.array([-1, 1]), rel=0.03)


def test_classes_keep_all_three_sums() -> None:
    y, q = POPULATIONS["300 vendors"]
    vendors = arrange(y, q, np.array([0, 300]), Multiplier.of(0.44, 0.13))
    large, small, c = vendors.large, vendors.small, vendors.counts
    assert len(large) + c.sum() <= 300 + 1e-6 and len(c) < 150
    assert (large[:, 0].sum() + c @ small[:, 0]) * vendors.unit == pytest.approx(y.sum())
    assert ((large[:, 0] ** 2).sum() + c @ small[:, 0] ** 2) * vendors.unit**2 == pytest.approx(y @ y)
    assert (large[:, 1].sum() + c @ small[:, 1]) * vendors.unit**2 == pytest.approx(q.sum())


@pytest.mark.parametrize("spread_law", ["default", "conservative"])
def test_multiplier_moments(spread_law: str) -> None:
    m = Multiplier.of(*spread_of(5.2, 6.8), spread_law)
    rho, w = m.nodes(200)
    assert w @ (1 / rho) == pytest.approx(1 / m.share, rel=1e-9)
    assert w @ (1 / rho - 1 / m.share) ** 2 == pytest.approx(m.variances[0], rel=1e-7)
    assert w @ ((1 - rho) / rho**2) == pytest.approx(m.variances[1], rel=1e-7)
    if spread_law == "conservative":
        assert m.variances[0] == pytest.approx(6.8 * 12 / (5.2**2 * 4.2))
        assert m.variances[0] == pytest.approx(stats.beta(6.2, 6.8).expect(lambda x: x**-2) - (12 / 5.2) ** 2, rel=1e-6)


LAWS_OF_THE_MEAN = {"beta": stats.beta(*moments.beta_shape(0.44, 0.03)), "uniform": stats.uniform(0.3, 0.4)}


class TestUncertainShare:
    y, q = POPULATIONS["30 vendors"]
    size = 0.44 * 0.56 / 0.13**2 - 1

    @pytest.mark.parametrize("dist", LAWS_OF_THE_MEAN.values(), ids=list(LAWS_OF_THE_MEAN))
    @pytest.mark.parametrize("size", [size, math.inf], ids=["spread", "no spread"])
    def test_mixture_over_every_node(self, dist: object, size: float) -> None:
        m, w = nodes(dist, 48)
        law = realised_uncertain_share(self.y, self.q, *nodes(dist, 256), size)
        q = law.quantile(LEVELS)
        exact = np.zeros(len(q))
        for node, weight in zip(m, w):
            spread = 0.0 if math.isinf(size) else math.sqrt(node * (1 - node) / (size + 1))
            exact += weight * realised(self.y, self.q, node, spread).cdf(q)
        assert exact == pytest.approx(LEVELS, abs=4e-3 if math.isinf(size) else 1e-3)
        assert law.mean == pytest.approx(self.y.sum() * (w @ (1 / m)), rel=1e-6)

    def test_one_node_is_the_known_share(self) -> None:
        law = realised_uncertain_share(self.y, self.q, [0.44], [1.0], self.size)
        p = np.array([0.025, 0.5, 0.975])
        assert law.quantile(p) == pytest.approx(realised(self.y, self.q, 0.44, 0.13).quantile(p), rel=1e-9)

    def test_all_reviewed_and_nothing_sold(self) -> None:
        known = realised_uncertain_share(self.y, self.q, [1.0], [1.0], math.inf)
        assert known.quantile([0.025, 0.975]) == pytest.approx([self.y.sum()] * 2)
        assert realised_uncertain_share([], [], [0.4], [1.0], 5.0).quantile(0.9) == 0

    @pytest.mark.parametrize(
        ("m", "size", "words"), [([0.0], 5.0, "impossible"), ([1.2], 5.0, "impossible"), ([], 5.0, "impossible"),
                                 ([0.4], 0.0, "size_s"), ([0.4], -3.0, "size_s"), ([0.4], math.nan, "size_s")])
    def test_bad_input(self, m: list[float], size: float, words: str) -> None:
        with pytest.raises(AssumptionError, match=words):
            realised_uncertain_share(self.y, self.q, m, [1.0] * len(m), size)


@pytest.mark.parametrize(
    ("y", "q", "words"),
    [([1.0], [1.0, 2.0], "length"), ([1.0], [0.0], "entry 0"), ([math.nan], [1.0], "y holds"),
     ([1.0], [-1.0], "q holds"), ([[1.0]], [[1.0]], "shape"), (["a"], [1.0], "numbers")],
)
def test_bad_vendors_are_refused(y: object, q: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        realised(y, q, 0.5, 0.1)


@pytest.mark.parametrize(
    ("share", "spread", "spread_law", "words"),
    [(0.0, 0.1, "default", "share"), (1.1, 0.1, "default", "share"), (0.5, -0.1, "default", "spread"),
     (0.5, 0.5, "default", "larger than any law"), (0.5, math.nan, "default", "spread"),
     (0.5, 0.1, "normal", "spread_law"), (0.4, 0.29, "conservative", "finite variance")],
)
def test_impossible_assumptions_are_refused(share: float, spread: float, spread_law: str, words: str) -> None:
    with pytest.raises(AssumptionError, match=words):
        realised([1.0], [1.0], share, spread, spread_law=spread_law)
