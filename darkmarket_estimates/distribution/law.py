"""Laws of one number: mean, variance, distribution function and quantiles, and how laws combine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload, runtime_checkable

import numpy as np
from scipy import special

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.errors import AssumptionError, DataError


@runtime_checkable
class Law(Protocol):
    """What every law offers; `cdf` and `quantile` take a scalar (and give a float) or an array."""

    @property
    def mean(self) -> float:
        """Expectation."""
        ...

    @property
    def variance(self) -> float:
        """Variance."""
        ...

    def cdf(self, x: Any) -> Any:
        """P(T <= x)."""
        ...

    def quantile(self, p: Any) -> Any:
        """Smallest x with P(T <= x) >= p."""
        ...


class _Base:
    """Scalars in, floats out; checks in one place. A law writes `_cdf` and `_quantile` for flat arrays."""

    __slots__ = ()

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    @overload
    def cdf(self, x: float) -> float: ...
    @overload
    def cdf(self, x: np.ndarray | Sequence[float]) -> np.ndarray: ...
    def cdf(self, x: Any) -> Any:
        """P(T <= x), a float for a scalar, else an array of the shape of `x`."""
        points = np.asarray(x, dtype=np.float64)
        if np.isnan(points).any():
            raise DataError("x is not a number", expected="numbers", got="NaN")
        values = np.clip(self._cdf(points.ravel()), 0.0, 1.0).reshape(points.shape)
        return float(values) if points.ndim == 0 else values

    @overload
    def quantile(self, p: float) -> float: ...
    @overload
    def quantile(self, p: np.ndarray | Sequence[float]) -> np.ndarray: ...
    def quantile(self, p: Any) -> Any:
        """Smallest x with P(T <= x) >= p, a float for a scalar, else an array of the shape of `p`."""
        levels = np.asarray(p, dtype=np.float64)
        inside = (levels >= 0) & (levels <= 1)  # False for NaN
        if not inside.all():
            raise AssumptionError("p is not a probability", expected="numbers in [0, 1]",
                                  got=repr(float(levels[~inside].ravel()[0])))
        values = self._quantile(levels.ravel()).reshape(levels.shape)
        return float(values) if levels.ndim == 0 else values


def invert(
    cdf: Callable[[np.ndarray], np.ndarray], p: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Smallest x in [low, high] with ``cdf(x) >= p``, to about 1e-13 of the bracket's larger end.

    Bisection and false position take turns: the first is safe at jumps and flats, the second fast elsewhere. The
    bracket must hold the answer; the upper end is returned where the two meet.
    """
    low, high = low.astype(np.float64), high.astype(np.float64)
    below, above = cdf(low), cdf(high)
    high = np.where(below >= p, low, high)
    tolerance = 1e-13 * np.maximum(np.abs(low), np.abs(high))
    for turn in range(200):
        width = high - low
        open_ = width > tolerance
        if not open_.any():
            break
        fraction = np.full(p.shape, 0.5)
        rise = above - below
        if turn % 2:
            np.divide(p - below, rise, out=fraction, where=rise > 0)
            # A step just beyond the estimate closes the bracket from the other side too.
            fraction = np.clip(fraction + np.where(turn % 4 == 1, 1e-9, -1e-9), 0.0, 1.0)
        middle = low + fraction * width
        middle = np.where(open_, middle, high)
        at = cdf(middle)
        enough = at >= p
        high, above = np.where(enough, middle, high), np.where(enough, at, above)
        low, below = np.where(enough, low, middle), np.where(enough, below, at)
    return high


@dataclass(frozen=True, slots=True, eq=False)
class PointLaw(_Base):
    """A known number.

    Examples
    --------
    >>> PointLaw(3.0).quantile([0.025, 0.975])
    array([3., 3.])
    """

    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", checks.number(self.value, "value"))

    @property
    def mean(self) -> float:
        """The number."""
        return self.value

    @property
    def variance(self) -> float:
        """Zero."""
        return 0.0

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return (x >= self.value).astype(np.float64)

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        return np.full(p.shape, self.value)


