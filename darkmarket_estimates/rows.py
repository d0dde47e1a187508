"""The rows of a result: one a group, and the total."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from darkmarket_estimates.assumptions import ValueChao
from darkmarket_estimates.distribution.moments import effective_number
from darkmarket_estimates.inference import Model, Tell, quiet
from darkmarket_estimates.inference.laws import Rows
from darkmarket_estimates.totals import Totals
from darkmarket_estimates.undetected import covered, with_unseen
from darkmarket_estimates.unseen_bounds import Bound, lower_bounds

ALL = "(all)"


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One group, or the total: figures in the unit of the totals.

    `cells` are its positions in the totals; `bounds` and `interval` are None where there is none.
    `limit` is the one-sided lower limit of a lower bound, `undetected` the money of listings that no scrape saw.
    """

    labels: tuple[str, ...]
    cells: np.ndarray
    value: float
    floor: float
    bounds: tuple[float, float] | None
    interval: tuple[float, float] | None
    n_listings: int
    n_vendors: int
    count: float
    n_eff: float
    top_share: float
    flags: tuple[str, ...]
    limit: float | None = None
    undetected: float = 0.0


def kind_of(
    model: Model, cells: np.ndarray, bounds: tuple[float, float] | None, interval: tuple[float, float] | None
) -> str:
    """What the figures of a row are."""
    if isinstance(model.coverage, ValueChao):
        return "lower bound"
    if not model.has_share:
        return "floor"
    if bounds is not None:
        return "bounds"
    if interval is not None and model.posterior is not None:
        return model.posterior
    acting = [f for f in model.factors if f.share_of(cells).any()]
    if interval is None:
        counted = model.totals.header.counted == "sold" and model.estimand == "realised" and not acting
        return "census" if counted else "point"
    # the standard error of a fitted mean is no prior; a distribution that the analyst states is
    prior = any(f.is_uncertain and (f.rate is None or f.rate.is_prior) for f in acting)
    name = "prediction interval" if model.estimand == "realised" else "confidence interval"
    return f"hybrid {name}" if prior else name


def grouped(totals: Totals, by: Sequence[str]) -> tuple[list[tuple[str, ...]], list[np.ndarray]]:
    """Labels and cells of every group that occurs, in the order of the labels."""
    keys = [totals.require_key(name) for name in by]
    if not keys or not totals.n_cells:
        return [], []
    packed = np.zeros(totals.n_cells, dtype=np.int64)
    for key in keys:
        packed = np.unique(packed * np.int64(len(key.labels)) + key.codes, return_inverse=True)[1]
    order = np.argsort(packed, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(packed[order], prepend=-1))[1:])
    return [tuple(key.labels[key.codes[cells[0]]] for key in keys) for cells in groups], groups


def compute_rows(model: Model, confidence_level: float, flags: tuple[str, ...], tell: Tell = quiet) -> tuple[Row, ...]:
    """Every group in the order of its labels, then the total, which alone carries the flags of the whole."""
    labels, groups = grouped(model.totals, model.totals.groups)
    groups, labels = [*groups, np.arange(model.totals.n_cells)], [*labels, (ALL,) * len(model.totals.groups)]
    models = [covered(model, cells) for cells in groups]
    bounds = lower_bounds(model, groups, confidence_level, tell)
    if isinstance(model.coverage, ValueChao):
        intervals: list[tuple[float, float] | None] = [None] * len(groups)
    elif model.coverage is None:
        intervals = model.intervals_of(groups, confidence_level, tell)
    else:
        intervals = with_unseen(model, models, groups, confidence_level, tell)
    # of all rows at once: a group is a few cells, and asked by itself mostly overhead
    floors, seen = model.sums(groups, model.floor_configuration()), model.values(groups, "central")
    # what vendors are worth, as in `influence`: factors by group change who is large
    times = model.multiplier(groups[-1], model.configuration("middle"))
    worth = model.y * (times / times.max(initial=1e-300))  # parts of a sum: their scale is left out, which might overflow
    money = [*_by_vendor(model, groups[:-1], worth), model.by_vendor(groups[-1], worth)]
    last = len(groups) - 1
    return tuple(_row(model, models[i], labels[i], groups[i], flags if i == last else (), intervals[i], bounds[i], money[i],
                      floors[i], seen[i]) for i in range(len(groups)))


def _by_vendor(model: Model, groups: Sequence[np.ndarray], worth: np.ndarray) -> list[np.ndarray]:
    """Money of the vendors of each group; `worth` is that of the cells."""
    if not groups:
        return []
    rows = Rows.of(groups)
    (money,), start = rows.by_vendor(model, worth[rows.cells])
    return np.split(money, start[1:-1])


def _row(
    model: Model, whole: Model, labels: tuple[str, ...], cells: np.ndarray, flags: tuple[str, ...],
    interval: tuple[float, float] | None, bound: Bound | None, money: np.ndarray, floor: float, seen: float,
) -> Row:
    """One row; `money` is that of its vendors, `seen` the total without what no scrape saw."""
    columns = model.totals.columns
    value = floor
    if model.has_share:
        ranged = any(f.is_range and f.share_of(cells).any() for f in model.factors)
        value = math.nan if ranged else seen if whole is model else whole.value(cells, "central")
    n_eff, total = effective_number(money), float(money.sum())
    top = float(money.max(initial=0.0)) / total if total > 0 else math.nan
    sellers = int((money > 0).sum())
    found = [*flags]
    if total == 0:
        found.append(f"no {model.totals.header.counted}: the value 0 is what was seen, not what was sold")
    elif model.estimand == "expected" and model.has_share and (n_eff < 10 or sellers < 30):
        found.append(f"indicative: {sellers} vendor(s) with sales, effectively {n_eff:.1f}")
    if top > 0.5:
        found.append(f"one vendor makes {top:.0%} of it")
    if bound:
        value, found = bound.value, [*found, *bound.flags]
    return Row(
        labels=labels, cells=cells, value=value, floor=floor, bounds=whole.bounds(cells) if model.has_share else None,
        interval=interval, n_listings=int(columns["n_listings"][cells].sum()), n_vendors=len(money),
        count=float(columns["reviews"][cells].sum()), n_eff=n_eff, top_share=top, flags=tuple(found),
        limit=bound.limit if bound else None,
        undetected=bound.unseen if bound else 0.0 if whole is model else (
            whole.value(cells, "middle") - model.value(cells, "middle")),
    )
