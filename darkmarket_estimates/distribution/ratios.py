r"""Shares and growth of the realised total; those of the expected one are found here too.

:math:`P(A / B \le r) = P(A - r B \le 0)` for B > 0, so each value of the distribution function is a question about one
signed total, whose vendor marks are :math:`a_v - r b_v`: one weight and one review share a vendor. A factor common to
A and B cancels. Where review shares differ by group the signed total is the sum of independent ones, a group each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.distribution.expected_ratios import METHODS, ratio_expected, ratios_expected
from darkmarket_estimates.distribution.law import Law, PointLaw
from darkmarket_estimates.distribution.multiplier import Multiplier
from darkmarket_estimates.distribution.paired import Sides, has_sides, large_vendors, probability_below_0, signed_rows
from darkmarket_estimates.distribution.ratio_grids import RatioLaw, check_denominator, mirror, tabulate
from darkmarket_estimates.distribution.realised import realised_totals
from darkmarket_estimates.distribution.segments import pick
from darkmarket_estimates.distribution.signed_totals import SignedTotals, signed_totals
from darkmarket_estimates.distribution.strata import Stratum
from darkmarket_estimates.distribution.sums import independent_sum
from darkmarket_estimates.errors import DataError

__all__ = ["METHODS", "RatioLaw", "Stratum", "probabilities_realised", "ratio_expected", "ratio_realised", "ratios_expected",
           "ratios_realised"]

#: Vendors of all the ratios and values that are asked for at once.
_AT_ONCE = 2**16


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
    review share a vendor. A vendor with sales on both sides that makes 3 % of the variance has two numbers of unreviewed
    sales under that share; of smaller ones the two sides keep their own shapes where the variance leaves room for it.

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
    found = _Realised.of(strata, nested=nested, spread_law=spread_law)
    value, wide = found.value, found.wide
    laws = [RatioLaw(float(v), PointLaw(float(v)), 0.0) for v in value]
    smooth = np.any([each.smooth for each in found.signed], axis=0)[wide] if found.signed else None
    tables = tabulate(lambda r, which: found.probability(r, wide[which]), value[wide], found.deviation[wide], share=nested,
                      smooth=smooth)
    for i, law in zip(wide, tables, strict=True):
        laws[i] = RatioLaw(float(value[i]), law, 0.0)
    return [mirror(law) if turn else law for law, turn in zip(laws, found.mirrored, strict=True)]


def probabilities_realised(
    strata: Sequence[Stratum], r: np.ndarray, *, nested: bool, spread_law: str = "default"
) -> np.ndarray:
    """P(A / B <= r) at some values for each ratio, shape (n_values, n_ratios): what the laws of `ratios_realised` are made of.

    Examples
    --------
    >>> a, b = np.array([50.0, 0, 30, 0]), np.array([50.0, 40, 60, 20])
    >>> only = Stratum(a, b, 2 * a, 2 * b, np.array([0, 4]), 0.5, 0.1)
    >>> probabilities_realised([only], np.array([[0.4], [0.5]]), nested=True).round(2)
    array([[0.09],
           [0.72]])
    """
    found = _Realised.of(strata, nested=nested, spread_law=spread_law)
    out = (r >= np.where(found.mirrored, 1 - found.value, found.value)).astype(np.float64)
    wide = found.wide
    turned = found.mirrored[wide]
    for block in np.array_split(np.arange(len(r)), max(1, len(r) * len(found.strata[0].a) // _AT_ONCE)):
        asked = np.where(turned, 1 - r[block][:, wide], r[block][:, wide])
        each = found.probability(asked.ravel(), np.tile(wide, len(block))).reshape(asked.shape)
        out[np.ix_(block, wide)] = np.where(turned, 1 - each, each)
    return out


@dataclass(frozen=True, slots=True)
class _Realised:
    """Realised ratios, those of a large share turned into that of the rest: its law is the mirror image.

    Attributes
    ----------
    strata, multipliers : sequence
    value, deviation : array of shape (n_ratios,)
        Ratios of the means, and their standard deviations.
    mirrored : bool array of shape (n_ratios,)
    wide : int array
        Ratios with a law.
    paired : sequence of bool arrays
        Vendors of each stratum whose joint atoms are laid on a grid.
    signed : sequence of SignedTotals
    nested, spread_law
        As in `ratio_realised`.
    """

    strata: Sequence[Stratum]
    multipliers: Sequence[Multiplier]
    value: np.ndarray
    deviation: np.ndarray
    mirrored: np.ndarray
    wide: np.ndarray
    paired: Sequence[np.ndarray]
    signed: Sequence[SignedTotals]
    nested: bool
    spread_law: str

    @classmethod
    def of(cls, strata: Sequence[Stratum], *, nested: bool, spread_law: str) -> _Realised:
        """From vendors under one or several review shares."""
        multipliers = [Multiplier.of(s.share, s.spread, spread_law) for s in strata]
        power = int(np.frexp(max(float(s.b.max(initial=0)) for s in strata))[1])
        strata = [s.in_units(power) for s in strata]
        n = len(strata[0].start) - 1

        def added(parts: Iterable[np.ndarray]) -> np.ndarray:  # stratum by stratum: no ratio's digits depend on the others
            return sum(parts, np.zeros(n))

        whole = added(s.sums(s.b) / s.share for s in strata)
        value = added(s.sums(s.a) / s.share for s in strata) / whole
        # the law of a large share is the mirror image of that of the rest
        mirrored = (value > 0.5) & (value < 1) if nested else np.zeros(len(value), dtype=bool)
        # nothing links the sales of a vendor whose share is known
        strata = [s.apart(nested=nested) if math.isinf(m.alpha) else s
                  for s, m in zip((s.turned(mirrored) for s in strata), multipliers, strict=True)]
        value = np.where(mirrored, added(s.sums(s.a) / s.share for s in strata) / whole, value)
        deviation = np.sqrt(added(s.variance(value, nested=nested) for s in strata)) / whole
        wide = np.flatnonzero((value > 0) & ((value < 1) | (not nested)) & (deviation > 0))
        paired = [large_vendors(s, value, (deviation * whole) ** 2, nested=nested) & (not math.isinf(m.alpha))
                  for s, m in zip(strata, multipliers, strict=True)]
        signed = signed_totals(strata, multipliers, value, whole, nested=nested)
        return cls(strata, multipliers, value, deviation, mirrored, wide, paired, signed, nested, spread_law)

    def probability(self, r: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """P(A / B <= r) of the ratios `rows`, by one sum where the law is smooth, else by the grids of its atoms."""
        out = np.full(len(r), np.nan)
        for each in self.signed:
            smooth = each.smooth[rows]
            out[smooth] = each.probability(r[smooth], rows[smooth])
        if (rough := np.isnan(out)).any():
            out[rough] = self._by_grids(r[rough], rows[rough])
        return out

    def _by_grids(self, r: np.ndarray, rows: np.ndarray) -> np.ndarray:
        found: list[list[Law]] = []
        sides: list[list[tuple[Multiplier, Sides]]] = [[] for _ in rows]
        for s, multiplier, large in zip(self.strata, self.multipliers, self.paired, strict=True):
            vendors, begin = pick(s.start, rows)
            owner = np.repeat(np.arange(len(rows)), np.diff(begin))
            both = large[vendors] & has_sides(r, nested=self.nested)[owner]
            of = owner[both]
            for i, side in zip(of.tolist(), zip(*s.sides(r[of], vendors[both], nested=self.nested), strict=True), strict=True):
                sides[i].append((multiplier, side))
            y, q, owner = signed_rows(s, multiplier, r, vendors[~both], owner[~both], nested=self.nested)
            found.append(realised_totals(y, q, np.searchsorted(owner, np.arange(len(rows) + 1)), s.share, s.spread,
                                         spread_law=self.spread_law, signed=True))
        return np.array([probability_below_0(parts, own) if own else independent_sum(parts).cdf(0.0)
                         for parts, own in zip(zip(*found, strict=True), sides, strict=True)])