@dataclass(frozen=True, slots=True, eq=False)
class NormalLaw(_Base):
    """Normal law; a standard deviation of 0 gives the known number.

    Examples
    --------
    >>> round(NormalLaw(10.0, 2.0).quantile(0.975), 4)
    13.9199
    """

    mean: float
    standard_deviation: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", checks.number(self.mean, "mean"))
        object.__setattr__(self, "standard_deviation", checks.number(self.standard_deviation, "standard_deviation", low=0))

    @property
    def variance(self) -> float:
        """Square of the standard deviation."""
        return self.standard_deviation**2

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        if self.standard_deviation == 0:
            return (x >= self.mean).astype(np.float64)
        return special.ndtr((x - self.mean) / self.standard_deviation)

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        if self.standard_deviation == 0:
            return np.full(p.shape, self.mean)
        return self.mean + self.standard_deviation * special.ndtri(p)


@dataclass(frozen=True, slots=True, eq=False)
class LogNormalLaw(_Base):
    r"""Log-normal law with this mean and coefficient of variation.

    :math:`\sigma^2 = \ln(1 + cv^2)`, :math:`\mu = \ln(mean) - \sigma^2 / 2`.

    Examples
    --------
    >>> law = LogNormalLaw(100.0, 0.5)
    >>> round(law.quantile(0.5), 6), law.variance
    (89.442719, 2500.0)
    """

    mean: float
    cv: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", checks.number(self.mean, "mean", low=0, open_low=True))
        object.__setattr__(self, "cv", checks.number(self.cv, "cv", low=0, open_low=True))

    @property
    def variance(self) -> float:
        """Square of mean x cv."""
        return (self.mean * self.cv) ** 2

    @property
    def _log(self) -> tuple[float, float]:
        square = math.log1p(self.cv**2)
        return math.log(self.mean) - square / 2, math.sqrt(square)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        mu, sigma = self._log
        with np.errstate(divide="ignore"):
            return special.ndtr((np.log(np.maximum(x, 0.0)) - mu) / sigma)

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        mu, sigma = self._log
        return np.exp(mu + sigma * special.ndtri(p))


@dataclass(frozen=True, slots=True, eq=False)
class GridLaw(_Base):
    """A distribution function known on a grid and linear between its points.

    Parameters
    ----------
    points : array of shape (n,)
        Not decreasing; a point that comes twice is a jump.
    cumulative : array of shape (n,)
        P(T <= point), not decreasing, from 0 to 1.
    mean, variance : float
        Of the law itself, where a closed form is known, not of its image on the grid.
    error_bound : float
        How far a quantile may lie from the exact one because of the grid, in the unit of the points.
    lost_mass : float
        Upper bound of the probability outside the grid (truncated, or folded back by the Fourier transform).

    Examples
    --------
    >>> law = GridLaw(np.array([0.0, 0.0, 2.0]), np.array([0.0, 0.5, 1.0]), mean=0.5, variance=7 / 12)
    >>> law.cdf([-1, 0, 1]), law.quantile([0.2, 0.75])
    (array([0.  , 0.5 , 0.75]), array([0., 1.]))
    """

    points: np.ndarray
    cumulative: np.ndarray
    mean: float
    variance: float
    error_bound: float = 0.0
    lost_mass: float = 0.0

    def __post_init__(self) -> None:
        if self.points.shape != self.cumulative.shape or self.points.ndim != 1 or len(self.points) < 2:
            raise DataError("a grid law needs one cumulative probability a point", expected="two equal lengths >= 2",
                            got=f"{self.points.shape} and {self.cumulative.shape}")
        self.points.setflags(write=False)
        self.cumulative.setflags(write=False)

    @classmethod
    def tabulated(cls, points: np.ndarray, cumulative: np.ndarray, **keywords: float) -> GridLaw:
        """Law with the mean and variance of the piecewise linear distribution function itself."""
        cumulative = np.maximum.accumulate(np.clip(cumulative, 0.0, 1.0))
        cumulative[0], cumulative[-1] = 0.0, 1.0
        mass, left, right = np.diff(cumulative), points[:-1], points[1:]
        mean = float(mass @ ((left + right) / 2))
        low, high = left - mean, right - mean
        variance = float(mass @ ((low**2 + low * high + high**2) / 3))
        return cls(points, cumulative, mean, variance, **keywords)

    @classmethod
    def from_sample(cls, sample: np.ndarray) -> GridLaw:
        """Law of a simulated sample: the i-th of n values at probability (i - 1/2) / n (Hazen)."""
        ordered = np.sort(np.asarray(sample, dtype=np.float64))
        n = len(ordered)
        points = np.concatenate([ordered[:1], ordered, ordered[-1:]])
        cumulative = np.concatenate([[0.0], (np.arange(n) + 0.5) / n, [1.0]])
        return cls(points, cumulative, float(ordered.mean()), float(ordered.var(ddof=1)) if n > 1 else 0.0)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return np.interp(x, self.points, self.cumulative, left=0.0, right=1.0)

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        return np.interp(p, self.cumulative, self.points)


