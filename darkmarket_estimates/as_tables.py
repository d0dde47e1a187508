"""An estimate as tables: a frame for analysts, a dictionary for files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates import _render
from darkmarket_estimates.comparison import check_comparable, shares_of_groups
from darkmarket_estimates.inference import Tell, quiet
from darkmarket_estimates.rows import Row, kind_of
from darkmarket_estimates.undetected import words

if TYPE_CHECKING:
    import pandas as pd

    from darkmarket_estimates.compared import Compared
    from darkmarket_estimates.estimate import Estimate

#: Groups that the HTML form shows; the total always follows.
HTML_ROWS = 100


def frame(est: Estimate) -> pd.DataFrame:
    """A row a group, and the total; see `Estimate.to_frame`."""
    import pandas as pd

    nothing = (math.nan, math.nan)

    def scaled(pair: tuple[float, float] | None) -> tuple[float, float] | None:
        return None if pair is None else (pair[0] * est.scale, pair[1] * est.scale)

    records = []
    for row in est.rows:
        bounds, interval = scaled(row.bounds) or nothing, scaled(row.interval) or nothing
        unseen = {} if est.model.coverage is None else {
            "undetected": row.undetected * est.scale,
            "limit": math.nan if row.limit is None else row.limit * est.scale}
        records.append({
            **dict(zip(est.by, row.labels, strict=True)), "value": row.value * est.scale,
            "floor": row.floor * est.scale, "lower_bound": bounds[0], "upper_bound": bounds[1],
            "low": interval[0], "high": interval[1], "kind": kind_of(est.model, row.cells, row.bounds, row.interval),
            "flags": "; ".join(row.flags), "n_listings": row.n_listings, "n_vendors": row.n_vendors,
            "count": row.count, "n_eff": row.n_eff, "top_vendor_share": row.top_share, **unseen,
        })
    return pd.DataFrame(records)


def shares(est: Compared, of: str, *, between_group_cv: float | None = None, tell: Tell = quiet) -> pd.DataFrame:
    """A row a group of a column, the largest share first; see `Estimate.shares`."""
    import pandas as pd

    key = est.model.totals.require_key(of)
    labels = [key.labels[c] for c in np.unique(key.codes)]
    if hasattr(est.model, "share_of"):  # joint draws answer for themselves
        found = []
        for label in labels:
            found.append(est.share(label, of, between_group_cv=between_group_cv))
            tell(len(found) / len(labels))
    else:
        check_comparable(est.model, "a share")
        found = shares_of_groups(est.model, labels, of, confidence_level=est.confidence_level,
                                 between_group_cv=between_group_cv, tell=tell)
    rows = []
    for label, one in zip(labels, found, strict=True):
        low, high = one.bounds or one.interval or (math.nan, math.nan)
        rows.append({of: label, "value": one.value, "low": low, "high": high, "kind": one.kind, "flags": "; ".join(one.flags)})
    return pd.DataFrame(rows).sort_values("value", ascending=False, ignore_index=True)


def readable(est: Estimate, rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Columns and cells for people: amounts in words, and no column that is empty in all rows."""
    def text(pair: tuple[float, float] | None) -> str:
        return "" if pair is None else _render.span(pair[0] * est.scale, pair[1] * est.scale)

    columns = [*est.by, "value", "floor", "bounds", f"{100 * est.confidence_level:.4g}% interval"]
    cells = [[*map(_render.shown, row.labels), "" if math.isnan(row.value) else _render.amount(row.value * est.scale),
              _render.amount(row.floor * est.scale), text(row.bounds), text(row.interval)] for row in rows]
    kept = [i for i in range(len(columns)) if any(row[i] for row in cells)]
    return [columns[i] for i in kept], [[row[i] for i in kept] for row in cells]


def html(est: Estimate) -> str:
    """The rows as a table of a notebook: the first groups, and the total."""
    shown = (*est.rows[:-1][:HTML_ROWS], est.rows[-1])
    columns, rows = readable(est, shown)
    hidden = len(est.rows) - len(rows)
    notes = [*([f"{hidden} more rows"] if hidden > 0 else []), *(f"flag: {flag}" for flag in est.flags)]
    return _render.table_html(str(est), columns, rows, notes)


def dictionary(est: Estimate) -> dict[str, Any]:
    """Everything as plain values that JSON holds; see `Estimate.to_dict`."""
    frame = est.to_frame()
    rows = [{k: _plain(v) for k, v in record.items()} for record in frame.to_dict("records")]
    for record, row in zip(rows, est.rows, strict=True):
        record["flags"] = list(row.flags)
    header = est.model.totals.header
    return {
        "value": _plain(est.value), "floor": _plain(est.floor), "bounds": _plain(est.bounds),
        "interval": _plain(est.interval), "limit": est.limit, "undetected": est.undetected, "kind": est.kind,
        "flags": list(est.flags),
        "confidence_level": est.confidence_level, "currency": est.currency, "unit": est.unit,
        "estimand": est.model.estimand, "measure": est.model.measure, "method": est.model.interval,
        "assumptions": [*(f.words() for f in est.model.factors), *filter(None, [words(est.model)])],
        "window": _plain(header.window), "markets": list(header.markets), "counted": header.counted,
        "conversions": list(header.conversions), "by": list(est.by), "rows": rows,
        "audit": est.model.totals.audit.to_dicts(), "version": header.version, "entropy": est.model.entropy,
    }


def _plain(x: Any) -> Any:
    """As JSON holds it."""
    if isinstance(x, tuple | list):
        return [_plain(v) for v in x]
    if isinstance(x, Mapping):
        return {str(k): _plain(v) for k, v in x.items()}
    if isinstance(x, np.generic):
        x = x.item()
    return None if isinstance(x, float) and not math.isfinite(x) else x
