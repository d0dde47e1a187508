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
from darkmarket_estimates.distribution.compound_poisson import compound_poisson
from darkmarket_estimates.distribution.law import BaseLaw, GridLaw, Hull, Law, LogNormalLaw, NormalLaw, PointLaw
from darkmarket_estimates.distribution.tail import tail
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
    >>> percentile([1.0, 2.0, 3.0]).mean
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
    law = compound_poisson(marks)
    if not isinstance(law, GridLaw):
        return law
    scaled = marks / np.abs(marks).max()
    return accelerated(law, float(marks.sum()), skewness(scaled) / 6)


def skewness(x: np.ndarray) -> float:
    """Return the skewness of a compound Poisson total: sum(x**3) / sum(x**2)**1.5, at most 1."""
    return float((x**3).sum() / (x @ x) ** 1.5)


def accelerated(law: GridLaw, point: float, acceleration: float) -> GridLaw:
    """Apply the map of `bca` to a bootstrap law whose point estimate is `point`."""
    z0 = float(special.ndtri(np.clip(law.cdf(point), _NEVER, 1 - _NEVER)))
    first, last = np.searchsorted(law.cumulative, [_NEVER, 1 - _NEVER])
    v = special.ndtri(law.cumulative[first:last]) - z0
    pole = 1 + acceleration * v
    # Beyond the pole the map would wrap around: there the answer is the end of the law.
    inner = np.where(pole > 0, special.ndtr(v / np.where(pole > 0, pole, 1.0) - z0), v > 0)
    mapped = np.concatenate([np.zeros(first), inner, np.ones(len(law.cumulative) - last)])
    return GridLaw.tabulated(law.points.copy(), mapped, error_bound=law.error_bound, lost_mass=law.lost_mass)


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
    if len(marks) == 0:
        return PointLaw(0.0)
    corrected = bca(marks)
    enough = moments.effective_number(marks) >= MANY_VENDORS and skewness(marks / marks.max()) <= NEARLY_SYMMETRIC
    return corrected if enough else Hull(corrected, tail(marks))


def of_totals(method: str, x: np.ndarray, start: np.ndarray) -> list[Law]:
    """Confidence distributions of many totals by one of the methods of this module."""
    law = {"bca-tail": default, "bca": bca, "tail": tail, "skew-corrected": skew_corrected, "compound-poisson": percentile}[
        method]
    return [law(part) for part in np.split(x, start[1:-1])]


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
