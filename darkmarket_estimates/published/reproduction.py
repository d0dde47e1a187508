"""Ours beside theirs: the rows that a recipe makes, as a table, as JSON, as text and as a picture."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from darkmarket_estimates import _render
from darkmarket_estimates._checks import shown, strings
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.published.figures import Figure
from darkmarket_estimates.published.rounding import Rounded
from darkmarket_estimates.published.status import STATUSES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLUMNS = ("study", "figure", "ours", "ours_low", "ours_high", "theirs", "low", "high", "unit", "status", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One published figure, computed again.

    Attributes
    ----------
    study, figure, unit, note : str
    ours, theirs : Rounded or Figure, or None
        None where the inputs, or the figure itself, were not published.
    inputs : tuple of str
        Printed figures that `ours` rests on.
    status : str
    """

    study: str
    figure: str
    ours: Rounded | None
    theirs: Figure | None
    unit: str
    inputs: tuple[str, ...]
    status: str
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values; an end that is missing or unbounded is None."""
        ours = (None, None) if self.ours is None else self.ours.as_floats()
        theirs = (None, None) if self.theirs is None else self.theirs.value.as_floats()
        low, high, theirs_low, theirs_high = (
            None if x is None or not math.isfinite(x) else x for x in (*ours, *theirs))
        return {
            "study": self.study, "figure": self.figure,
            "ours": None if self.ours is None else str(self.ours), "ours_low": low, "ours_high": high,
            "theirs": None if self.theirs is None else as_printed(self.theirs), "low": theirs_low, "high": theirs_high,
            "unit": self.unit, "status": self.status, "note": self.note, "inputs": list(self.inputs),
            "source": None if self.theirs is None else self.theirs.source,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """What came out when a study was computed again from its own published inputs.

    Attributes
    ----------
    study, title : str
    rows : tuple of Row
    arithmetic : tuple of str
        One line a derivation, every figure as printed.
    """

    study: str
    title: str
    rows: tuple[Row, ...]
    arithmetic: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Rows of each status, all four named."""
        counted = Counter(row.status for row in self.rows)
        return {status: counted[status] for status in STATUSES}

    def row(self, figure: str) -> Row:
        """Return the row of that label."""
        for row in self.rows:
            if isinstance(figure, str) and row.figure == figure:
                return row
        raise DataError("the reproduction has no such row", where=self.study, got=shown(figure),
                        expected="one of " + "; ".join(row.figure for row in self.rows))

    def to_frame(self) -> pd.DataFrame:
        """One row a figure.

        Columns: study, figure, ours (text), ours_low, ours_high, theirs (text, as printed), low, high (what their
        rounding allows), unit, status, note. An end without a bound is NaN.
        """
        import pandas as pd

        frame = pd.DataFrame([row.to_dict() for row in self.rows], columns=list(COLUMNS))
        ends = ["ours_low", "ours_high", "low", "high"]
        return frame.astype(dict.fromkeys(ends, float))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: study, title, counts, rows (each with a status and its inputs), arithmetic."""
        return {"study": self.study, "title": self.title, "counts": self.counts,
                "rows": [row.to_dict() for row in self.rows], "arithmetic": list(self.arithmetic)}

    def plot(self, ax: Axes | None = None, *, figures: list[str] | None = None) -> Axes:
        """Draw every row as a multiple of the printed figure: theirs as a grey bar, ours as a coloured one.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Drawn into; else a new figure that is tall enough.
        figures : list of str, optional
            Labels of the rows to draw, in that order. Rows without both an ours and a theirs cannot be drawn.

        Returns
        -------
        matplotlib Axes
        """
        from darkmarket_estimates.published.picture import draw

        rows = list(self.rows) if figures is None else [self.row(label) for label in strings(figures, "figures")]
        return draw(rows, self.title, ax)

    def __str__(self) -> str:
        width = max((len(row.status) for row in self.rows), default=0)
        lines = [f"{self.study}: {self.title}"]
        for row in self.rows:
            ours = "-" if row.ours is None else str(row.ours)
            theirs = "-" if row.theirs is None else as_printed(row.theirs)
            both = row.note if row.ours is row.theirs is None else f"ours {ours}, theirs {theirs} {row.unit}".rstrip()
            lines.append(f"  {row.status:{width}}  {row.figure}: {both}")
        return "\n".join([*lines, f"  {self._counted}"])

    def __repr__(self) -> str:
        return f"<Reproduction of {self.study}: {self._counted}>"

    def _repr_html_(self) -> str:
        columns = ("figure", "ours", "theirs", "unit", "status", "note")
        rows = [["" if row[name] is None else row[name] for name in columns] for row in map(Row.to_dict, self.rows)]
        return _render.table_html(self.title, columns, rows, [self._counted])

    @property
    def _counted(self) -> str:
        return ", ".join(f"{n} {status}" for status, n in self.counts.items())


def as_printed(figure: Figure) -> str:
    """Write a figure with the words that stood around it."""
    return f"{figure.reading} {figure.printed}" if figure.reading in ("more than", "less than") else figure.printed
