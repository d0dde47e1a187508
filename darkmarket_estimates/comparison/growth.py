"""One total over another: vendors present in both are joined, assumptions stated alike cancel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from darkmarket_estimates.comparison.result import METHODS, Ratio, check_group_cv, kind_of, over_ends
from darkmarket_estimates.comparison.unseen import log_odds, worth
from darkmarket_estimates.distribution.law import Law, PointLaw, ScaledMixture
from darkmarket_estimates.distribution.moments import effective_number
from darkmarket_estimates.distribution.ratios import ratios_expected, ratios_realised
from darkmarket_estimates.distribution.relative import scaled
from darkmarket_estimates.errors import DataError, NotIdentifiedError, NotSupportedError
from darkmarket_estimates.factors import REVIEW_SHARE, Factor
from darkmarket_estimates.inference import Configuration, Model, Tell, quiet
from darkmarket_estimates.inference.laws import Rows, laws
from darkmarket_estimates.totals import VENDOR

#: Cells of the numerator and of the denominator.
Pair = tuple[np.ndarray, np.ndarray]
#: Ratios whose laws are computed at once.
PAIRS = 256


def ratio_of_totals(
    first: Model, second: Model, *, scales: tuple[float, float], confidence_level: float, units: tuple[str, str],
    between_group_cv: float | None = None,
) -> Ratio:
    """Ratio of two totals; see `Estimate.ratio`."""
    cells = np.arange(first.totals.n_cells), np.arange(second.totals.n_cells)
    if not first.y.sum() or not second.y.sum():
        _check_alike(first, second, units)
        raise NotIdentifiedError("a ratio to or of nothing is undefined", got="a total of 0", expected="both above 0")
    return ratios_of_rows(first, second, [cells], scales=scales, confidence_level=confidence_level, units=units,
                          between_group_cv=between_group_cv)[0]


def ratios_of_rows(
    first: Model, second: Model, pairs: Sequence[Pair], *, scales: tuple[float, float], confidence_level: float,
    units: tuple[str, str], between_group_cv: float | None = None, tell: Tell = quiet,
) -> list[Ratio]:
    """Ratios of many rows of two tables in one pass, none of which is empty; `tell` is told the fraction done."""
    _check_alike(first, second, units)
    check_group_cv(between_group_cv)
    ours, theirs, stated_once = _uncancelled(first, second)
    if _overlap(first, second):
        raise DataError("the two totals hold the same sales", expected="two windows, or two groups without a cell in common",
                        fix="est.share(label, of=column) for a part and its whole")
    title = "ratio of " + ("turnover" if first.measure == "money" else "orders")
    factor = scales[0] / scales[1]
    models = first, second
    flags = [tuple(_ratio_flags(models, pair, stated_once, units[0], between_group_cv)) for pair in pairs]
    if any(f.is_range for f in (*ours, *theirs)):
        bounds = [_bounds(models, pair, factor, _range_width(first, ours)) for pair in pairs]
        return [Ratio(title, False, math.nan, ends, None, "bounds", flag, confidence_level)
                for ends, flag in zip(bounds, flags, strict=True)]
    at = first.configuration("middle"), second.configuration("middle")
    values = [[float(worth(m)[c] @ m.multiplier(c, a)) for m, c, a in zip(models, pair, at, strict=True)] for pair in pairs]
    found: list[tuple[Law | None, float]] = [(None, 0.0)] * len(pairs)
    if first.interval != "none" and first.has_share and second.has_share:
        uncertain = [(f.spec, f.at("central"), f.power) for f in ours if f.is_uncertain]
        uncertain += [(f.spec, f.at("central"), -f.power) for f in theirs if f.is_uncertain]
        if between_group_cv:
            uncertain.append((stats.lognorm(math.sqrt(2 * math.log1p(between_group_cv**2))), 1.0, 1))
        found = []
        codes = _joined(first, second)
        for start in range(0, len(pairs), PAIRS):
            some = pairs[start : start + PAIRS]

            def laws_at(one: Configuration, some: Sequence[Pair] = some) -> list[tuple[Law, float]]:
                return _ratio_laws(models, some, (one, _same_ends(first, second, one)), codes, stated_once)

            for pair, (law, empty) in zip(some, over_ends(first, laws_at), strict=True):
                unseen, variance = log_odds((first, pair[0]), (second, pair[1]))
                own = [*uncertain, (stats.lognorm(math.sqrt(variance)), 1.0, 1)] if variance > 0 else uncertain
                found.append((_rescaled(scaled(law, own), factor * math.exp(unseen)), empty))
            tell(len(found) / len(pairs))
    stated = between_group_cv or first.coverage is not None
    return [Ratio(title, False, factor * top / bottom, None, law, kind_of(first, law, [*ours, *theirs], stated),
                  flag, confidence_level, empty)
            for (top, bottom), (law, empty), flag in zip(values, found, flags, strict=True)]


def _check_alike(first: Model, second: Model, units: tuple[str, str]) -> None:
    for what in ("estimand", "measure", "interval", "spread_law", "coverage"):
        if getattr(first, what) != getattr(second, what):
            raise DataError(f"the two estimates differ in {what}", expected=repr(getattr(first, what)),
                            got=repr(getattr(second, what)), fix="compute both alike, then compare")
    if units[0] != units[1] or first.currency != second.currency:
        raise DataError("the two estimates are not in one unit", expected=f"{first.currency} a {units[0]}",
                        got=f"{second.currency} a {units[1]}", fix='.per("day") of both, in one currency')


def _bounds(models: tuple[Model, Model], pair: Pair, factor: float, cancelled: float) -> tuple[float, float]:
    """Smallest and largest ratio over the Ranges that do not cancel."""
    (low, high), (least, most) = ([m.value(c, end) for end in ("low", "high")] for m, c in zip(models, pair, strict=True))
    return factor * low / most * cancelled, factor * high / least / cancelled


def _rescaled(law: Law, factor: float) -> Law:
    return law if factor == 1 else ScaledMixture(law, np.array([factor]), np.array([1.0]))


def _overlap(first: Model, second: Model) -> bool:
    """Whether the two are parts of one table that share a cell."""
    a, b = first.totals, second.totals
    if a.header != b.header or a.audit != b.audit or any(a.keys[k].labels != b.keys[k].labels for k in a.keys):
        return False
    cells = [set(zip(*(t.keys[k].codes.tolist() for k in t.keys), strict=True)) for t in (a, b)]
    return not cells[0].isdisjoint(cells[1])


def _uncancelled(first: Model, second: Model) -> tuple[list[Factor], list[Factor], bool]:
    """Factors of each side that the other does not share, and whether the review share is one statement for both."""
    for f in (*first.factors, *second.factors):
        if f.cells is not None:
            raise NotSupportedError("a ratio of estimates with assumptions by group is not available", got=f.title,
                                    fix="compare the groups one by one: est.group(...).ratio(other.group(...))")
    theirs = list(second.factors)
    ours = []
    one_share = not first.shares and not second.shares
    for f in first.factors:
        twin = next((g for g in theirs if same_assumption(f, g)), None)
        if twin is None:
            ours.append(f)
        else:
            theirs.remove(twin)
            one_share |= f.name == REVIEW_SHARE
    return ours, theirs, one_share


def same_assumption(a: Factor, b: Factor) -> bool:
    """Whether two factors are one statement about one quantity."""
    if a.name != b.name:
        return False
    if a.rate is not None and b.rate is not None:
        return a.rate is b.rate or a.rate == b.rate or (a.rate.mean_spec is a.rate.mean and _same_law(a.spec, b.spec)
                                                        and a.rate.between_vendor_sd == b.rate.between_vendor_sd)
    return _same_law(a.spec, b.spec)


def _same_law(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if hasattr(a, "dist") and hasattr(b, "dist"):  # frozen scipy distributions compare by identity
        return (a.dist.name, a.args, a.kwds) == (b.dist.name, b.args, b.kwds)
    return type(a) is type(b) and bool(a == b)


def _same_ends(first: Model, second: Model, at: Configuration) -> Configuration:
    """The second model's factors, those that it shares with the first at the first's values."""
    own = second.configuration("middle")
    for i, f in enumerate(first.factors):
        own |= {j: at[i] for j, g in enumerate(second.factors) if same_assumption(f, g)}
    return own


def _range_width(model: Model, uncancelled: Sequence[Factor]) -> float:
    """How far apart the ends of the Ranges that cancel are, so that they do not widen the ratio."""
    width = 1.0
    for f in model.factors:
        if f.is_range and f not in uncancelled:
            width *= (f.at("high") / f.at("low")) ** f.power
    return width


def _ratio_laws(
    models: tuple[Model, Model], pairs: Sequence[Pair], at: tuple[Configuration, Configuration],
    codes: tuple[np.ndarray, np.ndarray], stated_once: bool,
) -> list[tuple[Law, float]]:
    """Laws of the ratios at central factors, vendors present in both totals joined, and of an empty denominator."""
    first, second = models
    rows = tuple(Rows.of([pair[side] for pair in pairs]) for side in (0, 1))
    cells = tuple(side.cells for side in rows)
    n = np.int64(max((int(c.max(initial=0)) for c in codes), default=0) + 1)
    keys = [side.owner * n + code[side.cells] for side, code in zip(rows, codes, strict=True)]
    vendors, which = np.unique(np.concatenate(keys), return_inverse=True)
    joined = which[: len(keys[0])], which[len(keys[0]) :]
    start = np.searchsorted(vendors, np.arange(len(pairs) + 1) * n)

    def spread(side: int, values: np.ndarray) -> np.ndarray:
        return np.bincount(joined[side], weights=values, minlength=len(vendors))

    m = [model.multiplier(c, a, shares=model.estimand == "expected") for model, c, a in zip(models, cells, at, strict=True)]
    a, b = (spread(side, model.y[cells[side]] * m[side]) for side, model in enumerate(models))
    if first.estimand == "expected":
        return [(law, law.no_denominator)
                for law in ratios_expected(a, b, start, method=METHODS.get(first.interval, "default"))]
    if first.totals.header.counted == "sold" and second.totals.header.counted == "sold":
        return [(PointLaw(float(x) / float(y)), 0.0)
                for x, y in zip(*(np.add.reduceat(side, start[:-1]) for side in (a, b)), strict=True)]
    if not stated_once or len(first.shares) != 1:
        tops, bottoms = (laws(model.at_centre(), [pair[side] for pair in pairs], "middle")
                         for side, model in enumerate(models))
        w = (np.arange(513) + 0.5) / 513
        return [(ScaledMixture(top, 1 / bottom.quantile(w)[::-1], np.full(513, 1 / 513)), 0.0)
                for top, bottom in zip(tops, bottoms, strict=True)]
    qa, qb = (spread(side, model.q[cells[side]] * model.square_multiplier(cells[side], at[side]))
              for side, model in enumerate(models))
    rate = first.shares[0].rate
    assert rate is not None
    rho = at[0][first.factors.index(first.shares[0])]
    return [(law, law.no_denominator) for law in ratios_realised(
        a, b, qa, qb, start, rho, rate.spread_at(rho), nested=False, spread_law=first.spread_law)]


def _joined(first: Model, second: Model) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the cells' vendors in one dictionary."""
    ids = (first.totals.header.vendor_ids, second.totals.header.vendor_ids)
    if ids[0] != ids[1]:
        raise DataError("the vendors of the two tables cannot be matched", expected="vendor ids of one kind",
                        got=" and ".join(ids), fix="save both with one vendor_key=")
    a, b = first.totals.keys[VENDOR], second.totals.keys[VENDOR]
    index = {label: code for code, label in enumerate(sorted({*a.labels, *b.labels}))}
    return tuple(np.array([index[v] for v in key.labels])[key.codes] for key in (a, b))


def _ratio_flags(
    models: tuple[Model, Model], pair: Pair, stated_once: bool, unit: str, between_group_cv: float | None
) -> list[str]:
    first, second = models
    flags = []
    if stated_once and first.shares and between_group_cv is None:
        flags.append("one review share for both")
    if first.shares and second.shares and not stated_once and first.estimand == "realised":
        flags.append("different review shares: vendors of the two totals are taken as unrelated")
    days = (first.totals.header.days, second.totals.header.days)
    if unit == "window" and None not in days and days[0] != days[1]:
        flags.append(f"windows of different length ({days[0]:g} and {days[1]:g} days): totals, not rates, are compared")
    if first.coverage is not None:
        same = first.totals.header.detection == second.totals.header.detection
        flags.append("unseen listings enter by the detection model" + ("" if same else "s, which are taken as unrelated"))
    for model, cells in zip(models, pair, strict=True):
        if model.estimand == "expected" and (n := effective_number(model.by_vendor(cells, model.y[cells]))) < 30:
            flags.append(f"indicative: effectively {n:.1f} vendors on one side")
    return flags
