"""One total over another: vendors present in both are joined, assumptions stated alike cancel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from darkmarket_estimates.comparison.moved import gathered, log_multipliers, moved_sums
from darkmarket_estimates.comparison.ranges import ratio_bounds
from darkmarket_estimates.comparison.ratio_laws import Pair, are_unrelated, joined, ratio_laws
from darkmarket_estimates.comparison.result import Ratio, check_group_cv, kind_of, over_ends
from darkmarket_estimates.comparison.twins import Twins
from darkmarket_estimates.comparison.unseen import log_odds, worth
from darkmarket_estimates.distribution.law import Law, ScaledMixture
from darkmarket_estimates.distribution.moments import effective_number
from darkmarket_estimates.distribution.relative import scaled
from darkmarket_estimates.errors import DataError, NotIdentifiedError
from darkmarket_estimates.inference import Configuration, Model, Tell, quiet
from darkmarket_estimates.inference.laws import Rows

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
    twins = Twins.of(first, second)
    ours, theirs = twins.alone
    by_part = [f for f in (*(first.factors[i] for i, _ in twins.of_parts), *ours, *theirs) if f.cells is not None]
    if _overlap(first, second):
        raise DataError("the two totals hold the same sales", expected="two windows, or two groups without a cell in common",
                        fix="est.share(label, of=column) for a part and its whole")
    title = "ratio of " + ("turnover" if first.measure == "money" else "orders")
    factor = scales[0] / scales[1]
    models = first, second
    flags = [tuple(_ratio_flags(twins, pair, units[0], between_group_cv)) for pair in pairs]
    if any(f.is_range for f in (*ours, *theirs, *by_part)):
        left_out = dict.fromkeys(f.title for f in (*ours, *theirs, *by_part) if f.is_uncertain)
        more = ("bounds of the Ranges alone, at the means of the distributions: " + "; ".join(left_out),) if left_out else ()
        bounds = [ratio_bounds(twins, pair) for pair in pairs]
        return [Ratio(title, False, math.nan, (factor * low, factor * high), None, "bounds", (*flag, *more), confidence_level)
                for (low, high), flag in zip(bounds, flags, strict=True)]
    at = first.configuration("middle"), second.configuration("middle")
    values = [[float(worth(m)[c] @ m.multiplier(c, a)) for m, c, a in zip(models, pair, at, strict=True)] for pair in pairs]
    found: list[tuple[Law | None, float]] = [(None, 0.0)] * len(pairs)
    if first.interval != "none" and first.has_share and second.has_share:
        unrelated = are_unrelated(twins)  # then the laws hold what either states alone
        uncertain = [(f.spec, f.at("central"), sign * f.power) for sign, side in ((1, ours), (-1, theirs))
                     for f in side if f.is_uncertain and f.cells is None and not unrelated]
        if between_group_cv:
            uncertain.append((stats.lognorm(math.sqrt(2 * math.log1p(between_group_cv**2))), 1.0, 1))
        found = []
        codes = joined(first, second)
        for start in range(0, len(pairs), PAIRS):
            some = pairs[start : start + PAIRS]

            def laws_at(one: Configuration, some: Sequence[Pair] = some) -> list[tuple[Law, float]]:
                return ratio_laws(twins, some, (one, twins.follow(one)), codes)

            shifts = _part_shifts(twins, some, unrelated=unrelated)
            for pair, (law, empty), by in zip(some, over_ends(first, laws_at), shifts.T, strict=True):
                unseen, variance = log_odds((first, pair[0]), (second, pair[1]))
                own = [*uncertain, (stats.lognorm(math.sqrt(variance)), 1.0, 1)] if variance > 0 else uncertain
                found.append((_rescaled(scaled(law, own), by * (factor * math.exp(unseen))), empty))
            tell(len(found) / len(pairs))
    stated = between_group_cv or first.coverage is not None
    return [Ratio(title, False, factor * top / bottom, None, law, kind_of(first, law, [*ours, *theirs, *by_part], stated),
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


def _rescaled(law: Law, factors: np.ndarray) -> Law:
    """The law times each of some factors that are equally likely."""
    return law if (factors == 1).all() else ScaledMixture(law, factors, np.full(len(factors), 1 / len(factors)))


def _overlap(first: Model, second: Model) -> bool:
    """Whether the two are parts of one table that share a cell."""
    a, b = first.totals, second.totals
    if a.header != b.header or a.audit != b.audit or any(a.keys[k].labels != b.keys[k].labels for k in a.keys):
        return False
    cells = [set(zip(*(t.keys[k].codes.tolist() for k in t.keys), strict=True)) for t in (a, b)]
    return not cells[0].isdisjoint(cells[1])


def _part_shifts(twins: Twins, pairs: Sequence[Pair], *, unrelated: bool) -> np.ndarray:
    """By what each ratio is multiplied at points over uncertain factors that act on a group: (n_points, n_pairs).

    What both state alike has one value in both. Of related realised ratios the laws hold these factors already.
    """
    models = twins.first, twins.second
    moving = [(f, places) for f, places in twins.every if f.is_uncertain and f.cells is not None
              and (twins.first.estimand == "expected" or (unrelated and None not in places))]
    if not moving:
        return np.ones((1, len(pairs)))
    logs, sums = log_multipliers([f for f, _ in moving]), []
    for side, model in enumerate(models):
        rows = Rows.of([pair[side] for pair in pairs])
        x = worth(model)[rows.cells] * model.multiplier(rows.cells, model.configuration("middle"))
        acts = [np.zeros(len(rows.cells), dtype=bool) if (i := places[side]) is None else model.factors[i].share_of(rows.cells)
                for _, places in moving]
        sums.append(moved_sums(x, rows.owner, len(rows), acts, logs) / rows.sums(x))
    return np.exp(gathered(np.log(sums[0] / sums[1])))


def _ratio_flags(
    twins: Twins, pair: Pair, unit: str, between_group_cv: float | None
) -> list[str]:
    models = first, second = twins.first, twins.second
    flags = []
    if twins.shares and twins.shares_alike and between_group_cv is None:
        flags.append("one review share for both")
    if first.shares and second.shares and not twins.shares_alike and first.estimand == "realised":
        flags.append("different review shares: vendors of the two totals are taken as unrelated")
    days = (first.totals.header.days, second.totals.header.days)
    if unit == "window" and None not in days and days[0] != days[1]:
        flags.append(f"windows of different length ({days[0]:g} and {days[1]:g} days): totals, not rates, are compared")
    if first.coverage is not None:
        same = first.totals.header.detection == second.totals.header.detection
        flags.append("unseen listings enter by the detection model" + ("" if same else "s, which are taken as unrelated"))
    for model, cells, place in zip(models, pair, ("numerator", "denominator"), strict=True):
        if model.estimand == "expected" and (n := effective_number(model.marks(cells, model.configuration("middle")))) < 30:
            flags.append(f"indicative: effectively {n:.1f} vendors in the {place}")
    return flags
