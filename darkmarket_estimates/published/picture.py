"""The picture of a reproduction: every row as a multiple of the printed figure."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from darkmarket_estimates.errors import DataError
from darkmarket_estimates.plots import style
from darkmarket_estimates.published.reproduction import Row, as_printed
from darkmarket_estimates.published.status import CONFLICT, CONSISTENT, REPRODUCED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Span = tuple[float, float]

#: Told apart by shape as well as by colour.
MARKS = {REPRODUCED: ("o", "#1b7837"), CONSISTENT: ("s", "#2166ac"), CONFLICT: ("X", "#b2182b")}
#: Beyond this factor from the printed figure an axis is cut; the mark then stands at its edge as an arrow.
EDGE = 1.6


def draw(rows: Sequence[Row], title: str, ax: Axes | None) -> Axes:
    """Draw theirs as a grey bar, ours as a coloured line with a mark, on a log axis around 1.

    Rows without an ours or a theirs are counted below the axis.
    """
    drawn = [row for row in rows if row.ours is not None and row.theirs is not None and row.theirs.value.low > 0]
    if not drawn:
        raise DataError("no row can be drawn", expected="a row with ours and theirs")
    ax = style.axes(ax, 10.0, 1.8 + 0.28 * len(drawn))
    spans = [_multiples(row) for row in drawn]
    ends = [abs(math.log(x)) for pair in spans for span in pair for x in span if 0 < x < math.inf]
    right = min(EDGE, math.exp(1.05 * max(ends)) + 0.005)
    left = 1 / right
    for y, (row, (ours, theirs)) in enumerate(zip(drawn, spans)):
        low, high = (min(max(x, left), right) for x in theirs)
        ax.barh(y, high - low, left=low, height=0.7, color="#d9d9d9", label="what the print allows", zorder=1)
        marker, colour = MARKS[row.status]
        low, high = (min(max(x, left), right) for x in ours)
        middle = math.sqrt(low * high) if math.isfinite(ours[1]) else low
        beyond = "<" if ours[1] < left else ">" if ours[0] > right else marker
        ax.plot([low, high], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt", zorder=3)
        ax.plot([middle], [y], beyond, color=colour, markersize=6, clip_on=False, zorder=4,
                label=row.status if beyond == marker else f"{row.status}, beyond the edge")
    ax.axvline(1.0, color=style.FLOOR, linewidth=0.8, zorder=2)
    _log_axis(ax, left, right)
    ax.set_yticks(range(len(drawn)), [style.text(f"{row.figure}: {as_printed(row.theirs)}", 78)  # type: ignore[arg-type]
                                      for row in drawn], fontsize=8)
    ax.set_ylim(len(drawn) - 0.4, -0.6)
    hidden = len(rows) - len(drawn)
    ax.set_xlabel("multiple of the printed figure (log scale)"
                  + (f"; {hidden} rows without both figures are not shown" if hidden else ""))
    ax.set_title(textwrap.fill(style.text(title, 130), 60), loc="left", fontsize=10)
    ax.grid(axis="x", **style.GRID)
    style.tidy(ax)
    style.legend_below(ax)
    return ax


def _multiples(row: Row) -> tuple[Span, Span]:
    """Both intervals over the middle of theirs (or its only end)."""
    assert row.ours is not None and row.theirs is not None
    ours, theirs = row.ours.as_floats(), row.theirs.value.as_floats()
    centre = theirs[0] if math.isinf(theirs[1]) else 0.5 * (theirs[0] + theirs[1])
    return (ours[0] / centre, ours[1] / centre), (theirs[0] / centre, theirs[1] / centre)


def _log_axis(ax: Axes, left: float, right: float) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    ax.set_xscale("log")
    ax.set_xlim(left, right)
    steps = (0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4) if right > 1.2 else (0.9, 0.95, 0.98, 1.0, 1.02, 1.05, 1.1)
    ax.xaxis.set_major_locator(FixedLocator([x for x in steps if left <= x <= right]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
