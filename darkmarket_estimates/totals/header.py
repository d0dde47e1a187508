"""What every number of a `Totals` is a number of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from darkmarket_estimates._checks import choice, currency_code, shown
from darkmarket_estimates.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """A detection model that was fitted on the listings behind the totals; its sums are columns of the totals.

    Attributes
    ----------
    covariates : tuple of str
    clustered : bool
        Whether captures of a vendor's listings were taken to go together.
    covariance : tuple of tuple of float
        Of the coefficients, intercept first.
    c_hat : float
        Dispersion between clusters.
    p_value : float or None
        Of the test of fit of the capture counts; None where it needs more scrapes.
    flags : tuple of str
    """

    covariates: tuple[str, ...]
    clustered: bool
    covariance: tuple[tuple[float, ...], ...]
    c_hat: float
    p_value: float | None
    flags: tuple[str, ...]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Detection:
        """The inverse of `dataclasses.asdict`, after JSON."""
        rows = tuple(tuple(row) for row in values["covariance"])
        return cls(**{**values, "covariates": tuple(values["covariates"]), "flags": tuple(values["flags"]),
                      "covariance": rows})


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What every number of a `Totals` is a number of.

    Attributes
    ----------
    currency : str
        Of every value.
    counted : {"reviews", "sold"}
        Reviews left by buyers, or sales that the market itself prints (no review share is needed then).
    window : (str, str) or None
        First day and the day after the last, as ISO dates.
    per_day : bool
        Whether counts were divided by the listing's own days: values are rates a day.
    markets : tuple of str
        Empty where the table names none.
    by : tuple of str
        Group columns.
    bands : tuple of float
        Edges of the price bands.
    occasions : int or None
        Number of scrapes behind `captures`.
    conversions : tuple of str
        Every currency conversion that was applied, in words.
    vendor_ids : str
        "names", "keyed:<fingerprint>" or "anonymous:<token>": which vendor ids can be compared with which.
    flags : tuple of str
        What is odd in the table (see `HoldingPriceWarning`).
    version : str
        Of the library that made the totals.
    scrapes : tuple of str
        Instants of the scrapes, where they are known: "1@3" among the captures is a listing seen in the third only.
    one_capture : str
        Whether one capture of a listing reveals all of its value: "holds", "not checked", or why it does not.
    detection : Detection or None
        The detection model behind the columns ``ht_value``, ``ht_missing`` and ``ht_gradient_*``.
    n_windows : int
        Windows that were joined by `Totals.then`; a listing counts once in each of them.
    """

    currency: str
    counted: str = "reviews"
    window: tuple[str, str] | None = None
    per_day: bool = False
    markets: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    bands: tuple[float, ...] = ()
    occasions: int | None = None
    conversions: tuple[str, ...] = ()
    vendor_ids: str = "names"
    flags: tuple[str, ...] = ()
    version: str = ""
    scrapes: tuple[str, ...] = ()
    one_capture: str = "not checked"
    detection: Detection | None = None
    n_windows: int = 1

    def __post_init__(self) -> None:
        choice(self.counted, "counted", ("reviews", "sold"))
        currency_code(self.currency, "the currency")
        object.__setattr__(self, "window", check_window(self.window))

    @property
    def days(self) -> float | None:
        """Days that the values cover: 1 for daily rates, the window's length, or None where neither is known."""
        if self.per_day:
            return 1.0
        if self.window is None:
            return None
        start, end = (np.datetime64(day, "D") for day in self.window)
        return float((end - start) / np.timedelta64(1, "D"))


def check_window(window: tuple[Any, Any] | None) -> tuple[str, str] | None:
    """Return a window as two ISO days, the first before the second.

    Raises
    ------
    DataError
        Something that is not a day, such as a time within one; an end that is not after the start.
    """
    if window is None:
        return None
    try:
        start, end = (_day(day) for day in window)
    except (TypeError, ValueError) as error:
        raise DataError("the window cannot be read", got=shown(window), fix=_month(window),
                        expected='("2016-01-01", "2016-02-01"): the first day, and the day after the last') from error
    if not start < end:
        raise DataError("the window ends before it starts", expected="start < end (the day after the last)",
                        got=f"{start} to {end}")
    return start, end


def _month(text: Any) -> str | None:
    """The window that "2016-01" means."""
    try:
        first = dt.datetime.strptime(text, "%Y-%m").date()
        after = (first + dt.timedelta(days=31)).replace(day=1)
    except (TypeError, ValueError, OverflowError):
        return None
    return f'window=("{first}", "{after}")'


def _day(day: Any) -> str:
    if isinstance(day, str):
        return dt.datetime.strptime(day, "%Y-%m-%d").date().isoformat()
    if isinstance(day, np.datetime64) and not np.isnat(day):
        day = day.astype("datetime64[us]").item()
    if isinstance(day, dt.datetime):
        if day.time() != dt.time(0):
            raise ValueError(f"a time within a day: {day!r}")
        return day.date().isoformat()
    if isinstance(day, dt.date):
        return day.isoformat()
    raise ValueError(f"not a day: {day!r}")
