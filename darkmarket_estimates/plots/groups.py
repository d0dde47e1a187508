"""Shares of the groups of a column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkmarket_estimates._checks import integer
from darkmarket_estimates.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from darkmarket_estimates.estimate import Estimate


def draw_shares(
    est: Estimate, *, of: str | None = None, ax: Axes | None = None, max_groups: int = 20, between_group_cv: float | None = None
) -> Axes:
    """Draw the share of every group with its interval, the largest on top."""
    max_groups = integer(max_groups, "max_groups", low=1)
    frame = est.shares(of, between_group_cv=between_group_cv)
    column = str(frame.columns[0])
    hidden = max(0, len(frame) - max_groups)
    frame = frame.iloc[:max_groups][::-1]
    ax = style.axes(ax, 8.0, 1.6 + 0.32 * len(frame))
    y = np.arange(len(frame))
    values = 100 * frame[["value", "low", "high"]].to_numpy(dtype=float)
    bounds = bool((frame.kind == "bounds").any())
    ax.barh(y, values[:, 0], height=0.55, color=style.INTERVAL, alpha=0.35, label="share", zorder=2)
    if np.isfinite(values[:, 1]).any():
        ax.hlines(y, values[:, 1], values[:, 2], color=style.BOUNDS if bounds else style.VALUE, linewidth=3, zorder=3,
                  label="bounds (scenario)" if bounds else f"{100 * est.confidence_level:.4g}% interval")
    ax.plot(values[:, 0], y, "o", color=style.VALUE, markersize=5, zorder=4)
    ax.set_yticks(y, [style.text(label) for label in frame[column]])
    ax.set_xlim(left=0)
    ax.set_xlabel(f"% of {est.model.estimand} {'turnover' if est.model.measure == 'money' else 'orders'}")
    flags = sorted({flag for flags in frame["flags"] for flag in flags.split("; ") if flag.startswith("one review share")})
    notes = [*flags, *([f"{hidden} smaller groups not shown"] if hidden else [])]
    style.title(ax, f"Shares by {style.text(column)}" + (f" ({', '.join(notes)})" if notes else ""))
    ax.grid(axis="x", **style.GRID)
    style.tidy(ax)
    style.legend_below(ax)
    return ax
