"""What was made faster gives what it gave: vendors arranged once, cells computed instead of searched, splines by a matrix."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import interpolate, special, stats

from darkmarket_estimates.distribution import spectra
from darkmarket_estimates.distribution import tail as tail_module
from darkmarket_estimates.distribution.compound_poisson import compound_poisson, on_grid
from darkmarket_estimates.distribution.factors import gauss, log_variance, nodes
from darkmarket_estimates.distribution.law import GridLaw, Mixture
from darkmarket_estimates.distribution.multiplier import Multiplier
from darkmarket_estimates.distribution.polar import polar
from darkmarket_estimates.distribution.realised import _between_anchors, realised, realised_uncertain_share
from darkmarket_estimates.distribution.segments import pick
from darkmarket_estimates.distribution.splines import MOST_KEPT, through
from darkmarket_estimates.distribution.unit_laws import UnitLaws

ENDS = np.array([0.005, 0.025, 0.5, 0.975, 0.995])
SIZE = 0.44 * 0.56 / 0.11**2 - 1


def vendors(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    reviews, price = 1 + rng.poisson(3 * rng.lognormal(0, 1.5, n)), rng.lognormal(4, 1, n)
    return price * reviews, price**2 * reviews


@pytest.mark.parametrize("n", [1, 8, 64, 65, 300, 4000])
@pytest.mark.parametrize("dist", [stats.beta(270, 344), stats.beta(27, 34)], ids=["known well", "known badly"])
def test_vendors_are_arranged_once_for_all_shares(n: int, dist: object) -> None:
    """Against each share with an arrangement of its own: which vendors are alike hardly changes with the share."""
    y, q = vendors(n)
    m, w = nodes(dist)
    law = realised_uncertain_share(y, q, m, w, SIZE)

    def at(share: float) -> list[object]:
        return [realised(y, q, share, np.sqrt(share * (1 - share) / (SIZE + 1)))]

    n_points = len(law.laws)
    if isinstance(law.laws[0], GridLaw):
        points, weights = gauss(m, w, n_points)
        apart: Mixture = Mixture([at(float(point))[0] for point in points], weights)
    else:
        apart = _between_anchors(at, m, w, np.array([y.sum()]))[0]
    # up to 64 vendors each is treated by itself, and not a digit may move
    assert law.quantile(ENDS) == pytest.approx(apart.quantile(ENDS), rel=1e-12 if n <= 64 else 1e-5)
    assert law.cdf(apart.quantile(ENDS)) == pytest.approx(ENDS, abs=1e-9 if n <= 64 else 2e-5)


def test_a_share_that_may_be_1_is_mixed_in() -> None:
    y, q = vendors(100)
    m, w = np.linspace(0.5, 1.0, 41), np.full(41, 1 / 41)
    law = realised_uncertain_share(y, q, m, w, np.inf)
    assert law.mean == pytest.approx(w @ (y.sum() / m), rel=1e-3)
    # laws at shares below 1 stand in for those between: the edge at the reviewed value is not sharp
    assert law.cdf(y.sum() * np.array([0.999, 4.0])) == pytest.approx([0.0, 1.0], abs=1e-3)


def test_places_along_lines_by_cell() -> None:
    heights = np.sort(np.random.default_rng(1).random(501))
    x = np.concatenate([np.random.default_rng(2).uniform(-60, 560, 4000), np.arange(500.0)])
    expected = np.where(x < 0, 0.0, np.where(x >= 500, 1.0, np.interp(x, np.arange(501), heights)))
    assert tail_module._along(tail_module._lines(np.arange(501.0), heights), x.copy()) == pytest.approx(expected, abs=1e-12)


def test_places_on_a_grid_even_in_logarithms() -> None:
    log_z = np.stack([np.linspace(-4.0, 3.0, 512), np.linspace(-9.0, -2.0, 512)])
    heights = np.linspace(1e-9, 1.0, 512) ** np.array([[2.0], [0.3]])
    heights = np.concatenate([np.zeros((2, 1)), heights], axis=1)
    laws = [GridLaw.tabulated(np.concatenate([[0.0], np.exp(z)]), row) for z, row in zip(log_z, heights, strict=True)]
    x = np.concatenate([[-1.0, 0.0, 1e-12, np.exp(-4.0), np.exp(3.0), 100.0], np.exp(np.linspace(-12, 4, 3000)),
                        np.exp(log_z[0])])
    x = np.stack([x, x * 0.9]).reshape(2, 1, -1)
    found = tail_module._even_in_logarithms(heights, log_z, x)
    for law, places, values in zip(laws, x, found, strict=True):
        assert values == pytest.approx(law.cdf(places), abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 6, 10, 40, 400])
@pytest.mark.parametrize("spread", [0.0, 0.5, 2.0])
def test_the_table_of_the_tail_is_nearer_to_its_law_than_its_lines_are(k: int, spread: float) -> None:
    """Against incomplete gamma functions at every point; lines between the points are off by 2e-5 to 1e-4."""
    sizes = np.exp(spread * np.linspace(-1, 1, 48)) * 3.0
    weights = np.exp(-np.linspace(-2, 2, 48) ** 2)
    weights /= weights.sum()
    log_z, cdf = tail_module._table(k, np.log(sizes)[None], weights[None])
    exact = special.gammainc(k, np.exp(log_z[0])[:, None] / sizes) @ weights
    between = special.gammainc(k, np.exp((log_z[0, 1:] + log_z[0, :-1]) / 2)[:, None] / sizes) @ weights
    lines = np.abs((cdf[0, 2:] + cdf[0, 1:-1]) / 2 - between).max()
    assert cdf[0, 0] == 0 and cdf[0, -1] == 1
    assert np.abs(cdf[0, 1:] - exact).max() <= min(lines / 4, 2e-6)


@pytest.mark.parametrize("n", [64, 65, 200, MOST_KEPT, MOST_KEPT + 1])
def test_a_spline_by_a_matrix_is_the_spline(n: int) -> None:
    t = 7.3 * np.linspace(0, 1, n) ** 2
    y = -(t**2) / 3 + 1j * np.sin(t)
    x = np.concatenate([np.linspace(0, 7.3, 999), t])
    assert through(t, y, x) == pytest.approx(interpolate.CubicSpline(t, y)(x), abs=1e-11)


@pytest.mark.parametrize("multiplier", [Multiplier.of(0.44, 0.11), Multiplier.of(0.44, 0.3), Multiplier.of(0.44, 0.0)],
                         ids=["spread", "wide", "none"])
def test_the_transform_by_the_half_angle(multiplier: Multiplier) -> None:
    y, q = vendors(40)
    t = np.linspace(0, 3 / y.max(), 40)
    price, number = q / y, y * y / q
    expected = 0
    for share, weight in zip(*multiplier.nodes(), strict=True):
        odds = (1 - share) / share
        steps = np.exp(1j * np.outer(price, t)) - 1
        expected = expected + weight * np.exp(-number[:, None] * np.log(1 - odds * steps))
    expected = expected * np.exp(1j * np.outer(y, t) * (1 - 1 / multiplier.share))
    assert np.exp(multiplier.log_transform(y, q, t)) == pytest.approx(expected, abs=1e-12)


def test_nodes_of_a_multiplier_are_kept_and_cannot_be_changed() -> None:
    x, w = Multiplier.of(0.44, 0.11).nodes()
    again = Multiplier.of(0.44, 0.11).nodes()
    assert x is again[0] and w.sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 0.0


def test_a_variance_that_is_kept_is_that_of_the_law() -> None:
    class Unhashable:
        __hash__ = None

        def __init__(self, law: object) -> None:
            self.law = law

        def __getattr__(self, name: str) -> object:
            return getattr(self.law, name)

    assert log_variance(stats.lognorm(0.3)) == pytest.approx(0.09, rel=1e-10)
    assert log_variance(stats.lognorm(0.4)) == pytest.approx(0.16, rel=1e-10)
    assert log_variance(Unhashable(stats.lognorm(0.4))) == log_variance(stats.lognorm(0.4))


def test_segments_are_picked_in_any_order() -> None:
    start = np.array([0, 3, 3, 4, 9])
    rows, begin = pick(start, np.array([3, 1, 0]))
    assert rows.tolist() == [4, 5, 6, 7, 8, 0, 1, 2] and begin.tolist() == [0, 5, 5, 8]


def test_complex_numbers_by_modulus_and_angle() -> None:
    rng = np.random.default_rng(4)
    modulus, angle = rng.exponential(1, 5000), np.concatenate([rng.normal(0, 50, 4994), np.arange(-3, 3) * np.pi])
    assert polar(modulus, angle) == pytest.approx(modulus * np.exp(1j * angle), rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("sizes", [[3], [2, 1, 4], [1, 5, 2, 3, 9, 4], [1, 1, 1, 1, 1]], ids=["one", "three", "six", "ones"])
def test_products_of_segments(sizes: list[int]) -> None:
    rng = np.random.default_rng(5)
    factors = rng.normal(size=(sum(sizes), 7)) + 1j * rng.normal(size=(sum(sizes), 7))
    start = np.concatenate([[0], np.cumsum(sizes)])
    expected = np.multiply.reduceat(factors, start[:-1], axis=0)
    assert spectra.products(factors, start) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("two", [None, False, True], ids=["three cells", "told three", "two cells"])
def test_atoms_on_a_grid_keep_their_moments(two: bool | None) -> None:
    """Mass and mean stay; over three cells the variance too, over two it grows by the mean of |f| (1 - |f|)."""
    rng = np.random.default_rng(6)
    position, mass = rng.uniform(3, 28, 400), rng.dirichlet(np.ones(400))
    grids = spectra._laid(np.concatenate([position, position - 60]), np.tile(mass, 2), np.repeat([0, 32], 400), 32,
                                  split_in_two=None if two is None else np.full(800, two)).reshape(2, 32)
    f = np.abs(position - np.rint(position))
    added = mass @ (f - f * f) if two else 0.0
    cells = np.arange(32.0)
    for grid, shift in zip(grids, (0.0, 4.0), strict=True):  # 60 cells back are 4 cells on, round the grid
        here = np.where(cells < shift, cells + 32, cells)
        centre = mass @ position + shift
        assert grid.sum() == pytest.approx(1, abs=1e-14)
        assert grid @ here == pytest.approx(centre, abs=1e-12)
        assert grid @ (here - centre) ** 2 == pytest.approx(mass @ (position - mass @ position) ** 2 + added, rel=1e-12)


def test_atoms_of_many_numbers_of_reviews_are_those_of_each() -> None:
    numbers = np.array([1.0, 2.0, 7.0, 0.3, 150.0, 2000.0, 41.7])
    for multiplier in (Multiplier.of(0.44, 0.11), Multiplier.of(0.44, 0.0)):
        together = UnitLaws(multiplier).atoms(numbers)
        for number, (k, mass, beyond) in zip(numbers, together, strict=True):
            (alone,) = UnitLaws(multiplier).atoms(np.array([number]))
            assert all(np.array_equal(a, b) for a, b in zip((k, mass, beyond), alone, strict=True))
            assert mass @ k == pytest.approx(number * (1 / 0.44 - 1), rel=1e-3)
            assert beyond[-1] == pytest.approx(1, abs=1e-12)


def test_rounding_of_the_transform_is_no_mass() -> None:
    """A law whose transform fades leaves masses of 1e-17 of either sign: its distribution function does not decrease."""
    law = compound_poisson(np.random.default_rng(7).lognormal(0, 1, 12))
    assert isinstance(law, GridLaw) and np.diff(law.cumulative).min() >= 0
    many = compound_poisson(np.random.default_rng(8).lognormal(0, 0.3, 6000))  # split over three cells: some mass is negative
    assert isinstance(many, GridLaw) and np.diff(many.cumulative).min() >= 0


def test_the_tail_of_a_large_total_among_others_is_its_own() -> None:
    """More than 400 vendors in the tail are collected in bins, total by total."""
    rng = np.random.default_rng(9)
    parts = [rng.lognormal(0, 1.5, 4500), rng.lognormal(0, 1.0, 4500), rng.lognormal(0, 1.5, 4400)]
    for law, part in zip(tail_module.tail_totals(parts), parts, strict=True):
        (alone,) = tail_module.tail_totals([part])
        assert law.quantile(ENDS) == pytest.approx(alone.quantile(ENDS), rel=1e-13)


@pytest.mark.parametrize("level", [0.02, 1.0, 300.0])
def test_sizes_in_bins_keep_their_mean_and_their_range(level: float) -> None:
    sizes = level * np.exp(np.random.default_rng(10).normal(0, 0.3, (2, 60)))
    weights = np.random.default_rng(11).dirichlet(np.ones(60), 2)
    mean, mass = tail_module._thin(sizes, weights)
    assert mass.sum(axis=1) == pytest.approx([1, 1], abs=1e-14) and (mass == 0).any()
    assert (mean * mass).sum(axis=1) == pytest.approx((sizes * weights).sum(axis=1), rel=1e-12)
    assert (mean >= sizes.min(axis=1, keepdims=True) * (1 - 1e-12)).all()  # of empty bins too: the table spans them
    assert (mean <= sizes.max(axis=1, keepdims=True) * (1 + 1e-12)).all()
    assert np.ptp(np.log(mean[0])) == pytest.approx(np.ptp(np.log(sizes[0])), abs=1 / 48 * np.ptp(np.log(sizes[0])) * 2)


def test_negative_mass_is_levelled_out_and_not_cut_off() -> None:
    """Cutting it off would leave more than all of the mass."""
    law = on_grid(np.array([0.2, -0.05, 0.5, 0.35]), 0, 1.0, 2.0, mean=1.0, variance=1.0)
    assert law.cumulative == pytest.approx([0.0, 0.2, 0.2, 0.65, 1.0], abs=1e-15)
    assert law.points == pytest.approx(np.array([-1.0, 1.0, 3.0, 5.0, 7.0]), abs=1e-15)
    turned = on_grid(np.array([0.5, 0.35, 0.2, -0.05]), -2, 1.0, 1.0, mean=1.0, variance=1.0, atom=0.1)  # from cell -2 on
    assert turned.points == pytest.approx([-2.5, -1.5, -0.5, 0.0, 0.0, 0.5, 1.5], abs=1e-15)
    assert turned.cumulative == pytest.approx([0.0, 0.2, 0.2, 0.35, 0.45, 0.65, 1.0], abs=1e-15)
