r"""The tail rule: the few largest vendors are draws from a heavy tail whose mean is itself uncertain.

A bootstrap cannot draw a vendor larger than the largest one seen. Here the k largest exceed the next one, u, by a
generalised Pareto law (xi, sigma); the parameters have a posterior on a grid, and the number of such vendors per
market is Gamma(k, 1), the confidence distribution of a Poisson mean after k events (mid-way between its two ends).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.distribution.compound_poisson import compound_poisson, compound_poisson_totals
from darkmarket_estimates.distribution.law import GridLaw, Law

XI_MEAN, XI_SD, XI_RANGE = 0.45, 0.15, (-0.2, 0.95)
LOG_SIGMA_RANGE = (-2.5, 1.5)
N_BODY = 32
_GRID = 40
_N_SCORES, _N_TABLE = 321, 512


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
    return tail_totals([marks[marks > 0]])[0]


def tail_totals(parts: Sequence[np.ndarray]) -> list[Law]:
    """Laws of many totals, whose marks > 0 are given, in one pass; `tail` is that of one."""
    laws: list[Law] = []
    marks = [np.sort(part)[::-1] for part in parts]
    counts = [tail_count(len(part)) if len(part) > 1 else 0 for part in marks]
    units = [float(part[0]) if k else 1.0 for part, k in zip(marks, counts, strict=True)]
    rests = [part[k:] / unit for part, k, unit in zip(marks, counts, units, strict=True)]
    start = np.cumsum([0, *(len(rest) for rest in rests)])
    bodies = compound_poisson_totals(np.concatenate([*rests, np.empty(0)]), start, n_points=2**12)  # for 32 nodes
    for part, k, unit, body in zip(marks, counts, units, bodies, strict=True):
        laws.append(_tail(part / unit, k, body, unit) if k else compound_poisson(part))
    return laws


def _tail(marks: np.ndarray, k: int, rest: Law, unit: float) -> Law:
    """Law of the body and the k largest of the sorted marks, which are in units of the largest."""
    sizes, weights = _mean_sizes(marks[:k] - marks[k], float(marks[k]))
    p = special.ndtr(np.linspace(-6.0, 6.0, _N_SCORES))
    # The law of the tail's total, tabulated once, in logarithms: all sizes share one incomplete gamma function.
    log_gamma, gamma_cdf = _gamma(k)
    log_z = np.linspace(log_gamma[0] + math.log(sizes[0]), log_gamma[-1] + math.log(sizes[-1]), _N_TABLE)
    tail_cdf = _on_even_grid(log_gamma, gamma_cdf, log_z[:, None] - np.log(sizes)) @ weights
    tail_law = GridLaw.tabulated(np.concatenate([[0.0], np.exp(log_z)]), np.concatenate([[0.0], tail_cdf]))
    body = np.asarray(rest.quantile((np.arange(N_BODY) + 0.5) / N_BODY))
    body = np.maximum(body + (rest.mean - body.mean()), 0.0)
    # Sums of like quantiles spread more than the sum of the two: points enough at both ends.
    points = np.concatenate([np.quantile(body, p) + tail_law.quantile(p), [body.max() + tail_law.points[-1]]])
    points = np.concatenate([[body.min()], points[points > body.min()]])
    cumulative = _even_in_logarithms(tail_law, log_z, points - body[:, None]).mean(axis=0)
    return _rescaled(GridLaw.tabulated(points, cumulative), unit)


def _on_even_grid(points: np.ndarray, heights: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Linear between evenly spaced points, 0 below and 1 above them: a cell is computed, not searched."""
    last = len(points) - 1
    place = (x - points[0]) * (last / (points[-1] - points[0]))
    cell = np.clip(place, 0, last - 1).astype(np.int64)
    inside = heights[cell] + (place - cell) * np.diff(heights)[cell]
    return np.where(place < 0, 0.0, np.where(place > last, 1.0, inside))


def _even_in_logarithms(law: GridLaw, log_z: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Distribution function of a law on 0 and a grid that is even in logarithms, likewise."""
    inside = (x > 0) & (x < law.points[-1])
    step = (log_z[-1] - log_z[0]) / (len(log_z) - 1)
    log = np.log(x, out=np.full(x.shape, log_z[0]), where=inside)
    cell = np.clip((log - (log_z[0] - step)) / step, 0, len(log_z) - 1).astype(np.int64)
    slope = np.diff(law.cumulative) / np.diff(law.points)
    return np.where(inside, law.cumulative[cell] + slope[cell] * (x - law.points[cell]), x > 0)


@functools.lru_cache(maxsize=256)
def _gamma(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Distribution function of Gamma(k, 1) on a fine grid of the logarithm, between its normal scores -6 and 6."""
    low, high = special.gammaincinv(k, special.ndtr([-6.0, 6.0]))
    log = np.linspace(math.log(low), math.log(high), 2**13)
    return log, special.gammainc(k, np.exp(log))


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

