"""Growth of every group of two tables, in one pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates.comparison.growth import ratios_of_rows
from darkmarket_estimates.comparison.result import Ratio
from darkmarket_estimates.errors import DataError, NotIdentifiedError
from darkmarket_estimates.inference import Model, Tell
from darkmarket_estimates.rows import ALL, grouped

if TYPE_CHECKING:
    import pandas as pd


def ratios_by_group(
    first: Model, second: Model, by: Sequence[str], *, scales: tuple[float, float], confidence_level: float,
    units: tuple[str, str], between_group_cv: float | None, tell: Tell,
) -> pd.DataFrame:
    """Return a row a group, the totals last; see `Estimate.ratios`."""
    import pandas as pd

    if not by:
        raise DataError("there is no group to compare", expected="group columns that both estimates have", got="none",
                        fix="listings.totals(by=...), or est.ratio(other) for the totals")
    top, bottom = ({**dict(zip(*grouped(model.totals, by), strict=True)), (ALL,) * len(by): np.arange(model.totals.n_cells)}
                   for model in (first, second))
    names = [*sorted({*top, *bottom} - {(ALL,) * len(by)}), (ALL,) * len(by)]
    nothing = np.empty(0, dtype=np.int64)
    pairs = {name: (top.get(name, nothing), bottom.get(name, nothing)) for name in names}
    money = {name: (float(first.y[a].sum()), float(second.y[b].sum())) for name, (a, b) in pairs.items()}
    defined = [name for name in names if min(money[name]) > 0]
    if not defined:
        raise NotIdentifiedError("no group has turnover in both totals", got=f"{len(names) - 1} group(s)",
                                 expected="labels that are spelt alike", fix="est.ratio(other) for the totals")
    options: dict[str, Any] = {"scales": scales, "confidence_level": confidence_level, "units": units,
                               "between_group_cv": between_group_cv}
    some = [pairs[name] for name in defined]
    if hasattr(first, "ratio_to"):  # joint draws answer for themselves
        found = [first.restrict(a).ratio_to(second.restrict(b), **options) for a, b in some]  # type: ignore[attr-defined]
    else:
        found = ratios_of_rows(first, second, some, **options, tell=tell)
    ratios = dict(zip(defined, found, strict=True))
    return pd.DataFrame([{**dict(zip(by, name, strict=True)), **_record(ratios.get(name), *money[name])} for name in names])


def _record(ratio: Ratio | None, top: float, bottom: float) -> dict[str, Any]:
    if ratio is None:
        return {"value": 0.0 if bottom > 0 else math.nan, "low": math.nan, "high": math.nan, "kind": "point",
                "flags": "nothing was seen in " + ("both" if top == bottom == 0 else "the first" if top == 0 else "the second")}
    low, high = ratio.bounds or ratio.interval or (math.nan, math.nan)
    return {"value": ratio.value, "low": low, "high": high, "kind": ratio.kind, "flags": "; ".join(ratio.flags)}
