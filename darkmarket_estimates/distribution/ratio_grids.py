"""Laws of ratios, made of single probabilities: some values of each distribution function, interpolated.

A smooth law is nearly normal on the logit (or log) scale: the normal scores of thirteen probabilities lie on a smooth curve,
and a cubic spline through them is off by 2e-4 of the 95 % interval's length at most (a monotone cubic through twenty-five
probabilities by 2e-3). A law with atoms has no such curve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import interpolate, special

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.distribution.law import BaseLaw, GridLaw, Hull, Law, PointLaw
from darkmarket_estimates.errors import NotIdentifiedError

#: P(A / B <= r) of the totals `which`, at one ratio for each.
Probability = Callable[[np.ndarray, np.ndarray], np.ndarray]
_SCORES, _SMOOTH_SCORES = np.linspace(-4.5, 4.5, 25), np.linspace(-4.5, 4.5, 13)
_DENSE = 1025
#: Probability between two neighbours that is halved, one gap a time; a normal law has less between its points.
_JUMP, _BISECTIONS = 0.25, 40
_NEAR = 0.002  # on the logit or log scale: two ratios that are one
_CERTAIN = 1e-6  # what lies nearer to 0 or 1 may be rounding


@dataclass(frozen=True, slots=True, eq=False)
class RatioLaw(BaseLaw):
    """Law of A / B given B > 0.

    Attributes
    ----------
    value : float
        The point, sum(a) / sum(b).
    law : Law
    no_denominator : float
        Probability of B = 0, which is conditioned away.
    """

    value: float
    law: Law
    no_denominator: float

    @property
    def mean(self) -> float:
        """Mean of the law."""
        return self.law.mean

    @property
    def variance(self) -> float:
        """Variance of the law."""
        return self.law.variance

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return self.law.cdf(x)

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        return self.law.quantile(p)


def check_denominator(a: np.ndarray, b: np.ndarray) -> None:
    """Refuse a ratio to nothing."""
    checks.same_length(a=a, b=b)
    if not b.sum() > 0:
        raise NotIdentifiedError("a share or a growth of nothing is undefined", expected="B > 0", got="B = 0",
                                 fix="choose a larger group or window to compare with")


def mirror(ratio: RatioLaw) -> RatioLaw:
    """Law of 1 - A / B."""
    law = ratio.law
    parts = [law.law_a, law.law_b] if isinstance(law, Hull) else [law]
    turned: list[Law] = [
        GridLaw(1 - part.points[::-1], 1 - part.cumulative[::-1], 1 - part.mean, part.variance)
        if isinstance(part, GridLaw) else PointLaw(1 - part.mean)
        for part in parts
    ]
    return RatioLaw(1 - ratio.value, Hull(*turned) if len(turned) == 2 else turned[0], ratio.no_denominator)


def _widest(scores: list[float], heights: list[float], scale: float) -> int | None:
    """The gap with the largest rise, if that is a jump over a distance that matters."""
    rises = np.where(np.diff(scores) * scale > _NEAR, np.diff(heights), 0.0)
    at = int(np.argmax(rises))
    return at if rises[at] > _JUMP else None


def tabulate(
    probability: Probability, value: np.ndarray, deviation: np.ndarray, *, share: bool,
    ends: tuple[np.ndarray, np.ndarray] | None = None, smooth: np.ndarray | None = None,
) -> list[GridLaw]:
    """Distribution functions of many ratios, each at ratios evenly spaced on the logit (share) or log scale.

    Parameters
    ----------
    probability : callable
    value, deviation : array of shape (n_ratios,)
        Points and standard deviations: the spacing is in multiples of these.
    share : bool
        Whether the ratios lie between 0 and 1.
    ends : pair of arrays of shape (n_ratios,), optional
        Probabilities of a ratio of 0 and, for a share, of 1.
    smooth : bool array of shape (n_ratios,), optional
        Which laws have no atoms; none by default.
    """
    n = len(value)
    none, all_ = ends or (np.zeros(n), np.zeros(n))
    laws = [GridLaw(np.zeros(2), np.array([0.0, 1.0]), 0.0, 0.0)] * n
    some = np.flatnonzero(value > 0)
    if not len(some):
        return laws
    even = np.zeros(len(some), dtype=bool) if smooth is None else smooth[some]
    value = value[some]
    centre = special.logit(value) if share else np.log(value)
    scale = deviation[some] / (value * (1 - value) if share else value)
    back = special.expit if share else np.exp

    def at(score: np.ndarray | float, rows: np.ndarray) -> np.ndarray:
        return probability(back(centre[rows] + scale[rows] * score), some[rows])

    every = np.arange(len(some))
    scores: list[list[float]] = [list(_SMOOTH_SCORES if sleek else _SCORES) for sleek in even]
    heights: list[list[float]] = [[] for _ in some]
    for rows, asked in ((every[even], _SMOOTH_SCORES), (every[~even], _SCORES)):
        if len(rows):
            for row, column in zip(rows.tolist(), np.array([at(float(z), rows) for z in asked]).T, strict=True):
                heights[row] = list(column)
    for side, goal in ((0, np.maximum(none[some], 0.0) + 1e-5), (-1, 1 - all_[some] - 1e-5)):
        while True:  # as long as an end is not reached, one step further out
            short = [i for i in every if abs(scores[i][side]) < 20
                     and (heights[i][0] > goal[i] if side == 0 else heights[i][-1] < goal[i])]
            if not short:
                break
            further = [scores[i][side] * 1.25 for i in short]
            for i, score, height in zip(short, further, at(np.array(further), np.array(short)), strict=True):
                scores[i].insert(len(scores[i]) if side else 0, score)
                heights[i].insert(len(heights[i]) if side else 0, float(height))
    for _ in range(_BISECTIONS):  # a law that is narrow beside its standard deviation, or has large atoms
        gaps = {i: gap for i in every[~even].tolist() if (gap := _widest(scores[i], heights[i], scale[i])) is not None}
        if not gaps:
            break
        halves = [(scores[i][gap] + scores[i][gap + 1]) / 2 for i, gap in gaps.items()]
        for (i, gap), score, height in zip(gaps.items(), halves, at(np.array(halves), np.array([*gaps])), strict=True):
            scores[i].insert(gap + 1, score)
            heights[i].insert(gap + 1, float(height))
    for place, row in enumerate(map(int, some)):
        lowest, highest = none[row], 1 - all_[row]
        known = np.clip(np.maximum.accumulate(heights[place]), lowest, highest)
        dense, cumulative = (_by_normal_scores if even[place] else _monotone)(np.array(scores[place]), known)
        points = back(centre[place] + scale[place] * dense)
        laws[row] = GridLaw.tabulated(
            np.concatenate([np.zeros(2), points, np.ones(2) if share else points[-1:]]),
            np.concatenate([[0.0, lowest], cumulative, [highest, 1.0] if share else [1.0]]))
    return laws


def _monotone(scores: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Many points and the distribution function there, by a monotone cubic."""
    dense = np.linspace(scores[0], scores[-1], _DENSE)
    if np.diff(scores).min() < 2 * (dense[1] - dense[0]):  # nearer to each other than even points tell
        dense = np.union1d(dense, np.interp(np.linspace(0, len(scores) - 1, _DENSE), np.arange(len(scores)), scores))
    return dense, interpolate.PchipInterpolator(scores, heights)(dense)


def _by_normal_scores(scores: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of a law without atoms, by a spline through the normal scores of its values where they are no rounding."""
    dense, cumulative = _monotone(scores, heights)
    inner = (heights > _CERTAIN) & (heights < 1 - _CERTAIN)
    if np.count_nonzero(inner) >= 4:
        knots, known = scores[inner], special.ndtri(heights[inner])
        within = (dense >= knots[0]) & (dense <= knots[-1])
        cumulative[within] = special.ndtr(interpolate.CubicSpline(knots, known)(dense[within]))
    return dense, cumulative
