"""Laws of ratios of two tables' rows at fixed factors: vendors present in both are one vendor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from darkmarket_estimates.comparison.result import METHODS
from darkmarket_estimates.comparison.twins import Twins
from darkmarket_estimates.distribution.law import Law, PointLaw, ScaledMixture
from darkmarket_estimates.distribution.ratios import Stratum, ratios_expected, ratios_realised
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.factors import REVIEW_SHARE
from darkmarket_estimates.inference import Configuration, Model
from darkmarket_estimates.inference.laws import Rows, laws
from darkmarket_estimates.totals import VENDOR

#: Cells of the numerator and of the denominator.
Pair = tuple[np.ndarray, np.ndarray]
#: Quantiles of a denominator that is unrelated to its numerator.
POINTS = 513


def ratio_laws(
    twins: Twins, pairs: Sequence[Pair], at: tuple[Configuration, Configuration], codes: tuple[np.ndarray, np.ndarray]
) -> list[tuple[Law, float]]:
    """Laws of the ratios, and the probability of an empty denominator.

    Parameters
    ----------
    twins : Twins
    pairs : sequence of (int array, int array)
        Cells of the numerator in the first table and of the denominator in the second.
    at : pair of configurations
    codes : pair of int arrays
        Vendors of the two tables' cells in one dictionary, from `joined`.
    """
    first, models = twins.first, (twins.first, twins.second)
    sold = [model.totals.header.counted == "sold" for model in models]
    if first.estimand == "realised" and not all(sold) and not twins.shares:
        tops, bottoms = (laws(model.at_centre(), [pair[side] for pair in pairs], "middle")
                         for side, model in enumerate(models))
        w = (np.arange(POINTS) + 0.5) / POINTS
        return [(ScaledMixture(top, 1 / bottom.quantile(w)[::-1], np.full(POINTS, 1 / POINTS)), 0.0)
                for top, bottom in zip(tops, bottoms, strict=True)]
    rows = tuple(Rows.of([pair[side] for pair in pairs]) for side in (0, 1))
    n = np.int64(max((int(c.max(initial=0)) for c in codes), default=0) + 1)
    keys = [side.owner * n + code[side.cells] for side, code in zip(rows, codes, strict=True)]
    vendors, which = np.unique(np.concatenate(keys), return_inverse=True)
    of = which[: len(keys[0])], which[len(keys[0]) :]
    start = np.searchsorted(vendors, np.arange(len(pairs) + 1) * n)

    def by_vendor(side: int, values: np.ndarray) -> np.ndarray:
        return np.bincount(of[side], weights=values, minlength=len(vendors))

    m = [model.multiplier(side.cells, a, shares=model.estimand == "expected")
         for model, side, a in zip(models, rows, at, strict=True)]
    y = [model.y[side.cells] * own for model, side, own in zip(models, rows, m, strict=True)]
    if first.estimand == "expected":
        found = ratios_expected(by_vendor(0, y[0]), by_vendor(1, y[1]), start, method=METHODS.get(first.interval, "default"))
        return [(law, law.no_denominator) for law in found]
    if all(sold):
        value = rows[0].sums(y[0]) / rows[1].sums(y[1])
        return [(PointLaw(float(v)), 0.0) for v in value]
    q = [model.q[side.cells] * model.square_multiplier(side.cells, a)
         for model, side, a in zip(models, rows, at, strict=True)]
    strata = []
    for places in _statements(twins):
        on = [np.zeros(len(side.cells)) if i is None else model.factors[i].share_of(side.cells)
              for model, side, i in zip(models, rows, places, strict=True)]
        a, b, qa, qb = (by_vendor(side, values[side] * on[side]) for values in (y, q) for side in (0, 1))
        side = 0 if places[0] is not None else 1
        place = places[side]
        assert place is not None
        rho, rate = at[side][place], models[side].factors[place].rate
        assert rate is not None
        keep = (a > 0) | (b > 0)
        strata.append(Stratum(a[keep], b[keep], qa[keep], qb[keep], np.concatenate([[0], np.cumsum(keep)])[start], rho,
                              rate.spread_at(rho)))
    return [(law, law.no_denominator) for law in ratios_realised(strata, nested=False, spread_law=first.spread_law)]


def _statements(twins: Twins) -> list[tuple[int | None, int | None]]:
    """Positions of each stated review share in the two models."""
    return [*twins.shares,
            *((i, None) for i in twins.ours if twins.first.factors[i].name == REVIEW_SHARE),
            *((None, j) for j in twins.theirs if twins.second.factors[j].name == REVIEW_SHARE)]


def joined(first: Model, second: Model) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the cells' vendors in one dictionary.

    Raises
    ------
    DataError
        The two tables name their vendors in two ways.
    """
    ids = (first.totals.header.vendor_ids, second.totals.header.vendor_ids)
    if ids[0] != ids[1]:
        raise DataError("the vendors of the two tables cannot be matched", expected="vendor ids of one kind",
                        got=" and ".join(ids), fix="save both with one vendor_key=")
    a, b = first.totals.keys[VENDOR], second.totals.keys[VENDOR]
    index = {label: code for code, label in enumerate(sorted({*a.labels, *b.labels}))}
    return tuple(np.array([index[v] for v in key.labels])[key.codes] for key in (a, b))
