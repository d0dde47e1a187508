"""One look for every picture: colours that survive greyscale and colour blindness, money on the axes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from darkmarket_estimates._render import amount, days, shown
from darkmarket_estimates.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from darkmarket_estimates.estimate import Estimate

INK, VALUE, INTERVAL, BOUNDS, FLOOR = "#222222", "#0b4f8a", "#5b9bd5", "#f2b04b", "#8a8a8a"
GRID: dict[str, Any] = {"color": "#e3e3e3", "linewidth": 0.8, "zorder": 0}


def axes(ax: Axes | None, width: float = 8.0, height: float = 4.5) -> Axes:
    """The given Axes, or those of a new figure."""
    if ax is not None:
        from matplotlib.axes import Axes

        if not isinstance(ax, Axes):
            raise DataError("ax= takes matplotlib Axes", got=type(ax).__name__, fix="figure, ax = plt.subplots()")
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def tidy(ax: Axes) -> None:
    """No box, light grid behind."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.set_axisbelow(True)


def title(ax: Axes, text: str) -> None:
    """A title over the left edge, on as many lines as the figure's width asks for."""
    letters = int(0.85 * _room(ax) / 0.0825)  # 11 points
    ax.set_title(textwrap.fill(text, max(20, letters)), loc="left", fontsize=11)


def legend_below(ax: Axes, columns: int = 4) -> None:
    """One legend under the axis label, each entry once, in as many columns (up to `columns`) as the figure has room for.

    It stands at the same distance whatever the height of the Axes.
    """
    from matplotlib.transforms import ScaledTranslation

    handles, labels = ax.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    room, entries = _room(ax), list(once)
    while columns > 1 and _legend_width(entries, columns) > room:
        columns -= 1
    below = ax.transAxes + ScaledTranslation(0, -0.5, ax.figure.dpi_scale_trans)
    ax.legend(once.values(), entries, loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below,
              ncols=columns, frameon=False, fontsize=9)


def _room(ax: Axes) -> float:
    """Inches that the Axes and its labels may fill: its part of the figure's columns."""
    width = float(ax.figure.get_figure(root=True).get_size_inches()[0])
    place = ax.get_subplotspec()
    return width if place is None else width * len(place.colspan) / place.get_gridspec().ncols


def _legend_width(labels: Sequence[str], columns: int) -> float:
    """Inches of a legend of 9 points filled column by column: 0.08 a letter, 0.6 for a handle and the gaps beside it."""
    rows = -(-len(labels) // columns)
    return sum(0.6 + 0.08 * max(map(len, labels[i : i + rows])) for i in range(0, len(labels), rows))


def floor_label(est: Estimate) -> str:
    """What the floor is: sales that the market prints are no floor of anything but themselves."""
    return "floor (reviewed)" if est.model.totals.header.counted == "reviews" else "counted"


def noun(est: Estimate) -> str:
    """What is measured."""
    return "orders" if est.model.measure == "orders" else "turnover"


def unit(est: Estimate) -> str:
    """Currency and time of the figures: "USD a month", or "USD, 1-31 January 2016"."""
    if est.unit != "window":
        return f"{est.currency} a {est.unit}"
    window = est.model.totals.header.window
    return est.currency + ("" if window is None else f", {days(window)}")


def money_axis(axis: Any) -> None:
    """Ticks as amounts: 2.5 million, not 2.5e6; on a narrow figure fewer."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    room = 0.75 * _room(axis.axes) / 0.85  # inches of the axis, and of a label with the gap beside it
    axis.set_major_locator(MaxNLocator(max(2, min(6, int(room))), steps=[1, 2, 2.5, 5, 10], min_n_ticks=3 if room > 4 else 2))
    axis.set_major_formatter(FuncFormatter(lambda x, _: tick(x)))


def tick(x: float) -> str:
    """A tick label: 3 significant digits without trailing zeros."""
    number, _, word = amount(x).partition(" ")
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return f"{number} {word}".strip() or "0"


def text(label: Any, width: int = 32) -> str:
    """A label that matplotlib prints as it is: no mathematics, no overlong lines."""
    line = shown(label).replace("$", r"\$")
    return line if len(line) <= width else line[: width - 1] + "…"
