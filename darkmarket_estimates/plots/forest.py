"""Forest plot: a line a group and the total."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from darkmarket_estimates._checks import integer
from darkmarket_estimates.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from darkmarket_estimates.estimate import Estimate
    from darkmarket_estimates.rows import Row


def draw_forest(est: Estimate, *, ax: Axes | None = None, max_groups: int = 30) -> Axes:
    """Draw value, floor, bounds and interval of each group and of the total.

    The largest `max_groups` groups are shown on a log axis where they differ by more than a factor of 50; the number of
    those left out stands in the title.
    """
    max_groups = integer(max_groups, "max_groups", low=1)
    groups = sorted(est.rows[:-1], key=lambda row: -_size(row))
    shown, hidden = groups[:max_groups], max(0, len(groups) - max_groups)
    rows = [est.rows[-1], *reversed(shown)]
    ax = style.axes(ax, 8.5, 1.8 + 0.32 * len(rows))
    k = est.scale
    positive = [_size(row) * k for row in rows if _size(row) > 0]
    logarithmic = len(positive) > 1 and max(positive) > 50 * min(positive)
    if logarithmic:
        ax.set_xscale("log")
    for y, row in enumerate(rows):
        if row.bounds is not None:
            low, high = row.bounds[0] * k, row.bounds[1] * k
            ax.barh(y, high - low, left=low, height=0.42, color=style.BOUNDS, label="bounds (scenario)", zorder=2)
        if row.interval is not None:
            ax.plot([v * k for v in row.interval], [y, y], color=style.INTERVAL, linewidth=3, solid_capstyle="butt",
                    label=f"{100 * est.confidence_level:.4g}% interval", zorder=3)
        if (est.model.has_share or row.limit is not None) and not math.isnan(row.value):
            ax.plot(row.value * k, y, "o", color=style.VALUE, markersize=6, zorder=4,
                    label="value" if row.limit is None else "lower bound")
        if row.limit is not None:
            ax.plot(row.limit * k, y, ">", color=style.INTERVAL, markersize=6, zorder=4,
                    label=f"one-sided {100 * est.confidence_level:.4g}% limit")
        if logarithmic and _size(row) == 0:
            ax.text(0.005, y, "0", transform=ax.get_yaxis_transform(), va="center", color=style.FLOOR, fontsize=9)
        ax.plot(row.floor * k, y, "|", color=style.FLOOR, markersize=13, markeredgewidth=2,
                label=style.floor_label(est), zorder=4)
    labels = ["total", *(" / ".join(map(style.text, row.labels)) for row in reversed(shown))]
    ax.set_yticks(np.arange(len(rows)), labels)
    ax.set_ylim(-0.7, len(rows) - 0.3)
    if len(rows) > 1:
        ax.axhline(0.5, color=style.INK, linewidth=0.8)
    if not logarithmic:
        ax.set_xlim(left=0)
        style.money_axis(ax.xaxis)
    else:
        from matplotlib.ticker import FuncFormatter, NullFormatter

        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: style.tick(x)))
        ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(style.unit(est) + (" (log scale)" if logarithmic else ""))
    left_out = f", {hidden} smaller groups not shown" if hidden else ""
    estimand = "reviewed" if est.kind == "floor" else est.model.estimand
    style.title(ax, f"{estimand.capitalize()} {style.noun(est)}: {est.kind}{left_out}")
    ax.grid(axis="x", **style.GRID)
    style.tidy(ax)
    style.legend_below(ax)
    return ax


def _size(row: Row) -> float:
    if row.bounds is not None:
        return row.bounds[1]
    return row.floor if math.isnan(row.value) else row.value
