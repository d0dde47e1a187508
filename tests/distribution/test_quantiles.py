"""Quantiles of many laws in one pass: those of each law by itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from darkmarket_estimates.distribution import quantiles as module
from darkmarket_estimates.distribution.base import invert, invert_each
from darkmarket_estimates.distribution.law import (
    GridLaw,
    Hull,
    Law,
    LogNormalLaw,
    Mixture,
    NormalLaw,
    PointLaw,
    ScaledMixture,
)
from darkmarket_estimates.distribution.quantiles import Grids, Stack, quantiles
from darkmarket_estimates.distribution.realised import realised, realised_uncertain_share
from darkmarket_estimates.distribution.relative import positive_nodes, scaled

P = np.array([0.025, 0.5, 0.975])
COVERAGE = (stats.beta(80, 20), 0.8, -1)


def vendors(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    reviews, price = 1 + rng.poisson(4, n), rng.lognormal(3, 1, n)
    return price * reviews, price**2 * reviews


def of_vendors(seed: int, n: int) -> Mixture:
    return realised_uncertain_share(*vendors(seed, n), *positive_nodes(stats.beta(250, 300)), 20.0)


def even(seed: int) -> GridLaw:
    rng = np.random.default_rng(seed)
    mass = rng.dirichlet(np.full(200, 0.3))
    return GridLaw.tabulated(np.linspace(1.0, 9.0, 201), np.concatenate([[0.0], np.cumsum(mass)]))


def uneven(seed: int) -> GridLaw:
    rng = np.random.default_rng(seed)
    points = np.sort(np.concatenate([rng.lognormal(1, 1, 60), [3.0, 3.0, 3.0, 3.0]]))
    return GridLaw.tabulated(points, np.linspace(0, 1, len(points)))


LAWS: dict[str, Law] = {
    "few vendors": of_vendors(1, 1),
    "some vendors": of_vendors(2, 6),
    "many vendors": of_vendors(3, 400),
    "few, scaled": scaled(of_vendors(1, 1), [COVERAGE]),
    "some, scaled": scaled(of_vendors(2, 6), [COVERAGE]),
    "many, scaled": scaled(of_vendors(3, 400), [COVERAGE]),
    "two factors": scaled(realised(*vendors(4, 5), 0.5, 0.1), [COVERAGE, (stats.gamma(50), 50.0, 1)]),
    "uneven grids": Mixture([uneven(5), uneven(6), even(7)], [0.2, 0.5, 0.3]),
    "scaled uneven grids": ScaledMixture(uneven(5), np.linspace(0.5, 2, 40), np.full(40, 1 / 40)),
    "points": Mixture([PointLaw(2.0), PointLaw(3.0)], [0.5, 0.5]),
    "a point, scaled": ScaledMixture(PointLaw(10.0), np.array([0.5, 1.5]), np.array([0.4, 0.6])),
    "point and grid": Mixture([PointLaw(4.0), even(7), PointLaw(0.0)], [0.3, 0.6, 0.1]),
    "a weight of 0": Mixture([uneven(5), even(7)], [0.0, 1.0]),
    "below 0": ScaledMixture(GridLaw.tabulated(np.linspace(-3, 2, 50), np.linspace(0, 1, 50)), [0.5, 2.0], [0.5, 0.5]),
    "no grid": Mixture([NormalLaw(3.0, 1.0), even(7)], [0.5, 0.5]),
    "grid": even(7),
    "hull": Hull(of_vendors(2, 6), LogNormalLaw(100.0, 0.3)),
}


@pytest.mark.parametrize("name", LAWS)
def test_they_are_those_of_the_law_itself(name: str) -> None:
    law = LAWS[name]
    levels = np.array([0.001, *P, 0.98])
    found = quantiles([law], levels)[0]
    assert found == pytest.approx(law.quantile(levels), rel=1e-12, abs=1e-12)
    if "hull" not in name:
        at = 1e-9 * (1 + np.abs(found))
        assert np.all(law.cdf(found + at) >= levels - 1e-9) and np.all(law.cdf(found - at) <= levels + 1e-9)


def test_company_does_not_change_a_digit() -> None:
    laws = [*LAWS.values()]
    together = quantiles(laws, P)
    assert (together == quantiles(laws[::-1], P)[::-1]).all()
    assert (together == [quantiles([law], P)[0] for law in laws]).all()


def test_blocks_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = quantiles([*LAWS.values()], P)
    monkeypatch.setattr(module, "AT_ONCE", 100)
    assert (quantiles([*LAWS.values()], P) == whole).all()


def test_laws_of_too_many_terms_are_asked_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TERMS", 4)
    monkeypatch.setattr(module, "_inverted", None)  # called for nothing
    assert quantiles([LAWS["many, scaled"]], P)[0] == pytest.approx(LAWS["many, scaled"].quantile(P), rel=1e-12)


@pytest.mark.parametrize("near", [1e-12, 1e-2, 10.0], ids=["missed", "wide", "beyond the law"])
def test_a_first_look_only_saves_time(monkeypatch: pytest.MonkeyPatch, near: float) -> None:
    laws = [law for name, law in LAWS.items() if "scaled" in name]
    found = quantiles(laws, P)
    monkeypatch.setattr(module, "NEAR", near)
    assert quantiles(laws, P) == pytest.approx(found, rel=3e-13)


@pytest.mark.parametrize("name", [n for n in LAWS if n not in ("no grid", "grid", "hull", "many, scaled")])
def test_the_stack_has_the_distribution_functions(name: str) -> None:
    law = LAWS[name]
    terms = module._terms(law)
    x = np.concatenate([np.linspace(-5, 500, 4001), law.quantile(np.linspace(0.01, 0.99, 50)), [2.0, 3.0, 4.0, 5.0, 15.0]])
    stack = Stack.of(Grids.of([terms]), [terms], len(x))
    assert stack.cdf(x, np.arange(len(x))) == pytest.approx(law.cdf(x), abs=2e-13)
    some = np.arange(0, len(x), 7)
    assert (stack.cdf(x[some], some) == stack.cdf(x, np.arange(len(x)))[some]).all()


def test_a_smooth_law_is_asked_a_dozen_times_at_most() -> None:
    asked = []

    def cdf(x: np.ndarray) -> np.ndarray:
        asked.append(len(x))
        return stats.norm.cdf(x - 20)

    found = invert(cdf, P, np.full(3, 11.0), np.full(3, 31.0))
    assert found == pytest.approx(20 + stats.norm.ppf(P), abs=1e-11)
    assert len(asked) <= 14


def test_each_is_inverted_by_itself() -> None:
    centres = np.array([1.0, 5.0, 100.0])

    def cdf(x: np.ndarray, which: np.ndarray) -> np.ndarray:
        return np.where(which == 2, x >= 100.0, stats.norm.cdf(x - centres[which]))

    low, high = centres - 8, centres + 9
    found = invert_each(cdf, P, low, high)
    assert found == pytest.approx([*(centres[:2] + stats.norm.ppf(P[:2])), 100.0], rel=1e-13)
    for i in range(3):
        one = invert_each(lambda x, _, i=i: cdf(x, np.full(len(x), i)), P[i : i + 1], low[i : i + 1], high[i : i + 1])
        assert one[0] == found[i]
    ends = cdf(low, np.arange(3)), cdf(high, np.arange(3))
    assert (invert_each(cdf, P, low, high, ends) == found).all()


def test_a_bracket_beyond_the_answer_gives_its_end() -> None:
    cdf = stats.norm.cdf
    assert invert(cdf, np.array([0.5]), np.array([1.0]), np.array([2.0]))[0] == 1.0
    assert invert(cdf, np.array([0.5]), np.array([-2.0]), np.array([-1.0]))[0] == pytest.approx(-1.0, rel=1e-12)
