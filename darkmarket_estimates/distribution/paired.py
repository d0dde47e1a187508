r"""Vendors with sales on both sides of a ratio: two numbers of unreviewed sales under one review share.

Given :math:`\rho^*` a vendor's unreviewed sales in A and outside it are independent negative binomials. Seen from the first
alone, the second is beta negative binomial with what the first tells of the share:

.. math:: K \sim BNB(n; \alpha, \beta), \quad L \mid K = k \sim BNB(m; \alpha + n, \beta + k).

(Beta(alpha, beta) is conjugate: n reviewed among n + k sales make it Beta(alpha + n, beta + k).) Their joint atoms do not
depend on the ratio that is asked for, only the places of these do.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from scipy import fft, special

from darkmarket_estimates.distribution.law import Law
from darkmarket_estimates.distribution.multiplier import Multiplier
from darkmarket_estimates.distribution.strata import Stratum

#: Blocks of counts: standard deviations on each side that are the bulk; widths in standard deviations in the bulk, and in
#: parts of the distance from 0 and, in the tail, from the mean.
_BULK, _STEP, _NEAR, _TAIL = 7.0, 0.25, 0.15, 0.2
_PLACES = np.concatenate([_STEP * np.arange(-28, 29), _BULK * (1 + _TAIL) ** np.arange(1, 28)])
_COUNTS = np.unique(np.floor((1 + _NEAR) ** np.arange(90)))
#: Places in a block, in its reach, and their order in the block of the other count.
_WITHIN = (np.arange(8) + 0.5) / 8 - 0.5
_MIXED = np.array([4, 1, 6, 3, 0, 7, 2, 5])
#: Atoms below this probability are left out; cells of the grid, and standard deviations that it holds on each side.
_LEAST, CELLS, REACH = 1e-10, 2**12, 12.0

#: Ratios below it, and above its reciprocal, are ends.
_END = 1e-100
#: At alpha = 2 there is no variance: blocks are no wider than beside it.
_LIGHTEST = 1e-6

#: A vendor with this part of the variance of a ratio has its joint atoms; of the others the moments are enough.
LARGE = 0.03
#: What must be left of the sums of squares of vendors whose two sides are taken as two vendors.
_LEFT = 0.1

#: Values and sums of squares of one vendor in A - r B: in A, and (below 0) outside it.
Sides = tuple[float, float, float, float]


@functools.lru_cache(maxsize=1024)
def joint_atoms(multiplier: Multiplier, n: float, m: float) -> tuple[np.ndarray, ...]:
    """Unreviewed sales beside `n` reviews in A and `m` outside it, with their joint probabilities.

    Returns
    -------
    k, l, mass : array of shape (n_atoms,)
    reach_k, reach_l : array of shape (n_atoms,)
        Distance between the first and the last count of the block around each.

    Examples
    --------
    >>> k, l, mass, *_ = joint_atoms(Multiplier.of(0.5, 0.1), 3.0, 5.0)
    >>> round(float(mass @ k), 1), round(float(mass @ l), 1)  # 3 / 0.5 and 5 / 0.5 less the reviewed
    (3.0, 5.0)
    """
    alpha, beta = multiplier.alpha, multiplier.beta
    k, first, reach_k = (row[0] for row in _blocks(n, np.array([alpha]), np.array([beta])))
    keep = first > _LEAST
    k, first, reach_k = k[keep], first[keep], reach_k[keep]
    second, given, reach_l = _blocks(m, np.full(len(k), alpha + n), beta + k)
    mass = first[:, None] * given
    keep = mass > _LEAST
    mass = mass[keep]
    own = np.nonzero(keep)[0]
    return k[own], second[keep], mass / mass.sum(), reach_k[own], reach_l[keep]


def _blocks(number: float, alpha: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle of blocks of counts of BNB(number; alpha, beta), their probabilities and reach: a row for each alpha and beta."""
    centre = number * beta / (alpha - 1)
    heavy = np.maximum(alpha - 2, _LIGHTEST)
    variance = beta * (alpha + beta - 1) / ((alpha - 1) * heavy) * (number + number**2 / (alpha - 1))
    edges = _edges(centre, np.sqrt(variance))
    width = np.diff(edges, axis=1)
    reach = np.maximum(width - 1, 0)
    at = edges[:, :-1] + reach / 2
    a, b = alpha[:, None], beta[:, None]
    log = special.gammaln(number + at) - special.gammaln(number) - special.gammaln(at + 1)
    log += special.betaln(a + number, b + at) - special.betaln(a, b)
    mass = np.exp(log) * width
    return at, mass / mass.sum(axis=1, keepdims=True), reach


