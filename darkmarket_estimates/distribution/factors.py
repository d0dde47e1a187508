"""Quadrature of a factor that all vendors share."""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from scipy import special
from scipy.stats import qmc

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.errors import AssumptionError

Nodes = tuple[np.ndarray, np.ndarray]
_REACH = 10.0  # normal scores at which the rule ends: probability 8e-24


def moments(dist: Any, name: str = "factor") -> tuple[float, float]:
    """Mean and standard deviation of a frozen continuous law, else `AssumptionError`."""
    if not all(hasattr(dist, part) for part in ("ppf", "isf", "pdf", "mean", "std")):
        raise AssumptionError(
            f"{name} is not a continuous law",
            expected="a frozen continuous distribution, e.g. scipy.stats.beta(80, 20)",
            got=f"a discrete distribution ({dist.dist.name})" if hasattr(dist, "pmf") else type(dist).__name__,
            fix="pass a number for a known value, a Range for a scenario",
        )
    try:
        mean, deviation = float(dist.mean()), float(dist.std())
    except TypeError as error:  # a family, not one of its members
        raise AssumptionError(f"{name} has no parameters", expected="a frozen distribution",
                              got=f"the family {getattr(dist, 'name', type(dist).__name__)}",
                              fix="write its parameters, e.g. scipy.stats.beta(80, 20)") from error
    if not (math.isfinite(mean) and math.isfinite(deviation) and deviation > 0):
        raise AssumptionError(f"{name} has no usable mean and standard deviation",
                              expected="both finite, the second > 0",
                              got=f"mean {mean:g}, standard deviation {deviation:g}",
                              fix="check the parameters; pass a number for a known value")
    return mean, deviation


def nodes(dist: Any, n: int = 256, *, name: str = "factor") -> Nodes:
    r"""Quadrature of a frozen `scipy.stats` law: nodes in increasing order and weights with sum 1.

    The trapezoidal rule in the normal score: :math:`E[g(M)] = \int g(F^{-1}(\Phi(z))) \phi(z) dz`, whose error falls
    exponentially in `n` for a smooth quantile function (Trefethen & Weideman 2014). A last linear step gives the
    nodes the law's own mean and variance.

    Parameters
    ----------
    dist : frozen continuous distribution
        With finite mean and variance.
    n : int
        Number of points of the rule, at least 8; nodes without weight are left out.
    name : str
        For messages.

    Raises
    ------
    AssumptionError
        For a discrete or degenerate law, or one without a variance.

    References
    ----------
    Trefethen & Weideman (2014), SIAM Review 56, 385-458.

    Examples
    --------
    >>> import scipy.stats
    >>> x, w = nodes(scipy.stats.beta(80, 20))
    >>> round(float(w @ x), 12), round(float(w @ (x - 0.8) ** 2 * 101), 12)
    (0.8, 0.16)
    """
    mean, deviation = moments(dist, name)
    n = checks.replicates(n, "n", low=8, each=128)
    z = np.linspace(-_REACH, _REACH, n)
    w = np.exp(-z * z / 2)
    w /= w.sum()
    with np.errstate(all="ignore"):  # some laws overflow far out; those nodes are dropped below
        x = np.where(z < 0, dist.ppf(special.ndtr(z)), dist.isf(special.ndtr(-z)))
    keep = np.isfinite(x) & (w * np.maximum(1.0, ((x - mean) / deviation) ** 2) > 1e-14)
    x, w = np.maximum.accumulate(x[keep]), w[keep] / w[keep].sum()
    centre = float(w @ x)
    ratio = deviation / math.sqrt(float(w @ (x - centre) ** 2))
    low, high = (float(end) for end in dist.support())
    return np.clip(mean + (x - centre) * ratio, low, high), w


def gauss(x: np.ndarray, w: np.ndarray, n: int) -> Nodes:
    """Gauss rule of a discrete law: `n` points with all of its moments up to the (2n - 1)th.

    By the three-term recurrence of its orthogonal polynomials (Golub & Welsch 1969), in standardised numbers.

    Parameters
    ----------
    x, w : array of shape (n_nodes,)
        Places and weights with sum 1.
    n : int
        Fewer where the law has fewer places.

    References
    ----------
    Golub & Welsch (1969), Math. Comput. 23, 221-230.

    Examples
    --------
    >>> points, weights = gauss(np.array([0.0, 1.0, 2.0]), np.array([0.25, 0.5, 0.25]), 2)
    >>> points.round(4), weights
    (array([0.2929, 1.7071]), array([0.5, 0.5]))
    """
    centre = float(w @ x)
    scale = math.sqrt(float(w @ (x - centre) ** 2))
    if scale == 0:
        return np.array([centre]), np.ones(1)
    z = (x - centre) / scale
    before, now = np.zeros(len(x)), np.ones(len(x))
    diagonal: list[float] = []
    beside = [0.0]
    while len(diagonal) < n:
        diagonal.append(float(w @ (z * now**2)))
        before, now = now, (z - diagonal[-1]) * now - beside[-1] * before
        norm = math.sqrt(float(w @ now**2))
        if norm < 1e-9:  # no more places
            break
        beside.append(norm)
        now = now / norm
    n = len(diagonal)
    places, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside[1:n], 1) + np.diag(beside[1:n], -1))
    return centre + scale * places, vectors[0] ** 2


