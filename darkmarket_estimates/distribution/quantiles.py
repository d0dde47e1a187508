"""Quantiles of many laws in one pass: mixtures of laws on grids are inverted together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from darkmarket_estimates.distribution.base import Law, invert_each
from darkmarket_estimates.distribution.combined import Hull, Mixture, ScaledMixture, hull_ends
from darkmarket_estimates.distribution.law import GridLaw, PointLaw
from darkmarket_estimates.distribution.segments import pick

#: Terms of a mixture that is taken apart at most, and terms evaluated at once.
MOST_TERMS, AT_ONCE = 4096, 2**16
#: Factors of a grid that a first look takes, and how far the answer may lie from it.
FEW, NEAR = 20, 1e-5

#: Grids with what their values are multiplied by, the weights, and what is added:
#: P(T <= x) = sum of weight x F((x - shift) / factor).
Term = tuple[GridLaw, np.ndarray, np.ndarray, np.ndarray]
Terms = list[Term]


def quantiles(laws: Sequence[Law], p: np.ndarray) -> np.ndarray:
    """Quantiles of each law at each level, shape (n_laws, n_levels).

    A law by itself gives the same digits as among others.

    Parameters
    ----------
    laws : sequence of Law
    p : array of shape (n_levels,) or (n_laws, n_levels)
        Strictly between 0 and 1; the same for all, or each law's own.

    Examples
    --------
    >>> grid = GridLaw.tabulated(np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.2, 1.0]))
    >>> quantiles([grid, Mixture([grid, PointLaw(3.0)], [0.5, 0.5])], np.array([0.3, 0.6])).round(4)
    array([[1.125, 1.5  ],
           [1.5  , 3.   ]])
    """
    p = np.broadcast_to(p, (len(laws), np.shape(p)[-1]))
    out = np.empty(p.shape)
    hulls = [i for i, law in enumerate(laws) if isinstance(law, Hull)]
    if hulls:
        below, above = (quantiles([getattr(laws[i], side) for i in hulls], p[hulls]) for side in ("law_a", "law_b"))
        out[hulls] = hull_ends(p[hulls], below, above)
    together: list[tuple[int, Terms]] = []
    for i, law in enumerate(laws):
        if isinstance(law, Mixture | ScaledMixture) and (terms := _terms(law)) is not None:
            together.append((i, terms))
        elif not isinstance(law, Hull):
            out[i] = law.quantile(p[i])
    many = [(i, terms) for i, terms in together if _number(terms) > FEW * len(terms)]
    few = [(i, terms) for i, terms in together if _number(terms) <= FEW * len(terms)]
    for alike, look in ((few, False), (many, True)):
        for some in _portions(alike, p.shape[1]):
            rows = [i for i, _ in some]
            out[rows] = _inverted([terms for _, terms in some], p[rows], look=look)
    return out


def _terms(law: Law) -> Terms | None:
    """The grids that a law is made of, or None where it is made of something else, or of too many."""
    if isinstance(law, GridLaw):
        return [(law, np.ones(1), np.ones(1), np.zeros(1))]
    if isinstance(law, PointLaw):
        return [(GridLaw(np.full(2, law.value), np.array([0.0, 1.0]), law.value, 0.0), np.ones(1), np.ones(1), np.zeros(1))]
    if isinstance(law, ScaledMixture):
        inner = _terms(law.law)
        if inner is None or _number(inner) * len(law.factors) > MOST_TERMS:
            return None
        return [(grid, np.outer(f, law.factors).ravel(), np.outer(w, law.weights).ravel(),
                 (law.about + np.outer(shift - law.about, law.factors)).ravel()) for grid, f, w, shift in inner]
    if isinstance(law, Mixture):
        found: Terms = []
        for part, weight in zip(law.laws, law.weights, strict=True):
            if weight > 0:
                inner = _terms(part)
                if inner is None or _number(found) + _number(inner) > MOST_TERMS:
                    return None
                found += [(grid, f, weight * w, shift) for grid, f, w, shift in inner]
        return found
    return None


def _number(terms: Terms) -> int:
    return sum(len(factors) for _, factors, *_ in terms)


def _portions(laws: list[tuple[int, Terms]], n_levels: int) -> Iterator[list[tuple[int, Terms]]]:
    some: list[tuple[int, Terms]] = []
    size = 0
    for one in laws:
        some.append(one)
        size += _number(one[1]) * n_levels
        if size >= AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some


def _inverted(laws: list[Terms], p: np.ndarray, *, look: bool) -> np.ndarray:
    """Quantiles of each law, where asked for with a first look at a few of its factors."""
    ends = [np.array([_ends(part, levels) for part in terms]) for terms, levels in zip(laws, p, strict=True)]
    low = np.concatenate([each.min(axis=(0, 1)) for each in ends])
    high = np.concatenate([each.max(axis=(0, 1)) for each in ends])
    slack = 1e-12 * np.maximum(np.abs(low), np.abs(high))  # the parts' own quantiles are rounded
    low, high = low - slack, high + slack
    grids, levels = Grids.of(laws), p.ravel()
    stack = Stack.of(grids, laws, p.shape[1])
    known = None
    if look:
        rough = Stack.of(grids, [[_thinned(part) for part in terms] for terms in laws], p.shape[1])
        low, high, known = _nearer(stack, levels, invert_each(rough.cdf, levels, low, high), low, high)
    found = invert_each(stack.cdf, levels, low, high, known).reshape(p.shape)
    order = np.argsort(p, axis=1)  # at a jump the last digits of two levels may cross: levels nest
    np.put_along_axis(found, order, np.maximum.accumulate(np.take_along_axis(found, order, axis=1), axis=1), axis=1)
    return found


def _ends(part: Term, levels: np.ndarray) -> np.ndarray:
    """Quantiles of a grid under the factors that move them furthest, shape (2, n_levels)."""
    grid, factor, _, shift = part
    own = grid._quantile(levels)
    if not shift.any():
        return np.outer([factor.min(), factor.max()], own)
    each = np.outer(factor, own) + shift[:, None]
    return np.array([each.min(axis=0), each.max(axis=0)])


def _thinned(part: Term) -> Term:
    """The same with every so manieth factor, for a first look.

    The nodes of a factor are those of a trapezoidal rule, which stays exact to many digits where the law is smooth.
    """
    grid, factor, weight, shift = part
    if len(factor) <= FEW:
        return part
    order = np.argsort(factor)[:: -(-len(factor) // FEW)]
    return grid, factor[order], weight[order] * (weight.sum() / weight[order].sum()), shift[order]


def _nearer(
    stack: Stack, p: np.ndarray, about: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Brackets about a first look, where they hold the answer, and the values at their ends."""
    every, reach = np.arange(len(p)), NEAR * np.abs(about)
    below, above = np.maximum(about - reach, low), np.minimum(about + reach, high)
    ends = stack.cdf(below, every), stack.cdf(above, every)
    left, right = ends[0] >= p, ends[1] < p  # of the bracket
    out = np.where(left, low, np.where(right, above, below)), np.where(right, high, np.where(left, below, above))
    # where no side is known the ends of the law are: nothing below, everything above
    return *out, (np.where(left, 0.0, np.where(right, ends[1], ends[0])), np.where(right, 1.0, np.where(left, *ends)))


