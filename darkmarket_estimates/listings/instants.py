"""Instants: when something was scraped or written, and how much of a span of time lies in a window."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from darkmarket_estimates.engines.source import Source
from darkmarket_estimates.errors import DataError

Window = tuple[np.datetime64, np.datetime64]


def instants(source: Source, column: str, role: str) -> np.ndarray:
    """A column as datetime64[us] in UTC; missing is NaT. Text is ISO, with or without a zone.

    Raises
    ------
    DataError
        The column does not hold dates, or mixes instants with a zone and without.
    """
    values = source.table.column(column)
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    try:
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_null(kind):
            values = pc.cast(values, pa.timestamp("us"), safe=False)
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            values = _of_text(pc.cast(values, pa.string()))
        else:
            raise DataError(f"{role} is not a date", where=f"column {column!r}", got=f"type {kind}",
                            expected="dates, timestamps or ISO text")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{role} is not a date", where=f"column {column!r}", got=str(error),
                        expected="ISO text such as 2016-01-31T12:00, all with a time zone or all without",
                        fix='say how the text is meant: pandas.to_datetime(column, format="%d/%m/%Y")') from error
    return np.asarray(values.to_numpy()).astype("datetime64[us]")


def _of_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return pc.cast(values, pa.timestamp("us"))
    except pa.ArrowInvalid:  # with a zone, or no date at all
        return pc.cast(pc.cast(values, pa.timestamp("us", tz="UTC")), pa.timestamp("us"))


def required(time: np.ndarray, column: str, role: str) -> np.ndarray:
    """Return the instants, else raise `DataError` on the first that is missing."""
    absent = np.isnat(time)
    if absent.any():
        raise DataError(f"{role} is missing in {int(absent.sum()):,} row(s)", expected="an instant in every row",
                        where=f"column {column!r}, row {int(np.argmax(absent))} (counting from 0)", got="missing")
    return time


def as_window(days: tuple[str, str]) -> Window:
    """A window of two ISO days as instants, its end exclusive."""
    return np.datetime64(days[0], "us"), np.datetime64(days[1], "us")


def covered(after: np.ndarray, by: np.ndarray, window: Window) -> np.ndarray:
    """Share of each span (after, by] that lies in the window: what a step contributes if it is even over time."""
    low, high = np.maximum(after, window[0]), np.minimum(by, window[1])
    length = (by - after) / np.timedelta64(1, "us")
    inside = np.maximum((high - low) / np.timedelta64(1, "us"), 0.0)
    return np.divide(inside, length, out=np.zeros(len(length)), where=length > 0)


def within(time: np.ndarray, window: Window) -> np.ndarray:
    """Whether instants lie in the window."""
    return (time >= window[0]) & (time < window[1])


def hull(time: np.ndarray, *, points: bool = False) -> tuple[str, str]:
    """The shortest window of whole days that holds all spans between these instants, or the instants themselves."""
    first, last = time.min().astype("datetime64[D]"), time.max().astype("datetime64[D]")
    if points or last < time.max() or last == first:
        last = last + np.timedelta64(1, "D")
    return str(first), str(last)
