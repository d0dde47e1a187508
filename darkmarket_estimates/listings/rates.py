"""Exchange rates by day: from what users hold to sorted days and rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from darkmarket_estimates._checks import float_array
from darkmarket_estimates.errors import DataError


def daily_rates(rates: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted days (datetime64[D]) and their rates.

    Parameters
    ----------
    rates : mapping, Series or frame
        Day to rate, a pandas Series with days as its index, or a frame with columns "date" and "rate".

    Raises
    ------
    DataError
        No table; a day twice; a rate that is not a finite number > 0.
    """
    if isinstance(rates, Mapping):
        days, values = list(rates.keys()), list(rates.values())
    elif hasattr(rates, "index") and hasattr(rates, "to_numpy") and getattr(rates, "ndim", 0) == 1:
        days, values = list(rates.index), list(rates)
    elif {"date", "rate"} <= set(getattr(rates, "columns", ())):
        days, values = list(rates["date"]), list(rates["rate"])
    else:
        raise DataError("the exchange rates cannot be read", got=type(rates).__name__,
                        expected='an ExchangeRate, a mapping of days to rates, a Series, or a frame with columns "date" '
                                 'and "rate"')
    if not days:
        raise DataError("the table of rates is empty")
    try:
        day = np.array([np.datetime64(str(d)[:10], "D") for d in days])
    except ValueError as error:
        raise DataError("the table of rates holds something that is not a day", got=str(error),
                        expected="ISO days such as 2016-01-31") from error
    value = float_array(values, "the rates", low=0)
    if (value == 0).any():
        raise DataError("a rate is 0", where=str(day[int(np.argmax(value == 0))]), expected="rates > 0")
    order = np.argsort(day, kind="stable")
    day, value = day[order], value[order]
    twice = day[1:][day[1:] == day[:-1]]
    if len(twice):
        raise DataError("a day stands twice in the table of rates", where=str(twice[0]), expected="one rate a day")
    return day, value
