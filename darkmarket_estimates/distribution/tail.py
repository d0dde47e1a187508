r"""The tail rule: the few largest vendors are draws from a heavy tail whose mean is itself uncertain.

A bootstrap cannot draw a vendor larger than the largest one seen. Here the k largest exceed the next one, u, by a
generalised Pareto law (xi, sigma); the parameters have a posterior on a grid, and the number of such vendors per
market is Gamma(k, 1), the confidence distribution of a Poisson mean after k events (mid-way between its two ends).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.distribution.compound_poisson import compound_poisson
from darkmarket_estimates.distribution.law import GridLaw, Law

XI_MEAN, XI_SD, XI_RANGE = 0.45, 0.15, (-0.2, 0.95)
LOG_SIGMA_RANGE = (-2.5, 1.5)
N_BODY = 32
_GRID = 40


def tail_count(n: int) -> int:
    """Return the number of vendors in the tail: min(max(10, n/10), n/2), rounded down."""
    return int(min(max(10.0, n / 10), n / 2))


def tail(x: Any) -> Law:
    r"""Confidence distribution of the expected total by a generalised Pareto tail.

    .. math:: T = B + \Gamma_k \left(u + \frac{\sigma}{1 - \xi}\right), \quad
       P(T \le q) = \frac{1}{|b|} \sum_b \sum_{\xi, \sigma} w\, P\left(k, \frac{q - b}{u + \sigma / (1 - \xi)}\right)

    with P the regularised incomplete gamma function, b equal-weight nodes of the compound Poisson law of the other
    vendors, and w the posterior: prior xi ~ N(0.45, 0.15^2) on (-0.2, 0.95), flat in ln(sigma) on
    ln(mean excess) + [-2.5, 1.5].

    Parameters
    ----------
    x : array of shape (n_vendors,)
        Marks >= 0; zeros are dropped. One vendor alone has no tail: its compound Poisson law is returned.

    Returns
    -------
    Law
        Not centred at ``sum(x)``: a vendor that towers over the others is drawn towards them, so that the interval can
        lie below the point.

    References
    ----------
    Davison & Smith (1990), J. R. Stat. Soc. B 52, 393-442 (excesses over a threshold). The prior and k are this
    library's; `docs/coverage-of-intervals.md` shows where the rule holds and where it fails.

    Examples
    --------
    >>> tail([9.0, 5.0, 3.0, 2.0, 1.0, 1.0]).quantile([0.025, 0.5, 0.975]).round(1)
    array([  7. ,  25.7, 113.4])
    """
    marks = checks.float_array(x, "x", low=0)
    marks = np.sort(marks[marks > 0])[::-1]
    if len(marks) < 2:
        return compound_poisson(marks)
    unit = float(marks[0])
    marks = marks / unit
    k = tail_count(len(marks))
    sizes, weights = _mean_sizes(marks[:k] - marks[k], float(marks[k]))
    scores = np.linspace(-6.0, 6.0, 481)
    p = special.ndtr(scores)
    # The law of the tail's total, tabulated once: one incomplete gamma function a point and size.
    spans = special.gammaincinv(k, p)
    low, high = spans[0] * sizes[0], spans[-1] * sizes[-1]
    z = np.geomspace(low, high, 400)
    z = np.concatenate([[0.0], z])
    tail_cdf = special.gammainc(k, z[:, None] / sizes) @ weights
    tail_law = GridLaw.tabulated(z, tail_cdf)
    rest = compound_poisson(marks[k:], n_points=2**12)  # for 32 nodes
    body = np.asarray(rest.quantile((np.arange(N_BODY) + 0.5) / N_BODY))
    body = np.maximum(body + (rest.mean - body.mean()), 0.0)
    # Sums of like quantiles spread more than the sum of the two: points enough at both ends.
    points = np.concatenate([np.quantile(body, p) + tail_law.quantile(p), [body.max() + high]])
    points = np.concatenate([[body.min()], points[points > body.min()]])
    cumulative = np.mean([tail_law.cdf(points - b) for b in body], axis=0)
    return _rescaled(GridLaw.tabulated(points, cumulative), unit)


def _mean_sizes(excess: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean size of a tail vendor, u + sigma / (1 - xi), in increasing order, with posterior weights."""
    mean_excess = float(excess.mean())
    if mean_excess == 0:  # all equal
        return np.array([threshold]), np.ones(1)
    n = len(excess)
    excess, copies = _collect(excess)
    xi = np.linspace(*XI_RANGE, _GRID + 2)[1:-1]
    log_sigma = math.log(mean_excess) + np.linspace(*LOG_SIGMA_RANGE, _GRID)
    ratio = np.exp(-log_sigma)[:, None] * excess  # (sigma, vendor)
    inside = 1 + xi[:, None, None] * ratio
    with np.errstate(divide="ignore", invalid="ignore"):
        fit = np.log(inside) @ copies
    fit = np.where((inside > 0).all(axis=2), fit, np.inf)
    exponent = (1 + 1 / xi)[:, None] * fit
    log_posterior = np.where(np.isfinite(fit), -n * log_sigma - exponent, -np.inf)
    log_posterior -= ((xi - XI_MEAN) ** 2 / (2 * XI_SD**2))[:, None]
    weights = np.exp(log_posterior - log_posterior.max()).ravel()
    sizes = (threshold + np.exp(log_sigma) / (1 - xi)[:, None]).ravel()
    return _thin(sizes, weights / weights.sum())


def _collect(excess: np.ndarray, n_bins: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Thousands of excesses in bins of their square root, each at its mean."""
    if len(excess) <= n_bins:
        return excess, np.ones(len(excess))
    root = np.sqrt(excess / excess.max())
    bins = np.minimum((n_bins * root).astype(np.int64), n_bins - 1)
    copies = np.bincount(bins, minlength=n_bins).astype(np.float64)
    sums = np.bincount(bins, weights=excess, minlength=n_bins)
    used = copies > 0
    return sums[used] / copies[used], copies[used]


def _thin(sizes: np.ndarray, weights: np.ndarray, n: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Collect sizes in `n` bins on the log scale, each at its mean."""
    keep = weights > 1e-12
    sizes, weights = sizes[keep], weights[keep]
    log = np.log(sizes)
    bins = np.minimum((n * (log - log.min()) / max(float(np.ptp(log)), 1e-12)).astype(np.int64), n - 1)
    mass = np.bincount(bins, weights=weights, minlength=n)
    mean = np.bincount(bins, weights=weights * sizes, minlength=n)
    used = mass > 0
    return mean[used] / mass[used], mass[used] / mass.sum()


def _rescaled(law: GridLaw, unit: float) -> GridLaw:
    """Return the law in another unit."""
    return GridLaw(law.points * unit, law.cumulative, law.mean * unit, law.variance * unit * unit)

