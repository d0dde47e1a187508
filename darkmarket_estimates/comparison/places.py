r"""Where a realised ratio lies, and how wide its law is, as functions of the uncertain factors that act on parts of it.

With :math:`X = \sum_k m_k A_k` and :math:`Z = \sum_k m_k B_k` over kinds of cells on which the same factors act (of a share Z
is what is outside), on the log scale, of a share on that of the odds:

.. math:: c = \ln \frac{X}{Z}, \quad w^2 = \sum_k m_k^2 \left[v_k \sum_v \left(\frac{a_v}{X} - \frac{b_v}{Z}\right)^2
   + u_k \left(\frac{Q^a_k}{X^2} + \frac{Q^b_k}{Z^2}\right)\right]

with :math:`v_k, u_k` of the review share of the kind: see `darkmarket_estimates.distribution.multiplier`. A vendor counts in
each kind by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from darkmarket_estimates.distribution.segments import kinds
from darkmarket_estimates.factors import GENUINE_SHARE, REVIEW_SHARE, Factor

#: Below it the conservative law has all but no finite variance.
_LEAST = 0.05


@dataclass(frozen=True, slots=True)
class Sums:
    """What ratios need of their vendors, each of shape (n_ratios, n_kinds).

    Attributes
    ----------
    a, b : array
        Values of the two sides at the central factors but for the review share.
    aa, ab, bb : array
        Sums over vendors of their products.
    qa, qb : array
        Sums of squares of the prices.
    """

    a: np.ndarray
    b: np.ndarray
    aa: np.ndarray
    ab: np.ndarray
    bb: np.ndarray
    qa: np.ndarray
    qb: np.ndarray

    @classmethod
    def of_pairs(cls, keys: Sequence[np.ndarray], y: Sequence[np.ndarray], q: Sequence[np.ndarray], shape: tuple[int, int],
                 n_vendors: int) -> Sums:
        """Of two sides; `keys` are (ratio x n_kinds + kind) x n_vendors + vendor of each cell."""
        units, which = np.unique(np.concatenate(keys), return_inverse=True)
        of = which[: len(keys[0])], which[len(keys[0]) :]
        a, b, qa, qb = (np.bincount(of[side], values[side], len(units)) for values in (y, q) for side in (0, 1))
        cell, n = units // n_vendors, shape[0] * shape[1]
        return cls(*(np.bincount(cell, part, n).reshape(shape) for part in (a, b, a * a, a * b, b * b, qa, qb)))

    @classmethod
    def of_parts(cls, groups: Sequence[np.ndarray], kind: np.ndarray, vendor: np.ndarray, y: np.ndarray, q: np.ndarray,
                 n_kinds: int, n_vendors: int) -> Sums:
        """Of groups of one table and what is outside each of them."""
        shape = len(groups), n_kinds
        own = kind * np.int64(n_vendors) + vendor
        units, which = np.unique(own, return_inverse=True)
        whole = np.bincount(which, y, len(units))
        of_kind = units // n_vendors
        total, squares, prices = (np.bincount(of_kind, part, n_kinds) for part in (whole, whole * whole,
                                                                                   np.bincount(which, q, len(units))))
        cells = np.concatenate(groups)
        row = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        places, inside = np.unique(row * np.int64(len(units)) + which[cells], return_inverse=True)
        a = np.bincount(inside, y[cells], len(places))
        qa = np.bincount(inside, q[cells], len(places))
        unit = places % len(units)
        cell = places // len(units) * n_kinds + of_kind[unit]
        first, square, product, price = (np.bincount(cell, part, shape[0] * shape[1]).reshape(shape)
                                         for part in (a, a * a, a * whole[unit], qa))
        return cls(first, np.maximum(total - first, 0), square, np.maximum(product - square, 0),
                   np.maximum(squares - 2 * product + square, 0), price, np.maximum(prices - price, 0))

    @property
    def present(self) -> np.ndarray:
        """Which kinds have money in a ratio."""
        return (self.a > 0) | (self.b > 0)


@dataclass(frozen=True, slots=True)
class Kinds:
    """Kinds of cells: which uncertain factors act on each, and under which review share it is.

    Attributes
    ----------
    factors : tuple of Factor
        The uncertain ones.
    acts : bool array of shape (n_factors, n_kinds)
    centre : array of shape (n_factors,)
        Their central values.
    share, size : array of shape (n_kinds,)
        Central review share of each kind, and the size of the Beta law of vendors' shares.
    spread_law : str
    """

    factors: tuple[Factor, ...]
    acts: np.ndarray
    centre: np.ndarray
    share: np.ndarray
    size: np.ndarray
    spread_law: str

    @classmethod
    def of(cls, stated: Sequence[tuple[Factor, float, np.ndarray]], n: int, spread_law: str) -> tuple[Kinds, np.ndarray]:
        """From the review shares and the uncertain factors on parts, each with its value and with which of `n` cells it is on.

        Returns
        -------
        Kinds, int array of shape (n_cells,)
            The second is the kind of each cell.
        """
        kind, first = kinds([on for *_, on in stated], n)
        share, size = np.ones(len(first)), np.full(len(first), np.inf)
        for f, value, on in stated:
            if f.rate is not None:
                share[on[first]], size[on[first]] = value, f.rate.size
        moving = [(f, value, on[first]) for f, value, on in stated if f.is_uncertain]
        acts = np.array([on for *_, on in moving], dtype=bool).reshape(len(moving), len(first))
        return cls(tuple(f for f, *_ in moving), acts, np.array([value for _, value, _ in moving]), share, size, spread_law), kind

    def at(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What values are multiplied by, and the factors of their squares and of those of prices: (n_points, n_kinds) each."""
        share = np.tile(self.share, (len(values), 1))
        times, square = np.ones(share.shape), np.ones(share.shape)
        for f, on, own, x in zip(self.factors, self.acts, self.centre, values.T, strict=True):
            if f.name == REVIEW_SHARE:
                share[:, on] = x[:, None]
            else:
                moved = (x / own)[:, None]
                times[:, on] *= moved**f.power
                square[:, on] *= moved if f.name == GENUINE_SHARE else moved ** (2 * f.power)
        between, within = variances(share, self.size, self.spread_law)
        return times / share, between * times**2, within * square

    def places(self, sums: Sums, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Place c and width w of each ratio at values of the factors: (n_points, n_ratios) each."""
        m, between, within = self.at(values)
        a, b = m @ sums.a.T, m @ sums.b.T
        square = ((between @ sums.aa.T + within @ sums.qa.T) / a**2 - 2 * (between @ sums.ab.T) / (a * b)
                  + (between @ sums.bb.T + within @ sums.qb.T) / b**2)
        return np.log(a / b), np.sqrt(np.maximum(square, 0.0))

    def parts(self, sums: Sums) -> np.ndarray:
        """Each kind's part of the square of the width at the centre, adding up to 1: (n_ratios, n_kinds)."""
        m, between, within = self.at(self.centre[None])
        a, b = (sums.a @ m.T), (sums.b @ m.T)
        part = np.maximum((between * sums.aa + within * sums.qa) / a**2 - 2 * between * sums.ab / (a * b)
                          + (between * sums.bb + within * sums.qb) / b**2, 0.0)
        total = part.sum(axis=1, keepdims=True)
        return np.divide(part, total, out=np.zeros_like(part), where=total > 0)

    def spread(self, sums: Sums, factor: int, ends: tuple[float, float]) -> np.ndarray:
        """How far the log of the width that a review share makes moves from the centre to either end of it: (n_ratios,)."""
        on = self.acts[factor]
        values = np.tile(self.centre, (2, 1))
        values[:, factor] = ends
        m, between, within = (part[:, on] for part in self.at(values))
        relative = [(v @ (sums.aa + sums.bb)[:, on].T + u @ (sums.qa + sums.qb)[:, on].T) / np.mean(x) ** 2
                    for v, u, x in zip(between, within, m, strict=True)]
        both = (relative[0] > 0) & (relative[1] > 0)
        low, high = (np.where(both, each, 1.0) for each in relative)
        return np.abs(np.log(high / low)) / 4  # of the square, over both halves


def variances(share: np.ndarray, size: np.ndarray, spread_law: str) -> tuple[np.ndarray, np.ndarray]:
    """`Multiplier.variances` of many shares; a conservative law without a finite variance has a large one.

    Examples
    --------
    >>> variances(np.array([0.5, 0.5]), np.array([24.0, np.inf]), "default")
    (array([0.16666667, 0.        ]), array([2.16666667, 2.        ]))
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        own = 1 / (share * size)  # 1 / a of Beta(a, b)
        ratio = (1 - share) / share
        if spread_law == "conservative":
            between = ratio / share * own / np.maximum(1 - own, _LEAST * own)
            return between, between + ratio / share
        between = ratio / share * own
        return between, between + ratio / share
