"""Words and tables for people: money, days, HTML and CSV. Text from tables is shown, never interpreted."""

from __future__ import annotations

import datetime as dt
import html
import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from darkmarket_estimates.totals import WITHIN

if TYPE_CHECKING:
    import pandas as pd

#: First characters that make a spreadsheet read a cell as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def amount(x: float, digits: int = 3) -> str:
    """A number as a reader takes it in: "16.5 million", "982,447", "3.50".

    Examples
    --------
    >>> amount(16_512_345), amount(982_447.2), amount(3.5), amount(1.2e9), amount(999_999.7), amount(2e-200)
    ('16.5 million', '982,447', '3.50', '1.20 billion', '1.00 million', '2.00e-200')
    """
    if math.isnan(x):
        return "not stated"
    if math.isinf(x):
        return "unbounded"
    magnitude = abs(x)
    if x and not 1e-6 <= magnitude < 1e18:
        return f"{x:.{digits - 1}e}"
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if magnitude >= size * (1 - 0.5e-6):
            return f"{significant(x / size, digits)} {word}"
    if magnitude >= 100 or x == 0:
        return f"{x:,.0f}"
    return f"{x:.2f}" if magnitude >= 1 else significant(x, digits)


def significant(x: float, digits: int = 3) -> str:
    """A number with this many significant digits and no exponent."""
    x = float(f"{x:.{digits - 1}e}")  # 0.9999 becomes 1 before its places are counted
    places = max(0, digits - 1 - math.floor(math.log10(abs(x)))) if x else 0
    return f"{x:,.{places}f}"


def span(low: float, high: float) -> str:
    """Two amounts, the word for the size once where both share it.

    Examples
    --------
    >>> span(12.4e6, 21.9e6), span(900_000, 1.2e6)
    ('12.4 to 21.9 million', '900,000 to 1.20 million')
    """
    a, b = amount(low), amount(high)
    word = b.rpartition(" ")[2]
    return f"{a.removesuffix(' ' + word)} to {b}" if word.isalpha() and a.endswith(" " + word) else f"{a} to {b}"


def days(window: tuple[str, str]) -> str:
    """A window in words, its last day included.

    Examples
    --------
    >>> days(("2016-01-01", "2016-02-01")), days(("2015-12-15", "2016-01-15"))
    ('1-31 January 2016', '15 December 2015 - 14 January 2016')
    """
    first = dt.date.fromisoformat(window[0])
    last = dt.date.fromisoformat(window[1]) - dt.timedelta(days=1)
    end = f"{last.day} {last:%B} {last.year}"
    if first == last:
        return end
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}-{end}"
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day} {first:%B}{year} - {end}"


def shown(label: Any) -> str:
    """A label on one line, without control characters."""
    text = str(label).replace(WITHIN, " / ")
    return "".join(c if c.isprintable() else "?" for c in text)


def listed(items: Sequence[str], limit: int = 5) -> str:
    """Some items in words, and how many more there are."""
    rest = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {rest} more" if rest > 0 else "")


def safe_cell(value: Any) -> Any:
    """A CSV cell that no spreadsheet runs as a formula.

    Examples
    --------
    >>> safe_cell("=HYPERLINK(1)"), safe_cell("Cannabis"), safe_cell(-3.0)
    ("'=HYPERLINK(1)", 'Cannabis', -3.0)
    """
    if not isinstance(value, str):
        return value
    return f"'{shown(value)}" if value.startswith(FORMULA_STARTS) else shown(value)


def to_csv(frame: pd.DataFrame) -> str:
    """A frame as CSV text with formulas neutralised, headers too."""
    safe = frame.copy()
    for column in safe.columns:
        if safe[column].dtype.kind not in "fiub":
            safe[column] = [safe_cell(v) for v in safe[column]]
    safe.columns = [safe_cell(c) for c in safe.columns]
    return safe.to_csv(index=False)


def table_markdown(columns: Sequence[str], rows: Iterable[Sequence[Any]], n_labels: int) -> str:
    r"""A Markdown table, every text escaped; the first `n_labels` columns are text, the others figures.

    Examples
    --------
    >>> print(table_markdown(["country", "value"], [["NL|*", "3.50"]], 1))
    | country | value |
    |:--|--:|
    | NL\|\* | 3.50 |
    """
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    rule = "|".join(":--" if i < n_labels else "--:" for i in range(len(columns)))
    escaped = ([re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", shown(cell)) for cell in row] for row in (columns, *rows))
    head, *body = map(line, escaped)
    return "\n".join([head, f"|{rule}|", *body])


def table_html(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], notes: Sequence[str] = ()) -> str:
    """A small HTML table, every text escaped."""
    head = "".join(f"<th>{html.escape(c)}</th>" for c in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(shown(v))}</td>" for v in row) + "</tr>" for row in rows)
    foot = "".join(f"<p><small>{html.escape(shown(n))}</small></p>" for n in notes)
    return (f"<div><p><b>{html.escape(shown(title))}</b></p><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>{foot}</div>")
