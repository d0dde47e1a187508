"""One look for every picture: colours that survive greyscale and colour blindness, money on the axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from darkmarket_estimates._render import amount, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, VALUE, INTERVAL, BOUNDS, FLOOR = "#222222", "#0b4f8a", "#5b9bd5", "#f2b04b", "#8a8a8a"
GRID: dict[str, Any] = {"color": "#e3e3e3", "linewidth": 0.8, "zorder": 0}


def axes(ax: Axes | None, width: float = 8.0, height: float = 4.5) -> Axes:
    """The given Axes, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def tidy(ax: Axes) -> None:
    """No box, light grid behind."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.set_axisbelow(True)


def legend_below(ax: Axes, columns: int = 4) -> None:
    """One legend under the axis label, each entry once, at the same distance whatever the height of the Axes."""
    from matplotlib.transforms import ScaledTranslation

    handles, labels = ax.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    below = ax.transAxes + ScaledTranslation(0, -0.5, ax.figure.dpi_scale_trans)
    ax.legend(once.values(), once.keys(), loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below,
              ncols=columns, frameon=False, fontsize=9)


def money_axis(axis: Any) -> None:
    """Ticks as amounts: 2.5 million, not 2.5e6."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(6, min_n_ticks=3))
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
