"""Turnover by month: vendors' marks side by side, and how many days of each month the table covers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from darkmarket_estimates.errors import DataError, NotIdentifiedError
from darkmarket_estimates.totals import VENDOR, Totals
from darkmarket_estimates.totals.cells import Key, collect

MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Months:
    """Marks of vendors by month.

    Attributes
    ----------
    totals : Totals
        Grouped by the month alone.
    labels : tuple of str
        Months that occur, in order.
    t : array of int of shape (months,)
        Months since the first.
    days : array of shape (months,)
        Days of each month that the table covers.
    marks : array of shape (vendors, months)
        Reviewed money of each vendor.
    """

    totals: Totals
    labels: tuple[str, ...]
    t: np.ndarray
    days: np.ndarray
    marks: np.ndarray


def by_month(totals: Totals | Mapping[str, Totals], column: str) -> Months:
    """Collapse totals to months.

    Parameters
    ----------
    totals : Totals with a group column of months, or mapping of month to Totals
        Months are written "2016-01". A mapping holds one table a month, each with that month (or a part of it) as window.
    column : str
        The group column.

    Raises
    ------
    NotIdentifiedError
        The totals are not grouped by the column, or hold fewer than three months.
    DataError
        A label that is no month, a month without money, tables that differ in currency or in what is counted.
    """
    if isinstance(totals, Mapping):
        totals, windows = _joined(totals, column)
    else:
        if not isinstance(totals, Totals):
            raise DataError("the model takes totals by month", got=type(totals).__name__,
                            expected=f"listings.totals(by=[{column!r}]), or a mapping of month to totals")
        totals.require_key(column)
        windows = {}
    key = totals.keys[column]
    cells, columns = collect({column: key, VENDOR: totals.keys[VENDOR]}, totals.columns)
    own = Totals(replace(totals.header, by=(column,), bands=()), cells, columns, totals.audit)
    key = own.keys[column]
    used = np.unique(key.codes)
    labels = tuple(key.labels[code] for code in used)
    wrong = [label for label in labels if not MONTH.fullmatch(label)]
    if wrong:
        raise DataError(f"{column!r} holds a label that is no month", expected='"2016-01"', got=repr(wrong[0]),
                        fix="write months as year-month; leave out rows without one")
    if len(labels) < 3:
        raise NotIdentifiedError("a trend needs three months", expected="3 or more", got=f"{len(labels)}",
                                 fix="est.ratio(other) compares two windows")
    month = np.searchsorted(used, key.codes)
    vendors, vendor = np.unique(own.keys[VENDOR].codes, return_inverse=True)
    marks = np.bincount(vendor * len(labels) + month, weights=own.columns["value"], minlength=len(vendors) * len(labels))
    marks = marks.reshape(len(vendors), len(labels))
    empty = marks.sum(axis=0) == 0
    if empty.any():
        raise DataError("a month has no money: its logarithm does not exist", where=f"month {labels[int(np.argmax(empty))]}",
                        expected="reviews in every month that is in the table", got="0", fix="leave that month out")
    start = np.array([np.datetime64(label, "M") for label in labels])
    days = np.array([_days(label, windows.get(label, own.header.window)) for label in labels])
    return Months(totals=own, labels=labels, t=(start - start[0]).astype(np.int64), days=days, marks=marks)


def _days(label: str, window: tuple[str, str] | None) -> float:
    """Days of a month inside the window."""
    first = np.datetime64(label, "M")
    start, end = first.astype("datetime64[D]"), (first + np.timedelta64(1, "M")).astype("datetime64[D]")
    if window is not None:
        start, end = max(start, np.datetime64(window[0], "D")), min(end, np.datetime64(window[1], "D"))
    days = float((end - start) / np.timedelta64(1, "D"))
    if days <= 0:
        raise DataError("a month lies outside the window of the table", where=f"month {label}",
                        expected=f"{window[0]} to {window[1]}" if window else "a month", got=label)
    return days


def _joined(parts: Mapping[str, Totals], column: str) -> tuple[Totals, dict[str, tuple[str, str]]]:
    """One table of several windows; vendors of one name are one vendor."""
    if not parts or not all(isinstance(part, Totals) for part in parts.values()):
        raise DataError("a mapping of months holds totals", expected="month: Totals",
                        got=", ".join(sorted({type(part).__name__ for part in parts.values()})) or "nothing")
    first = next(iter(parts.values()))
    for label, part in parts.items():
        for name in ("currency", "counted", "per_day", "vendor_ids"):
            if getattr(part.header, name) != getattr(first.header, name):
                raise DataError(f"the months differ in {name}", where=f"month {label}",
                                expected=repr(getattr(first.header, name)), got=repr(getattr(part.header, name)),
                                fix="treat every month alike")
    months = [str(label) for label, part in parts.items() for _ in range(part.n_cells)]
    vendors = [v for part in parts.values() for v in part.keys[VENDOR].take().tolist()]
    common = set.intersection(*(set(part.columns) for part in parts.values()))
    columns = {name: np.concatenate([part.columns[name] for part in parts.values()]) for name in sorted(common)}
    windows = {str(label): part.header.window for label, part in parts.items() if part.header.window}
    ends = [end for window in windows.values() for end in window]
    header = replace(first.header, by=(column,), bands=(), window=(min(ends), max(ends)) if len(windows) == len(parts) else None,
                     occasions=None, scrapes=(), detection=None,
                     markets=tuple(sorted({m for part in parts.values() for m in part.header.markets})),
                     flags=tuple(dict.fromkeys(flag for part in parts.values() for flag in part.header.flags)))
    audit = first.audit
    for part in list(parts.values())[1:]:
        audit = audit.merge(part.audit)
    keys = {column: Key.encode(months), VENDOR: Key.encode(vendors)}
    return Totals(header, *collect(keys, columns), audit), windows
