"""Medians of groups of coded rows."""

from __future__ import annotations

import numpy as np

from darkmarket_estimates.assumptions import HoldingPrice


def grouped_median(values: np.ndarray, group: np.ndarray, use: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Median over the rows in use of each of `n` groups (NaN without one), and the number of those rows."""
    v, g = values[use], group[use]
    order = np.argsort(v)
    place = g[order] * np.int64(len(v)) + np.arange(len(v))  # by group and rank: one sort of whole numbers
    place.sort()
    v = v[order][place % len(v)]
    count = np.bincount(g, minlength=n)
    start = np.cumsum(count) - count
    median = np.full(n, np.nan)
    some = count > 0
    low, high = start[some] + (count[some] - 1) // 2, start[some] + count[some] // 2
    median[some] = v[low] + (v[high] - v[low]) / 2  # neither huge prices overflow nor do the least ones vanish
    return median, count


def reached(rule: HoldingPrice, price: np.ndarray, listing: np.ndarray, use: np.ndarray, n: int) -> np.ndarray:
    """Which of `n` listings a multiple of the median over the rows in use can touch: few, and only they need one.

    A multiple U of the median m can refuse a price only where max > U min, for m >= min; the same below.
    """
    p, g = price[use], listing[use]
    top, least = np.full(n, -np.inf), np.full(n, np.inf)
    np.maximum.at(top, g, p)
    np.minimum.at(least, g, p)
    found = np.zeros(n, dtype=bool)
    with np.errstate(over="ignore"):
        if rule.upper_multiple is not None:
            found |= top > rule.upper_multiple * least
        if rule.lower_multiple is not None:
            found |= least < rule.lower_multiple * top
    return found & (np.bincount(g, minlength=n) >= rule.min_observations)
