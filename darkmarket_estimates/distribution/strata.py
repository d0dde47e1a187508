"""Vendors under one review share, and the signed totals A - r B that they make."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from darkmarket_estimates.distribution.multiplier import Multiplier

#: Of a vendor's sales, what may be rounding.
SLACK = 1e-9


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

    def between(self, *, nested: bool) -> np.ndarray:
        """Which vendors sell on both sides: in A and in B, of a share in A and outside it, but for rounding."""
        if not nested:
            return (self.qa > 0) & (self.qb > 0) & (self.a > 0) & (self.b > 0)
        return np.logical_and.reduce([(part > SLACK * whole) & (whole - part > SLACK * whole)
                                      for part, whole in ((self.a, self.b), (self.qa, self.qb))])

    def sides(self, r: np.ndarray, rows: np.ndarray, *, nested: bool) -> tuple[np.ndarray, ...]:
        """Values and sums of squares of A - r B in A and outside it, for vendors that sell on both sides."""
        a, qa, b, qb = self.a[rows], self.qa[rows], self.b[rows], self.qb[rows]
        if nested:
            return (1 - r) * a, (1 - r) ** 2 * qa, r * (a - b), r**2 * (qb - qa)
        return a, qa, -r * b, r**2 * qb

    def apart(self, *, nested: bool) -> Stratum:
        """With the two sides of each vendor as two vendors: the same where nothing links its sales."""
        both = self.between(nested=nested)
        rows = np.repeat(np.arange(len(self.a)), 1 + both)
        second = np.zeros(len(rows), dtype=bool)
        second[1:] = rows[1:] == rows[:-1]
        first = both[rows] & ~second
        a, qa = np.where(second, 0.0, self.a[rows]), np.where(second, 0.0, self.qa[rows])
        b, qb = self.b[rows], self.qb[rows]
        if nested:
            b, qb = (np.where(second, w - p, np.where(first, p, w)) for w, p in ((b, self.a[rows]), (qb, self.qa[rows])))
        else:
            b, qb = np.where(first, 0.0, b), np.where(first, 0.0, qb)
        start = np.concatenate([[0], np.cumsum(1 + both)])[self.start]
        return replace(self, a=a, b=b, qa=qa, qb=qb, start=start)

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
        between, within = Multiplier.of(self.share, self.spread).variances
        return between * self.sums(y * y) + within * self.sums(q)
