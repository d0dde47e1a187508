"""Vendors of a ratio that keep their shape whatever the ratio is, and those in between: see `signed_totals`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from darkmarket_estimates.distribution.multiplier import Multiplier
from darkmarket_estimates.distribution.splines import MOST_KEPT
from darkmarket_estimates.distribution.strata import Stratum
from darkmarket_estimates.distribution.vendors import classes

#: Nodes of the multiplier of a vendor that dominates.
N_DOMINANT = 64
#: Knots of a curve at least, and radians that the fastest vendor may turn between two.
KNOTS, TURN = 64, 0.5
SLACK = 1e-9  # of rounding
LEAST = 1e-30  # probability that a vendor is given to lie further out

#: Pairs of y and q, how many vendors each stands for, and whose they are.
Vendors = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True)
class Alike:
    """Like vendors of one stratum: y and q, their weights, and where those of each ratio begin."""

    multiplier: Multiplier
    rows: np.ndarray
    counts: np.ndarray
    start: np.ndarray
    n_nodes: int | None


@dataclass(frozen=True, slots=True)
class Sides:
    """Vendors of one stratum by what they are to the ratios.

    Attributes
    ----------
    alike : pair of lists of Alike
        Those of P (wholly in A) and those of O (outside it): the many, and those that dominate.
    between : Stratum
        The others, M.
    dominant : bool array
        Of `between`.
    single : list of four tuples of arrays
        Pairs of y and q, how many vendors each stands for, and whose they are: of P, of M in A, of O, of M in B.
    """

    alike: tuple[list[Alike], list[Alike]]
    between: Stratum
    dominant: np.ndarray
    single: list[Vendors]


def sides_of(s: Stratum, m: Multiplier, dominant: np.ndarray, smooth: np.ndarray, *, nested: bool) -> Sides:
    """Vendors of P, of O and of M."""
    asked = smooth[s.owner]
    # a number of reviews below 1 is that of parts of both signs: such vendors are not of one shape
    alone = (s.b - s.a, s.qb - s.qa, s.a, s.qa) if nested else (s.b, s.qb, s.a, s.qa)
    is_p = asked & (alone[0] == 0) & (alone[1] == 0) & (s.qa > 0) & (s.a**2 >= s.qa * (1 - SLACK))
    is_o = asked & (alone[2] == 0) & (alone[3] == 0) & (s.qb > 0) & (s.b**2 >= s.qb * (1 - SLACK))
    is_m = asked & ~is_p & ~is_o & ((s.qa > 0) | (s.qb > 0))
    alike: tuple[list[Alike], list[Alike]] = ([], [])
    single: list[Vendors] = []
    for own, some, y, q in ((alike[0], is_p, s.a, s.qa), (alike[1], is_o, s.b, s.qb)):
        found = []
        for heavy in (False, True):
            part = np.flatnonzero(some & (dominant == heavy))
            rows, counts, of = alike_vendors(y[part], q[part], s.owner[part], m, apart=heavy)
            found.append((rows, counts, of))
            start = np.searchsorted(of, np.arange(len(smooth) + 1))
            own.append(Alike(m, rows, counts, start, N_DOMINANT if heavy else None))
        single.append(tuple(np.concatenate(each) for each in zip(*found, strict=True)))  # type: ignore[arg-type]
        y, q = (s.a, s.qa) if own is alike[0] else (s.b, s.qb)
        part = np.flatnonzero(is_m & (q > 0) & (y > 0))
        single.append((np.column_stack([y[part], q[part]]), np.ones(len(part)), s.owner[part]))
    begin = np.concatenate([[0], np.cumsum(is_m)])[s.start]
    between = Stratum(s.a[is_m], s.b[is_m], s.qa[is_m], s.qb[is_m], begin, s.share, s.spread)
    return Sides(alike, between, dominant[is_m], single)


def far_ends(parts: Sequence[tuple[list[Vendors], Multiplier]], scale: np.ndarray, lost_mass: float) -> np.ndarray:
    """How far a vendor of a ratio lies above its mean, but for a probability of `lost_mass` for all of them together.

    Each vendor has a part of this probability in proportion to its variance: the many small ones do not reach far anyway.

    Parameters
    ----------
    parts : sequence of (list of four Vendors, Multiplier)
        Of each stratum, as in `Sides.single`.
    scale : array of shape (4, n_ratios)
        What each kind of vendor is multiplied by, about the ratio of the means.

    Returns
    -------
    array of shape (n_ratios, 4)
        Of P, of M in A, of O, of M in B.
    """
    n = scale.shape[1]
    own = []
    for single, m in parts:
        between, within = m.variances
        for place, (rows, counts, of) in enumerate(single):
            y, q = rows.T
            own.append((place, y, q, counts, of, scale[place, of] ** 2 * (between * y * y + within * q), m))
    total = sum((np.bincount(of, counts * variance, n) for *_, counts, of, variance, _ in own), np.zeros(n))
    ends = np.zeros((n, 4))
    for place, y, q, _, of, variance, m in own:
        if len(of):
            lost = np.maximum(lost_mass * variance / total[of], LEAST)
            np.maximum.at(ends[:, place], of, m.far_end(y, q, lost))
    return ends


def alike_vendors(
    y: np.ndarray, q: np.ndarray, owner: np.ndarray, m: Multiplier, *, apart: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of y and q, how many vendors each stands for, and whose they are; each vendor by itself where told so."""
    if apart or not len(y):
        return np.column_stack([y, q]), np.ones(len(y)), owner
    return classes(y, q, m.variances[0] * y * y + m.variances[1] * q, owner)


def log_curve(parts: Sequence[Alike], ratio: int, last: float) -> np.ndarray | None:
    """Logarithm of the transform of one ratio's vendors of one shape, at knots up to `last`; None where it turns too often."""
    rows = [(part, at) for part in parts if (at := slice(part.start[ratio], part.start[ratio + 1])).stop > at.start]
    if not rows:
        return np.zeros(2, dtype=np.complex128)
    if not 0 < last < math.inf:
        return None
    variance = sum(float(part.counts[at] @ (np.square(part.rows[at]) @ [part.multiplier.variances[0], 0.0]
                                            + part.rows[at] @ [0.0, part.multiplier.variances[1]])) for part, at in rows)
    price = max(float((part.rows[at, 1] / part.rows[at, 0]).max()) for part, at in rows)
    n = max(KNOTS, math.ceil(2 * last * max(math.sqrt(variance), price) / TURN))
    if n > MOST_KEPT:
        return None
    t = last * np.linspace(0.0, 1.0, n) ** 2
    logs = ((part.counts[at, None], part.multiplier.log_transform(part.rows[at, 0], part.rows[at, 1], t, part.n_nodes))
            for part, at in rows)
    return sum(((counts * log).sum(axis=0) for counts, log in logs), np.zeros(n, dtype=np.complex128))
