"""Where the uncertainty comes from: sources of variance, scenarios and rules, single vendors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkmarket_estimates._render import amount, span
from darkmarket_estimates.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from darkmarket_estimates.estimate import Estimate


def draw_budget(est: Estimate, *, ax: Axes | None = None) -> Axes:
    """Draw the share of each source in the variance of the logarithm, and in words its money.

    Scenarios and cleaning rules have no variance: they stand below, in words.
    """
    frame = est.budget()
    variances = frame[frame.kind == "variance"]
    others = frame[frame.kind != "variance"]
    ax = style.axes(ax, 9.0, 1.8 + 0.42 * max(len(variances), 1) + 0.2 * len(others))
    y = np.arange(len(variances))[::-1]
    share = 100 * variances.share.to_numpy(dtype=float)
    ax.barh(y, share, height=0.55, color=style.INTERVAL, zorder=2)
    for at, value, low, high in zip(y, share, variances.low, variances.high, strict=True):
        without = span(low, high) if low < high else amount(low)
        ax.text(value + 1, at, f"{value:.0f}%; without it {without}", va="center", fontsize=9, zorder=3)
    if variances.empty:
        ax.text(75, 0, "no variance: the estimate has no interval", ha="center", va="center", color=style.INK)
    ax.set_yticks(y, [style.text(source, 40) for source in variances.source])
    ax.set_ylim(-0.6, max(len(variances), 1) - 0.4)
    ax.set_xlim(0, 150)
    ax.set_xticks(range(0, 101, 25))
    ax.set_xlabel(f"% of the variance of ln(total); intervals in {style.unit(est)}")
    interval = "" if est.interval is None else f": {100 * est.confidence_level:.4g}% interval {span(*est.interval)}"
    style.title(ax, f"Uncertainty budget{interval}")
    notes = []
    for row in others.itertuples():
        if row.kind == "scenario":
            notes.append(f"scenario: {style.text(row.source, 60)}, total {span(row.low, row.high)}")
        elif row.kind == "undetected":
            notes.append(f"{style.text(row.source, 60)}: {amount(row.money)}, {row.note}")
        else:
            notes.append(f"rule: {style.text(row.source, 80)}, {amount(row.money)} {row.note}")
    if notes:
        ax.annotate("\n".join(notes), (0, 0), (0, -38), xycoords="axes fraction", textcoords="offset points", va="top",
                    fontsize=9, color=style.INK)
    ax.grid(axis="x", **style.GRID)
    style.tidy(ax)
    return ax


def draw_influence(est: Estimate, *, ax: Axes | None = None, n: int = 10) -> Axes:
    """Draw the estimate without each of the largest vendors beside the estimate with all."""
    frame = est.influence(n)[::-1]
    ax = style.axes(ax, 8.5, 1.8 + 0.32 * len(frame))
    y = np.arange(len(frame))
    if est.interval is not None:
        ax.axvspan(*est.interval, color=style.INTERVAL, alpha=0.15, zorder=1,
                   label=f"{100 * est.confidence_level:.4g}% interval with all vendors")
    if est.bounds is None:
        ax.axvline(est.value, color=style.VALUE, linewidth=1.2, zorder=2, label="value with all vendors")
    if frame.low_without.notna().any():
        ax.hlines(y, frame.low_without, frame.high_without, color=style.INTERVAL, linewidth=3, zorder=3,
                  label="interval without the vendor")
    ax.plot(frame.value_without, y, "o", color=style.VALUE, markersize=5, zorder=4, label="value without the vendor")
    ax.set_yticks(y, [style.text(v) + (f" ({s:.1%})" if s == s else "") for v, s in zip(frame.vendor, frame.share, strict=True)])
    ax.set_xlabel(style.unit(est))
    style.title(ax, "Influence: each of the largest vendors left out")
    style.money_axis(ax.xaxis)
    ax.grid(axis="x", **style.GRID)
    style.tidy(ax)
    style.legend_below(ax, 2)
    return ax
