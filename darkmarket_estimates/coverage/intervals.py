"""Limits from a distribution or a likelihood; each nests in the confidence level."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaincinv, chdtri, gammainccinv, gammaincinv, ndtri, stdtrit


def normal_quantile(level: float) -> float:
    """Two-sided standard normal quantile."""
    return float(-ndtri((1 - level) / 2))


def t_quantile(level: float, df: int) -> float:
    """Two-sided quantile of Student's t."""
    return float(-stdtrit(df, (1 - level) / 2))


def poisson_limits(count: int, level: float) -> tuple[float, float]:
    """Exact (Garwood) limits of a Poisson mean."""
    tail = (1 - level) / 2
    low = float(gammaincinv(count, tail)) if count > 0 else 0.0
    return low, float(gammainccinv(count + 1, tail))


def binomial_limits(successes: int, trials: int, level: float) -> tuple[float, float]:
    """Exact (Clopper-Pearson) limits of a binomial probability."""
    tail = (1 - level) / 2
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return low, high


def lognormal_factor(unseen: float, variance: float, z: float) -> float:
    r""":math:`C = \exp(z \sqrt{\ln(1 + V / f_0^2)})` (Chao 1987); infinite when nothing is estimated to be unseen."""
    if variance == 0:
        return 1.0
    if unseen <= 0:
        return math.inf
    exponent = z * math.sqrt(math.log1p((math.sqrt(variance) / unseen) ** 2))
    return math.exp(exponent) if exponent < 700 else math.inf


def lognormal_interval(seen: float, unseen: float, variance: float, level: float) -> tuple[float, float]:
    """[seen + unseen / C, seen + unseen C]: log-normal in the unseen, so never below what was seen (Chao 1987)."""
    if unseen <= 0:
        return seen, seen
    factor = lognormal_factor(unseen, variance, normal_quantile(level))
    return seen + unseen / factor, seen + unseen * factor


def reciprocal_interval(inverse: float, spread: float, seen: float) -> tuple[float, float]:
    """Limits of N from symmetric limits of 1/N; the upper one is infinite when 1/N may be 0."""
    low, high = inverse - spread, inverse + spread
    return max(seen, 1 / high), max(seen, 1 / low) if low > 0 else math.inf


def profile_interval(
    log_likelihood: Callable[[float], float], score: Callable[[float], float], seen: float, start: float, level: float
) -> tuple[float, float]:
    """Values of N whose profile log-likelihood is within chi2(1) / 2 of its maximum (Cormack 1992).

    `score` is the derivative; the likelihood is unimodal on [seen, infinity) and `start` is near its maximum.
    """
    drop = chdtri(1, 1 - level) / 2
    if score(seen) <= 0:
        peak = seen
    else:
        high = max(start, seen + 1)
        while score(high) > 0:
            high = seen + 2 * (high - seen)
        peak = brentq(score, seen, high, xtol=1e-12, rtol=1e-14)
    target = log_likelihood(peak) - drop

    def above(n: float) -> float:
        return log_likelihood(n) - target

    low = seen if above(seen) >= 0 else brentq(above, seen, peak, xtol=1e-10, rtol=1e-14)
    step = max(1.0, peak - seen)
    while above(peak + step) > 0:
        step *= 2
        if step > 1e6 * max(peak, 1.0):
            return low, np.inf
    return low, brentq(above, peak, peak + step, xtol=1e-10, rtol=1e-14)
