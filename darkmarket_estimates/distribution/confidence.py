r"""Confidence distributions of the expected total, from vendor marks alone and without random numbers.

A confidence distribution C has ``C^-1(p)`` as its one-sided limit at level p, so laws from here can be mixed over
uncertain factors. Marks are ``x = y / share``: they carry the spread between vendors already.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.distribution import moments
from darkmarket_estimates.distribution.compound_poisson import compound_poisson, compound_poisson_totals
from darkmarket_estimates.distribution.law import BaseLaw, GridLaw, Hull, Law, LogNormalLaw, NormalLaw, PointLaw
from darkmarket_estimates.distribution.tail import tail, tail_totals
from darkmarket_estimates.errors import DataError

__all__ = ["MANY_VENDORS", "HallLaw", "bca", "default", "delta", "lognormal", "percentile", "resampled",
           "skew_corrected", "tail"]

_NEVER = 1e-12  # probabilities nearer to 0 or 1 are rounding of the Fourier transform
MANY_VENDORS, NEARLY_SYMMETRIC = 300, 0.1  # effective vendors, and skewness of the total, at which BCa alone suffices


def _marks(x: Any) -> np.ndarray:
    marks = checks.float_array(x, "x", low=0)
    return marks[marks > 0]


def percentile(x: Any) -> Law:
    """Return the compound Poisson law itself, the exact Poisson-bootstrap percentile distribution.

    Covers 0.69 to 0.90 at 95 % where a few vendors carry the total; see `default`.

    Examples
    --------
    >>> round(percentile([1.0, 2.0, 3.0]).mean, 12)
    6.0
    """
    return compound_poisson(_marks(x))


def bca(x: Any) -> Law:
    r"""Bias-corrected and accelerated: the compound Poisson law, corrected for median bias and skewness.

    .. math:: C(q) = \Phi\left(\frac{w - z_0}{1 + a (w - z_0)} - z_0\right), \quad w = \Phi^{-1}(F(q)), \quad
       z_0 = \Phi^{-1}(F(T)), \quad a = \frac{\sum x^3}{6 (\sum x^2)^{3/2}}

    `a` is at most 1/6, so the pole of the map lies at a normal score of 6 or more. Signed marks (linear forms) are
    allowed.

    References
    ----------
    Efron (1987), J. Am. Stat. Assoc. 82, 171-185.

    Examples
    --------
    >>> law = bca([5.0, 3.0, 2.0, 1.0, 1.0, 1.0])
    >>> law.quantile([0.025, 0.5, 0.975]).round(1)
    array([ 5., 14., 34.])
    """
    marks = checks.float_array(x, "x")
    return _bca(marks, compound_poisson(marks))


def _bca(marks: np.ndarray, law: Law) -> Law:
    """The map on the compound Poisson law of the marks."""
    if not isinstance(law, GridLaw):
        return law
    scaled = marks / np.abs(marks).max()
    z0 = float(special.ndtri(np.clip(law.cdf(float(marks.sum())), _NEVER, 1 - _NEVER)))
    return AcceleratedLaw(law, z0, skewness(scaled) / 6)


@dataclass(frozen=True, slots=True, eq=False)
class AcceleratedLaw(BaseLaw):
    """A bootstrap law under the map of `bca`, with bias `z0` and `acceleration`."""

    law: GridLaw
    z0: float
    acceleration: float

    @property
    def tabulated(self) -> GridLaw:
        """The same on the grid of the bootstrap law."""
        return _accelerated(self.law, self.z0, self.acceleration)

    @property
    def mean(self) -> float:
        """Mean of the mapped law."""
        return self.tabulated.mean

    @property
    def variance(self) -> float:
        """Variance of the mapped law."""
        return self.tabulated.variance

    @property
    def is_known(self) -> bool:
        """A bootstrap law on a grid has a width."""
        return False

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return _mapped(self.law._cdf(x), self.z0, self.acceleration)

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        score = special.ndtri(p) + self.z0
        pole = 1 - self.acceleration * score
        with np.errstate(invalid="ignore"):
            level = special.ndtr(np.where(pole > 0, score / np.where(pole > 0, pole, 1.0), np.inf * score) + self.z0)
        return self.law._quantile(np.where(p == 0, 0.0, np.where(p == 1, 1.0, level)))


def tabulated(law: Law) -> Law:
    """The same law on its grid, where it will be asked for many values."""
    if isinstance(law, Hull):
        return Hull(tabulated(law.law_a), tabulated(law.law_b))
    return law.tabulated if isinstance(law, AcceleratedLaw) else law


def skewness(x: np.ndarray) -> float:
    """Return the skewness of a compound Poisson total: sum(x**3) / sum(x**2)**1.5, at most 1."""
    return float((x * x * x).sum() / moments.sum_product(x, x) ** 1.5)


def accelerated(law: GridLaw, point: float, acceleration: float) -> GridLaw:
    """Apply the map of `bca` to a bootstrap law whose point estimate is `point`, on the law's own grid."""
    return _accelerated(law, float(special.ndtri(np.clip(law.cdf(point), _NEVER, 1 - _NEVER))), acceleration)


