from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from darkmarket_estimates.distribution.base import invert
from darkmarket_estimates.distribution.law import (
    GridLaw,
    Hull,
    Law,
    LogNormalLaw,
    Mixture,
    NormalLaw,
    PointLaw,
    ScaledMixture,
    Shifted,
)
from darkmarket_estimates.errors import AssumptionError, DataError

GRID = GridLaw.tabulated(np.array([0.0, 0.0, 1.0, 4.0, 5.0, 9.0]), np.array([0.0, 0.1, 0.3, 0.3, 0.8, 1.0]))
LAWS: dict[str, Law] = {
    "point": PointLaw(3.0),
    "normal": NormalLaw(10.0, 2.0),
    "known normal": NormalLaw(10.0, 0.0),
    "log-normal": LogNormalLaw(100.0, 0.7),
    "grid": GRID,
    "shifted": Shifted(GRID, -3.0),
    "mixture": Mixture([NormalLaw(-5.0, 1.0), PointLaw(2.0), GRID], np.array([0.3, 0.2, 0.5])),
    "scaled": ScaledMixture(GRID, np.array([0.5, 1.0, 3.0]), np.array([0.2, 0.5, 0.3])),
    "scaled, signed": ScaledMixture(NormalLaw(0.0, 2.0), np.array([0.5, 1.0, 3.0]), np.array([0.2, 0.5, 0.3])),
    "hull": Hull(NormalLaw(10.0, 2.0), LogNormalLaw(11.0, 0.1)),
    "hull of a mixture": Hull(Mixture([GRID, PointLaw(2.5)], np.array([0.5, 0.5])), NormalLaw(3.0, 1.0)),
}
LEVELS = np.array([1e-6, 0.005, 0.025, 0.1, 0.25, 0.4999, 0.5, 0.5001, 0.75, 0.9, 0.975, 0.995, 1 - 1e-6])


@pytest.mark.parametrize("name", LAWS)
def test_every_law_is_a_law(name: str) -> None:
    law = LAWS[name]
    assert isinstance(law, Law)
    q = law.quantile(LEVELS)
    assert q.shape == LEVELS.shape and np.all(np.diff(q) >= 0), "quantiles must nest in the level"
    x = np.sort(np.concatenate([q, np.linspace(q[0] - 1, q[-1] + 1, 400)]))
    heights = law.cdf(x)
    assert np.all((heights >= 0) & (heights <= 1)) and np.all(np.diff(heights) >= -1e-14)
    assert isinstance(law.cdf(1.0), float) and isinstance(law.quantile(0.3), float)
    assert isinstance(law.mean, float) and isinstance(law.variance, float)
    assert law.cdf(x.reshape(-1, 1)).shape == (len(x), 1)
    assert law.cdf([]).shape == (0,)


@pytest.mark.parametrize("name", LAWS)
def test_quantile_is_the_smallest_x_that_reaches_the_level(name: str) -> None:
    law = LAWS[name]
    q = law.quantile(LEVELS)
    scale = 1e-9 * (1 + np.abs(q))
    central = LEVELS != 0.5 if "hull" in name else np.full(LEVELS.shape, True)  # the hull is flat at 1/2
    assert np.all((law.cdf(q + scale) >= LEVELS - 1e-9)[central])
    assert np.all((law.cdf(q - scale) <= LEVELS + 1e-9)[central])


@pytest.mark.parametrize("name", [n for n in LAWS if "hull" not in n])
def test_moments_are_those_of_the_quantiles(name: str) -> None:
    law = LAWS[name]
    z = np.linspace(-7.5, 7.5, 20001)
    w = stats.norm.pdf(z) / stats.norm.pdf(z).sum()
    q = law.quantile(stats.norm.cdf(z))
    assert w @ q == pytest.approx(law.mean, rel=2e-3, abs=2e-3)
    assert w @ (q - law.mean) ** 2 == pytest.approx(law.variance, rel=5e-3, abs=1e-6)


def test_golden_values() -> None:
    assert NormalLaw(10.0, 2.0).quantile(0.975) == pytest.approx(13.919927969080108, abs=1e-12)
    law = LogNormalLaw(100.0, 0.5)
    reference = stats.lognorm(math.sqrt(math.log(1.25)), scale=100 / math.sqrt(1.25))
    assert law.quantile(0.9) == pytest.approx(reference.ppf(0.9), rel=1e-12)
    assert law.cdf(80.0) == pytest.approx(reference.cdf(80.0), rel=1e-12)
    assert (law.mean, law.variance) == (pytest.approx(reference.mean()), pytest.approx(reference.var()))
    assert law.cdf([-1.0, 0.0]).tolist() == [0.0, 0.0]


def test_grid_law_by_hand() -> None:
    assert GRID.cdf([-1e-9, 0.0, 0.5, 2.0, 4.5, 9.0, 10.0]).tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.55, 1, 1])
    assert GRID.quantile([0.05, 0.2, 0.55, 1.0]).tolist() == pytest.approx([0.0, 0.5, 4.5, 9.0])
    # 0.1 x 0 + 0.2 x 0.5 + 0.5 x 4.5 + 0.2 x 7, and the second moment of uniform pieces
    assert GRID.mean == pytest.approx(3.75)
    second = 0.2 / 3 + 0.5 * (16 + 20 + 25) / 3 + 0.2 * (25 + 45 + 81) / 3
    assert GRID.variance == pytest.approx(second - 3.75**2)


def test_from_sample_is_hazen() -> None:
    sample = np.random.default_rng(1).normal(size=501)
    p = np.array([0.003, 0.1, 0.5, 0.77, 0.99])
    assert GridLaw.from_sample(sample).quantile(p) == pytest.approx(np.quantile(sample, p, method="hazen"))
    assert GridLaw.from_sample(np.array([2.0])).quantile(0.5) == 2.0


