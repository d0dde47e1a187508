"""Laws of one number: mean, variance, distribution function and quantiles. Combined laws are found here too."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.distribution.base import BaseLaw, Law
from darkmarket_estimates.distribution.combined import Hull, Mixture, ScaledMixture, Shifted
from darkmarket_estimates.errors import DataError

_NOTHING = 1e-30  # numbers near the smallest float are a hundred times slower

__all__ = ["BaseLaw", "GridLaw", "Hull", "Law", "LogNormalLaw", "Mixture", "NormalLaw", "PointLaw", "ScaledMixture",
           "Shifted"]


@dataclass(frozen=True, slots=True, eq=False)
class PointLaw(BaseLaw):
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
class NormalLaw(BaseLaw):
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
        deviation = checks.number(self.standard_deviation, "standard_deviation", low=0)
        object.__setattr__(self, "standard_deviation", deviation)

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
class LogNormalLaw(BaseLaw):
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
class GridLaw(BaseLaw):
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
        How far a quantile may lie from the exact one because of the grid, in the unit of the points: a bound for a law
        with atoms, an estimate from its curvature for a smooth one.
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
        return cls.tabulated_rows(points[None], cumulative[None], **keywords)[0]

    @classmethod
    def tabulated_rows(cls, points: np.ndarray, cumulative: np.ndarray, **keywords: float) -> list[GridLaw]:
        """Such laws of many grids of one length, a row each."""
        cumulative = np.maximum.accumulate(np.clip(cumulative, 0.0, 1.0), axis=1)
        cumulative[cumulative < _NOTHING] = 0.0
        cumulative[:, 0], cumulative[:, -1] = 0.0, 1.0
        mass, left, right = np.diff(cumulative, axis=1), points[:, :-1], points[:, 1:]
        # sums, not products of the algebra library: its threads cost more than such short vectors
        mean = (mass * (left + right)).sum(axis=1) / 2
        low, high = left - mean[:, None], right - mean[:, None]
        variance = (mass * (low**2 + low * high + high**2)).sum(axis=1) / 3
        return [cls(x, f, float(m), float(v), **keywords)
                for x, f, m, v in zip(points, cumulative, mean, variance, strict=True)]

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