def log_variance(dist: Any, *, name: str = "factor") -> float:
    """Var ln M of a frozen law on the positive numbers, by quadrature.

    Raises
    ------
    AssumptionError
        If the law reaches 0 or below, or is not continuous.

    Examples
    --------
    >>> import scipy.stats
    >>> round(log_variance(scipy.stats.lognorm(0.3)), 12)
    0.09
    """
    return _log_variance(dist, name) if isinstance(dist, Hashable) else _log_variance.__wrapped__(dist, name)


@functools.lru_cache(maxsize=1024)
def _log_variance(dist: Any, name: str) -> float:
    moments(dist, name)
    positive(float(dist.support()[0]), name)
    z = np.linspace(-_REACH, _REACH, 400)
    w = np.exp(-z * z / 2)
    with np.errstate(all="ignore"):
        log = np.log(np.where(z < 0, dist.ppf(special.ndtr(z)), dist.isf(special.ndtr(-z))))
    keep = np.isfinite(log)
    w = w[keep] / w[keep].sum()
    centre = w @ log[keep]
    return float(w @ (log[keep] - centre) ** 2)


def product_nodes(factors: Sequence[Nodes], n: int = 256) -> Nodes:
    """Nodes of a product of independent positive factors, about `n` however many factors there are.

    After each factor the products are collected in bins of equal width on the log scale; a bin is replaced by two
    nodes, one standard deviation below and above its mean, so mean and variance stay exact.

    Examples
    --------
    >>> import scipy.stats
    >>> x, w = product_nodes([nodes(scipy.stats.uniform(1, 1)), nodes(scipy.stats.uniform(0.5, 1))])
    >>> round(float(w @ x), 10)
    1.5
    """
    x, w = np.ones(1), np.ones(1)
    for number, (values, weights) in enumerate(factors):
        positive(float(np.min(values)), f"factor {number}")
        x, w = _collect(np.outer(x, values).ravel(), np.outer(w, weights).ravel(), n // 2)
    return x, w


def _collect(x: np.ndarray, w: np.ndarray, n_bins: int) -> Nodes:
    order = np.argsort(x)
    x, w = x[order], w[order]
    if len(x) <= 2 * n_bins:
        return x, w
    heavy = (np.cumsum(w) > 1e-15) & (np.cumsum(w[::-1])[::-1] > 1e-15)  # far nodes would make the bins wide
    x, w = x[heavy], w[heavy] / w[heavy].sum()
    log = np.log(x)
    bins = np.minimum((n_bins * (log - log[0]) / max(log[-1] - log[0], 1e-300)).astype(np.int64), n_bins - 1)
    mass = np.bincount(bins, weights=w, minlength=n_bins)
    used = mass > 0
    mean = np.bincount(bins, weights=w * x, minlength=n_bins)[used] / mass[used]
    inside = np.zeros(n_bins)
    inside[used] = mean
    spread = np.sqrt(np.bincount(bins, weights=w * (x - inside[bins]) ** 2, minlength=n_bins)[used] / mass[used])
    pairs = np.concatenate([mean - spread, mean + spread])
    order = np.argsort(pairs)
    return pairs[order], np.tile(mass[used] / 2, 2)[order]


def sobol(n_factors: int, n_points: int = 256, *, seed: int = 20160115) -> np.ndarray:
    """Scrambled Sobol points in the open unit cube, the same at every call.

    Parameters
    ----------
    n_factors, n_points : int
        Columns, and rows (a power of 2, else the points lose their balance).
    seed : int
        Of the scrambling.

    Returns
    -------
    array of shape (n_points, n_factors)
        To be mapped by each factor's quantile function.

    References
    ----------
    Owen (1998), J. Complexity 14, 466-489.
    """
    n_factors = checks.integer(n_factors, "n_factors", low=1, high=qmc.Sobol.MAXDIM)
    n_points = checks.replicates(n_points, "n_points", each=32 * n_factors)
    if n_points & (n_points - 1):
        raise AssumptionError("n_points is not a power of 2", expected="64, 128, 256, 512, ...", got=str(n_points))
    points = qmc.Sobol(n_factors, scramble=True, rng=seed).random(n_points)
    return np.clip(points, 2.0**-40, 1 - 2.0**-40)


def positive(low: float, name: str) -> None:
    """Refuse a law that reaches below 0."""
    if low < 0:
        raise AssumptionError(f"{name} can be negative", expected="a law on the positive numbers",
                              got=f"values from {low:g}")
