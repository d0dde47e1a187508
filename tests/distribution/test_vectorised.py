"""What was made faster gives what it gave: vendors arranged once, cells computed instead of searched, splines by a matrix."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import interpolate, stats

from darkmarket_estimates.distribution import tail as tail_module
from darkmarket_estimates.distribution.factors import gauss, log_variance, nodes
from darkmarket_estimates.distribution.law import GridLaw, Mixture
from darkmarket_estimates.distribution.multiplier import Multiplier
from darkmarket_estimates.distribution.realised import _between_anchors, realised, realised_uncertain_share
from darkmarket_estimates.distribution.segments import pick
from darkmarket_estimates.distribution.splines import MOST_KEPT, through

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
        apart = _between_anchors(at, m, w)[0]
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


def test_places_on_an_even_grid() -> None:
    points, heights = np.linspace(-3, 7, 501), np.sort(np.random.default_rng(1).random(501))
    x = np.concatenate([np.random.default_rng(2).uniform(-5, 9, 4000), points])
    inside = (x >= points[0]) & (x <= points[-1])
    expected = np.where(inside, np.interp(x, points, heights), x > points[-1])
    assert tail_module._on_even_grid(points, heights, x) == pytest.approx(expected, abs=1e-12)


def test_places_on_a_grid_even_in_logarithms() -> None:
    log_z = np.linspace(-4.0, 3.0, 512)
    heights = np.concatenate([[0.0], np.linspace(1e-9, 1.0, 512) ** 2])
    law = GridLaw.tabulated(np.concatenate([[0.0], np.exp(log_z)]), heights)
    x = np.concatenate([[-1.0, 0.0, 1e-12, np.exp(-4.0), np.exp(3.0), 100.0], np.exp(np.linspace(-8, 4, 3000)), np.exp(log_z)])
    assert tail_module._even_in_logarithms(law, log_z, x) == pytest.approx(law.cdf(x), abs=1e-12)


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
