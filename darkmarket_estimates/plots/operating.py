"""How estimators did where the truth is known: every interval of one variant, and bias and coverage of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates._checks import text
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.plots import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from darkmarket_estimates.evaluation.report import Report

COLOURS = (style.VALUE, "#c8553d", style.BOUNDS, "#5f7f3f", style.INTERVAL, "#7a4f8a", style.FLOOR, style.INK)
MARKERS = "osD^vP*X"


def draw_zip(
    report: Report, *, ax: Axes | None = None, variant: str | None = None, scenario: str | None = None
) -> Axes:
    """Draw every interval of a variant, ordered by how far the truth is from its middle: misses come first, on top.

    Intervals that hold the truth stand below the line at the nominal level, if as many hold it as should (zip plot,
    Morris, White and Crowther 2019, Stat. Med. 38, 2074-2102). Ends and truth are divided by the truth.
    """
    rows = _rows(report, variant, scenario)
    low, high = ((rows[end] / rows["truth"]).to_numpy() for end in ("low", "high"))
    half = np.maximum((high - low) / 2, 1e-12)
    centile = np.argsort(np.argsort(np.abs((low + high) / 2 - 1) / half, kind="stable")) / len(rows) * 100
    hit = (low <= 1) & (high >= 1)
    level = 100 * float(rows["confidence_level"].iloc[0])
    ax = style.axes(ax, 7.0, 5.5)
    for inside, colour, name in ((True, style.INTERVAL, "holds the truth"), (False, "#c8553d", "misses it")):
        part = hit == inside
        ax.hlines(centile[part], low[part], high[part], color=colour, linewidth=max(0.4, 250 / len(rows)), zorder=2)
        ax.plot([], [], color=colour, linewidth=3, label=f"{name}: {part.mean():.1%}")
    ax.axvline(1, color=style.INK, linewidth=1, zorder=3)
    ax.axhline(level, color=style.INK, linewidth=1, linestyle="--", zorder=3, label=f"nominal level: {level:.4g}%")
    ax.set_xlim(0, min(float(high.max()), 3 * float(np.median(high))) * 1.02)
    ax.set_ylim(0, 101)
    ax.set_xlabel("interval / truth")
    ax.set_ylabel("centile of |middle - truth| / half width")
    of = ", ".join(filter(None, (str(rows["variant"].iloc[0]), str(rows["scenario"].iloc[0]))))
    style.title(ax, f"{style.text(of, 60)}: {len(rows):,} intervals")
    ax.grid(axis="x", **style.GRID)
    style.tidy(ax)
    style.legend_below(ax, 3)
    return ax


def draw_bias(report: Report, *, ax: Axes | None = None) -> Axes:
    """Draw the relative bias of every variant by scenario, with 2 Monte Carlo errors each side."""
    ax = _by_scenario(report.table(), "relative_bias", "relative_bias_error", ax, (-np.inf, np.inf))
    ax.axvline(0, color=style.INK, linewidth=1, zorder=1)
    ax.set_xlabel("bias, % of the mean truth (bars: 2 Monte Carlo errors)")
    style.title(ax, "Bias by scenario")
    if ax.get_legend_handles_labels()[0]:
        style.legend_below(ax, 3)
    return ax


def draw_coverage(report: Report, *, ax: Axes | None = None) -> Axes:
    """Draw how often what a variant claims is true, by scenario, with 2 Monte Carlo errors each side."""
    table = report.table()
    ax = _by_scenario(table, "coverage", "coverage_error", ax, (0, 100))
    for level in sorted(set(table["confidence_level"].dropna())):
        ax.axvline(100 * level, color=style.INK, linewidth=1, linestyle="--", zorder=1, label="nominal level")
    ax.set_xlim(right=101.5)
    ax.set_xlabel("% of runs in which interval, bounds or floor hold (bars: 2 Monte Carlo errors)")
    style.title(ax, "Coverage by scenario")
    style.legend_below(ax, 3)
    return ax


def _rows(report: Report, variant: str | None, scenario: str | None) -> pd.DataFrame:
    """Runs of one variant in one scenario that have an interval."""
    rows: Any = report.runs
    for column, wanted in (("scenario", scenario), ("variant", variant)):
        known = [str(x) for x in rows[column].unique()]
        text(wanted, column, optional=True)
        if (wanted is None and len(known) > 1) or (wanted is not None and wanted not in known):
            raise DataError(f"a zip plot shows one {column}", expected="one of " + ", ".join(map(repr, known)),
                            got=repr(wanted), fix=f'report.plot("zip", {column}={known[0]!r})')
        rows = rows if wanted is None else rows[rows[column] == wanted]
    rows = rows[np.isfinite(rows["low"]) & np.isfinite(rows["high"]) & (rows["truth"] > 0)]
    if len(rows) == 0:
        raise DataError("there is no interval to draw", expected="a variant with intervals", got=repr(variant))
    return rows


def _by_scenario(table: pd.DataFrame, column: str, error: str, ax: Axes | None, ends: tuple[float, float]) -> Axes:
    """A line a scenario and variant. Variants are named on the axis where there is one scenario, else in the legend."""
    looks = {v: (MARKERS[i % len(MARKERS)], COLOURS[(i + i // len(COLOURS)) % len(COLOURS)])
             for i, v in enumerate(table["variant"].unique())}
    table = table[table[column].notna()]
    if len(table) == 0:
        raise DataError(f"no variant has a {column.replace('_', ' ')}", expected="answers without errors", got="none")
    scenarios, variants = list(dict.fromkeys(table["scenario"])), list(dict.fromkeys(table["variant"]))
    step = 0.8 / len(variants)
    place = {v: step * (i - (len(variants) - 1) / 2) for i, v in enumerate(variants)}
    ax = style.axes(ax, 8.5, 1.6 + 0.22 * (len(variants) + 1) * len(scenarios))
    for variant in variants:
        part = table[table["variant"] == variant]
        x, bar = 100 * part[column].to_numpy(), np.nan_to_num(200 * part[error].to_numpy())
        bars = np.maximum([np.minimum(bar, x - ends[0]), np.minimum(bar, ends[1] - x)], 0)
        marker, colour = looks[variant]
        ax.errorbar(x, [-scenarios.index(s) - place[variant] for s in part["scenario"]], xerr=bars,
                    fmt=marker, color=colour, markersize=5, linewidth=1.2, zorder=3,
                    label=style.text(variant, 40) if len(scenarios) > 1 else None)
    if len(scenarios) == 1:
        ax.set_yticks([-place[v] for v in variants], [style.text(v, 40) for v in variants])
        ax.set_title(style.text(scenarios[0], 60), loc="right", fontsize=10)
    else:
        ax.set_yticks([-i for i in range(len(scenarios))], [style.text(s) for s in scenarios])
    for i in range(1, len(scenarios)):
        ax.axhline(0.5 - i, color="#e3e3e3", linewidth=0.8, zorder=0)
    ax.set_ylim(-len(scenarios) + 0.5, 0.5)
    ax.grid(axis="x", **style.GRID)
    style.tidy(ax)
    return ax
