"""Scores of forecasts against what came true, smaller is better; and how often intervals hold the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from darkmarket_estimates import _checks as check
from darkmarket_estimates.distribution.law import Law
from darkmarket_estimates.errors import DataError

__all__ = ["Coverage", "coverage", "crps", "interval_score", "quantile_score", "weighted_interval_score"]

#: Gauss-Legendre nodes on (0, 1), crowded towards both ends by p = u^4 (35 - 84 u + 70 u^2 - 20 u^3).
_U, _W = np.polynomial.legendre.leggauss(64)
_U, _W = (_U + 1) / 2, _W / 2
_NODES = _U**4 * (35 - 84 * _U + 70 * _U**2 - 20 * _U**3)
_WEIGHTS = _W * 140 * _U**3 * (1 - _U) ** 3


def interval_score(truth: Any, low: Any, high: Any, confidence_level: float = 0.95) -> Any:
    r"""Interval score: the width, and a fine of 2 / alpha times the distance by which the truth was missed.

    .. math:: (u - l) + \frac{2}{\alpha} (l - y)_+ + \frac{2}{\alpha} (y - u)_+, \quad \alpha = 1 - level

    Parameters
    ----------
    truth, low, high : array of shape (...)
        Broadcast against each other; in one unit, which is that of the score.
    confidence_level : float

    Returns
    -------
    array of shape (...), or float

    References
    ----------
    Gneiting and Raftery (2007), J. Am. Stat. Assoc. 102, 359-378, eq. 43.

    Examples
    --------
    >>> interval_score([5.0, 12.0], 0.0, 10.0, confidence_level=0.8)
    array([10., 30.])
    """
    y, (lower, upper) = _truths(truth), _ends(low, high)
    _fit(truth=y, low=lower, high=upper)
    fine = 2 / (1 - check.confidence_level(confidence_level))
    return _plain((upper - lower) + fine * (np.maximum(lower - y, 0) + np.maximum(y - upper, 0)))


def quantile_score(truth: Any, quantile: Any, p: Any) -> Any:
    r"""Pinball loss of a quantile at level p: :math:`(1\{y < q\} - p)(q - y)`.

    Parameters
    ----------
    truth, quantile, p : array of shape (...)
        Broadcast against each other.

    Returns
    -------
    array of shape (...), or float

    Examples
    --------
    >>> quantile_score(10.0, 6.0, 0.75)
    3.0
    """
    y, q, level = _truths(truth), check.not_nan(quantile, "quantile"), check.probabilities(p)
    _fit(truth=y, quantile=q, p=level)
    return _plain(((y < q) - level) * (q - y))


def weighted_interval_score(truth: Any, median: Any, low: Any, high: Any, confidence_levels: Any) -> Any:
    r"""Weighted interval score of a median and K central intervals.

    .. math:: \frac{1}{K + 1/2} \left(\frac{|y - m|}{2} + \sum_k \frac{\alpha_k}{2} IS_{\alpha_k}\right)

    It tends to the CRPS when the levels, evenly spaced, become dense.

    Parameters
    ----------
    truth, median : array of shape (...)
    low, high : array of shape (..., K)
    confidence_levels : array of shape (K,)

    Returns
    -------
    array of shape (...), or float

    References
    ----------
    Bracher, Ray, Gneiting and Reich (2021), PLoS Comput. Biol. 17, e1008618, eq. 1.

    Examples
    --------
    >>> weighted_interval_score(12.0, 6.0, [0.0, 4.0], [10.0, 8.0], [0.8, 0.5])
    4.4
    """
    y, m = _truths(truth), check.not_nan(median, "median")
    lower, upper = _ends(low, high)
    levels = check.float_array(confidence_levels, "confidence_levels")
    if lower.shape != upper.shape or lower.shape[-1:] != levels.shape or levels.size == 0:
        raise DataError("the intervals do not fit their levels", expected=f"(..., {levels.size}) ends, at least one",
                        got=f"{lower.shape} and {upper.shape}")
    _fit(truth=y, median=m, intervals=lower[..., 0])
    alpha = np.array([1 - check.confidence_level(float(level)) for level in levels])
    at = y[..., np.newaxis]
    missed = np.maximum(lower - at, 0) + np.maximum(at - upper, 0)
    return _plain((np.abs(y - m) / 2 + (upper - lower) @ (alpha / 2) + missed.sum(axis=-1)) / (levels.size + 0.5))


def crps(truth: float, law: Law) -> float:
    r"""Continuous ranked probability score of a law: twice its quantile score over all levels.

    .. math:: 2 \int_0^1 (1\{y < q_p\} - p)(q_p - y) \, dp

    64 Gauss nodes on either side of P(X <= y), crowded towards the ends, where quantiles run away. Where a law has large
    steps, as that of a handful of vendors, the score is off by up to 1 %.

    Parameters
    ----------
    truth : float
    law : Law
        Anything with `cdf` and `quantile`.

    Returns
    -------
    float
        In the unit of the truth; the absolute error where the law is a point.

    References
    ----------
    Gneiting and Raftery (2007), J. Am. Stat. Assoc. 102, 359-378; Laio and Tamea (2007), Hydrol. Earth Syst. Sci. 11,
    1267-1277.

    Examples
    --------
    >>> from darkmarket_estimates.distribution.law import NormalLaw
    >>> round(crps(3.0, NormalLaw(1.0, 2.0)), 6)
    1.204883
    """
    y = check.number(truth, "truth")
    if isinstance(law, type) or not (hasattr(law, "cdf") and hasattr(law, "quantile")):
        raise DataError("this is no law", expected="an object with cdf() and quantile(), such as est.law",
                        got=type(law).__name__)
    below = float(law.cdf(y))
    total = 0.0
    for start, end in ((0.0, below), (below, 1.0)):
        p = start + (end - start) * _NODES
        inside = (p > 0) & (p < 1)
        scores = quantile_score(y, law.quantile(p[inside]), p[inside])
        total += (end - start) * float(np.dot(_WEIGHTS[inside], scores))
    return 2 * total


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How often intervals hold the truth.

    Attributes
    ----------
    n : int
        Intervals judged.
    share, standard_error : float
        Share that holds the truth, and its Monte Carlo error (half a hit and half a miss added, so that it is never 0).
    truth_below, truth_above : float
        Share with the truth under the low end, and over the high end.
    """

    n: int
    share: float
    standard_error: float
    truth_below: float
    truth_above: float


