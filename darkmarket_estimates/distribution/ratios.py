r"""Shares and growth of the realised total; those of the expected one are found here too.

:math:`P(A / B \le r) = P(A - r B \le 0)` for B > 0, so each value of the distribution function is a question about one
signed total, whose vendor marks are :math:`a_v - r b_v`: one weight and one review share a vendor. A factor common to
A and B cancels. Where review shares differ by group the signed total is the sum of independent ones, a group each.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from darkmarket_estimates.distribution.sums import independent_sum
from darkmarket_estimates.errors import DataError

__all__ = ["METHODS", "RatioLaw", "Stratum", "ratio_expected", "ratio_realised", "ratios_expected", "ratios_realised"]


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
    only = Stratum(a, b, qa, qb, np.array([0, len(a)]), share, spread)
    return ratios_realised([only], nested=nested, spread_law=spread_law)[0]


@dataclass(frozen=True, slots=True)
class Stratum:
    """Vendors under one mean review share: what they have in A and in B, ratio by ratio.

    Attributes
    ----------
    a, b, qa, qb : array of shape (n_vendors,)
    start : int array of shape (n_ratios + 1,)
        Where the vendors of each ratio begin.
    share, spread : float
    """

    a: np.ndarray
    b: np.ndarray
    qa: np.ndarray
    qb: np.ndarray
    start: np.ndarray
    share: float
    spread: float

    @property
    def owner(self) -> np.ndarray:
        """Ratio of each vendor."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum over the vendors of each ratio."""
        return np.bincount(self.owner, values, len(self.start) - 1)

    def turned(self, which: np.ndarray) -> Stratum:
        """What is in B and not in A, for some of the ratios."""
        turn = which[self.owner]
        return replace(self, a=np.where(turn, np.maximum(self.b - self.a, 0), self.a),
                       qa=np.where(turn, np.maximum(self.qb - self.qa, 0), self.qa))

    def in_units(self, power: int) -> Stratum:
        """In units of 2^power, which rounds nothing: squares of huge or tiny marks would leave the range of floats."""
        return replace(self, a=np.ldexp(self.a, -power), b=np.ldexp(self.b, -power),
                       qa=np.ldexp(self.qa, -2 * power), qb=np.ldexp(self.qb, -2 * power))

    def form(self, r: np.ndarray, rows: np.ndarray | slice, *, nested: bool) -> tuple[np.ndarray, np.ndarray]:
        """Values and sums of squares of A - r B, vendor by vendor."""
        part, rest = self.qa[rows], np.maximum(self.qb - self.qa, 0)[rows] if nested else self.qb[rows]
        q = (1 - r) ** 2 * part + r**2 * rest if nested else part + r**2 * rest
        return np.where(q > 0, self.a[rows] - r * self.b[rows], 0.0), q

    def variance(self, r: np.ndarray, *, nested: bool) -> np.ndarray:
        """Variance of A - r B, at one r for each ratio."""
        y, q = self.form(r[self.owner], slice(None), nested=nested)
        return np.array([sum(moments.realised_parts(y[i:j], q[i:j], self.share, self.spread))
                         for i, j in itertools.pairwise(self.start.tolist())])


def ratios_realised(strata: Sequence[Stratum], *, nested: bool, spread_law: str = "default") -> list[RatioLaw]:
    """Laws of many ratios in one pass, their vendors under one or several review shares.

    Parameters
    ----------
    strata : sequence of Stratum
        Of the same ratios, whose denominators are above 0. Strata are independent: a vendor in two has a review share
        of its own in each.
    nested, spread_law
        As in `ratio_realised`.

    Examples
    --------
    >>> a, b = np.array([50.0, 0, 30, 0]), np.array([50.0, 40, 60, 20])
    >>> parts = [Stratum(a[i : i + 2], b[i : i + 2], 2 * a[i : i + 2], 2 * b[i : i + 2], np.array([0, 2]), share, 0.1)
    ...          for i, share in ((0, 0.5), (2, 0.8))]
    >>> law, = ratios_realised(parts, nested=True)
    >>> round(law.value, 4), law.quantile([0.025, 0.975]).round(2)
    (0.4911, array([0.38, 0.6 ]))
    """
    for s in strata:
        Multiplier.of(s.share, s.spread, spread_law)  # checks the three
    power = int(np.frexp(max(float(s.b.max(initial=0)) for s in strata))[1])
    strata = [s.in_units(power) for s in strata]
    whole = np.sum([s.sums(s.b) / s.share for s in strata], axis=0)
    value = np.sum([s.sums(s.a) / s.share for s in strata], axis=0) / whole
    # the law of a large share is the mirror image of that of the rest
    mirrored = (value > 0.5) & (value < 1) if nested else np.zeros(len(value), dtype=bool)
    strata = [s.turned(mirrored) for s in strata]
    value = np.where(mirrored, np.sum([s.sums(s.a) / s.share for s in strata], axis=0) / whole, value)
    deviation = np.sqrt(np.sum([s.variance(value, nested=nested) for s in strata], axis=0)) / whole
    wide = np.flatnonzero((value > 0) & ((value < 1) | (not nested)) & (deviation > 0))

    def probability(r: np.ndarray, which: np.ndarray) -> np.ndarray:
        found = []
        for s in strata:
            rows, begin = pick(s.start, wide[which])
            form = s.form(np.repeat(r, np.diff(begin)), rows, nested=nested)
            found.append(realised_totals(*form, begin, s.share, s.spread, spread_law=spread_law, signed=True))
        return np.array([independent_sum(parts).cdf(0.0) for parts in zip(*found, strict=True)])

    laws = [RatioLaw(float(v), PointLaw(float(v)), 0.0) for v in value]
    for i, law in zip(wide, tabulate(probability, value[wide], deviation[wide], share=nested), strict=True):
        laws[i] = RatioLaw(float(value[i]), law, 0.0)
    return [mirror(law) if turn else law for law, turn in zip(laws, mirrored, strict=True)]