@dataclass(frozen=True, slots=True, eq=False)
class Grids:
    """The grids of many mixtures laid end to end.

    Attributes
    ----------
    points, cumulative : array
        Of all grids.
    first, last : int array of shape (n_grids,)
        Where each begins and ends.
    origin, cells : array of shape (n_grids,)
        A point of the grid, and its cells per unit, where it is even.
    """

    points: np.ndarray
    cumulative: np.ndarray
    first: np.ndarray
    last: np.ndarray
    origin: np.ndarray
    cells: np.ndarray

    @classmethod
    def of(cls, laws: list[Terms]) -> Grids:
        """From the terms of each law."""
        parts = [grid for terms in laws for grid, *_ in terms]
        points = np.concatenate([grid.points for grid in parts])
        sizes = np.array([len(grid.points) for grid in parts])
        last = np.cumsum(sizes) - 1
        first = last + 1 - sizes
        quarter, rest = first + sizes // 4, last - sizes // 4  # the ends of a grid may be cut
        width = points[rest] - points[quarter]
        cells = np.divide(rest - quarter, width, out=np.zeros(len(parts)), where=width > 0)
        origin = points[quarter] - (quarter - first) / np.where(cells > 0, cells, np.inf)
        return cls(points, np.concatenate([grid.cumulative for grid in parts]), first, last, origin, cells)


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Distribution functions of mixtures of laws on grids.

    Attributes
    ----------
    grids : Grids
    start : int array of shape (n_questions + 1,)
        Where the terms of each question begin; a question is a law and a level.
    grid : int array of shape (n_terms,)
    factor, weight, shift : array of shape (n_terms,)
    """

    grids: Grids
    start: np.ndarray
    grid: np.ndarray
    factor: np.ndarray
    weight: np.ndarray
    shift: np.ndarray

    @classmethod
    def of(cls, grids: Grids, laws: list[Terms], n_levels: int) -> Stack:
        """From the terms of each law, and their grids."""
        parts = [part for terms in laws for part in terms]
        grid = np.repeat(np.arange(len(parts)), [len(f) for _, f, *_ in parts])
        numbers = np.array([_number(terms) for terms in laws])
        terms, start = pick(np.concatenate([[0], np.cumsum(numbers)]), np.repeat(np.arange(len(laws)), n_levels))
        return cls(grids, start, grid[terms], *(np.concatenate([part[i] for part in parts])[terms] for i in (1, 2, 3)))

    def cdf(self, x: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Values at one place for each of the questions `which`."""
        start, grid, factor, weight, shift = self.start, self.grid, self.factor, self.weight, self.shift
        if len(which) < len(start) - 1:
            terms, start = pick(start, which)
            grid, factor, weight, shift = grid[terms], factor[terms], weight[terms], shift[terms]
        height = self._height((np.repeat(x, np.diff(start)) - shift) / factor, grid)
        height *= weight
        return np.add.reduceat(height, start[:-1])

    def _height(self, x: np.ndarray, grid: np.ndarray) -> np.ndarray:
        """Each grid's distribution function, linear between its points."""
        grids = self.grids
        first, last = grids.first[grid], grids.last[grid]
        # a guess that is right but for rounding where the grid is even, and between the same points elsewhere
        place = x - grids.origin[grid]
        place *= grids.cells[grid]
        at = first + np.clip(place, 0, last - first - 1, out=place).astype(np.int64)
        left, right = grids.points[at], grids.points[at + 1]
        off = np.flatnonzero(((x >= right) & (at < last - 1)) | ((x < left) & (at > first)))
        if len(off):
            at[off] = self._searched(x[off], first[off], last[off])
            left[off], right[off] = grids.points[at[off]], grids.points[at[off] + 1]
        low, high = grids.cumulative[at], grids.cumulative[at + 1]
        inside = (x >= left) & (x < right)  # else it lies beyond an end
        part = np.divide(x - left, right - left, out=(x >= right).astype(np.float64), where=inside)
        return np.where(inside, low + (high - low) * part, part)

    def _searched(self, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """The last of the points that is not above x, but the end, by bisection."""
        while (open_ := high - low > 1).any():
            middle = (low + high) // 2
            enough = self.grids.points[middle] <= x
            low, high = np.where(open_ & enough, middle, low), np.where(open_ & ~enough, middle, high)
        return low
