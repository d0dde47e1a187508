"""Exchange rates: from what users hold to one rate, or to sorted days and their rates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from darkmarket_estimates._checks import float_array, is_number, shown
from darkmarket_estimates.assumptions import ExchangeRate
from darkmarket_estimates.engines.protocol import Rates
from darkmarket_estimates.engines.source import ISO_DAY
from darkmarket_estimates.errors import DataError

#: One exchange rate over a longer window must be asked for by name.
ONE_RATE_DAYS = 92


def conversion(rates: Any, to: str, currency: str, window: tuple[str, str] | None) -> tuple[Rates, str]:
    """What prices are multiplied by, and its words in the audit.

    Parameters
    ----------
    rates : ExchangeRate or table of daily rates
    to, currency : str
        Target and present currency.
    window : (start, end) or None
        That of the table; None where it is unknown, or does not matter.

    Raises
    ------
    DataError
        Already in that currency; a rate to another one; a bare or uncertain rate; one rate over a long window.
    """
    if to == currency:
        raise DataError(f"the listings are in {to} already", expected="another currency", got=to, fix="convert once")
    if not isinstance(rates, ExchangeRate):
        if is_number(rates):
            raise DataError("a bare number is no exchange rate", got=shown(rates),
                            fix=f'ExchangeRate({shown(rates)}, source="...", date="...")')
        return daily_rates(rates), f"{currency} to {to} at daily rates"
    if rates.to not in (None, to):
        raise DataError("the rate leads to another currency", expected=to, got=str(rates.to))
    if not is_number(rates.rate):
        raise DataError("an uncertain rate cannot be applied to the table", got=repr(rates.rate),
                        fix="give it to turnover(..., exchange_rate=ExchangeRate(..., to=...))")
    days = 0 if window is None else int((np.datetime64(window[1]) - np.datetime64(window[0])) / np.timedelta64(1, "D"))
    if days > ONE_RATE_DAYS:
        raise DataError(f"one exchange rate over {days:,} days", expected=f"at most {ONE_RATE_DAYS} days",
                        fix="give a table of daily rates, or say one_rate=True")
    rate = float(rates.rate)  # type: ignore[arg-type]
    return rate, f"{currency} to {to} at {rate:g}" + "".join(f", {part}" for part in (rates.date, rates.source) if part)


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
        columns = [str(c) for c in getattr(rates, "columns", ())]
        raise DataError("the exchange rates cannot be read",
                        got=type(rates).__name__ + (f" with columns {', '.join(map(repr, columns))}" if columns else ""),
                        expected='an ExchangeRate, a mapping of days to rates, a Series, or a frame with columns "date" '
                                 'and "rate"')
    if not days:
        raise DataError("the table of rates is empty")
    try:  # NumPy takes 20160101 for a year, 2016-01 for its first day, "" and NaT for no day; Python shows no huge number
        texts = [str(day)[:10] for day in days]
        if (odd := next((text for text in texts if not re.fullmatch(ISO_DAY, text)), None)) is not None:
            raise ValueError(repr(odd))
        day = np.array(texts, dtype="datetime64[D]")
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