def coverage(truth: Any, low: Any, high: Any) -> Coverage:
    """Return how often [low, high] holds the truth; an end may be infinite.

    Parameters
    ----------
    truth, low, high : array of shape (n,)

    Examples
    --------
    >>> coverage([1.0, 5.0, 9.0, 9.0], [0.0, 6.0, 2.0, 2.0], [4.0, 8.0, 7.0, 9.0])
    Coverage(n=4, share=0.5, standard_error=0.25, truth_below=0.25, truth_above=0.25)
    """
    y, lower, upper = _truths(truth), check.not_nan(low, "low"), check.not_nan(high, "high")
    for name, x in (("truth", y), ("low", lower), ("high", upper)):
        if x.ndim != 1:
            raise DataError(f"{name} has the wrong shape", expected="one dimension", got=f"shape {x.shape}")
    n = check.same_length(truth=y, low=lower, high=upper)
    if n == 0:
        raise DataError("there is nothing to judge", expected="at least one interval", got="0 intervals")
    below, above = float((y < lower).mean()), float((y > upper).mean())
    share = 1 - below - above
    smoothed = (share * n + 0.5) / (n + 1)
    return Coverage(n=n, share=share, standard_error=math.sqrt(smoothed * (1 - smoothed) / n), truth_below=below,
                    truth_above=above)


def _ends(low: Any, high: Any) -> tuple[np.ndarray, np.ndarray]:
    """Ends of intervals, not swapped."""
    lower, upper = check.not_nan(low, "low"), check.not_nan(high, "high")
    _fit(low=lower, high=upper)
    if swapped := int(np.count_nonzero(lower > upper)):
        raise DataError("the ends of an interval are swapped", expected="low <= high", got=f"{swapped} swapped")
    return lower, upper


def _truths(x: Any) -> np.ndarray:
    """What came true: finite numbers."""
    y = check.not_nan(x, "truth")
    if np.isinf(y).any():
        raise DataError("what came true is not finite", expected="finite numbers", got="an infinite truth")
    return y


def _fit(**arrays: np.ndarray) -> None:
    """Refuse shapes that do not broadcast."""
    try:
        np.broadcast_shapes(*(a.shape for a in arrays.values()))
    except ValueError as error:
        raise DataError("the arrays do not fit together", expected="shapes that broadcast",
                        got=", ".join(f"{name} {a.shape}" for name, a in arrays.items())) from error


def _plain(x: Any) -> Any:
    """A float for a scalar."""
    return float(x) if np.ndim(x) == 0 else x
