"""Medians of groups of coded rows."""

from __future__ import annotations

import numpy as np


def grouped_median(values: np.ndarray, group: np.ndarray, use: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Median over the rows in use of each of `n` groups (NaN without one), and the number of those rows."""
    v, g = values[use], group[use]
    v = v[np.lexsort((v, g))]
    count = np.bincount(g, minlength=n)
    start = np.cumsum(count) - count
    median = np.full(n, np.nan)
    some = count > 0
    low, high = start[some] + (count[some] - 1) // 2, start[some] + count[some] // 2
    median[some] = v[low] + (v[high] - v[low]) / 2  # neither huge prices overflow nor do the least ones vanish
    return median, count