@dataclass(frozen=True, slots=True, eq=False)
class Shifted(_Base):
    """The law of T + by.

    Examples
    --------
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
class Mixture(_Base):
    """P(T <= q) = sum of weight x P(T_i <= q): the law when it is itself uncertain which law holds.

    Examples
    --------
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
        return sum((w * law.cdf(x) for w, law in zip(self.weights, self.laws, strict=True)), np.zeros(x.shape))

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        each = np.array([law.quantile(p) for w, law in zip(self.weights, self.laws, strict=True) if w > 0])
        return _between(self._cdf, p, each.min(axis=0), each.max(axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class ScaledMixture(_Base):
    """Law of T x M for a common factor M with these nodes: P(T M <= q) = sum of weight x F(q / factor).

    The law must be wider than the steps between the nodes, else their steps show:
    `darkmarket_estimates.distribution.factors.common_factor` chooses the nodes so.

    Examples
    --------
    >>> ScaledMixture(PointLaw(10.0), [0.5, 1.5], [0.5, 0.5]).quantile([0.25, 0.75])
    array([ 5., 15.])
    """

    law: Law
    factors: np.ndarray
    weights: np.ndarray

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
        return self.law.mean * float(self.weights @ self.factors)

    @property
    def variance(self) -> float:
        """E[T^2] E[M^2] - (E T E M)^2, written without cancellation."""
        centre = float(self.weights @ self.factors)
        spread = float(self.weights @ (self.factors - centre) ** 2)
        return self.law.variance * (centre**2 + spread) + self.law.mean**2 * spread

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        out = np.empty(x.shape)
        chunk = max(1, 1_000_000 // len(self.factors))
        for start in range(0, len(x), chunk):
            part = x[start : start + chunk]
            out[start : start + chunk] = self.law.cdf(part[:, None] / self.factors) @ self.weights
        return out

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        used = self.factors[self.weights > 0]
        ends = np.outer([used.min(), used.max()], self.law.quantile(p))
        return _between(self._cdf, p, ends.min(axis=0), ends.max(axis=0))


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
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Hull(_Base):
    """The wider of two laws at every level: lowest low end, highest high end.

    Between the two medians the distribution function is 1/2; the median is their mean. The hull describes
    intervals, so its mean and variance are those of the wider of the two laws.

    Examples
    --------
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

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        a, b = self.law_a.cdf(x), self.law_b.cdf(x)
        return np.where((a < 0.5) & (b < 0.5), np.maximum(a, b), np.where((a > 0.5) & (b > 0.5), np.minimum(a, b), 0.5))

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        a, b = self.law_a.quantile(p), self.law_b.quantile(p)
        return np.where(p < 0.5, np.minimum(a, b), np.where(p > 0.5, np.maximum(a, b), (a + b) / 2))
