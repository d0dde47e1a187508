"""Where the uncertainty comes from: variances by source, scenarios, cleaning rules, and single vendors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates.assumptions import ValueChao
from darkmarket_estimates.distribution import moments
from darkmarket_estimates.distribution.factors import log_variance
from darkmarket_estimates.inference import (
    BETWEEN_VENDORS,
    UNREVIEWED,
    VENDORS_SAMPLED,
    Kept,
    Model,
    Tell,
    quiet,
    within,
)
from darkmarket_estimates.inference.intervals import intervals
from darkmarket_estimates.totals import VENDOR, WITHIN
from darkmarket_estimates.undetected import UNDETECTED, covered
from darkmarket_estimates.undetected import interval as interval_with_unseen
from darkmarket_estimates.unseen_bounds import Bound, lower_bounds

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["kind", "source", "share", "variance", "low", "high", "money", "note"]


def budget(model: Model, cells: np.ndarray, *, level: float, scale: float) -> pd.DataFrame:
    """Return a row a source; see `Estimate.budget`."""
    import pandas as pd

    (records,) = _records(model, [cells], level, scale)
    return pd.DataFrame([*records, *_rules(model, scale)], columns=COLUMNS)


def budget_by_group(
    model: Model, labels: Sequence[tuple[str, ...]], rows: Sequence[np.ndarray], *, level: float, scale: float,
    tell: Tell = quiet,
) -> pd.DataFrame:
    """Return a row a group and source, the total with its rules last; see `Estimate.budget`."""
    import pandas as pd

    by = model.totals.groups
    if hasattr(model, "budget"):  # joint draws answer for themselves
        found = [model.budget(cells, level=level, scale=scale).to_dict("records") for cells in rows]
    else:
        found = _records(model, rows, level, scale, tell)
        found[-1] += _rules(model, scale)
    return pd.DataFrame([{**dict(zip(by, names, strict=True)), **record}
                         for names, records in zip(labels, found, strict=True) for record in records],
                        columns=[*by, *COLUMNS])


def _records(
    model: Model, rows: Sequence[np.ndarray], level: float, scale: float, tell: Tell = quiet
) -> list[list[dict[str, Any]]]:
    """Sources of each row, but for the rules."""
    bounds = lower_bounds(model, rows, level)
    wholes = [covered(model, cells) for cells in rows]
    if isinstance(model.coverage, ValueChao) or not model.has_share or model.interval == "none":
        variances: list[list[dict[str, Any]]] = [[] for _ in rows]
    else:
        variances = _variances(wholes, rows, level, scale, tell)
    return [[*found, *_scenarios(whole, cells, scale), *_undetected(model, whole, cells, bound, scale)]
            for found, whole, cells, bound in zip(variances, wholes, rows, bounds, strict=True)]


def sources(model: Model, cells: np.ndarray) -> dict[str, float]:
    """Variance of the logarithm of the total by source: dependent inputs are one source, Ranges are none."""
    at = model.configuration("middle")
    total = model.value(cells, "middle")
    out: dict[str, float] = {}
    if total > 0:
        parts = _linear_parts(model, cells)
        whole = sum(parts.values())
        own = math.log1p(whole / total / total)  # the square of a small total is 0
        out |= {name: own * v / whole for name, v in parts.items() if v > 0}
    for f in model.factors:
        if f.is_uncertain and (weight := model.concerns(f, cells, at)) > 0:
            out[f.title] = weight**2 * log_variance(f.spec)
    return out


def _linear_parts(model: Model, cells: np.ndarray) -> dict[str, float]:
    at = model.configuration("middle")
    if model.estimand == "expected":
        return {VENDORS_SAMPLED: model.variance(cells, at)}
    parts = {BETWEEN_VENDORS: 0.0, UNREVIEWED: 0.0}
    for y, q, share, spread in model.strata(cells, at):
        between, unreviewed = moments.realised_parts(y, q, share, spread, model.spread_law)
        parts[BETWEEN_VENDORS] += between
        parts[UNREVIEWED] += unreviewed
    return parts


def _variances(
    models: Sequence[Model], rows: Sequence[np.ndarray], level: float, scale: float, tell: Tell
) -> list[list[dict[str, Any]]]:
    """Each source's part, and the interval without it: one pass a source over all rows that it acts on."""
    found = [sources(model, cells) for model, cells in zip(models, rows, strict=True)]
    names = [*dict.fromkeys(name for each in found for name in each)]
    frozen: dict[tuple[int, str], tuple[float, float] | None] = {}
    kept: Kept = {}
    for number, name in enumerate(names):
        acting = [i for i, each in enumerate(found) if name in each]
        told = within(tell, number, len(names))
        for model, alike in _alike(models, acting):
            answers = intervals(freeze(model, name), [rows[i] for i in alike], level, kept=kept, tell=told)
            frozen |= {(i, name): answer for i, answer in zip(alike, answers, strict=True)}
    out: list[list[dict[str, Any]]] = []
    for i, (model, cells, each) in enumerate(zip(models, rows, found, strict=True)):
        whole, value = sum(each.values()), model.value(cells, "middle")
        out.append([])
        for name, variance in sorted(each.items(), key=lambda item: -item[1]):
            low, high = frozen[i, name] or model.bounds(cells) or (value, value)  # the last where nothing else is uncertain
            out[-1].append({"kind": "variance", "source": name, "share": variance / whole, "variance": variance,
                            "low": low * scale, "high": high * scale, "money": math.nan,
                            "note": "interval with this source at its central value"})
    return out


