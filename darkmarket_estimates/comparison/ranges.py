r"""Bounds of shares and ratios over factors that each lie somewhere in a Range.

For factors :math:`m_k` of disjoint parts a share or a ratio is linear-fractional, so its extremes lie at ends of the ranges:
:math:`\max_m \sum a_k m_k / \sum b_k m_k` by the fixed-point iteration of Dinkelbach, *Management Science* 13 (1967).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from darkmarket_estimates.comparison.ratio_laws import Pair
from darkmarket_estimates.comparison.twins import Twins
from darkmarket_estimates.errors import NotSupportedError
from darkmarket_estimates.factors import Factor
from darkmarket_estimates.inference import Model


def extremes(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    r"""Smallest and largest :math:`\sum_k a_{e_k k} / \sum_k b_{e_k k}` over an end e for each part.

    Parameters
    ----------
    a, b : array of shape (2, n_parts)
        Numerator and denominator of each part with its factor at either end.

    Examples
    --------
    >>> extremes(np.array([[1.0, 1.0], [2.0, 1.0]]), np.array([[1.0, 3.0], [2.0, 3.0]]))
    (0.5, 0.6)
    """
    ends, every = [], np.arange(a.shape[1])
    for sign in (-1, 1):
        ratio = float(a[0].sum() / b[0].sum())
        for _ in range(100):
            best = np.argmax(sign * (a - ratio * b), axis=0)
            new = float(a[best, every].sum() / b[best, every].sum())
            if new == ratio:
                break
            ratio = new
        ends.append(ratio)
    return ends[0], ends[1]


def share_bounds(
    model: Model, groups: Sequence[np.ndarray], factors: Sequence[Factor]
) -> list[tuple[float, float]]:
    """Smallest and largest share of each group, whose cells are given, over the Ranges among the factors, which act on parts."""
    key = model.totals.keys[_one_column(f for f in factors if f.is_range)]
    every = np.arange(model.totals.n_cells)
    x = [model.y * model.multiplier(every, model.configuration(end)) for end in ("low", "high")]
    whole, *parts = (np.array([np.bincount(key.codes[cells], own[cells], len(key.labels)) for own in x])
                     for cells in (every, *groups))
    return [extremes(part, whole) for part in parts]


def ratio_bounds(twins: Twins, pair: Pair) -> tuple[float, float]:
    """Smallest and largest ratio over the Ranges that do not cancel.

    Those that one side states alone move that side; those of parts that both state alike move both.
    """
    common = [(i, j) for i, j in twins.of_parts if twins.first.factors[i].is_range]
    column = _one_column(twins.first.factors[i] for i, _ in common) if common else None
    labels = sorted({label for m in (twins.first, twins.second) for label in m.totals.keys[column].labels} if column else {""})
    found = []
    for lowest, ends in enumerate((("low", "high"), ("high", "low"))):
        sums = []
        for side, (model, cells, end) in enumerate(zip((twins.first, twins.second), pair, ends, strict=True)):
            alone = (twins.ours, twins.theirs)[side]
            part = np.zeros(len(cells), dtype=np.int64)
            if column is not None:
                key = model.totals.keys[column]
                part = np.searchsorted(labels, np.asarray(key.labels))[key.codes[cells]]
            at = {**model.configuration("middle"), **{i: model.factors[i].at(end) for i in alone}}
            sums.append(np.array([np.bincount(part, model.y[cells] * model.multiplier(
                cells, {**at, **{both[side]: model.factors[both[side]].at(way) for both in common}}), len(labels))
                for way in ("low", "high")]))
        found.append(extremes(*sums)[lowest])
    return found[0], found[1]


def _one_column(factors: Iterable[Factor]) -> str:
    """The column whose groups the Ranges concern."""
    columns = {f.group[0] for f in factors if f.group}
    if len(columns) > 1:
        raise NotSupportedError("ranges over groups of two columns at once", got=" and ".join(sorted(columns)),
                                fix="state the ranges over one column, or compare the scenarios one by one")
    return columns.pop()
