"""A detection model fitted on listings, as columns of their totals: linear in value, so that they add up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from darkmarket_estimates.assumptions.coverage import Huggins
from darkmarket_estimates.coverage.conditional import HugginsFit, cluster_scores, huggins
from darkmarket_estimates.coverage.truncated_logit import moments
from darkmarket_estimates.coverage.weighted_value import huggins_value
from darkmarket_estimates.engines.memory import MemoryTable
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.totals import Detection, Totals


def with_detection(
    totals: Totals, table: MemoryTable, by: tuple[str, ...], bands: tuple[float, ...], k: np.ndarray, occasions: int,
    spec: Huggins | None,
) -> Totals:
    """Return the totals with `n_valued` and, under a detection model, the columns of its inverse-probability sums.

    A count times w in every row of a listing makes `value` the sum of w y and `listing_value_sq` that of (w y)^2: the
    engine's own sums serve every column.

    Parameters
    ----------
    totals : Totals
        ``table.totals(by, bands)``.
    k : int array of shape (rows,)
        Captures of each row's listing; a row is one of its own where the table names none.

    Returns
    -------
    Totals
        ``n_valued``: listings of positive value. ``ht_value``: sum y / pi*. ``ht_missing``: sum y^2 (1 - pi*) / pi*^2.
        ``ht_gradient_0``, ...: D by coefficient.
    """
    key = table.listing
    listing, n = (np.arange(len(table)), len(table)) if key is None else (key.codes, len(key.labels))
    y = np.bincount(listing, weights=table.value, minlength=n)

    def weighted(w: np.ndarray, column: str = "value") -> np.ndarray:
        return replace(table, count=table.count * w[listing]).totals(by, bands).columns[column]

    columns = dict(totals.columns)
    columns["n_valued"] = np.rint(weighted(np.divide(1.0, y, out=np.zeros(n), where=y > 0)) * 1e9) / 1e9
    if spec is None:
        return replace(totals, columns=columns)
    here = np.unique(listing)
    captures = np.zeros(n, dtype=np.int64)
    captures[listing] = k
    fit = huggins(captures=captures[here], occasions=occasions, covariates=_covariates(table, spec, listing, here, n),
                  clusters=_vendors(table, listing, here, n) if spec.clustered else None)
    scale, slope, root = np.zeros(n), np.zeros(n), np.zeros(n)
    scale[here] = 1 / fit.pi_star
    root[here] = np.sqrt(1 - fit.pi_star) / fit.pi_star
    slope[here] = -occasions * fit.pi * (1 - fit.pi_star) / fit.pi_star**2
    columns["ht_value"] = weighted(scale)
    columns["ht_missing"] = weighted(root, "listing_value_sq")
    design = np.concatenate([np.ones((len(here), 1)), fit.covariates], axis=1)
    for j in range(design.shape[1]):
        by_listing = np.zeros(n)
        by_listing[here] = slope[here] * design[:, j]
        columns[f"ht_gradient_{j}"] = weighted(by_listing)
    return Totals(replace(totals.header, detection=_record(spec, fit, y[here])), totals.keys, columns, totals.audit)


def _record(spec: Huggins, fit: HugginsFit, y: np.ndarray) -> Detection:
    covariance = fit.covariance
    if fit.clusters is not None:
        residual = fit.captures - moments(fit.pi, fit.pi_star, fit.occasions)[0]
        scores = cluster_scores(residual, fit.covariates, fit.clusters, fit.n_clusters)
        covariance = covariance @ (scores.T @ scores) @ covariance
    test = fit.details["goodness_of_fit"]
    return Detection(
        covariates=tuple(spec.covariates), clustered=spec.clustered, covariance=tuple(map(tuple, covariance.tolist())),
        c_hat=float(huggins_value(y, fit).details["c_hat"]), p_value=float(test["p_value"]) if test["df"] else None,
        flags=fit.flags,
    )


def _covariates(table: MemoryTable, spec: Huggins, codes: np.ndarray, here: np.ndarray, n: int) -> Any:
    if not spec.covariates:
        return None
    rows = np.bincount(codes, minlength=n)[here]
    out = []
    for name in spec.covariates:
        log, plain = name.startswith("log "), name.removeprefix("log ")
        if plain == "price":
            x = np.bincount(codes, weights=table.price, minlength=n)[here] / rows
        elif plain in ("count", "value"):
            x = np.bincount(codes, weights=getattr(table, plain), minlength=n)[here]
        else:
            table.source.require((plain,))
            x = np.bincount(codes, weights=table.source.numbers(plain, "a covariate")[table.rows], minlength=n)[here] / rows
        if not np.isfinite(x).all() or (log and (x < 0).any()):
            raise DataError(f"the covariate {name!r} is missing or cannot be used for some listings",
                            expected="a finite number" + (" >= 0" if log else ""), fix="fill or drop those rows")
        out.append(np.log1p(x) if log else x)
    return np.stack(out, axis=1)


def _vendors(table: MemoryTable, codes: np.ndarray, here: np.ndarray, n: int) -> np.ndarray:
    """Vendor of each listing (that of its last row)."""
    vendor = np.zeros(n, dtype=np.int64)
    vendor[codes] = table.vendor.codes
    return vendor[here]
