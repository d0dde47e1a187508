"""The distribution of the total."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkmarket_estimates.distribution.combined import sides
from darkmarket_estimates.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from darkmarket_estimates.distribution.law import Law
    from darkmarket_estimates.estimate import Estimate

_TAIL, _POINTS = 0.002, 121


def draw_distribution(est: Estimate, *, ax: Axes | None = None) -> Axes:
    """Draw the law of the total as a density, with interval, median, value and floor.

    Around bounds both end laws are drawn: the truth may lie under either, or between. Where the interval is the wider
    of two at each end ("bca-tail" of few vendors), both laws are drawn.
    """
    bounds = est.bounds
    law = est.law if bounds is None else None
    ax = style.axes(ax)
    if law is not None:
        laws, scale = {"distribution": law}, 1.0
    if bounds is not None:
        laws = {f"at the {end} end of the ranges": est.model.law(est.rows[-1].cells, end) for end in ("low", "high")}
        scale = est.scale
        ax.axvspan(*bounds, color=style.BOUNDS, alpha=0.35, label="bounds (scenario)", zorder=1)
    for (name, whole), colour in zip(laws.items(), (style.VALUE, style.INTERVAL), strict=False):
        for (side, part), line in zip(sides(whole).items(), ("-", "--"), strict=False):
            label = side if law is not None and side else f"{name}{side and ': ' + side}"
            if part.variance == 0:
                ax.axvline(part.mean * scale, color=colour, linewidth=2, label=f"{label}: no spread")
                continue
            x, density = _density(part)
            ax.fill_between(x * scale, density / scale, color=colour, alpha=0.2, zorder=2)
            ax.plot(x * scale, density / scale, line, color=colour, linewidth=1.8, label=label, zorder=3)
    if est.interval is not None:
        height = ax.get_ylim()[1] * 0.03
        ax.plot(est.interval, [height, height], color=style.INK, linewidth=4, solid_capstyle="butt", zorder=5,
                label=f"{100 * est.confidence_level:.4g}% interval")
    if law is not None:
        ax.axvline(est.value, color=style.VALUE, linewidth=1.5, label="value", zorder=4)
        if len(sides(law)) == 1:  # between two laws the median is no property of either
            ax.axvline(float(law.quantile(0.5)), color=style.INK, linewidth=1, linestyle=":", label="median", zorder=4)
    if est.floor != est.value:
        ax.axvline(est.floor, color=style.FLOOR, linewidth=1.5, linestyle="--", label=style.floor_label(est), zorder=4)
    ax.set_ylim(bottom=0)
    ax.set_yticks([])
    ax.set_xlabel(style.unit(est))
    style.title(ax, f"Distribution of {est.model.estimand} {style.noun(est)} ({est.kind})")
    style.money_axis(ax.xaxis)
    style.tidy(ax)
    style.legend_below(ax)
    return ax


def _density(law: Law) -> tuple[np.ndarray, np.ndarray]:
    """Points and a density smooth enough to look at: differences of the distribution function."""
    low, high = (float(v) for v in law.quantile(np.array([_TAIL, 1 - _TAIL])))
    edges = np.linspace(low - 0.05 * (high - low), high + 0.05 * (high - low), _POINTS)
    return 0.5 * (edges[1:] + edges[:-1]), np.diff(law.cdf(edges)) / np.diff(edges)
