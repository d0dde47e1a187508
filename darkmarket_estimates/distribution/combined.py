"""Laws made of laws: shifted, mixed, multiplied by a common factor, and the hull of two."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.distribution.base import BaseLaw, Law, invert, known
from darkmarket_estimates.errors import AssumptionError


@dataclass(frozen=True, slots=True, eq=False)
class Shifted(BaseLaw):
    """The law of T + by.

    Examples
    --------
    >>> from darkmarket_estimates.distribution.law import PointLaw
    >>> Shifted(PointLaw(2.0), 5.0).quantile(0.5)
    7.0
    """

    law: Law
    by: float

    @property
    def mean(self) -> float:
        """Mean of the law plus the shift."""
        return self.law.mean + self.by

    @property
    def variance(self) -> float:
        """Variance of the law."""
        return self.law.variance

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return self.law.cdf(x - self.by)

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        return self.law.quantile(p) + self.by


def _weights(weights: Any, n: int) -> np.ndarray:
    """Weights of n parts, >= 0 and adding up to 1."""
    array = checks.float_array(weights, "weights", low=0)
    if len(array) != n or not math.isclose(array.sum(), 1, rel_tol=1e-6):
        raise AssumptionError("weights do not fit", expected=f"{n} numbers >= 0 with sum 1",
                              got=f"{len(array)} numbers with sum {array.sum():g}")
    return array / array.sum()


@dataclass(frozen=True, slots=True, eq=False)
class Mixture(BaseLaw):
    """P(T <= q) = sum of weight x P(T_i <= q): the law when it is itself uncertain which law holds.

    Examples
    --------
    >>> from darkmarket_estimates.distribution.law import NormalLaw
    >>> Mixture([NormalLaw(0.0, 1.0), NormalLaw(4.0, 1.0)], [0.5, 0.5]).mean
    2.0
    """

    laws: Sequence[Law]
    weights: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "laws", tuple(self.laws))
        object.__setattr__(self, "weights", _weights(self.weights, len(self.laws)))

    @property
    def mean(self) -> float:
        """Weighted mean of the means."""
        return float(self.weights @ [law.mean for law in self.laws])

    @property
    def variance(self) -> float:
        """Mean of the variances plus variance of the means."""
        off = np.array([law.mean for law in self.laws]) - self.mean
        return float(self.weights @ (np.array([law.variance for law in self.laws]) + off**2))

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return sum((w * _cdf_of(law, x) for w, law in zip(self.weights, self.laws, strict=True)), np.zeros(x.shape))

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        each = np.array([law.quantile(p) for w, law in zip(self.weights, self.laws, strict=True) if w > 0])
        return _between(self._cdf, p, each.min(axis=0), each.max(axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class ScaledMixture(BaseLaw):
    """Law of T x M for a common factor M with these nodes: P(T M <= q) = sum of weight x F(q / factor).

    With `about` it is the excess over that number which is multiplied: the law of about + (T - about) x M. The law must
    be wider than the steps between the nodes, else their steps show:
    `darkmarket_estimates.distribution.relative.scaled` chooses the nodes so.

    Examples
    --------
    >>> from darkmarket_estimates.distribution.law import PointLaw
    >>> ScaledMixture(PointLaw(10.0), [0.5, 1.5], [0.5, 0.5]).quantile([0.25, 0.75])
    array([ 5., 15.])
    """

    law: Law
    factors: np.ndarray
    weights: np.ndarray
    about: float = 0.0

    def __post_init__(self) -> None:
        factors = checks.float_array(self.factors, "factors")
        if len(factors) == 0 or factors.min() <= 0:
            raise AssumptionError("a common factor must be positive", expected="numbers > 0",
                                  got=repr(float(factors.min())) if len(factors) else "none")
        object.__setattr__(self, "factors", factors)
        object.__setattr__(self, "weights", _weights(self.weights, len(factors)))

    @property
    def mean(self) -> float:
        """Product of the means."""
        return self.about + (self.law.mean - self.about) * float(self.weights @ self.factors)

    @property
    def variance(self) -> float:
        """E[T^2] E[M^2] - (E T E M)^2, written without cancellation."""
        centre = float(self.weights @ self.factors)
        spread = float(self.weights @ (self.factors - centre) ** 2)
        return self.law.variance * (centre**2 + spread) + (self.law.mean - self.about) ** 2 * spread

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        out = np.empty(x.shape)
        chunk = max(1, 1_000_000 // len(self.factors))
        for start in range(0, len(x), chunk):
            part = x[start : start + chunk]
            inner = self.about + (part[:, None] - self.about) / self.factors if self.about else part[:, None] / self.factors
            out[start : start + chunk] = _cdf_of(self.law, inner) @ self.weights
        return out

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        used = self.factors[self.weights > 0]
        ends = self.about + np.outer([used.min(), used.max()], self.law.quantile(p) - self.about)
        return _between(self._cdf, p, ends.min(axis=0), ends.max(axis=0))


def _cdf_of(law: Law, x: np.ndarray) -> np.ndarray:
    """P(T <= x) of a part, which needs no second check of x."""
    return law._cdf(x.ravel()).reshape(x.shape) if isinstance(law, BaseLaw) else law.cdf(x)


def _between(
    cdf: Callable[[np.ndarray], np.ndarray], p: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Quantiles between brackets; infinite ends (p = 0 or 1 of an unbounded law) are their own answer."""
    out = np.where(p < 0.5, low, high)
    inner = (p > 0) & (p < 1) & np.isfinite(low) & np.isfinite(high)
    if inner.any():
        # One step outwards, because the parts' own quantiles are rounded.
        slack = 1e-12 * np.maximum(np.abs(low[inner]), np.abs(high[inner]))
        out[inner] = invert(cdf, p[inner], low[inner] - slack, high[inner] + slack)
    order = np.argsort(p)  # at a jump the last digits of two levels may cross: levels nest
    out[order] = np.maximum.accumulate(out[order])
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Hull(BaseLaw):
    """The wider of two laws at every level: lowest low end, highest high end.

    Between the two medians the distribution function is 1/2; the median is their mean. The hull describes
    intervals, so its mean and variance are those of the wider of the two laws.

    Examples
    --------
    >>> from darkmarket_estimates.distribution.law import NormalLaw
    >>> hull = Hull(NormalLaw(10.0, 1.0), NormalLaw(11.0, 1.0))
    >>> hull.quantile([0.025, 0.5, 0.975]).round(2), hull.cdf(10.5)
    (array([ 8.04, 10.5 , 12.96]), 0.5)
    """

    law_a: Law
    law_b: Law

    @property
    def _wider(self) -> Law:
        return max(self.law_a, self.law_b, key=lambda law: law.variance)

    @property
    def mean(self) -> float:
        """Mean of the wider law."""
        return self._wider.mean

    @property
    def variance(self) -> float:
        """Variance of the wider law."""
        return self._wider.variance

    @property
    def is_known(self) -> bool:
        """Whether both are the same number."""
        return known(self.law_a) and known(self.law_b)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        a, b = self.law_a.cdf(x), self.law_b.cdf(x)
        return np.where((a < 0.5) & (b < 0.5), np.maximum(a, b), np.where((a > 0.5) & (b > 0.5), np.minimum(a, b), 0.5))

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        return hull_ends(p, self.law_a.quantile(p), self.law_b.quantile(p))


