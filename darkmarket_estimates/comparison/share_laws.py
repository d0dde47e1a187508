"""Laws of the shares of many groups in one pass; what moves a realised share is mixed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from darkmarket_estimates.comparison.over_factors import over_factors
from darkmarket_estimates.comparison.places import Kinds, Sums
from darkmarket_estimates.comparison.result import METHODS
from darkmarket_estimates.distribution.law import Law
from darkmarket_estimates.distribution.ratios import Stratum, ratios_expected
from darkmarket_estimates.factors import REVIEW_SHARE
from darkmarket_estimates.inference import Configuration, Model
from darkmarket_estimates.totals import VENDOR


def share_laws(model: Model, groups: Sequence[np.ndarray], at: Configuration) -> list[tuple[Law, float]]:
    """Law of the share of each group in the total, and the probability of an empty total.

    Of a realised share the review shares and the factors on parts are mixed in.

    Parameters
    ----------
    model : Model
    groups : sequence of int arrays
        Cells of each group, in increasing order; none is all of the money, or nothing of it.
    at : mapping of int to float
        The value of every factor.
    """
    every = np.arange(model.totals.n_cells)
    n = len(groups)
    if model.estimand == "expected":
        vendors = _Vendors(model, every)
        x = model.y * model.multiplier(every, at)
        found = ratios_expected(vendors.within(groups, x), vendors.repeated(x, n), vendors.starts(n),
                                method=METHODS.get(model.interval, "default"))
        return [(law, law.no_denominator) for law in found]
    stated = [(i, f) for i, f in enumerate(model.factors) if f.name == REVIEW_SHARE or (f.is_uncertain and f.cells is not None)]
    kinds, kind = Kinds.of([(f, at[i], f.share_of(every)) for i, f in stated], len(every), model.spread_law)
    vendor = model.totals.keys[VENDOR]
    y = model.y * model.multiplier(every, at, shares=False)
    q = model.q * model.square_multiplier(every, at)
    sums = Sums.of_parts(groups, kind, vendor.codes, y, q, len(kinds.share), max(len(vendor.labels), 1))
    moving = [i for i, f in stated if f.is_uncertain]

    def strata_at(values: Mapping[int, float], which: np.ndarray) -> list[Stratum]:
        return _strata(model, [groups[i] for i in which.tolist()], {**at, **{moving[i]: x for i, x in values.items()}})

    return [(law, 0.0) for law in over_factors(strata_at, kinds, sums, share=True)]


def _strata(model: Model, groups: Sequence[np.ndarray], at: Configuration) -> list[Stratum]:
    """Vendors of the shares, by the review share that they are under."""
    every, n = np.arange(model.totals.n_cells), len(groups)
    y = model.y * model.multiplier(every, at, shares=False)
    q = model.q * model.square_multiplier(every, at)
    strata = []
    for (rho, spread), stated in _review_shares(model, every, at).items():
        on = stated > 0
        vendors = _Vendors(model, np.flatnonzero(on), stated)
        tops = [cells[on[cells]] for cells in groups]
        a, qa = (vendors.within(tops, values) for values in (y, q))
        b, qb = (vendors.repeated(values, n) for values in (y, q))
        strata.append(Stratum(a, b, qa, qb, vendors.starts(n), rho, spread))
    return strata


def _review_shares(model: Model, every: np.ndarray, at: Configuration) -> dict[tuple[float, float], np.ndarray]:
    """Where each review share acts, with its spread: which of the shares with these numbers, from 1, and 0 elsewhere."""
    out: dict[tuple[float, float], np.ndarray] = {}
    for i, f in enumerate(model.factors):
        if f.name == REVIEW_SHARE and (on := f.share_of(every)).any():
            assert f.rate is not None
            stated = out.setdefault((at[i], f.rate.spread_at(at[i])), np.zeros(len(every), dtype=np.int64))
            stated[on] = i + 1
    return out


class _Vendors:
    """Vendors of some cells, in the order of their codes: sums of a value a cell of the table.

    A vendor under two of the shares that are `stated` has a share of its own in each: it counts as two, as in the total.
    """

    def __init__(self, model: Model, cells: np.ndarray, stated: np.ndarray | None = None) -> None:
        codes, n = model.totals.keys[VENDOR].codes, max(len(model.totals.keys[VENDOR].labels), 1)
        if stated is not None and (kinds := np.unique(stated[cells])).size > 1:
            own, codes = np.unique(codes + n * np.searchsorted(kinds, stated).astype(np.int64), return_inverse=True)
            n = len(own)
        present = np.zeros(n, dtype=bool)
        present[codes[cells]] = True
        self.cells = cells
        self.place = (np.cumsum(present) - 1)[codes]
        self.number = int(present.sum())

    def _sums(self, values: np.ndarray, cells: np.ndarray) -> np.ndarray:
        return np.bincount(self.place[cells], values[cells], self.number)

    def within(self, groups: Sequence[np.ndarray], values: np.ndarray) -> np.ndarray:
        """Sums of each vendor over the cells of each group, group by group."""
        return np.concatenate([self._sums(values, cells) for cells in groups])

    def repeated(self, values: np.ndarray, n: int) -> np.ndarray:
        """Sums of each vendor over all of the cells, `n` times."""
        return np.tile(self._sums(values, self.cells), n)

    def starts(self, n: int) -> np.ndarray:
        """Where the vendors of each of `n` groups begin."""
        return np.arange(n + 1) * self.number
