r"""Shares and growth of the realised total; those of the expected one are found here too.

:math:`P(A / B \le r) = P(A - r B \le 0)` for B > 0, so each value of the distribution function is a question about one
signed total, whose vendor marks are :math:`a_v - r b_v`: one weight and one review share a vendor. A factor common to
A and B cancels.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.distribution import moments
from darkmarket_estimates.distribution.expected_ratios import METHODS, ratio_expected, ratios_expected
from darkmarket_estimates.distribution.law import PointLaw
from darkmarket_estimates.distribution.multiplier import Multiplier
from darkmarket_estimates.distribution.ratio_grids import RatioLaw, check_denominator, mirror, tabulate
from darkmarket_estimates.distribution.realised import realised_totals
from darkmarket_estimates.distribution.segments import pick
from darkmarket_estimates.errors import DataError

__all__ = ["METHODS", "RatioLaw", "ratio_expected", "ratio_realised", "ratios_expected", "ratios_realised"]


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
    check_denominator(a, b)
    slack = 1e-9
    if nested and ((a > b * (1 + slack)) | (qa > qb * (1 + slack))).any():
        at = int(np.flatnonzero((a > b * (1 + slack)) | (qa > qb * (1 + slack)))[0])
        raise DataError("a part is larger than its whole", where=f"vendor {at}", expected="a <= b and qa <= qb",
                        got=f"a = {a[at]:g}, b = {b[at]:g}, qa = {qa[at]:g}, qb = {qb[at]:g}",
                        fix="pass nested=False for a ratio of different sales")
    return ratios_realised(a, b, qa, qb, np.array([0, len(a)]), share, spread, nested=nested, spread_law=spread_law)[0]


def ratios_realised(
    a: np.ndarray, b: np.ndarray, qa: np.ndarray, qb: np.ndarray, start: np.ndarray, share: float, spread: float, *,
    nested: bool, spread_law: str = "default",
) -> list[RatioLaw]:
    """Laws of many ratios in one pass; `ratio_realised` is that of one.

    Parameters
    ----------
    a, b, qa, qb : array of shape (n_vendors,)
        Ratio by ratio; no denominator is 0.
    start : int array of shape (n_ratios + 1,)
        Where the vendors of each ratio begin.
    share, spread, nested, spread_law
        As in `ratio_realised`, the same for all.
    """
    Multiplier.of(share, spread, spread_law)  # checks the three
    owner = np.repeat(np.arange(len(start) - 1), np.diff(start))
    whole = np.add.reduceat(b, start[:-1])
    value = np.add.reduceat(a, start[:-1]) / whole
    mirrored = nested & (value > 0.5) & (value < 1)
    turned = mirrored[owner]  # the law of a large share is the mirror image of that of the rest
    a, qa = np.where(turned, np.maximum(b - a, 0), a), np.where(turned, np.maximum(qb - qa, 0), qa)
    value = np.where(mirrored, np.add.reduceat(a, start[:-1]) / whole, value)

    def form(r: np.ndarray, rows: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        part, rest = qa[rows], np.maximum(qb - qa, 0)[rows] if nested else qb[rows]
        q = (1 - r) ** 2 * part + r**2 * rest if nested else part + r**2 * rest
        return np.where(q > 0, a[rows] - r * b[rows], 0.0), q

    y, q = form(value[owner], slice(None))
    deviation = np.array([
        math.sqrt(sum(moments.realised_parts(y[i:j], q[i:j], share, spread))) / (float(b[i:j].sum()) / share)
        for i, j in itertools.pairwise(start.tolist())])
    wide = np.flatnonzero((share < 1) & (value > 0) & ((value < 1) | (not nested)) & (deviation > 0))

    def probability(r: np.ndarray, which: np.ndarray) -> np.ndarray:
        rows, begin = pick(start, wide[which])
        found = realised_totals(*form(np.repeat(r, np.diff(begin)), rows), begin, share, spread, spread_law=spread_law,
                                signed=True)
        return np.array([law.cdf(0.0) for law in found])

    laws = [RatioLaw(float(v), PointLaw(float(v)), 0.0) for v in value]
    for i, law in zip(wide, tabulate(probability, value[wide], deviation[wide], share=nested), strict=True):
        laws[i] = RatioLaw(float(value[i]), law, 0.0)
    return [mirror(law) if turn else law for law, turn in zip(laws, mirrored, strict=True)]