def _edges(centre: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """First counts of blocks, a row for each law: even in the bulk, in proportion to the distance near 0 and in the tail."""
    low = np.maximum(np.floor(centre - _BULK * deviation), 0.0)[:, None]
    even = np.maximum(np.floor(centre[:, None] + deviation[:, None] * _PLACES), 0.0)
    near = np.where(deviation[:, None] * (_STEP / _NEAR) > _COUNTS, np.maximum(_COUNTS, low), low)  # narrower than even ones
    edges = np.concatenate([even, near], axis=1)
    edges[:, -1] = np.maximum(edges.max(axis=1), low[:, 0] + 1)  # no sale at all is a block too
    edges.sort(axis=1)
    return edges  # what occurs twice is a block without width


def split_sides(
    y: np.ndarray, q: np.ndarray, other: np.ndarray, square: np.ndarray, multiplier: Multiplier
) -> tuple[np.ndarray, np.ndarray]:
    """Which vendors can be taken as two, one a side, and what to multiply their sums of squares with.

    Two vendors have no review share in common: where the sides have opposite signs they vary more than one does, and their
    sums of squares give way. Mean and variance are then those of the vendor, and each side keeps its skewness.
    """
    between, within = multiplier.variances
    if within == 0:  # every sale is reviewed
        return np.zeros(len(y), dtype=bool), np.ones(len(y))
    left = 1 + 2 * between / within * y * other / (q + square)
    return left > _LEFT, left


def large_vendors(s: Stratum, value: np.ndarray, variance: np.ndarray, *, nested: bool) -> np.ndarray:
    """Which vendors with sales on both sides make much of the variance of A - r B at the ratio of the means."""
    between, within = Multiplier.of(s.share, s.spread).variances
    y, q = s.form(value[s.owner], slice(None), nested=nested)
    return s.between(nested=nested) & (between * y * y + within * q > LARGE * variance[s.owner])


def has_sides(r: np.ndarray, *, nested: bool) -> np.ndarray:
    """At which ratios A - r B has two sides: not at the ends, and not so near that squares round to them."""
    return (r > _END) & (r < (1.0 if nested else 1 / _END))


def signed_rows(
    s: Stratum, multiplier: Multiplier, r: np.ndarray, rows: np.ndarray, owner: np.ndarray, *, nested: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values and sums of squares of A - r B of some vendors, and whose they are: two where both sides can be told apart."""
    y, q = s.form(r[owner], rows, nested=nested)
    both = np.flatnonzero(s.between(nested=nested)[rows])
    first, square, second, other = s.sides(r[owner[both]], rows[both], nested=nested)
    some, left = split_sides(first, square, second, other, multiplier)
    both, left = both[some], left[some]
    y[both], q[both] = first[some], square[some] * left
    of = np.concatenate([owner, owner[both]])
    order = np.argsort(of, kind="stable")
    return np.concatenate([y, second[some]])[order], np.concatenate([q, other[some] * left])[order], of[order]


def probability_below_0(laws: Sequence[Law], sides: Sequence[tuple[Multiplier, Sides]]) -> float:
    """P(S <= 0) of the sum of independent laws and of vendors with sales on both sides.

    Every atom is split over two cells of one grid about the means, which keeps its mean; what lies beyond the grid cannot be
    brought back by the rest and is left at its edge.
    """
    mean = sum(law.mean for law in laws)
    variance = sum(law.variance for law in laws)
    for multiplier, (y, q, other, square) in sides:
        between, within = multiplier.variances
        mean += (y + other) / multiplier.share
        variance += between * (y + other) ** 2 + within * (q + square)
    reach = abs(mean) + REACH * variance**0.5
    step = 4 * reach / CELLS  # the grid goes round twice as far as a single part reaches
    spectrum = np.ones(CELLS // 2 + 1, dtype=np.complex128)
    for law in laws:
        if law.variance > 0:
            spectrum *= _spectrum_of_law(law, step)
    for multiplier, (y, q, other, square) in sides:
        n, m = _number(y, q), _number(other, square)
        k, beyond, mass, *reaches = joint_atoms(multiplier, n, m)
        price, lower = q / y, square / other
        place = price * k + lower * beyond - (y + other) * (1 / multiplier.share - 1)
        if max(map(np.max, reaches)) > 0:  # counts lie all over a block, and with the first the mean of the second moves
            along = price + lower * m / (multiplier.alpha + n - 1)
            place = (place + along * _WITHIN[:, None] * reaches[0] + lower * _WITHIN[_MIXED, None] * reaches[1]).ravel()
            mass = np.tile(mass / len(_WITHIN), len(_WITHIN))
        spectrum *= fft.rfft(_laid(np.clip(place, -reach, reach) / step, mass))
    mass = np.roll(fft.irfft(spectrum, CELLS), CELLS // 2)  # the mean is in the middle
    return float(np.interp(-mean / step, np.arange(CELLS + 1) - CELLS // 2 - 0.5, np.concatenate([[0.0], np.cumsum(mass)])))


def _number(y: float, q: float) -> float:
    """Reviews y^2 / q of one side; twelve digits, which do not depend on the ratio that is asked for."""
    return float(f"{y * y / q:.12g}")


def _spectrum_of_law(law: Law, step: float) -> np.ndarray:
    """Transform of the probabilities of the cells about its mean."""
    edges = (np.arange(CELLS // 2 + 2) - CELLS // 4 - 0.5) * step
    heights = law.cdf(law.mean + edges)
    heights[0], heights[-1] = 0.0, 1.0
    return fft.rfft(np.roll(np.pad(np.diff(heights), (0, CELLS - CELLS // 2 - 1)), -(CELLS // 4)))


def _laid(position: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Atoms on the cyclic grid, each split over two cells."""
    cell = np.floor(position)
    upper = (position - cell) * mass
    cell = cell.astype(np.int64)
    return (np.bincount(cell & (CELLS - 1), mass - upper, CELLS) + np.bincount((cell + 1) & (CELLS - 1), upper, CELLS))
