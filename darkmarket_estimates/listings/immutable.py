"""What all listings can do, whichever door they came by: rules that return new ones, and sums."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from darkmarket_estimates._checks import currency_code, float_array, is_number, shown, strings
from darkmarket_estimates.assumptions import HoldingPrice, Huggins
from darkmarket_estimates.audit import Audit
from darkmarket_estimates.engines.protocol import ListingTable
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.listings.captured import captured_totals, one_model
from darkmarket_estimates.listings.rates import conversion
from darkmarket_estimates.totals import Totals

if TYPE_CHECKING:
    import pandas as pd


class ImmutableListings:
    """A checked table in some engine, its rules and its sums."""

    __slots__ = ("_first", "_table")
    _table: ListingTable
    _first: str | None

    def _set(self, table: ListingTable, first: str | None = None) -> None:
        object.__setattr__(self, "_table", table)
        object.__setattr__(self, "_first", first)

    def _with(self, table: ListingTable) -> Self:
        new = object.__new__(type(self))
        new._set(table, self._first)
        return new

    def __getstate__(self) -> Any:
        return object.__getstate__(self)  # said here for pickle's protocols 0 and 1, which take no slots otherwise

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        for slot, value in state[1].items():  # copies and other processes bring them
            object.__setattr__(self, slot, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("Listings are immutable: each rule returns new ones")

    # -- rules ------------------------------------------------------------------------------------------------------

    def clean(self, rule: HoldingPrice) -> Self:
        """Return the listings without holding prices.

        Parameters
        ----------
        rule : HoldingPrice
            Its cap is in the listings' present currency.

        Examples
        --------
        >>> from darkmarket_estimates import Listings
        >>> table = {"price": [50.0, 99_999.0], "reviews": [4, 2], "seller": ["a", "b"]}
        >>> listings = Listings(table, price="price", reviews="reviews", vendor="seller", currency="USD")
        >>> print(listings.clean(HoldingPrice(cap=10_000)).audit)
        rows read: 2 rows, 6 counts, USD 200,198
        holding price (drop): price > 10,000: 1 rows, 2 counts, USD 199,998 -> 0
        """
        if not isinstance(rule, HoldingPrice):
            raise DataError("clean() takes a rule", expected="a HoldingPrice", got=shown(rule),
                            fix=f"clean(HoldingPrice(cap={shown(rule) if is_number(rule) else '10_000'}))")
        return self._with(self._table.clean(rule))

    def to_currency(self, to: str, rates: Any, *, one_rate: bool = False) -> Self:
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

        Examples
        --------
        >>> from darkmarket_estimates import ExchangeRate, Listings
        >>> table = {"price": [0.1, 0.2], "reviews": [4, 2], "seller": ["a", "b"], "day": ["2016-01-03", "2016-01-04"]}
        >>> listings = Listings(table, price="price", reviews="reviews", vendor="seller", currency="BTC", date="day")
        >>> dollars = listings.to_currency("USD", {"2016-01-03": 430.0, "2016-01-04": 433.0})
        >>> euros = dollars.to_currency("EUR", ExchangeRate(0.92, source="monthly mean", date="2016-01"))
        >>> round(euros.totals().sum("value"), 2)
        317.58
        """
        currency_code(to, "to")
        window = None if one_rate else self._table.schema.window
        factor, words = conversion(rates, to, self.currency, window)
        return self._with(self._table.convert(to, factor, words))

    # -- reading ----------------------------------------------------------------------------------------------------

    def totals(
        self, by: str | Iterable[str] | None = None, *, bands: Sequence[float] = (), assumptions: Sequence[Huggins] = ()
    ) -> Totals:
        """Sum by group and vendor, and by captures where the table has them.

        Parameters
        ----------
        by : str or sequence of str
            Group columns of the table. A missing label is its own group, "(missing)".
        bands : sequence of float
            Edges of price bands, in the present currency: adds the key "price_band".
        assumptions : sequence of Huggins
            A detection model needs the listings themselves: it is fitted here, on all of them, and applied in
            ``turnover(totals, coverage=...)``. Needs `captures` and a table in memory.

        Returns
        -------
        Totals

        Examples
        --------
        >>> from darkmarket_estimates import Listings
        >>> table = {"price": [50.0, 20.0, 800.0], "reviews": [4, 10, 1], "seller": ["a", "a", "b"],
        ...          "country": ["NL", "NL", None]}
        >>> listings = Listings(table, price="price", reviews="reviews", vendor="seller", currency="USD")
        >>> listings.totals(by="country", bands=[100]).to_frame()[["country", "price_band", "value"]].values.tolist()
        [['(missing)', '>= 100', 800.0], ['NL', '< 100', 400.0]]
        """
        edges = float_array(bands, "bands", low=0)
        if (np.diff(edges) <= 0).any():
            raise DataError("the edges of the price bands do not rise", got=repr(list(bands)))
        return captured_totals(self._table, self._first, strings(by, "by"), tuple(edges.tolist()), one_model(assumptions))

    @property
    def audit(self) -> Audit:
        """What was read and what each rule did."""
        return self._table.audit

    @property
    def currency(self) -> str:
        """Present currency of the prices."""
        return self._table.currency

    def __len__(self) -> int:
        return len(self._table)

    def to_frame(self) -> pd.DataFrame:
        """The rows that are kept, as arrays: row (position in the source), price, count, value. No vendor names.

        Raises
        ------
        NotSupportedError
            The table is not in memory.
        """
        return self._table.to_frame()

    def __repr__(self) -> str:
        return f"Listings({self._table!r})"
