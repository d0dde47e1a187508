from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from darkmarket_estimates.distribution.compound_poisson import LOST_MASS, compound_poisson, reach, split
from darkmarket_estimates.distribution.law import GridLaw, PointLaw
from darkmarket_estimates.errors import DataError

LEVELS = np.array([0.005, 0.025, 0.1, 0.5, 0.9, 0.975, 0.995])


def populations() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    body = rng.lognormal(0, 1, 299)
    return {
        "5,000 log-normal, log-sd 2": rng.lognormal(0, 2, 5000),
        "one of 300 has 90 % of the money": np.append(body, 9 * body.sum()),
        "two giants": np.array([1.0, 0.7]),
        "two giants among 5,000": np.concatenate([[1.0, 0.7], 1e-5 * rng.lognormal(0, 2, 5000)]),
        "30 vendors": rng.lognormal(0, 1.5, 30),
        "all equal": np.full(50, 2.3),
        "one vendor": np.array([3.0]),
        "signed": rng.lognormal(0, 2, 300) * rng.choice([-1, 1], 300),
    }


POPULATIONS = populations()


def exact_lattice(marks: list[int]) -> np.ndarray:
    """P(sum = 0, 1, 2, ...) for marks that are whole numbers, by convolving Poisson laws."""
    pmf = np.ones(1)
    for mark in sorted(set(marks)):
        counts = stats.poisson(marks.count(mark)).pmf(np.arange(60))
        spaced = np.zeros((len(counts) - 1) * mark + 1)
        spaced[::mark] = counts
        pmf = np.convolve(pmf, spaced)
    return pmf


@pytest.mark.parametrize("n", [1, 2, 7, 50, 400])
def test_equal_marks_give_their_poisson_law(n: int) -> None:
    law = compound_poisson(np.full(n, 2.3))
    k = np.arange(int(n + 8 * math.sqrt(n)))
    # just above an atom: half way to the next one
    assert law.cdf(2.3 * (k + 0.5)) == pytest.approx(stats.poisson(n).cdf(k), abs=1e-9)


def test_whole_number_marks_give_their_convolution() -> None:
    marks = [1, 1, 1, 2, 5, 5, 11]
    exact = np.cumsum(exact_lattice(marks))
    law = compound_poisson(np.array(marks, dtype=float))
    k = np.arange(80)
    assert law.cdf(k + 0.5) == pytest.approx(exact[:80], abs=1e-9)
    assert law.cdf(0.0) - law.cdf(-1e-9) == pytest.approx(math.exp(-7), rel=1e-9)


@pytest.mark.parametrize("name", POPULATIONS)
def test_moments_are_exact_and_the_grid_has_them(name: str) -> None:
    x = POPULATIONS[name]
    law = compound_poisson(x)
    assert isinstance(law, GridLaw)
    assert law.mean == pytest.approx(x.sum(), rel=1e-12)
    assert law.variance == pytest.approx(x @ x, rel=1e-12)
    image = GridLaw.tabulated(law.points.copy(), law.cumulative.copy())
    deviation = math.sqrt(law.variance)
    assert image.mean == pytest.approx(law.mean, abs=2e-5 * deviation)
    assert image.variance == pytest.approx(law.variance, rel=2e-4)
    # third cumulant: sum x^3
    mass, middle = np.diff(law.cumulative), (law.points[1:] + law.points[:-1]) / 2 - law.mean
    assert mass @ middle**3 / deviation**3 == pytest.approx((x**3).sum() / deviation**3, abs=1e-3)


@pytest.mark.parametrize("name", POPULATIONS)
def test_a_finer_grid_moves_no_quantile_by_more_than_the_bound(name: str) -> None:
    x = POPULATIONS[name]
    coarse, fine = compound_poisson(x), compound_poisson(x, n_points=2**19)
    error = np.abs(coarse.quantile(LEVELS) - fine.quantile(LEVELS))
    assert error.max() <= coarse.error_bound + fine.error_bound
    assert coarse.error_bound <= 0.003 * np.abs(x).sum()