def test_mixture_by_root_finding_of_scipy() -> None:
    parts = [stats.norm(0, 1), stats.norm(7, 0.2), stats.lognorm(0.5)]
    w = np.array([0.2, 0.5, 0.3])
    skewed = LogNormalLaw(parts[2].mean(), parts[2].std() / parts[2].mean())
    law = Mixture([NormalLaw(0, 1), NormalLaw(7, 0.2), skewed], w)
    for p in (0.01, 0.3, 0.499, 0.5, 0.9):
        root = optimize.brentq(lambda x, p=p: sum(a * d.cdf(x) for a, d in zip(w, parts)) - p, -20, 20, xtol=1e-13)
        assert law.quantile(p) == pytest.approx(root, abs=1e-10)
    assert law.mean == pytest.approx(0.5 * 7 + 0.3 * parts[2].mean())


def test_scaled_mixture_is_the_sum_it_says() -> None:
    m, w = np.array([0.4, 1.0, 2.5]), np.array([0.25, 0.25, 0.5])
    law, x = ScaledMixture(LAWS["log-normal"], m, w), np.array([10.0, 80.0, 400.0])
    assert law.cdf(x) == pytest.approx(sum(b * LAWS["log-normal"].cdf(x / a) for a, b in zip(m, w)), abs=1e-15)
    assert law.mean == pytest.approx(100 * (w @ m))
    assert law.variance == pytest.approx((70**2 + 100**2) * (w @ m**2) - law.mean**2)


def test_scaled_mixture_of_a_point_is_the_factor() -> None:
    law = ScaledMixture(PointLaw(10.0), np.array([0.5, 1.5]), np.array([0.5, 0.5]))
    assert law.quantile([0.2, 0.5, 0.50001, 0.9]) == pytest.approx([5.0, 5.0, 15.0, 15.0], rel=1e-12)


def test_hull_takes_the_wider_end_at_every_level() -> None:
    a, b = NormalLaw(10.0, 2.0), LogNormalLaw(11.0, 0.1)
    p = LEVELS[LEVELS != 0.5]
    expected = np.where(p < 0.5, np.minimum(a.quantile(p), b.quantile(p)), np.maximum(a.quantile(p), b.quantile(p)))
    hull = Hull(a, b)
    assert hull.quantile(p) == pytest.approx(expected)
    assert hull.cdf(hull.quantile(p)) == pytest.approx(p, abs=1e-12)
    assert hull.quantile(0.5) == pytest.approx((a.quantile(0.5) + b.quantile(0.5)) / 2)
    assert hull.cdf((a.quantile(0.5) + b.quantile(0.5)) / 2) == 0.5
    assert (hull.mean, hull.variance) == (a.mean, a.variance)  # sd 2 against 1.1


def test_shift() -> None:
    law = Shifted(GRID, 5.0)
    assert law.cdf([5.5, 9.5]).tolist() == pytest.approx([0.2, 0.55])
    assert (law.mean, law.variance) == (GRID.mean + 5, GRID.variance)


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-6, 1e6), st.lists(st.floats(0.01, 100), min_size=1, max_size=6), st.floats(0.001, 0.999))
def test_quantile_of_a_scaled_mixture_scales(unit: float, factors: list[float], p: float) -> None:
    w = np.full(len(factors), 1 / len(factors))
    small, large = (ScaledMixture(NormalLaw(c, 0.3 * c), np.array(factors), w).quantile(p) for c in (1.0, unit))
    assert large == pytest.approx(unit * small, rel=1e-8, abs=1e-8 * unit)


def test_invert_finds_the_first_crossing_at_jumps_and_flats() -> None:
    steps = lambda x: 0.25 * (x >= 1) + 0.5 * (x >= 2) + 0.25 * (x >= 3)  # noqa: E731
    p = np.array([0.2, 0.25, 0.26, 0.75, 0.8])
    found = invert(steps, p, np.full(5, -10.0), np.full(5, 10.0))
    assert found == pytest.approx([1, 1, 2, 2, 3], abs=1e-11)


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan, [0.5, 2.0]])
def test_a_level_outside_0_1_is_refused(p: object) -> None:
    with pytest.raises(AssumptionError, match="not a probability"):
        NormalLaw(0.0, 1.0).quantile(p)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: NormalLaw(0.0, -1.0), "standard_deviation"),
        (lambda: NormalLaw(math.nan, 1.0), "mean"),
        (lambda: LogNormalLaw(0.0, 1.0), "mean"),
        (lambda: LogNormalLaw(1.0, 0.0), "cv"),
        (lambda: PointLaw(math.inf), "value"),
        (lambda: Mixture([PointLaw(1.0)], np.array([0.5])), "sum 1"),
        (lambda: Mixture([PointLaw(1.0)], np.array([0.5, 0.5])), "1 numbers"),
        (lambda: Mixture([PointLaw(1.0), PointLaw(2.0)], np.array([1.5, -0.5])), "weights"),
        (lambda: ScaledMixture(PointLaw(1.0), np.array([0.0, 1.0]), np.array([0.5, 0.5])), "positive"),
        (lambda: ScaledMixture(PointLaw(1.0), np.array([]), np.array([])), "positive"),
        (lambda: GridLaw(np.zeros(3), np.zeros(2), 0.0, 0.0), "two equal lengths"),
    ],
)
def test_impossible_laws_are_refused(make: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        make()


def test_nan_is_refused_and_arrays_are_frozen() -> None:
    with pytest.raises(DataError, match="NaN"):
        PointLaw(1.0).cdf(math.nan)
    with pytest.raises(ValueError, match="read-only"):
        GRID.points[0] = 1.0
