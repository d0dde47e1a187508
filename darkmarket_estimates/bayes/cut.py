r"""The realised total given its reviews, drawn: vendors' shares and unreviewed sales, jointly over groups.

Nothing goes through the size law (a cut): given the mean share, vendor v has its own share
:math:`\rho_v^* \sim Beta(a + 2, b (a + 1) / a)`, the same in all its groups, and :math:`NegBin(n, \rho_v^*)` unreviewed
sales where it has :math:`n = y^2 / q` effective reviews at the price :math:`q / y`. The law is that of
`darkmarket_estimates.distribution.realised`; its derivation is in `docs/intervals.md`.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
from scipy import special

from darkmarket_estimates.bayes.assumed import Assumed
from darkmarket_estimates.totals import VENDOR, Totals

#: Rows (a vendor in a group) drawn one by one, at most, and the share of a group's variance that brings all rows of a vendor
#: among them: were only some of them drawn so, its share would differ between its groups.
MOST_ROWS, DOMINANT = 5000, 0.005
#: Groups whose correlations are a matrix; with more, each vendor of the rest has a number of its own, drawn so many at once.
JOINT_GROUPS, BLOCK = 500, 2_000_000


def realised_draws(
    totals: Totals, y: np.ndarray, q: np.ndarray, cell_group: np.ndarray, assumed: Assumed, rng: np.random.Generator
) -> np.ndarray:
    """Joint draws of the realised totals of groups.

    Vendors that carry much of a group's variance are drawn one by one, with random numbers keyed by `rng` and their name:
    one vendor has one share in all its groups, and in every call with an equal `rng` and the same assumptions, so that
    growth between two windows compares like with like; calls with different `rng` are independent replicates. The others
    enter by their sum: mean and variance of the exact law, the shape of a Gamma law, correlations between groups through
    vendors that sell in several.

    Parameters
    ----------
    totals : Totals
        For the vendors of the cells.
    y, q : array of shape (n_cells,)
        Sum of price x reviews, and of price^2 x reviews.
    cell_group : int array of shape (n_cells,)
    assumed : Assumed
    rng : Generator

    Returns
    -------
    array of shape (n_draws, n_groups)
    """
    n_draws, n_groups = assumed.share.shape
    key = totals.keys[VENDOR]
    packed = cell_group * np.int64(len(key.labels)) + key.codes
    pairs, where = np.unique(packed[q > 0], return_inverse=True)
    vendor, group = pairs % len(key.labels), pairs // len(key.labels)
    y, q = np.bincount(where, weights=y[q > 0]), np.bincount(where, weights=q[q > 0])
    between, within = moments(assumed.share.mean(axis=0), assumed.size)
    variance = between[group] * y**2 + within[group] * q
    whole = np.bincount(group, weights=variance, minlength=n_groups)
    part = np.divide(variance, whole[group], out=np.zeros_like(variance), where=whole[group] > 0)
    who = np.unique(_sharing(vendor, group, assumed), return_inverse=True)[1]
    largest = np.zeros(len(part))
    np.maximum.at(largest, who, part)
    part = largest[who]
    dominant = part > DOMINANT
    if dominant.sum() > MOST_ROWS:
        dominant = part > np.partition(part, -MOST_ROWS - 1)[-MOST_ROWS - 1]
    out = np.bincount(group, weights=y, minlength=n_groups)[None, :] + np.zeros((n_draws, 1))
    seed = int(rng.integers(2**63))
    for row in np.flatnonzero(dominant):
        g = group[row]
        name = (seed, zlib.crc32(key.labels[vendor[row]].encode()), int(assumed.statement[g]))
        odds = share_odds(assumed.share[:, g], assumed.size[g], np.random.default_rng(name))
        index = y[row] ** 2 / q[row] * assumed.genuine[:, g]
        unreviewed = rng.poisson(rng.gamma(index) * odds)
        out[:, g] += q[row] / y[row] * unreviewed / assumed.genuine[:, g]
    rest = ~dominant
    if rest.any():
        out += _rest(y[rest], q[rest], vendor[rest], group[rest], assumed, rng)
    return out * assumed.multiplier


def share_odds(mean: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """Unreviewed sales a review, (1 - rho*) / rho*, for one vendor and every draw of the mean share."""
    a, b = mean * size, (1 - mean) * size
    if not math.isfinite(size):
        return (1 - mean) / mean
    # a ratio of Gamma variables is the odds of a Beta one, without the cancellation in 1 - rho
    return np.where(b > 0, rng.gamma(np.maximum(b * (a + 1) / a, 1e-300)) / rng.gamma(a + 2), 0.0)


def moments(mean: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Factors of y^2 and q in the variance: :math:`b(a+b)/a^3` and :math:`b(a+b)(a+1)/a^3`; 0 and (1 - rho)/rho^2 at s = inf."""
    finite = np.isfinite(size)
    a, b = mean * np.where(finite, size, 1.0), (1 - mean) * np.where(finite, size, 1.0)
    between = np.where(finite, b * (a + b) / a**3, 0.0)
    return between, np.where(finite, between * (a + 1), (1 - mean) / mean**2)


