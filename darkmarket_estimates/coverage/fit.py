"""Tests of what the count estimators assume, from the same summary that they are computed from."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import chdtrc, gammaln

from darkmarket_estimates.coverage.histories import CaptureSummary


def frequency_fit(s: CaptureSummary, p: float | None, rate: float | None = None) -> tuple[float, int]:
    """Pearson's chi-square of f_k against the zero-truncated binomial (p) or Poisson (rate) law.

    Cells are pooled until each expects 5 or more; one degree of freedom goes to the parameter.
    """
    k = np.arange(1, s.occasions + 1)
    if rate is not None:
        log_law = k * math.log(rate) - gammaln(k + 1)
    elif p is not None and 0 < p < 1:
        ways = gammaln(s.occasions + 1) - gammaln(k + 1) - gammaln(s.occasions - k + 1)
        log_law = ways + k * (math.log(p) - math.log1p(-p))
    else:
        return math.nan, 0
    law = np.exp(log_law - log_law.max())
    expected, observed = s.distinct * law / law.sum(), s.frequencies.astype(np.float64)
    cells: list[tuple[float, float]] = []
    for pair in zip(expected.tolist(), observed.tolist(), strict=True):
        if cells and cells[-1][0] < 5:
            pair = pair[0] + cells[-1][0], pair[1] + cells.pop()[1]
        cells.append(pair)
    while len(cells) > 1 and cells[-1][0] < 5:
        e, o = cells.pop()
        cells[-1] = cells[-1][0] + e, cells[-1][1] + o
    return sum((o - e) ** 2 / e for e, o in cells), len(cells) - 2


def recapture_fit(s: CaptureSummary, n: float) -> tuple[float, int]:
    """Chi-square of the recaptures m_j against n_j M_j / N, each with its hypergeometric variance; N costs one."""
    if s.caught is None or s.recaptured is None or s.marked is None or n <= 1:
        return math.nan, 0
    share = s.marked / n
    variance = s.caught * share * (1 - share) * np.maximum(n - s.caught, 0) / (n - 1)
    used = variance > 0.5
    deviation = s.recaptured[used] - (s.caught * share)[used]
    return float((deviation**2 / variance[used]).sum()), int(used.sum()) - 1


def equal_scrapes_fit(caught: np.ndarray, frequencies: np.ndarray) -> tuple[float, int]:
    """Cochran's Q: were all scrapes equally likely to see a listing? Valid whatever the listings' own chances.

    Given its k captures a listing's scrapes are then a random draw without replacement:
    Q = (t - 1) t sum (n_j - mean)^2 / sum_l k (t - k), chi-square with t - 1 degrees of freedom (Cochran 1950).
    """
    t = len(caught)
    k = np.arange(1, t + 1)
    spread = float((k * (t - k)) @ frequencies.astype(np.float64))
    if spread == 0:
        return math.nan, 0
    return (t - 1) * t * float(((caught - caught.mean()) ** 2).sum()) / spread, t - 1


def unequal_scrapes_flag(caught: np.ndarray | None, frequencies: np.ndarray) -> tuple[str, ...]:
    """Flag scrapes that differ so much that estimators for equal ones add 5 % or more to the unseen.

    Their factor (t - 1) / (2t) stands where e_2(n_j) / (sum n_j)^2 belongs (see `value_chao`).
    """
    if caught is None:
        return ()
    statistic, df = equal_scrapes_fit(caught, frequencies)
    t, total = len(caught), float(caught.sum())
    pairs = (total**2 - float(caught.astype(np.float64) @ caught)) / 2
    if df < 1 or chdtrc(df, statistic) > 0.01:
        return ()
    excess = (t - 1) / (2 * t) * total**2 / pairs - 1 if pairs > 0 else math.inf
    if excess < 0.05:
        return ()
    return (f"scrapes differ in size: the unseen is about {100 * excess:.0f} % too high, were listings alike",)
