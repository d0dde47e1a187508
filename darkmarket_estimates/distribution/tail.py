r"""The tail rule: the few largest vendors are draws from a heavy tail whose mean is itself uncertain.

A bootstrap cannot draw a vendor larger than the largest one seen. Here the k largest exceed the next one, u, by a
generalised Pareto law (xi, sigma); the parameters have a posterior on a grid, and the number of such vendors per
market is Gamma(k, 1), the confidence distribution of a Poisson mean after k events (mid-way between its two ends).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy import interpolate, special

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.distribution.compound_poisson import compound_poisson, compound_poisson_totals
from darkmarket_estimates.distribution.law import GridLaw, Law, PointLaw

XI_MEAN, XI_SD, XI_RANGE = 0.45, 0.15, (-0.2, 0.95)
LOG_SIGMA_RANGE = (-2.5, 1.5)
N_BODY = 32
_GRID = 40
_N_SCORES, _N_TABLE, _N_KNOTS, _N_SIZES = 321, 512, 192, 48
#: So many of the largest vendors are taken one by one, and their factors are multiplied before their logarithm is taken.
_APART, _RUN = 400, 32
_AT_ONCE = 2**17


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
    marks = [np.sort(part)[::-1] for part in parts]
    counts = [tail_count(len(part)) if len(part) > 1 else 0 for part in marks]
    units = np.array([part[0] if k else 1.0 for part, k in zip(marks, counts, strict=True)])
    rests = [part[k:] / unit for part, k, unit in zip(marks, counts, units, strict=True)]
    start = np.cumsum([0, *(len(rest) for rest in rests)])
    bodies = compound_poisson_totals(np.concatenate([*rests, np.empty(0)]), start, n_points=2**12)  # for 32 nodes
    laws: list[Law] = [PointLaw(0.0)] * len(parts)
    for some, k in _alike(counts):
        if k:
            largest = np.array([marks[i][: k + 1] for i in some]) / units[some, None]
            for i, law in zip(some, _tails(largest, [bodies[i] for i in some], units[some]), strict=True):
                laws[i] = law
        else:
            for i in some:
                laws[i] = compound_poisson(marks[i])
    return laws


def _alike(counts: Sequence[int]) -> Iterator[tuple[list[int], int]]:
    """Totals with as many vendors in the tail, in portions that fit the memory."""
    portion = max(1, _AT_ONCE // (_N_SCORES * N_BODY))
    for k in np.unique(np.asarray(counts, dtype=np.int64)).tolist():
        alike = [i for i, count in enumerate(counts) if count == k]
        step = portion if k <= _APART else 1  # their bins differ
        for begin in range(0, len(alike), step):
            yield alike[begin : begin + step], k


def _tails(marks: np.ndarray, rests: Sequence[Law], unit: np.ndarray) -> list[GridLaw]:
    """Laws of bodies and tails: of the largest vendors, largest first, and the next one, a row a total in its own unit."""
    sizes, weights = _mean_sizes(marks[:, :-1] - marks[:, -1:], marks[:, -1])
    # The law of the tail's total, tabulated once, in logarithms: all sizes share one incomplete gamma function.
    log_z, tail_cdf = _table(marks.shape[1] - 1, np.log(sizes), weights)
    z = np.concatenate([np.zeros((len(marks), 1)), np.exp(log_z)], axis=1)
    nodes = (np.arange(N_BODY) + 0.5) / N_BODY
    body = np.array([np.asarray(rest.quantile(nodes)) for rest in rests])
    shift = np.array([rest.mean for rest in rests]) - body.mean(axis=1)
    body = np.maximum(body + shift[:, None], 0.0)
    # Sums of like quantiles spread more than the sum of the two: points enough at both ends.
    p = special.ndtr(np.linspace(-6.0, 6.0, _N_SCORES))
    points = np.empty((len(marks), _N_SCORES + 2))
    points[:, 1:-1] = np.quantile(body, p, axis=1).T
    points[:, 1:-1] += [np.interp(p, cdf, x) for cdf, x in zip(tail_cdf, z, strict=True)]
    points[:, 0], points[:, -1] = body[:, 0], body[:, -1] + z[:, -1]
    cumulative = _even_in_logarithms(tail_cdf, log_z, points[:, None, :] - body[:, :, None]).mean(axis=1)
    return [_rescaled(law, one) for law, one in zip(GridLaw.tabulated_rows(points, cumulative), unit.tolist(), strict=True)]


def _table(k: int, log_sizes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of totals of the tail, evenly spaced, and the distribution function at 0 and there.

    It is computed at some of them, a few to a standard deviation, and in between by a cubic spline, whose error is
    nothing beside that of the straight lines through the table.
    """
    log_gamma, lines = _gamma(k)
    low, high = log_gamma[0] + log_sizes.min(axis=1), log_gamma[-1] + log_sizes.max(axis=1)
    knots = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, _N_KNOTS)
    per_cell = (len(log_gamma) - 1) / (log_gamma[-1] - log_gamma[0])
    place = ((knots - log_gamma[0]) * per_cell)[:, :, None] - (log_sizes * per_cell)[:, None, :]
    at_knots = (_along(lines, place) @ weights[:, :, None])[:, :, 0]
    cdf = np.zeros((len(knots), _N_TABLE + 1))
    np.clip(at_knots @ _between_knots(), 0.0, 1.0, out=cdf[:, 1:])
    np.maximum.accumulate(cdf, axis=1, out=cdf)
    cdf[:, -1] = 1.0
    return low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, _N_TABLE), cdf


