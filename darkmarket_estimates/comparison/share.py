"""Shares of groups: numerator and denominator move together, vendor by vendor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import special

from darkmarket_estimates import _checks as check
from darkmarket_estimates import _render
from darkmarket_estimates.comparison.moved import gathered, log_multipliers, moved_sums
from darkmarket_estimates.comparison.ranges import share_bounds
from darkmarket_estimates.comparison.result import Ratio, check_group_cv, kind_of, over_ends
from darkmarket_estimates.comparison.share_laws import share_laws
from darkmarket_estimates.comparison.unseen import log_odds, worth
from darkmarket_estimates.distribution.law import GridLaw, Law
from darkmarket_estimates.distribution.moments import effective_number
from darkmarket_estimates.errors import DataError, NotIdentifiedError
from darkmarket_estimates.factors import REVIEW_SHARE, Factor
from darkmarket_estimates.inference import Configuration, Model, Tell, quiet
from darkmarket_estimates.totals import Key

#: Groups whose laws are computed at once, and cells of all of them together.
LABELS, AT_ONCE = 64, 1 << 21


def share_of_group(
    model: Model, label: Any, of: str, *, confidence_level: float, between_group_cv: float | None = None
) -> Ratio:
    """Share of a group in the total; see `Estimate.share`."""
    key = model.totals.require_key(of)
    text = check.label(label)
    if text not in key.labels or not (key.codes == key.labels.index(text)).any():
        known = [key.labels[c] for c in np.unique(key.codes)]
        raise DataError(f"{of!r} has no group {text!r}", expected="one of " + _render.listed([*map(repr, known)], 12),
                        got=check.shown(label), fix="spell the group as the table does")
    return shares_of_groups(model, [text], of, confidence_level=confidence_level, between_group_cv=between_group_cv)[0]


def shares_of_groups(
    model: Model, labels: Sequence[str], of: str, *, confidence_level: float, between_group_cv: float | None = None,
    tell: Tell = quiet,
) -> list[Ratio]:
    """Shares of many groups of a column in one pass; `tell` is told the fraction done.

    Factors on every cell cancel; the others are mixed in, or give bounds.
    """
    check_group_cv(between_group_cv)
    model = replace(model, factors=tuple(f for f in model.factors if f.cells is not None or f.name == REVIEW_SHARE))
    split = [f for f in model.factors if f.cells is not None]
    common = []
    if model.shares and not any(f.name == REVIEW_SHARE for f in split) and between_group_cv is None:
        common.append("one review share for all groups")
    key = model.totals.require_key(of)
    groups = _cells(key, labels)
    flags = [[*common, *_few(model, cells)] for cells in groups]
    whole = float(model.y.sum())
    if whole == 0:
        raise NotIdentifiedError("a share of nothing is undefined", expected="a total above 0", got="0")
    what = f"{model.estimand} {'turnover' if model.measure == 'money' else 'orders'}"
    titles = [f"{_render.shown(text)} in {what}" for text in labels]
    if any(f.is_range for f in split):
        left_out = "; ".join(f.title for f in split if f.is_uncertain)
        more = [f"bounds of the Ranges alone, at the means of the distributions by group: {left_out}"] if left_out else []
        return [Ratio(title, True, math.nan, ends, None, "bounds", (*flag, *more), confidence_level)
                for title, flag, ends in zip(titles, flags, share_bounds(model, groups, split), strict=True)]
    x = worth(model) * model.multiplier(np.arange(model.totals.n_cells), model.configuration("middle"))
    values = [float(x[cells].sum() / x.sum()) for cells in groups]
    more = [] if model.coverage is None else ["unseen listings enter by the detection model, to first order on the log odds"]
    laws: list[tuple[Law | None, float]] = [(None, 0.0)] * len(groups)
    wide = [i for i, cells in enumerate(groups) if 0 < float(model.y[cells].sum()) < whole]
    if model.interval != "none" and model.has_share:
        # the laws of realised shares hold these factors already
        shifts = gathered(_odds_shifts(key, x, [f for f in split if f.is_uncertain and model.estimand == "expected"]))
        step = min(LABELS, max(1, AT_ONCE // model.totals.n_cells))
        for start in range(0, len(wide), step):
            some = wide[start : start + step]

            def laws_at(at: Configuration, some: Sequence[int] = some) -> list[tuple[Law, float]]:
                return share_laws(model, [groups[i] for i in some], at)

            for i, (law, empty) in zip(some, over_ends(model, laws_at), strict=True):
                by = shifts[:, key.codes[groups[i][0]]]
                laws[i] = _shifted(law, by, _log_odds(model, groups[i]), between_group_cv), empty
            tell((start + len(some)) / len(wide))
    stated = between_group_cv or model.coverage is not None
    return [Ratio(title, True, value, None, law, kind_of(model, law, split, stated), (*flag, *more), confidence_level, empty)
            for title, flag, value, (law, empty) in zip(titles, flags, values, laws, strict=True)]


def _cells(key: Key, labels: Sequence[str]) -> list[np.ndarray]:
    """Cells of each label, in increasing order."""
    order = np.argsort(key.codes, kind="stable")
    start = np.searchsorted(key.codes[order], np.arange(len(key.labels) + 1))
    code = {text: i for i, text in enumerate(key.labels)}
    return [order[start[code[text]] : start[code[text] + 1]] for text in labels]


def _few(model: Model, cells: np.ndarray) -> list[str]:
    if model.estimand != "expected" or (n := effective_number(model.marks(cells, model.configuration("middle")))) >= 30:
        return []
    return [f"indicative: the group has effectively {n:.1f} vendors"]


def _odds_shifts(key: Key, x: np.ndarray, uncertain: Sequence[Factor]) -> np.ndarray:
    """How far the log odds of each label's share lie from the central ones, at points over factors that differ by group.

    Returns
    -------
    array of shape (n_points, n_labels)
        NaN for a label without money, or with all of it.
    """
    n = len(key.labels)
    if not uncertain:
        return np.zeros((1, n))
    every = np.arange(len(x))
    moved = moved_sums(x, key.codes, n, [f.share_of(every) for f in uncertain], log_multipliers(uncertain))
    central = np.bincount(key.codes, x, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(moved / _others(moved)) - np.log(central / _others(central))


def _others(sums: np.ndarray) -> np.ndarray:
    """The sum of all the other columns, from both sides, so that nothing cancels."""
    before, after = np.zeros_like(sums), np.zeros_like(sums)
    np.cumsum(sums[..., :-1], axis=-1, out=before[..., 1:])
    after[..., :-1] = np.cumsum(sums[..., :0:-1], axis=-1)[..., ::-1]
    return before + after


def _log_odds(model: Model, cells: np.ndarray) -> tuple[float, float]:
    """Mean and variance of the log odds beside those of the listings seen."""
    if model.coverage is None:
        return 0.0, 0.0
    outside = np.ones(model.totals.n_cells, dtype=bool)
    outside[cells] = False
    return log_odds((model, cells), (model, np.flatnonzero(outside)))


def _shifted(law: Law, shifts: np.ndarray, unseen: tuple[float, float], between_group_cv: float | None) -> Law:
    """The law with the shifts of its log odds mixed in."""
    by, variance = unseen
    if between_group_cv or variance > 0:
        shifts = (shifts[:, None] + _normal_shifts(between_group_cv or 0.0, variance)).ravel()
    return odds_mixture(law, shifts + by) if len(shifts) > 1 or by else law


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
