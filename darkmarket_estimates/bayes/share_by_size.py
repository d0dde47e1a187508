r"""Review shares by size class of vendors, and the turnover-weighted mean share as what is modelled.

A vendor of size class b in market m has r reviews of s sales, beta-binomial with mean :math:`p_{mb} = expit(e_{mb})` and
size :math:`(1 - \varphi_m) / \varphi_m`. With :math:`W_{mb}` the class's part of the market's turnover the mean share is
:math:`\rho_m = \sum_b W_{mb}\, p_{mb}`, whatever shares do with size. The prior stands on :math:`\theta_m = logit\,\rho_m` and on
the steps of e from class to class; in coordinates e, where the likelihood is nearly diagonal, its density takes the Jacobian
:math:`|\partial(\theta, steps) / \partial e| = h / (\rho (1 - \rho)),\ h = \sum_b W_b\, p_b (1 - p_b)`.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy import special

#: Size classes per decade of sales. Within half a decade a slope of 0.1 on log sales moves a share by 0.03.
PER_DECADE = 2
#: Beyond it the beta-binomial is binomial, or all or nothing, to nine digits.
SMALLEST_SPREAD = 1e-9


def size_classes(sales: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Code of each vendor's class of sales (all > 0) and the classes in words, half a decade each."""
    half_decade = np.floor(PER_DECADE * np.log10(sales) + 1e-9).astype(np.int64)
    first, n = int(half_decade.min()), int(np.ptp(half_decade)) + 1
    edges = np.ceil(10 ** ((first + np.arange(n + 1)) / PER_DECADE) - 1e-9).astype(np.int64)
    words = tuple(f"{a:,} to {b - 1:,}" for a, b in itertools.pairwise(edges))
    return half_decade - first, words


def mean_logit(logits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Logit of the turnover-weighted mean share; classes along the last axis."""
    return special.logit((weights * special.expit(logits)).sum(axis=-1))


def logits_with_mean(theta: np.ndarray, steps: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Logits of the classes from the logit of their weighted mean and their steps: `mean_logit` solved by bisection.

    The weighted mean rises with the first class's logit, and lies between the smallest and the largest share.
    """
    walk = np.concatenate([np.zeros((*steps.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)
    low, high = theta - walk.max(axis=-1), theta - walk.min(axis=-1)
    for _ in range(80):
        middle = (low + high) / 2
        above = (weights * special.expit(middle[..., None] + walk)).sum(axis=-1) > special.expit(theta)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return ((low + high) / 2)[..., None] + walk


def pooled_logits(
    weights: np.ndarray, vendor_market: np.ndarray, vendor_class: np.ndarray, vendor_reviews: np.ndarray,
    vendor_sales: np.ndarray, multiplicity: np.ndarray,
) -> dict[str, np.ndarray]:
    """Logit of each market's pooled share, classes weighed by turnover, and its standard error, vendors as clusters.

    The sampler's coordinates are placed by them; the density does not depend on them. Half a review more, and the
    binomial variance of all sales, keep both finite where no sale, or each one, has a review.

    Returns
    -------
    dict
        ``pooled_logit`` of shape (markets,); ``pooled_error``, a scalar: the quadratic mean over markets.
    """
    cell = vendor_market * weights.shape[1] + vendor_class

    def by_class(values: np.ndarray) -> np.ndarray:
        return np.bincount(cell, weights=multiplicity * values, minlength=weights.size).reshape(weights.shape)

    sales = by_class(vendor_sales)
    p = (by_class(vendor_reviews) + 0.5) / (sales + 1)
    share = (weights * p).sum(axis=1)
    squares = by_class((vendor_reviews - p.ravel()[cell] * vendor_sales) ** 2)
    variance = (squares * (weights / np.maximum(sales, 1)) ** 2).sum(axis=1) + share * (1 - share) / (sales.sum(axis=1) + 1)
    error = np.sqrt((variance / (share * (1 - share)) ** 2).mean())
    return {"pooled_logit": special.logit(share), "pooled_error": np.array(np.clip(error, 1e-3, 2.0))}


def cell_log_likelihood(p: np.ndarray, size: np.ndarray, r: np.ndarray, s: np.ndarray) -> np.ndarray:
    r"""Beta-binomial log-likelihood without the binomial coefficient: :math:`\ln B(r + a, s - r + b) - \ln B(a, b)`.

    :math:`a = p\,n,\ b = (1 - p)\,n`, n the size.
    """
    a, b, g = p * size, (1 - p) * size, special.gammaln
    return g(r + a) + g(s - r + b) - g(s + size) - g(a) - g(b) + g(size)


def log_likelihood(
    logits: np.ndarray, spread: np.ndarray, market: np.ndarray, size_class: np.ndarray, reviews: np.ndarray, sales: np.ndarray,
    multiplicity: np.ndarray,
) -> tuple[float, np.ndarray, np.ndarray]:
    r"""Log-likelihood and its gradient by logits and spread.

    Parameters
    ----------
    logits : array of shape (markets, classes)
    spread : array of shape (markets,)
        :math:`\varphi`, the correlation of two sales of one vendor.
    market, size_class, reviews, sales, multiplicity : arrays of shape (cells,)
        Distinct vendors, and how many there are of each.
    """
    spread = np.clip(spread, SMALLEST_SPREAD, 1 - SMALLEST_SPREAD)
    p, size = special.expit(logits), (1 - spread) / spread
    a, b = p * size[:, None], (1 - p) * size[:, None]
    cell = market * p.shape[1] + size_class
    up, down, both = reviews + a.ravel()[cell], sales - reviews + b.ravel()[cell], sales + size[market]

    def by_class(values: np.ndarray) -> np.ndarray:
        return np.bincount(cell, weights=multiplicity * values, minlength=p.size).reshape(p.shape)

    n, g, psi = by_class(np.ones_like(up)), special.gammaln, special.digamma
    value = multiplicity @ (g(up) + g(down) - g(both)) - (n * (g(a) + g(b) - g(size)[:, None])).sum()
    by_a, by_b = by_class(psi(up)) - n * psi(a), by_class(psi(down)) - n * psi(b)
    by_size = (p * by_a + (1 - p) * by_b - by_class(psi(both)) + n * psi(size)[:, None]).sum(axis=1)
    return float(value), size[:, None] * p * (1 - p) * (by_a - by_b), -by_size / spread**2
