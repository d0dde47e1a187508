"""Common factors beside their central values: what a total is multiplied by when the factors are not central."""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from darkmarket_estimates.distribution.factors import moments, nodes, positive, product_nodes
from darkmarket_estimates.distribution.law import Law, ScaledMixture

#: Nodes of one factor: at least, at most, and their step beside the standard deviation of the law that they scale.
FEWEST, MOST, STEP = 256, 8192, 0.25
#: The normal scores that the nodes span.
_SPAN = 16.0


def positive_nodes(dist: Any, n: int = FEWEST) -> tuple[np.ndarray, np.ndarray]:
    """Nodes above 0 of a law on the positive numbers: rounding can put one at 0, where a divisor has no reciprocal.

    The last ones asked for are kept: thousands of totals share a factor.

    Raises
    ------
    AssumptionError
        The law reaches below 0.
    """
    return _positive_nodes(dist, n) if isinstance(dist, Hashable) else _positive_nodes.__wrapped__(dist, n)


@functools.lru_cache(maxsize=128)
def _positive_nodes(dist: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    x, w = nodes(dist, n)
    positive(float(dist.support()[0]), "factor")
    keep = x > 0
    x, w = x[keep], w[keep] / w[keep].sum()
    x.setflags(write=False)
    w.setflags(write=False)
    return x, w


def _moments(dist: Any) -> tuple[float, float]:
    """Mean and standard deviation, kept: thousands of totals share a factor."""
    return _kept_moments(dist) if isinstance(dist, Hashable) else moments(dist)


_kept_moments = functools.lru_cache(maxsize=1024)(moments)


def scaled(law: Law, factors: Sequence[tuple[Any, float, int]]) -> Law:
    """Law of T x product of ``(X_i / centre_i) ** power_i`` for independent positive factors X_i.

    The quadrature is that of X itself: the moments of a reciprocal need not exist, its quantiles do. A narrow law of T
    shows the steps between the nodes: their number grows until the steps are small beside its standard deviation.

    Parameters
    ----------
    law : Law
        Of T at the central factors.
    factors : sequence of (distribution, centre, power)
        Power -1 where the total is divided by X.

    Examples
    --------
    >>> import scipy.stats
    >>> from darkmarket_estimates.distribution.law import PointLaw
    >>> law = scaled(PointLaw(10.0), [(scipy.stats.uniform(0, 1), 0.5, -1)])
    >>> law.quantile([0.025, 0.5, 0.975]).round(0)  # 5 / u at u = 0.975, 0.5, 0.025
    array([  5.,  10., 200.])
    """
    if not factors:
        return law
    own = math.sqrt(law.variance) / abs(law.mean) if law.mean else math.inf
    spread = math.hypot(*(deviation / mean for mean, deviation in (_moments(dist) for dist, _, _ in factors)))
    wanted = _SPAN * spread / max(STEP * own, 1e-9)
    n = 2 ** math.ceil(math.log2(min(max(FEWEST, wanted), MOST)))  # few lengths, so that nodes are computed once
    parts = []
    for dist, centre, power in factors:
        x, w = positive_nodes(dist, n if len(factors) == 1 else min(n, 1024))
        parts.append(((x / centre) ** float(power), w))
    x, w = parts[0] if len(parts) == 1 else product_nodes(parts, n)
    order = np.argsort(x)
    return ScaledMixture(law, x[order], w[order])
