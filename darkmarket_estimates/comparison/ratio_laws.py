"""Laws of ratios of two tables' rows: vendors present in both are one vendor, and what moves a realised ratio is mixed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import special

from darkmarket_estimates.comparison.over_factors import over_factors
from darkmarket_estimates.comparison.places import Kinds, Sums
from darkmarket_estimates.comparison.result import METHODS
from darkmarket_estimates.comparison.twins import Twins
from darkmarket_estimates.distribution.law import GridLaw, Law, ScaledMixture
from darkmarket_estimates.distribution.ratio_grids import RatioLaw
from darkmarket_estimates.distribution.ratios import Stratum, ratios_expected
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.inference import Configuration, Model
from darkmarket_estimates.inference.laws import Rows, laws
from darkmarket_estimates.totals import VENDOR

#: Cells of the numerator and of the denominator.
Pair = tuple[np.ndarray, np.ndarray]
#: Values of the factors of the numerator's model and of the denominator's.
Values = tuple[Configuration, Configuration]
#: Normal scores at which a denominator that is unrelated to its numerator is held; points of the numerator, and the
#: probability beyond either of its ends.
_SCORES, _DENSE, _BEYOND = np.linspace(-6.0, 6.0, 513), 2049, 1e-9


def ratio_laws(
    twins: Twins, pairs: Sequence[Pair], at: Values, codes: tuple[np.ndarray, np.ndarray]
) -> list[tuple[Law, float]]:
    """Laws of the ratios, and the probability of an empty denominator.

    Of a realised ratio the review shares and the factors on parts are mixed in, and where the two totals are unrelated
    whatever one of them states alone; the other factors are fixed.

    Parameters
    ----------
    twins : Twins
    pairs : sequence of (int array, int array)
        Cells of the numerator in the first table and of the denominator in the second.
    at : pair of configurations
    codes : pair of int arrays
        Vendors of the two tables' cells in one dictionary, from `joined`.
    """
    if are_unrelated(twins):
        return [(law, 0.0) for law in _unrelated(twins, pairs)]
    sides = Rows.of([a for a, _ in pairs]), Rows.of([b for _, b in pairs])
    if twins.first.estimand == "expected":
        return [(law.law, law.no_denominator) for law in _expected(twins, sides, at, codes)]
    y, q = zip(*(_reviewed(*each) for each in zip((twins.first, twins.second), sides, at, strict=True)), strict=True)
    on = [(f, twins.value(at, places), np.concatenate(twins.concerned(places, sides[0].cells, sides[1].cells)))
          for f, places in twins.stated]
    kinds, kind = Kinds.of(on, len(sides[0].cells) + len(sides[1].cells), twins.first.spread_law)
    of, n = np.split(kind, [len(sides[0].cells)]), _number(codes)
    keys = [(side.owner * np.int64(len(kinds.share)) + own) * n + code[side.cells]
            for side, own, code in zip(sides, of, codes, strict=True)]
    moving = [places for f, places in twins.stated if f.is_uncertain]

    def strata_at(values: Mapping[int, float], which: np.ndarray) -> list[Stratum]:
        moved = dict(at[0]), dict(at[1])
        for i, x in values.items():
            for side, place in enumerate(moving[i]):
                if place is not None:
                    moved[side][place] = x
        return _strata(twins, (sides[0].some(which), sides[1].some(which)), moved, codes)

    sums = Sums.of_pairs(keys, y, q, (len(pairs), len(kinds.share)), int(n))
    return [(law, 0.0) for law in over_factors(strata_at, kinds, sums, share=False)]


def are_unrelated(twins: Twins) -> bool:
    """Whether no vendor of a realised ratio has one review share in both totals."""
    sold = all(model.totals.header.counted == "sold" for model in (twins.first, twins.second))
    return twins.first.estimand == "realised" and not sold and not twins.shares


def _unrelated(twins: Twins, pairs: Sequence[Pair]) -> list[Law]:
    """Laws of ratios of independent totals, what both state alike at its centre."""
    found = []
    for side, model in enumerate((twins.first, twins.second)):
        both = {places[side] for places in twins.pairs}
        factors = tuple(replace(f, spec=f.at("central")) if i in both and f.is_uncertain else f
                        for i, f in enumerate(model.factors))
        found.append(laws(replace(model, factors=factors, interval="predictive"), [pair[side] for pair in pairs], "middle"))
    weights = np.exp(-(_SCORES**2) / 2) / np.exp(-(_SCORES**2) / 2).sum()
    return [ScaledMixture(_tabulated(top), 1 / bottom.quantile(special.ndtr(_SCORES)), weights)
            for top, bottom in zip(*found, strict=True)]


def _tabulated(law: Law) -> Law:
    """A law on a grid, where it will be asked for many values."""
    if isinstance(law, GridLaw) or law.variance == 0:
        return law
    low, high = law.quantile(np.array([_BEYOND, 1 - _BEYOND]))
    points = np.geomspace(low, high, _DENSE)
    return GridLaw.tabulated(points, law.cdf(points))


def _reviewed(model: Model, side: Rows, at: Configuration, *, shares: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Each cell's y and q, every factor but (where not told so) the review share applied."""
    return (model.y[side.cells] * model.multiplier(side.cells, at, shares=shares),
            model.q[side.cells] * model.square_multiplier(side.cells, at))


def _number(codes: tuple[np.ndarray, np.ndarray]) -> np.int64:
    return np.int64(max((int(c.max(initial=0)) for c in codes), default=0) + 1)


def _by_vendor(
    rows: tuple[Rows, Rows], codes: tuple[np.ndarray, np.ndarray]
) -> tuple[Callable[[int, np.ndarray], np.ndarray], np.ndarray]:
    """What adds values of the cells of a side up by vendor, and where the vendors of each row begin."""
    n = _number(codes)
    keys = [side.owner * n + code[side.cells] for side, code in zip(rows, codes, strict=True)]
    vendors, which = np.unique(np.concatenate(keys), return_inverse=True)
    of = which[: len(keys[0])], which[len(keys[0]) :]
    return (lambda side, values: np.bincount(of[side], weights=values, minlength=len(vendors)),
            np.searchsorted(vendors, np.arange(len(rows[0]) + 1) * n))


def _expected(
    twins: Twins, rows: tuple[Rows, Rows], at: Values, codes: tuple[np.ndarray, np.ndarray]
) -> list[RatioLaw]:
    add, start = _by_vendor(rows, codes)
    a, b = (add(i, _reviewed(*side, shares=True)[0])
            for i, side in enumerate(zip((twins.first, twins.second), rows, at, strict=True)))
    return ratios_expected(a, b, start, method=METHODS.get(twins.first.interval, "default"))


def _strata(
    twins: Twins, rows: tuple[Rows, Rows], at: Values, codes: tuple[np.ndarray, np.ndarray]
) -> list[Stratum]:
    """Vendors of the ratios, by the review share that they are under."""
    add, start = _by_vendor(rows, codes)
    y, q = zip(*(_reviewed(*side) for side in zip((twins.first, twins.second), rows, at, strict=True)), strict=True)
    strata = []
    for f, places in twins.review_shares:
        on = twins.concerned(places, rows[0].cells, rows[1].cells)
        a, b, qa, qb = (add(side, values[side] * on[side]) for values in (y, q) for side in (0, 1))
        assert f.rate is not None
        rho = twins.value(at, places)
        keep = (a > 0) | (b > 0)
        strata.append(Stratum(a[keep], b[keep], qa[keep], qb[keep], np.concatenate([[0], np.cumsum(keep)])[start], rho,
                              f.rate.spread_at(rho)))
    return strata


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
