"""What every number of a `Totals` is a number of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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

    @property
    def days(self) -> float | None:
        """Days that the values cover: 1 for daily rates, the window's length, or None where neither is known."""
        if self.per_day:
            return 1.0
        if self.window is None:
            return None
        start, end = (np.datetime64(day, "D") for day in self.window)
        return float((end - start) / np.timedelta64(1, "D"))
