"""Operating characteristics: how far off a variant is, how often what it claims is true, how much that costs."""

from __future__ import annotations

import math
from collections.abc import Container
from typing import Any

import numpy as np
import pandas as pd

from darkmarket_estimates.evaluation.scores import Coverage, coverage

#: Fewer simulations give no verdict, and a coverage is short where it lacks more than this many Monte Carlo errors.
ENOUGH, ERRORS = 1_000, 3.0
COLUMNS = ("scenario", "variant", "judged_as", "runs", "failures", "truth", "bias", "relative_bias",
           "relative_bias_error", "rmse", "median_absolute_error", "confidence_level", "coverage", "coverage_error",
           "truth_below", "truth_above", "width", "interval_score", "weighted_interval_score", "crps", "seconds",
           "verdict")


def claims(rows: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Return what the answers of one variant claim: "interval", "bounds", "lower bound", "upper bound" or "value".

    Returns
    -------
    str, DataFrame
        The frame has low and high, an end infinite where only the other is claimed, NaN where an answer claims nothing.
    """
    low, high = rows["low"].to_numpy(), rows["high"].to_numpy()
    if not (np.isnan(low) | np.isnan(high)).all():
        ends = (bool(np.isfinite(low).any()), bool(np.isfinite(high).any()))
        name = {(True, False): "lower bound", (False, True): "upper bound"}.get(ends, "interval")
    elif rows["lower_bound"].notna().any():
        name, low, high = "bounds", rows["lower_bound"].to_numpy(), rows["upper_bound"].to_numpy()
    elif (rows["kind"] == "floor").any():
        name, low, high = "lower bound", rows["floor"].to_numpy(), np.where(rows["floor"].notna(), np.inf, np.nan)
    else:
        name = "value"
    return name, pd.DataFrame({"low": low, "high": high}, index=rows.index)


def table(runs: pd.DataFrame, alarmed: Container[str] = ()) -> pd.DataFrame:
    """Return a row a scenario and variant, in the order of the runs; see `Report.table`."""
    groups = runs.groupby(["scenario", "variant"], sort=False)
    return pd.DataFrame([_row(scenario, variant, rows, scenario in alarmed) for (scenario, variant), rows in groups],
                        columns=list(COLUMNS))


def _row(scenario: str, variant: str, rows: pd.DataFrame, alarmed: bool) -> dict[str, Any]:
    answered = rows[rows["error"] == ""]
    name, ends = claims(answered)
    made = ~(ends["low"].isna() | ends["high"].isna()).to_numpy()
    judged, ends = (answered, ends) if name == "value" else (answered[made], ends[made])
    row: dict[str, Any] = dict.fromkeys(COLUMNS, math.nan)
    row |= {"scenario": scenario, "variant": variant, "judged_as": name, "runs": len(rows),
            "failures": len(rows) - len(judged), "seconds": float(rows["seconds"].median())}
    found = None
    if len(judged):
        truth = float(judged["truth"].mean())
        row |= {"truth": truth, **_errors(answered)}
        row |= {score: float(judged[score].mean()) for score in ("interval_score", "weighted_interval_score", "crps")}
        if name != "value":
            level = float(judged["confidence_level"].median())  # the mean of equal ones differs in the last digit
            found = coverage(judged["truth"], ends["low"], ends["high"])
            width = _over(float((ends["high"] - ends["low"]).median()), truth)
            row |= {"confidence_level": level, "coverage": found.share, "coverage_error": found.standard_error,
                    "truth_below": found.truth_below, "truth_above": found.truth_above, "width": width}
    row["verdict"] = "none: see the alarms" if alarmed else _verdict(row, found)
    return row


def _errors(rows: pd.DataFrame) -> dict[str, float]:
    """Errors of the value, and the mean truth of the same rows; all NaN where there is none, as under a Range."""
    rows = rows[rows["value"].notna()]
    error, truth = (rows["value"] - rows["truth"]).to_numpy(), float(rows["truth"].mean())
    if len(error) == 0:
        return {}
    spread = float(error.std(ddof=1)) / math.sqrt(len(error)) if len(error) > 1 else math.nan
    return {"bias": float(error.mean()), "relative_bias": _over(float(error.mean()), truth),
            "relative_bias_error": _over(spread, truth), "rmse": math.sqrt(float(error @ error) / len(error)),
            "median_absolute_error": float(np.median(np.abs(error)))}


def _over(x: float, truth: float) -> float:
    return x / truth if truth else math.nan


def _verdict(row: dict[str, Any], found: Coverage | None) -> str:
    """An interval or bound fails if it is true too seldom, a bare value if it is biased."""
    if row["runs"] == row["failures"]:
        return "no answer"
    enough = row["runs"] - row["failures"] >= ENOUGH
    if found is None:
        off = abs(row["relative_bias"]) > ERRORS * row["relative_bias_error"]
        return "too few runs to tell" if not enough else "biased" if off else "no bias seen"
    allowed = ERRORS * math.sqrt(row["confidence_level"] * (1 - row["confidence_level"]) / found.n)
    above = found.share - row["confidence_level"]
    if not enough:
        return "short so far" if above < -allowed else "too few runs to tell"
    if above < -allowed:
        return "fails"
    return "conservative" if above > allowed and row["judged_as"] == "interval" else "holds"


def same_markets(runs: pd.DataFrame) -> bool:
    """Whether most runs came out exactly as another one did: their Monte Carlo error then means nothing."""
    each = runs.groupby("run", sort=False)
    if each.ngroups < 2:
        return False
    seen = {tuple(rows[["truth", "value", "floor"]].fillna(-1.0).to_numpy().ravel()) for _, rows in each}
    return 2 * len(seen) < each.ngroups + 1