@pytest.mark.parametrize("name", [n for n in POPULATIONS if "5,000" not in n])
def test_simulated_replicates(name: str) -> None:
    x, n = POPULATIONS[name], 60_000
    rng = np.random.default_rng(6)
    law = compound_poisson(x)
    totals = np.concatenate([rng.poisson(1.0, (n // 10, len(x))) @ x for _ in range(10)])
    q = law.quantile(LEVELS)
    below = np.array([(totals < v - law.error_bound).mean() for v in q])
    upto = np.array([(totals <= v + law.error_bound).mean() for v in q])
    error = 4.5 * np.sqrt(LEVELS * (1 - LEVELS) / n)
    assert np.all(below <= LEVELS + error) and np.all(upto >= LEVELS - error)


@pytest.mark.long
@pytest.mark.statistical
@pytest.mark.parametrize("name", POPULATIONS)
def test_a_million_replicates(name: str) -> None:
    x, n = POPULATIONS[name], 1_000_000
    rng = np.random.default_rng(7)
    law = compound_poisson(x)
    rows = max(1, 2_000_000 // len(x))
    totals = np.concatenate([rng.poisson(1.0, (min(rows, n - s), len(x))) @ x for s in range(0, n, rows)])
    for p in (0.025, 0.975):
        # the rank error of a simulated quantile is binomial: 4 standard errors on each side
        error = 4 * math.sqrt(p * (1 - p) / n)
        low, high = np.quantile(totals, [p - error, p + error], method="inverted_cdf")
        slack = 0.003 * np.abs(x).sum()
        assert low - slack <= law.quantile(p) <= high + slack


def test_ten_million_vendors_are_nearly_normal() -> None:
    rng = np.random.default_rng(8)
    x = rng.lognormal(0, 1, 2_000_000)
    x = np.concatenate([x] * 5)
    law = compound_poisson(x)
    deviation = math.sqrt(law.variance)
    skewness = (x**3).sum() / deviation**3
    z = stats.norm.ppf(LEVELS)
    cornish_fisher = law.mean + deviation * (z + skewness / 6 * (z**2 - 1))
    assert np.abs(law.quantile(LEVELS) - cornish_fisher).max() <= 2e-3 * deviation


def test_marks_that_are_all_smaller_than_a_cell() -> None:
    n = 2_000_000
    law = compound_poisson(np.ones(n))
    assert law.quantile(LEVELS) == pytest.approx(stats.poisson(n).ppf(LEVELS), abs=2e-3 * math.sqrt(n))


@pytest.mark.parametrize("small", [1e-9, 1e-300])
def test_a_giant_beside_a_dwarf(small: float) -> None:
    law = compound_poisson(np.array([small, 1e9]))
    exact = stats.poisson(1)
    assert law.cdf(np.array([0.5, 1.5, 2.5, 4.5]) * 1e9) == pytest.approx(exact.cdf([0, 1, 2, 4]), abs=1e-8)
    assert law.cdf(0.0) >= math.exp(-2) - 1e-9


def test_nothing_sold_is_a_known_zero() -> None:
    for x in ([], [0.0, 0.0]):
        law = compound_poisson(x)
        assert isinstance(law, PointLaw) and law.value == 0
    with_zero, without = compound_poisson([0.0, 1.0, 0.0, 2.0]), compound_poisson([1.0, 2.0])
    assert np.array_equal(with_zero.cumulative, without.cumulative)


def test_support() -> None:
    positive = compound_poisson(POPULATIONS["30 vendors"])
    negative = compound_poisson(-POPULATIONS["30 vendors"])
    assert positive.quantile(0.0) == 0 and negative.quantile(1.0) == 0
    assert positive.cdf(-1e-12) == 0 and negative.cdf(0.0) == 1


@settings(max_examples=40, deadline=None)
@given(arrays(float, st.integers(1, 40), elements=st.floats(1e-3, 1e3)), st.floats(1e-9, 1e9), st.randoms())
def test_scaling_permutation_and_reflection(x: np.ndarray, unit: float, shuffle: object) -> None:
    law, order = compound_poisson(x), list(range(len(x)))
    shuffle.shuffle(order)
    p = np.array([0.1, 0.6, 0.95])
    slack = 2 * law.error_bound
    assert compound_poisson(x[order]).quantile(p) == pytest.approx(law.quantile(p), abs=slack, rel=1e-9)
    assert compound_poisson(unit * x).quantile(p) == pytest.approx(unit * law.quantile(p), abs=unit * slack, rel=1e-9)
    assert np.all(np.diff(law.quantile(LEVELS)) >= 0)
    mirrored = compound_poisson(-x)
    middle = law.quantile(p) + 3 * law.error_bound
    assert np.all(mirrored.cdf(-middle - 1e-9) <= 1 - p + 1e-3)


def test_cumulants_add_over_disjoint_groups() -> None:
    x = POPULATIONS["30 vendors"]
    both, first, second = compound_poisson(x), compound_poisson(x[:12]), compound_poisson(x[12:])
    nodes = second.quantile((np.arange(4000) + 0.5) / 4000)
    for t in (x.sum() * 0.6, x.sum(), x.sum() * 1.7):
        assert both.cdf(t) == pytest.approx(first.cdf(t - nodes).mean(), abs=1e-3)


def test_bennett_bounds_the_tail() -> None:
    x = POPULATIONS["30 vendors"]
    law = compound_poisson(x)
    for lost in (1e-2, 1e-4, 1e-6):
        assert 1 - law.cdf(law.mean + reach(x @ x, x.max(), lost)) <= lost
        assert law.cdf(law.mean - reach(x @ x, -x.min(), lost)) <= lost
    assert reach(4.0, -1.0, math.exp(-2)) == pytest.approx(4.0)
    # h(u) = (1 + u) ln(1 + u) - u, at t = u V / b
    u = reach(4.0, 2.0, 1e-10) * 2.0 / 4.0
    assert 4.0 / 2.0**2 * ((1 + u) * math.log1p(u) - u) == pytest.approx(math.log(1e10), rel=1e-9)
    assert law.lost_mass == LOST_MASS
    assert law.points[-1] >= law.mean + reach(x @ x, x.max())


def test_split_keeps_mass_mean_and_variance() -> None:
    positions = np.array([3.2, 7.9, 10.5, 12.0])
    grid = np.arange(32)
    counts = split(positions, 32)
    assert counts.sum() == pytest.approx(4)
    assert counts @ grid == pytest.approx(positions.sum())
    assert counts @ grid**2 == pytest.approx(positions @ positions)
    two = split(positions, 32, limit=1.0)
    assert two.min() >= 0 and two @ grid == pytest.approx(positions.sum())
    f = np.abs(positions - np.rint(positions))
    assert two @ grid**2 == pytest.approx(positions @ positions + (f - f**2).sum())


@pytest.mark.parametrize("bad", [[1.0, math.nan], [math.inf], "abc", [[1.0]], None])
def test_bad_marks_are_refused(bad: object) -> None:
    with pytest.raises(DataError):
        compound_poisson(bad)