def _alike(models: Sequence[Model], which: Sequence[int]) -> Iterator[tuple[Model, list[int]]]:
    """Rows that have one model together; a row with unseen listings has a model of its own."""
    groups: dict[int, list[int]] = {}
    for i in which:
        groups.setdefault(id(models[i]), []).append(i)
    for some in groups.values():
        yield models[some[0]], some


def freeze(model: Model, source: str) -> Model:
    """The model with one source at its central value."""
    if source in (BETWEEN_VENDORS, UNREVIEWED, VENDORS_SAMPLED):
        return replace(model, frozen=model.frozen | {source})
    factors = tuple(replace(f, spec=f.at("central")) if f.title == source else f for f in model.factors)
    return replace(model, factors=factors)


def _scenarios(model: Model, cells: np.ndarray, scale: float) -> Iterator[dict[str, Any]]:
    for i, f in enumerate(model.factors):
        if f.is_range and model.has_share:
            ends = []
            for end in ("low", "high"):
                at = {**model.configuration("middle"), i: f.at(end)}
                ends.append(moments.sum_product(model.y[cells], model.multiplier(cells, at)) * scale)
            yield {"kind": "scenario", "source": f.title, "share": math.nan, "variance": math.nan, "low": ends[0],
                   "high": ends[1], "money": math.nan,
                   "note": f"total at its ends, other ranges in the middle: a factor of {ends[1] / ends[0]:.3g}"
                   if ends[0] > 0 else "total at its ends"}


def _undetected(
    model: Model, whole: Model, cells: np.ndarray, bound: Bound | None, scale: float
) -> Iterator[dict[str, Any]]:
    if model.coverage is None:
        return
    unseen = bound.unseen if bound else whole.value(cells, "middle") - model.value(cells, "middle")
    note = "at least, with the total's one-sided lower limit" if bound else "part of the total"
    yield {"kind": "undetected", "source": UNDETECTED, "share": math.nan, "variance": math.nan,
           "low": bound.limit * scale if bound else math.nan, "high": math.nan, "money": unseen * scale, "note": note}


def _rules(model: Model, scale: float) -> Iterator[dict[str, Any]]:
    for entry in model.totals.audit:
        if entry.removed:
            yield {"kind": "rule", "source": entry.rule, "share": math.nan, "variance": math.nan, "low": math.nan,
                   "high": math.nan, "money": entry.removed * scale, "note": f"{entry.currency} removed on {entry.rows:,} rows"}


def influence(model: Model, *, n: int, level: float, scale: float, names: bool) -> pd.DataFrame:
    """Return a row for each of the largest vendors; see `Estimate.influence`."""
    import pandas as pd

    key = model.totals.keys[VENDOR]
    everything = np.arange(model.totals.n_cells)
    worth = np.bincount(key.codes, model.y * model.multiplier(everything, model.configuration("middle")),
                        minlength=len(key.labels))
    total = float(worth.sum())
    rows = []
    for rank, code in enumerate(np.argsort(-worth, kind="stable")[:n], start=1):
        rest = model.restrict(np.flatnonzero(key.codes != code))
        interval = interval_with_unseen(rest, np.arange(rest.totals.n_cells), level) or (math.nan, math.nan)
        rows.append({
            "vendor": key.labels[code].replace(WITHIN, " / ") if names else f"vendor {rank}",
            "value": worth[code] * scale, "share": worth[code] / total if total else math.nan,
            "value_without": (total - worth[code]) * scale, "low_without": interval[0] * scale,
            "high_without": interval[1] * scale,
        })
    return pd.DataFrame(rows)
