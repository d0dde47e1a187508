r"""Shares and growth: the law of A / B when a vendor enters both totals.

:math:`P(A / B \le r) = P(A - r B \le 0)` for B > 0, so each value of the distribution function is a question about one
signed total, whose vendor marks are :math:`a_v - r b_v`: one weight and one review share a vendor. A factor common to
A and B cancels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import interpolate, special

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.distribution import moments
from darkmarket_estimates.distribution.compound_poisson import compound_poisson
from darkmarket_estimates.distribution.confidence import accelerated, skewness
from darkmarket_estimates.distribution.law import BaseLaw, GridLaw, Hull, Law, PointLaw
from darkmarket_estimates.distribution.multiplier import Multiplier
from darkmarket_estimates.distribution.realised import realised
from darkmarket_estimates.distribution.tail import tail
from darkmarket_estimates.errors import DataError, NotIdentifiedError

METHODS = ("default", "compound-poisson", "bca", "tail")
_SCORES = np.linspace(-4.5, 4.5, 25)
_DENSE = 1025
_N_POINTS = 2**13  # one probability is wanted of each grid, not its quantiles


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


def ratio_expected(a: Any, b: Any, *, method: str = "default") -> RatioLaw:
    r"""Confidence distribution of A / B for the expected estimand.

    Parameters
    ----------
    a, b : array of shape (n_vendors,)
        A vendor's value in A and in B, >= 0. If ``a <= b`` everywhere the ratio is a share, and the law of the
        complement's share is the mirror image.
    method : {"default", "compound-poisson", "bca", "tail"}
        ``"compound-poisson"`` is the percentile law; ``"bca"`` corrects it with z0 = Phi^-1(F(A/B)) and the skewness of
        the influence values :math:`a_v - (A/B) b_v`; ``"tail"`` asks for P(E+ <= E-) with the tail rule on the positive
        and on the negative marks of :math:`a_v - r b_v` (for groups of different vendors: on A and on B - A);
        ``"default"`` is the hull of the last two.

    Raises
    ------
    NotIdentifiedError
        If B is 0.

    Examples
    --------
    >>> b = 100 / np.arange(1.0, 61)
    >>> a = np.where(np.arange(60) % 3 == 1, b, 0)
    >>> law = ratio_expected(a, b)
    >>> round(law.value, 4), law.quantile([0.025, 0.975]).round(2)
    (0.3079, array([0.13, 0.57]))
    """
    checks.choice(method, "method", METHODS)
    a, b = checks.float_array(a, "a", low=0), checks.float_array(b, "b", low=0)
    value = _value(a, b)
    keep = (a > 0) | (b > 0)
    a, b = a[keep], b[keep]
    unit = b.max()
    a, b = a / unit, b / unit
    share = bool((a <= b).all())
    empty = math.exp(-float(np.count_nonzero(b)))
    if np.ptp(a - value * b) == 0 or not np.any(np.abs(a - value * b) > 1e-12):
        return RatioLaw(value, PointLaw(value), empty)
    if share and value > 0.5:
        return _mirror(ratio_expected(b - a, b, method=method))
    none = math.exp(-float(len(a)))
    spread = math.sqrt(float(((a - value * b) ** 2).sum())) / float(b.sum())

    def bootstrap(r: float) -> float:
        return (compound_poisson(a - r * b, n_points=_N_POINTS).cdf(0.0) - none) / (1 - empty)

    ends = (_none(a, empty), _none(b - a, empty) if share else 0.0)
    laws = []
    if method != "tail":
        law = _tabulate(bootstrap, value, spread, share, ends)
        laws.append(law if method == "compound-poisson" else accelerated(law, value, skewness(a - value * b) / 6))
    if method in ("default", "tail"):
        laws.append(_tail_law(a, b, value, spread, share))
    return RatioLaw(value, laws[0] if len(laws) == 1 else Hull(laws[0], laws[1]), empty)


def ratio_realised(
    a: Any, b: Any, qa: Any, qb: Any, share: float, spread: float, *, nested: bool, spread_law: str = "default"
) -> RatioLaw:
    r"""Predictive law of A / B for the realised estimand.

    Parameters
    ----------
    a, b, qa, qb : array of shape (n_vendors,)
        Values sum(p r) and sums of squares sum(p^2 r) of a vendor in A and in B.
    share, spread : float
        As in `darkmarket_estimates.distribution.realised.realised`.
    nested : bool
        True for a share (what is in A is in B too), False for growth (different sales, e.g. two windows).
    spread_law : {"default", "conservative"}

    Notes
    -----
    The signed total has :math:`e_v = a_v - r b_v` and the sum of coefficient^2 x price^2 x reviews, nested
    :math:`(1-r)^2 q_a + r^2 (q_b - q_a)`, else :math:`q_a + r^2 q_b`: mean and variance of the form are exact, one
    review share a vendor.

    Examples
    --------
    >>> a, b = np.array([50.0, 0, 30, 0]), np.array([50.0, 40, 60, 20])
    >>> ratio_realised(a, b, 2 * a, 2 * b, 0.5, 0.1, nested=True).quantile([0.025, 0.975]).round(2)
    array([0.37, 0.58])
    """
    a, b = checks.float_array(a, "a", low=0), checks.float_array(b, "b", low=0)
    qa, qb = checks.float_array(qa, "qa", low=0), checks.float_array(qb, "qb", low=0)
    checks.same_length(a=a, b=b, qa=qa, qb=qb)
    value = _value(a, b)
    slack = 1e-9
    if nested and ((a > b * (1 + slack)) | (qa > qb * (1 + slack))).any():
        at = int(np.flatnonzero((a > b * (1 + slack)) | (qa > qb * (1 + slack)))[0])
        raise DataError("a part is larger than its whole", where=f"vendor {at}", expected="a <= b and qa <= qb",
                        got=f"a = {a[at]:g}, b = {b[at]:g}, qa = {qa[at]:g}, qb = {qb[at]:g}",
                        fix="pass nested=False for a ratio of different sales")
    Multiplier.of(share, spread, spread_law)  # checks the three
    if share == 1 or value == 0 or (nested and value >= 1):
        return RatioLaw(value, PointLaw(value), 0.0)
    if nested and value > 0.5:
        rest = np.maximum(b - a, 0), b, np.maximum(qb - qa, 0), qb
        return _mirror(ratio_realised(*rest, share, spread, nested=True, spread_law=spread_law))

    def form(r: float) -> tuple[np.ndarray, np.ndarray]:
        q = (1 - r) ** 2 * qa + r**2 * np.maximum(qb - qa, 0) if nested else qa + r**2 * qb
        return np.where(q > 0, a - r * b, 0.0), q

    deviation = math.sqrt(sum(moments.realised_parts(*form(value), share, spread))) / (float(b.sum()) / share)
    if deviation == 0:
        return RatioLaw(value, PointLaw(value), 0.0)

    def probability(r: float) -> float:
        return realised(*form(r), share, spread, spread_law=spread_law, signed=True).cdf(0.0)

    return RatioLaw(value, _tabulate(probability, value, deviation, nested), 0.0)


def _value(a: np.ndarray, b: np.ndarray) -> float:
    checks.same_length(a=a, b=b)
    if not b.sum() > 0:
        raise NotIdentifiedError("a share or a growth of nothing is undefined", expected="B > 0", got="B = 0",
                                 fix="choose a larger group or window to compare with")
    return float(a.sum() / b.sum())


def _none(x: np.ndarray, empty: float) -> float:
    """Probability that no vendor of a group is drawn although one of B is."""
    return max(0.0, (math.exp(-float(np.count_nonzero(x))) - empty) / (1 - empty))


def _mirror(ratio: RatioLaw) -> RatioLaw:
    """Law of 1 - A / B."""
    law = ratio.law
    parts = [law.law_a, law.law_b] if isinstance(law, Hull) else [law]
    turned: list[Law] = [
        GridLaw(1 - part.points[::-1], 1 - part.cumulative[::-1], 1 - part.mean, part.variance)
        if isinstance(part, GridLaw) else PointLaw(1 - part.mean)
        for part in parts
    ]
    return RatioLaw(1 - ratio.value, Hull(*turned) if len(turned) == 2 else turned[0], ratio.no_denominator)


def _tabulate(
    cdf: Callable[[float], float], value: float, deviation: float, share: bool, ends: tuple[float, float] = (0.0, 0.0)
) -> GridLaw:
    """Distribution function at some fifty ratios, evenly spaced on the logit (share) or log scale, then interpolated.

    `ends` are the probabilities of a ratio of 0 and, for a share, of 1.
    """
    if value == 0:
        return GridLaw(np.zeros(2), np.array([0.0, 1.0]), 0.0, 0.0)
    centre = special.logit(value) if share else math.log(value)
    scale = deviation / (value * (1 - value) if share else value)
    back = special.expit if share else np.exp
    scores = list(_SCORES)
    heights = [cdf(float(back(centre + scale * z))) for z in scores]
    goals = (max(ends[0], 0.0) + 1e-5, 1 - ends[1] - 1e-5)
    while heights[0] > goals[0] and scores[0] > -20:
        scores.insert(0, scores[0] * 1.25)
        heights.insert(0, cdf(float(back(centre + scale * scores[0]))))
    while heights[-1] < goals[1] and scores[-1] < 20:
        scores.append(scores[-1] * 1.25)
        heights.append(cdf(float(back(centre + scale * scores[-1]))))
    known = np.clip(np.maximum.accumulate(heights), ends[0], 1 - ends[1])
    dense = np.linspace(scores[0], scores[-1], _DENSE)
    cumulative = interpolate.PchipInterpolator(scores, known)(dense)
    points = back(centre + scale * dense)
    low = np.zeros(2)
    high = np.ones(2) if share else points[-1:]
    points = np.concatenate([low, points, high])
    cumulative = np.concatenate([[0.0, ends[0]], cumulative, [1 - ends[1], 1.0] if share else [1.0]])
    return GridLaw.tabulated(points, cumulative)


def _tail_law(a: np.ndarray, b: np.ndarray, value: float, deviation: float, share: bool) -> GridLaw:
    """P(E+ <= E-) with the tail rule on the marks a - r b > 0 and < 0, which belong to different vendors."""
    only_a, only_b = b - a if share else b, a
    if not np.any((only_a > 0) & (only_b > 0)):  # each vendor on one side: its marks keep their proportions for all r
        part, rest = tail(a), tail(b - a if share else b)
        return _tabulate(lambda r: _smaller(part, rest, (r / (1 - r)) if share else r), value, deviation, share)

    def probability(r: float) -> float:
        e = a - r * b
        return _smaller(tail(np.maximum(e, 0)), tail(np.maximum(-e, 0)), 1.0)

    return _tabulate(probability, value, deviation, share)


_NODES = np.linspace(-6.0, 6.0, 241)
_NODE_WEIGHTS = np.exp(-(_NODES**2) / 2) / np.exp(-(_NODES**2) / 2).sum()


def _smaller(first: Law, second: Law, factor: float) -> float:
    """P(first <= factor x second) for independent laws, the same whichever of the two is integrated over."""
    p = special.ndtr(_NODES)
    below = float(_NODE_WEIGHTS @ first.cdf(factor * second.quantile(p)))
    above = float(_NODE_WEIGHTS @ second.cdf(first.quantile(p) / factor))
    return (below + 1 - above) / 2
