"""The share of a group: numerator and denominator move together, vendor by vendor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import special

from darkmarket_estimates import _render
from darkmarket_estimates.comparison.moved import log_multipliers, moved_sums
from darkmarket_estimates.comparison.ranges import share_bounds
from darkmarket_estimates.comparison.result import METHODS, Ratio, check_group_cv, kind_of, over_ends
from darkmarket_estimates.comparison.unseen import log_odds, worth
from darkmarket_estimates.distribution.law import GridLaw, Law, PointLaw
from darkmarket_estimates.distribution.moments import effective_number
from darkmarket_estimates.distribution.ratios import Stratum, ratio_expected, ratios_realised
from darkmarket_estimates.errors import DataError, NotIdentifiedError
from darkmarket_estimates.factors import REVIEW_SHARE, Factor
from darkmarket_estimates.inference import Configuration, Model


def share_of_group(
    model: Model, label: Any, of: str, *, confidence_level: float, between_group_cv: float | None = None
) -> Ratio:
    """Share of a group in the total; see `Estimate.share`."""
    key = model.totals.require_key(of)
    text = str(label)
    if text not in key.labels or not (key.codes == key.labels.index(text)).any():
        known = [key.labels[c] for c in np.unique(key.codes)]
        raise DataError(f"{of!r} has no group {text!r}", expected="one of " + _render.listed([*map(repr, known)], 12),
                        got=repr(label), fix="spell the group as the table does")
    inside = key.codes == key.labels.index(text)
    everything = np.arange(model.totals.n_cells)
    return _share_of(model, inside, everything, title=f"{_render.shown(text)} in {model.estimand} "
                     f"{'turnover' if model.measure == 'money' else 'orders'}", level=confidence_level,
                     between_group_cv=between_group_cv)


def _share_of(
    model: Model, inside: np.ndarray, cells: np.ndarray, *, title: str, level: float, between_group_cv: float | None
) -> Ratio:
    """Factors on every cell cancel; the others are mixed in, or give bounds."""
    check_group_cv(between_group_cv)
    model = replace(model, factors=tuple(f for f in model.factors if f.cells is not None or f.name == REVIEW_SHARE))
    split = {i: f for i, f in enumerate(model.factors) if f.cells is not None}
    flags = []
    if model.shares and not any(f.name == REVIEW_SHARE for f in split.values()) and between_group_cv is None:
        flags.append("one review share for all groups")
    part = model.by_vendor(cells[inside], model.y[cells[inside]])
    if effective_number(part) < 30 and model.estimand == "expected":
        flags.append(f"indicative: the group has effectively {effective_number(part):.1f} vendors")
    a, b = float(model.y[cells[inside]].sum()), float(model.y[cells].sum())
    if b == 0:
        raise NotIdentifiedError("a share of nothing is undefined", expected="a total above 0", got="0")
    if any(f.is_range for f in split.values()):
        left_out = [f.title for f in split.values() if f.is_uncertain]
        if left_out:
            flags.append("bounds of the Ranges alone, at the means of the distributions by group: " + "; ".join(left_out))
        bounds = share_bounds(model, inside, cells, split.values())
        return Ratio(title, True, math.nan, bounds, None, "bounds", tuple(flags), level)
    value = _value_at(model, inside, cells, model.configuration("middle"))
    if model.coverage is not None:
        flags.append("unseen listings enter by the detection model, to first order on the log odds")
    law: Law | None = None
    empty = 0.0
    if model.interval != "none" and model.has_share and 0 < a < b:
        (law, empty), = over_ends(model, lambda at: [_share_law(model, inside, cells, at)])
        shifts = _odds_shifts(model, inside, cells, [f for f in split.values() if f.is_uncertain])
        unseen, variance = log_odds((model, cells[inside]), (model, cells[~inside]))
        if between_group_cv or variance > 0:
            shifts = (shifts[:, None] + _normal_shifts(between_group_cv or 0.0, variance)).ravel()
        if len(shifts) > 1 or unseen:
            law = odds_mixture(law, shifts + unseen)
    stated = between_group_cv or model.coverage is not None
    return Ratio(title, True, value, None, law, kind_of(model, law, split.values(), stated), tuple(flags), level, empty)


def _share_law(model: Model, inside: np.ndarray, cells: np.ndarray, at: Configuration) -> tuple[Law, float]:
    """Law of the share at fixed factors, and the probability of an empty total."""
    if model.estimand == "expected":
        x = model.y[cells] * model.multiplier(cells, at)
        law = ratio_expected(model.by_vendor(cells, x * inside), model.by_vendor(cells, x),
                             method=METHODS.get(model.interval, "default"))
        return law, law.no_denominator
    if model.totals.header.counted == "sold":
        x = model.y[cells] * model.multiplier(cells, at)
        return PointLaw(float(x[inside].sum() / x.sum())), 0.0
    m, square = model.multiplier(cells, at, shares=False), model.square_multiplier(cells, at)
    concerned: dict[tuple[float, float], np.ndarray] = {}  # review shares that are the same number are one
    for i, f in enumerate(model.factors):
        if f.name == REVIEW_SHARE and (on := f.share_of(cells)).any():
            assert f.rate is not None
            share = at[i], f.rate.spread_at(at[i])
            concerned[share] = concerned.get(share, False) | on
    strata = []
    for (rho, spread), on in concerned.items():
        part, top = cells[on], inside[on]
        y, q = model.y[part] * m[on], model.q[part] * square[on]
        a, b, qa, qb = (model.by_vendor(part, values) for values in (y * top, y, q * top, q))
        strata.append(Stratum(a, b, qa, qb, np.array([0, len(b)]), rho, spread))
    law, = ratios_realised(strata, nested=True, spread_law=model.spread_law)
    return law, law.no_denominator


def _value_at(model: Model, inside: np.ndarray, cells: np.ndarray, at: Configuration) -> float:
    """The share itself at given factors."""
    x = worth(model)[cells] * model.multiplier(cells, at)
    return float(x[inside].sum() / x.sum())


def _odds_shifts(model: Model, inside: np.ndarray, cells: np.ndarray, uncertain: Sequence[Factor]) -> np.ndarray:
    """How far the log odds of the share lie from the central ones, at points over factors that differ by group."""
    if not uncertain:
        return np.zeros(1)
    x = worth(model)[cells] * model.multiplier(cells, model.configuration("middle"))
    outside, within = moved_sums(x, inside.astype(np.int64), 2, [f.share_of(cells) for f in uncertain],
                                 log_multipliers(uncertain)).T
    return np.log(within / outside) - math.log(x[inside].sum() / x[~inside].sum())


def _normal_shifts(cv: float, variance: float = 0.0) -> np.ndarray:
    """Shifts of the log odds when the group and the rest each have a log-normal factor with this variation.

    `variance` is that of other normal shifts.
    """
    spread = math.sqrt(2 * math.log1p(cv**2) + variance)
    return spread * special.ndtri((np.arange(64) + 0.5) / 64)


def odds_mixture(law: Law, shifts: np.ndarray) -> GridLaw:
    """Law of a share whose odds are multiplied by a factor of their own.

    The shape is that of `law`, the place is averaged over equally likely shifts of the log odds.
    """
    if law.variance == 0:
        return GridLaw.from_sample(special.expit(special.logit(law.mean) + shifts))
    tails = np.array([1e-6, 1 - 1e-6])
    low, high = special.logit(np.clip(law.quantile(tails), 1e-12, 1 - 1e-12))
    points = np.linspace(low + shifts.min(), high + shifts.max(), 1025)
    cumulative = sum((law.cdf(special.expit(points - shift)) for shift in shifts), np.zeros_like(points)) / len(shifts)
    return GridLaw.tabulated(special.expit(points), cumulative)
