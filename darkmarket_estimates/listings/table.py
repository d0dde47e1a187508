"""The table door: one row a listing, with a price and a count of reviews or sales."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates._checks import choice, float_array, integer, is_number
from darkmarket_estimates.assumptions import ExchangeRate, HoldingPrice
from darkmarket_estimates.audit import Audit
from darkmarket_estimates.engines import memory
from darkmarket_estimates.engines.memory import MemoryTable
from darkmarket_estimates.engines.schema import DUPLICATES, Schema
from darkmarket_estimates.engines.source import read
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.listings.rates import daily_rates
from darkmarket_estimates.totals import Totals

if TYPE_CHECKING:
    import pandas as pd

#: One exchange rate over a longer window must be asked for by name.
ONE_RATE_DAYS = 92


class Listings:
    """A checked, immutable table of listings.

    Parameters
    ----------
    frame : DataFrame, Table, relation, path or mapping of arrays
        pandas, polars or pyarrow; a DuckDB relation; the path (or glob) of a CSV or Parquet file.
    price : str
        Column of the price of one order, in `currency`. 0 is legal.
    reviews : str or 1
        Column of the number of reviews in the window, or 1 where every row is one review.
    sold : str
        Instead of `reviews`: column of the number of sales that the market itself prints.
    vendor : str
        Column of the vendor: the unit of uncertainty.
    listing : str, optional
        Column of the listing id.
    market : str, optional
        Column of the market. A vendor is then one within a market.
    days : str, optional
        Column of the listing's own exposure in days; counts are divided by it, and values are money a day.
    date : str, optional
        Column of the day of sale, for exchange rates by day.
    captures : str, optional
        Column of the number of scrapes that saw the listing, out of `occasions`.
    currency : str
        Code of the currency of `price`, or the column that holds it.
    window : (start, end), optional
        First day, and the day after the last. Needed to speak of a day, a month or a year.
    duplicates : {"error", "first", "largest", "sum", "keep"}, optional
        What to do with rows that share a listing id. "error" by default, "keep" where every row is a review.
    vendor_scope : {"market", "all markets"}
        Whether one name on two markets is two vendors or one.

    Raises
    ------
    DataError
        What is wrong, in which column and row, and one thing to do.

    Examples
    --------
    >>> table = {"price": [50.0, 20.0, 80.0], "reviews": [4, 10, 1], "seller": ["a", "a", "b"]}
    >>> listings = Listings(table, price="price", reviews="reviews", vendor="seller", currency="USD",
    ...                     window=("2016-01-01", "2016-02-01"))
    >>> listings.totals().sum("value")
    480.0
    """

    __slots__ = ("_table",)
    _table: MemoryTable

    def __init__(
        self,
        frame: Any,
        *,
        price: str,
        vendor: str,
        reviews: str | int | None = None,
        sold: str | None = None,
        listing: str | None = None,
        market: str | None = None,
        days: str | None = None,
        date: str | None = None,
        captures: str | None = None,
        occasions: int | None = None,
        currency: str,
        window: tuple[Any, Any] | None = None,
        duplicates: str | None = None,
        vendor_scope: str = "market",
    ) -> None:
        if (reviews is None) == (sold is None):
            raise DataError("say what is counted, once", expected="reviews= (a column, or 1) or sold= (a column)",
                            got="both" if sold is not None else "neither")
        one_each = is_number(reviews)
        if one_each and reviews != 1:
            raise DataError("reviews= is a column, or 1 where every row is one review", got=repr(reviews))
        if captures is not None:
            occasions = integer(occasions, "occasions", low=1)
        policy = duplicates or ("keep" if one_each else "error")
        choice(policy, "duplicates", DUPLICATES)
        choice(vendor_scope, "vendor_scope", ("market", "all markets"))
        source = read(frame)
        in_table = currency in source.table.column_names
        schema = Schema(
            price=price, count=sold if sold is not None else None if one_each else str(reviews),
            counted="reviews" if sold is None else "sold", vendor=vendor, listing=listing, market=market, days=days,
            date=date, captures=captures, occasions=occasions, currency=currency,
            currency_column=currency if in_table else None, window=check_window(window), duplicates=policy,
            vendor_scope=vendor_scope,
        )
        self._set(memory.open_table(source, schema))

    def _set(self, table: MemoryTable) -> None:
        object.__setattr__(self, "_table", table)

    def _with(self, table: MemoryTable) -> Listings:
        new = object.__new__(Listings)
        new._set(table)
        return new

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("Listings are immutable: each rule returns new ones")

    # -- rules ------------------------------------------------------------------------------------------------------

    def clean(self, rule: HoldingPrice) -> Listings:
        """Return the listings without holding prices.

        Parameters
        ----------
        rule : HoldingPrice
            Its cap is in the listings' present currency.

        Examples
        --------
        >>> table = {"price": [50.0, 99_999.0], "reviews": [4, 2], "seller": ["a", "b"]}
        >>> listings = Listings(table, price="price", reviews="reviews", vendor="seller", currency="USD")
        >>> print(listings.clean(HoldingPrice(cap=10_000)).audit)
        rows read: 2 rows, 6 counts, USD 200,198
        holding price (drop): price > 10,000: 1 rows, 2 counts, USD 199,998 -> 0
        """
        if not isinstance(rule, HoldingPrice):
            raise DataError("clean() takes a rule", expected="HoldingPrice(...)", got=repr(rule))
        return self._with(self._table.clean(rule))

    def to_currency(self, to: str, rates: Any, *, one_rate: bool = False) -> Listings:
        """Return the listings in another currency.

        Parameters
        ----------
        to : str
            Target currency.
        rates : ExchangeRate or table of daily rates
            Units of `to` per unit of the present currency. A table (a mapping of days, a Series, or a frame with
            columns "date" and "rate") uses the rate of the day of sale and needs ``date=``. An uncertain rate belongs
            in `turnover`.
        one_rate : bool
            Say so to use one rate over more than 92 days: markets' totals have been overstated sixfold by it.

        Raises
        ------
        DataError
            Already in that currency; a day without a rate, named; one rate over a long window.
        """
        table = self._table
        if to == table.currency:
            raise DataError(f"the listings are in {to} already", expected="another currency", got=to,
                            fix="convert once")
        if not isinstance(rates, ExchangeRate):
            if is_number(rates):
                raise DataError("a bare number is no exchange rate", got=repr(rates),
                                fix=f'ExchangeRate({rates}, source="...", date="...")')
            return self._with(table.convert(to, daily_rates(rates), f"{table.currency} to {to} at daily rates"))
        if rates.to not in (None, to):
            raise DataError("the rate leads to another currency", expected=to, got=str(rates.to))
        if not is_number(rates.rate):
            raise DataError("an uncertain rate cannot be applied to the table", got=repr(rates.rate),
                            fix="give it to turnover(..., exchange_rate=ExchangeRate(..., to=...))")
        span = self._span()
        if span is not None and span > ONE_RATE_DAYS and not one_rate:
            raise DataError(f"one exchange rate over {span:,.0f} days", expected=f"at most {ONE_RATE_DAYS} days",
                            fix="give a table of daily rates, or say one_rate=True")
        words = f"{table.currency} to {to} at {float(rates.rate):g}"  # type: ignore[arg-type]
        words += "".join(f", {part}" for part in (rates.date, rates.source) if part)
        return self._with(table.convert(to, float(rates.rate), words))  # type: ignore[arg-type]

    def _span(self) -> float | None:
        window = self._table.schema.window
        if window is None:
            return None
        return float((np.datetime64(window[1], "D") - np.datetime64(window[0], "D")) / np.timedelta64(1, "D"))

    # -- reading ----------------------------------------------------------------------------------------------------

    def totals(self, by: str | Iterable[str] | None = None, *, bands: Sequence[float] = ()) -> Totals:
        """Sum by group and vendor.

        Parameters
        ----------
        by : str or sequence of str
            Group columns of the table. A missing label is its own group, "(missing)".
        bands : sequence of float
            Edges of price bands, in the present currency: adds the key "price_band".

        Returns
        -------
        Totals
        """
        edges = float_array(list(bands), "bands", low=0) if len(bands) else np.empty(0)
        if (np.diff(edges) <= 0).any():
            raise DataError("the edges of the price bands do not rise", got=repr(list(bands)))
        names = () if by is None else (by,) if isinstance(by, str) else tuple(by)
        return self._table.totals(names, tuple(edges.tolist()))

    @property
    def audit(self) -> Audit:
        """What was read and what each rule did."""
        return self._table.audit

    @property
    def currency(self) -> str:
        """Present currency of the prices."""
        return self._table.currency

    def __len__(self) -> int:
        return len(self._table.rows)

    def to_frame(self) -> pd.DataFrame:
        """The rows that are kept, as arrays: row (position in the source), price, count, value. No vendor names."""
        import pandas as pd

        t = self._table
        return pd.DataFrame({"row": t.rows, "price": t.price, t.schema.counted: t.count, "value": t.value})

    def __repr__(self) -> str:
        t = self._table
        return (f"Listings({len(self):,} rows, {t.count.sum():,.0f} {t.schema.counted}, {t.currency} "
                f"{t.value.sum():,.0f}{' a day' if t.schema.days else ''}, {len(t.audit)} audit lines)")


def check_window(window: tuple[Any, Any] | None) -> tuple[str, str] | None:
    """Return a window as two ISO days, the first before the second."""
    if window is None:
        return None
    try:
        start, end = (_day(day) for day in window)
    except (TypeError, ValueError) as error:
        raise DataError("the window cannot be read", expected='("2016-01-01", "2016-02-01"): first day, day after the '
                        "last", got=repr(window)) from error
    if not start < end:
        raise DataError("the window ends before it starts", expected="start < end (the day after the last)",
                        got=f"{start} to {end}")
    return start, end


def _day(day: Any) -> str:
    if isinstance(day, dt.date | np.datetime64 | str):
        parsed = np.datetime64(day.date() if isinstance(day, dt.datetime) else day, "D")
        if not np.isnat(parsed):
            return str(parsed)
    raise ValueError(f"not a day: {day!r}")