def _accelerated(law: GridLaw, z0: float, acceleration: float) -> GridLaw:
    return GridLaw.tabulated(law.points.copy(), _mapped(law.cumulative, z0, acceleration), error_bound=law.error_bound,
                             lost_mass=law.lost_mass)


def _mapped(level: np.ndarray, z0: float, acceleration: float) -> np.ndarray:
    """Phi((w - z0) / (1 + a (w - z0)) - z0) with w the normal score of the level; 0 and 1 beside the rounding."""
    v = special.ndtri(np.clip(level, _NEVER, 1 - _NEVER)) - z0
    pole = 1 + acceleration * v
    # Beyond the pole the map would wrap around: there the answer is the end of the law.
    inner = np.where(pole > 0, special.ndtr(v / np.where(pole > 0, pole, 1.0) - z0), v > 0)
    return np.where(level < _NEVER, 0.0, np.where(level > 1 - _NEVER, 1.0, inner))


@dataclass(frozen=True, slots=True, eq=False)
class HallLaw(BaseLaw):
    """Hall's transformation of a skewed total, ends clipped at 0: see `skew_corrected`."""

    mean: float
    standard_error: float
    skewness: float

    @property
    def variance(self) -> float:
        """Square of the standard error."""
        return self.standard_error**2

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        g, u = self.skewness, (self.mean - x) / self.standard_error
        score = g / 6 + u + g * u**2 / 3 + g**2 * u**3 / 27
        return np.where(x < 0, 0.0, special.ndtr(-score))

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        g = self.skewness
        h = 3 / g * (np.cbrt(1 - g * (special.ndtri(p) + g / 6)) - 1)
        return np.maximum(self.mean - self.standard_error * h, 0.0)


def skew_corrected(x: Any) -> Law:
    r"""Hall's skewness-corrected limits, clipped at 0.

    .. math:: C^{-1}(p) = T - s\, h(z_{1-p}), \quad h(x) = \frac{3}{g} \left(\sqrt[3]{1 + g (x - g/6)} - 1\right),
       \quad s = \sqrt{\sum x^2}, \quad g = \sum x^3 / s^3

    References
    ----------
    Hall (1992), J. R. Stat. Soc. B 54, 221-228.

    Examples
    --------
    >>> skew_corrected([5.0, 3.0, 2.0, 1.0, 1.0, 1.0]).quantile([0.025, 0.975]).round(2)
    array([ 3.99, 64.21])
    """
    marks = _marks(x)
    if len(marks) == 0:
        return PointLaw(0.0)
    peak = marks.max()
    scaled = marks / peak
    error = math.sqrt(moments.expected_variance(scaled))
    return HallLaw(float(marks.sum()), float(error * peak), skewness(scaled))