def hull_ends(p: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Quantiles of the hull from those of two laws."""
    return np.where(p < 0.5, np.minimum(a, b), np.where(p > 0.5, np.maximum(a, b), (a + b) / 2))


def sides(law: Law) -> dict[str, Law]:
    """Laws by name: the two of a hull, also where a factor or a mixture lies over it; else the law itself, without a name.

    The hull is the wider of the two at every level. Between their medians its own distribution function is flat, so a
    median or a density is one of its sides'.

    Examples
    --------
    >>> from darkmarket_estimates.distribution.law import NormalLaw
    >>> hull = Hull(NormalLaw(10.0, 1.0), NormalLaw(12.0, 1.0))
    >>> {name: float(law.quantile(0.5)) for name, law in sides(ScaledMixture(hull, [2.0], [1.0])).items()}
    {'BCa': 20.0, 'tail rule': 24.0}
    """
    if isinstance(law, Hull):
        return {"BCa": law.law_a, "tail rule": law.law_b}
    if isinstance(law, ScaledMixture):
        return {side: replace(law, law=part) for side, part in sides(law.law).items()}
    if isinstance(law, Mixture):
        each = [sides(part) for part in law.laws]
        names = max(each, key=len)  # a law that is no hull stands on both sides
        return {side: replace(law, laws=[e.get(side, part) for e, part in zip(each, law.laws, strict=True)]) for side in names}
    return {"": law}