def _rest(
    y: np.ndarray, q: np.ndarray, vendor: np.ndarray, group: np.ndarray, assumed: Assumed, rng: np.random.Generator
) -> np.ndarray:
    """Draws of the unreviewed sales of many small vendors, shape (n_draws, n_groups)."""
    n_draws, n_groups = assumed.share.shape
    sums = [np.bincount(group, weights=w, minlength=n_groups) for w in (y, y * y, q)]
    between, within = moments(assumed.share, assumed.size)
    mean = sums[0] * (1 - assumed.share) / assumed.share
    variance = between * sums[1] + within * sums[2] / assumed.genuine
    z = rng.standard_normal((n_draws, n_groups))
    if n_groups > 1:
        z = _joint(z, y, vendor, group, assumed, sums[2], rng)
    some = (mean > 0) & (variance > 0)
    shape = np.divide(mean**2, variance, out=np.ones_like(mean), where=some)
    return np.where(some, mean / shape * special.gammainccinv(shape, special.ndtr(-z)), 0.0)


def _sharing(vendor: np.ndarray, group: np.ndarray, assumed: Assumed) -> np.ndarray:
    """Who has one share: a vendor once a statement, as its shares under two statements are unrelated."""
    return vendor * (int(assumed.statement.max()) + 1) + assumed.statement[group]


def _joint(
    z: np.ndarray, y: np.ndarray, vendor: np.ndarray, group: np.ndarray, assumed: Assumed, q: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Scores of the groups' sums, correlated by the vendors' shares (at the central share), from independent ones."""
    from scipy import sparse

    n_draws, n_groups = z.shape
    between, within = moments(assumed.share.mean(axis=0), assumed.size)
    found, row = np.unique(_sharing(vendor, group, assumed), return_inverse=True)
    money = sparse.csr_array((y * np.sqrt(between[group]), (row, group)), shape=(len(found), n_groups))
    own = within * q / assumed.genuine.mean(axis=0)
    sd = np.sqrt((money * money).sum(axis=0) + own)
    scale = np.divide(1.0, sd, out=np.zeros(n_groups), where=sd > 0)
    if n_groups <= JOINT_GROUPS:
        correlation = ((money.T @ money).toarray() + np.diag(own)) * np.outer(scale, scale)
        np.fill_diagonal(correlation, 1.0)
        values, vectors = np.linalg.eigh(correlation)
        return z @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    step = max(1, BLOCK // len(found))
    for at in range(0, n_draws, step):
        part = z[at:at + step]
        shares = money.T @ rng.standard_normal((len(found), len(part)))
        part[:] = (shares.T + part * np.sqrt(own)) * scale
    return z