@functools.lru_cache(maxsize=1)
def _between_knots() -> np.ndarray:
    """Matrix that takes values at the knots to those of their spline at the points of the table."""
    knots = np.linspace(0.0, 1.0, _N_KNOTS)
    return np.ascontiguousarray(interpolate.CubicSpline(knots, np.eye(_N_KNOTS))(np.linspace(0.0, 1.0, _N_TABLE)).T)


def _along(lines: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Values of a function that is 0 below 0 and a line from each whole number to the next, 1 beyond the last; uses up `x`."""
    cell = np.clip(x + 1, 0, lines.shape[1] - 1).astype(np.int64)
    x *= lines[1][cell]
    x += lines[0][cell]
    return x


def _lines(points: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Where the lines between these heights meet 0, and their slopes; with those of 0 below and 1 above, shape (2, ...)."""
    slope = np.diff(heights) / np.diff(points)
    zero, one = np.zeros((*slope.shape[:-1], 1)), np.ones((*slope.shape[:-1], 1))
    return np.stack([np.concatenate([zero, heights[..., :-1] - slope * points[..., :-1], one], axis=-1),
                     np.concatenate([zero, slope, zero], axis=-1)])


def _even_in_logarithms(cdf: np.ndarray, log_z: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Distribution functions on 0 and points that are even in logarithms: a cell is computed, not searched.

    Each row has a table of x.
    """
    lines = _lines(np.concatenate([np.zeros((len(log_z), 1)), np.exp(log_z)], axis=1), cdf)
    n = lines.shape[2]
    first, step = log_z[:, 0, None, None], ((log_z[:, -1] - log_z[:, 0]) / (log_z.shape[1] - 1))[:, None, None]
    place = np.maximum(x, np.exp(first - step / 2))  # the first cell reaches down to 0
    np.log(place, out=place)
    place -= first - 2 * step
    place /= step
    cell = np.clip(place, 1, n - 1, out=place).astype(np.int64)
    cell += (np.arange(len(cdf)) * n)[:, None, None]
    out = lines[1].ravel()[cell]
    out *= x
    out += lines[0].ravel()[cell]
    return np.clip(out, 0.0, 1.0, out=out)


@functools.lru_cache(maxsize=256)
def _gamma(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Even grid of ln Gamma(k, 1) between its normal scores -6 and 6, and the lines of its distribution function by cell."""
    low, high = special.gammaincinv(k, special.ndtr([-6.0, 6.0]))
    log = np.linspace(math.log(low), math.log(high), 2**13)
    return log, _lines(np.arange(2.0**13), special.gammainc(k, np.exp(log)))


def _mean_sizes(excess: np.ndarray, threshold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean size of a tail vendor, u + sigma / (1 - xi), and posterior weights, of the excesses in each row."""
    mean_excess = excess.mean(axis=1)
    equal = mean_excess == 0
    n = excess.shape[1]
    xi = np.linspace(*XI_RANGE, _GRID + 2)[1:-1][:, None]
    log_sigma = np.log(np.where(equal, 1.0, mean_excess))[:, None] + np.linspace(*LOG_SIGMA_RANGE, _GRID)
    sigma = np.exp(log_sigma)[:, None, :]
    fit = _fit(excess, xi / sigma)
    log_posterior = -n * log_sigma[:, None, :] - (1 + 1 / xi) * fit - (xi - XI_MEAN) ** 2 / (2 * XI_SD**2)
    log_posterior = np.where(np.isfinite(fit), log_posterior, -np.inf).reshape(len(excess), -1)
    weights = np.exp(log_posterior - log_posterior.max(axis=1, keepdims=True))
    sizes = (threshold[:, None, None] + sigma / (1 - xi)).reshape(weights.shape)
    sizes[equal] = threshold[equal, None]
    return _thin(sizes, weights / weights.sum(axis=1, keepdims=True))


def _fit(excess: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Sum of ln(1 + slope x excess) over the excesses of each row, at every slope; infinite where a term has no logarithm."""
    possible = 1 + slope * excess.max(axis=1)[:, None, None] > 0
    slope = np.where(possible, slope, 0.0)
    out = np.zeros(slope.shape)
    if excess.shape[1] <= _APART:
        for begin in range(0, excess.shape[1], _RUN):
            product = np.ones(slope.shape)
            for x in excess[:, begin : begin + _RUN].T:
                product *= 1 + slope * x[:, None, None]
            out += np.log(np.maximum(product, 1e-300))
    else:
        for x, copies in zip(*_collect(excess[0]), strict=True):
            out += copies * np.log1p(slope * x)
    return np.where(possible, out, np.inf)


def _collect(excess: np.ndarray, n_bins: int = _APART) -> tuple[np.ndarray, np.ndarray]:
    """Thousands of excesses in bins of their square root, each at its mean."""
    root = np.sqrt(excess / excess.max())
    bins = np.minimum((n_bins * root).astype(np.int64), n_bins - 1)
    copies = np.bincount(bins, minlength=n_bins).astype(np.float64)
    sums = np.bincount(bins, weights=excess, minlength=n_bins)
    used = copies > 0
    return sums[used] / copies[used], copies[used]


def _thin(sizes: np.ndarray, weights: np.ndarray, n: int = _N_SIZES) -> tuple[np.ndarray, np.ndarray]:
    """Collect the sizes of each row in `n` bins on the log scale, each at its mean; a bin without weight is that of another."""
    kept = np.where(weights > 1e-12, weights, 0.0)
    log = np.log(sizes)
    low = np.where(kept > 0, log, np.inf).min(axis=1, keepdims=True)
    high = np.where(kept > 0, log, -np.inf).max(axis=1, keepdims=True)
    bins = np.clip(n * (log - low) / np.maximum(high - low, 1e-12), 0, n - 1).astype(np.int64)
    bins += n * np.arange(len(sizes))[:, None]
    mass = np.bincount(bins.ravel(), kept.ravel(), n * len(sizes)).reshape(-1, n)
    sums = np.bincount(bins.ravel(), (kept * sizes).ravel(), n * len(sizes)).reshape(-1, n)
    used = mass > 0  # as the first always is: it has the smallest size
    return (np.where(used, sums, sums[:, :1]) / np.where(used, mass, mass[:, :1]),
            mass / mass.sum(axis=1, keepdims=True))


def _rescaled(law: GridLaw, unit: float) -> GridLaw:
    """Return the law in another unit."""
    return GridLaw(law.points * unit, law.cumulative, law.mean * unit, law.variance * unit * unit)