def delta(x: Any) -> Law:
    """Return the normal law with variance ``sum(x**2)``; its low end can lie below 0.

    Examples
    --------
    >>> round(delta([3.0, 4.0]).quantile(0.975), 4)
    16.7998
    """
    marks = _marks(x)
    return NormalLaw(float(marks.sum()), math.sqrt(moments.expected_variance(marks)))


def lognormal(x: Any) -> Law:
    """Return the log-normal law with mean ``sum(x)`` and variance ``sum(x**2)`` (of the total, not of vendor sizes)."""
    marks = _marks(x)
    if len(marks) == 0:
        return PointLaw(0.0)
    total = float(marks.sum())
    return LogNormalLaw(total, math.sqrt(moments.expected_variance(marks / total)))


def default(x: Any) -> Law:
    """BCa where many vendors share a nearly symmetric total, else the hull of BCa and the tail rule.

    Many are 300 effective vendors, ``sum(x)**2 / sum(x**2)``; nearly symmetric is a skewness
    ``sum(x**3) / sum(x**2)**1.5`` of at most 0.1. The number alone is not enough: 2,000 vendors of a law without a
    variance often have 300 effective ones, and BCa then covers 0.90 to 0.92 (`docs/coverage-of-intervals.md`).

    Examples
    --------
    >>> type(default([5.0, 3.0, 2.0, 1.0, 1.0, 1.0])).__name__
    'Hull'
    """
    marks = _marks(x)
    return of_totals("bca-tail", marks, np.array([0, len(marks)]))[0]


def _many(marks: np.ndarray) -> bool:
    """Whether many vendors share a nearly symmetric total."""
    return moments.effective_number(marks) >= MANY_VENDORS and skewness(marks / marks.max()) <= NEARLY_SYMMETRIC


def of_totals(method: str, x: np.ndarray, start: np.ndarray) -> list[Law]:
    """Confidence distributions of many totals by the method of that name, in one pass.

    Parameters
    ----------
    method : {"bca-tail", "bca", "compound-poisson", "tail", "skew-corrected"}
    x : array of shape (n_vendors,)
        Marks >= 0, total by total.
    start : int array of shape (n_totals + 1,)
        Where the marks of each total begin.
    """
    keep = x > 0
    x, start = x[keep], np.concatenate([[0], np.cumsum(keep)])[start]
    parts = np.split(x, start[1:-1])
    if method == "tail":
        return tail_totals(parts)
    if method == "skew-corrected":
        return [skew_corrected(part) for part in parts]
    laws = compound_poisson_totals(x, start)
    if method == "compound-poisson":
        return laws
    corrected = [_bca(part, law) for part, law in zip(parts, laws, strict=True)]
    if method == "bca":
        return corrected
    few = [i for i, part in enumerate(parts) if len(part) and not _many(part)]
    for i, law in zip(few, tail_totals([parts[i] for i in few]), strict=True):
        corrected[i] = Hull(corrected[i], law)
    return corrected


def resampled(x: Any, weights: Any) -> Law:
    """Percentile distribution of resampled totals, one a row of vendor weights.

    Parameters
    ----------
    x : array of shape (n_vendors,)
    weights : array of shape (n_resamples, n_vendors), or an iterable of such blocks
        As made by `darkmarket_estimates.distribution.resampling.poisson_weights`.

    Examples
    --------
    >>> resampled([1.0, 2.0], np.array([[1, 0], [0, 1], [1, 1]])).quantile(0.5)
    2.0
    """
    marks = checks.float_array(x, "x")
    blocks = [weights] if isinstance(weights, np.ndarray) else weights
    totals = []
    for block in blocks:
        if block.ndim != 2 or block.shape[1] != len(marks):
            raise DataError("weights do not fit the marks", expected=f"(n_resamples, {len(marks)})",
                            got=str(block.shape))
        totals.append(block @ marks)
    if not sum(map(len, totals)):
        raise DataError("there is no resample", expected="at least one row of weights", got="none")
    return GridLaw.from_sample(np.concatenate(totals))
