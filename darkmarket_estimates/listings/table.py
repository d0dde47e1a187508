"""The table door: one row a listing, with a price and a count of reviews or sales."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from darkmarket_estimates.engines.choose import locate
from darkmarket_estimates.listings.immutable import ImmutableListings
from darkmarket_estimates.listings.roles import schema_of

if TYPE_CHECKING:
    from darkmarket_estimates.listings.dated import DatedListings


class Listings(ImmutableListings):
    """A checked, immutable table of listings.

    Parameters
    ----------
    frame : DataFrame, LazyFrame, Table, relation, path or mapping of arrays
        pandas, polars, dask, Spark or pyarrow; a DuckDB relation; the path of a CSV or Parquet file, a glob, a
        partitioned folder, or a DuckDB or SQLite file. Files below 64 MB are read into memory; what is larger or lazy
        stays where it is, and its rows are checked when the first number is asked for. Numbers in memory are read where
        they are, not copied: do not change them before the last number is asked for.
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
    first_scrape : str, optional
        Column of the scrape, numbered from 1, that saw it first (read where captures = 1): what `ValueChao` needs where
        scrapes differ.
    currency : str
        Code of the currency of `price`, or the column that holds it.
    window : (start, end), optional
        First day, and the day after the last. Needed to speak of a day, a month or a year.
    duplicates : {"error", "first", "largest", "sum", "keep"}, optional
        What to do with rows that share a listing id. "error" by default, "keep" where every row is a review.
    vendor_scope : {"market", "all markets"}
        Whether one name on two markets is two vendors or one.
    table : str, optional
        Table of a DuckDB or SQLite file.
    engine : {"auto", "memory", "lazy"}
        Read the table whole, or leave it where it is. The numbers are the same.
    memory_limit : str, optional
        Memory that a scan of a file may use, such as "1GB"; the rest is spilled to a temp folder that is removed.
    progress : callable or bool, optional
        Told the fraction done of a scan; by default a bar where standard error is a terminal.

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

    __slots__ = ()

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
        first_scrape: str | None = None,
        currency: str,
        window: tuple[Any, Any] | None = None,
        duplicates: str | None = None,
        vendor_scope: str = "market",
        table: str | None = None,
        engine: str = "auto",
        memory_limit: str | None = None,
        progress: Callable[[float], None] | bool | None = None,
    ) -> None:
        schema = schema_of(
            price=price, vendor=vendor, reviews=reviews, sold=sold, listing=listing, market=market, days=days, date=date,
            captures=captures, occasions=occasions, first_scrape=first_scrape, currency=currency, window=window,
            duplicates=duplicates, vendor_scope=vendor_scope, table=table, memory_limit=memory_limit)
        opener = locate(frame, table=table, engine=engine, memory_limit=memory_limit, progress=progress)
        self._set(opener.open(schema(opener.columns)), first_scrape)

    @classmethod
    def from_scrapes(cls, frame: Any, **options: Any) -> DatedListings:
        """Listings from repeated scrapes: a row a listing and scrape, in any order.

        Cumulative counters are differenced, steps across the window's edge are shared by time, and first counts, which
        have no start, are left out; every option is described at `darkmarket_estimates.listings.scrapes.from_scrapes`.

        Parameters
        ----------
        frame : any table that `Listings` reads, such as a folder of files; it is brought into memory
        **options
            ``listing=``, ``scrape=``, ``price=``, ``vendor=``, ``reviews=`` or ``sold=``, ``currency=``; ``counter=``,
            ``page_cap=``, ``window=``, ``unknown_start=``, ``price_at=``, ``seen=``, ``scrapes=``, ``scope=``,
            ``count_captures=``, ``market=``, ``vendor_scope=``.

        Returns
        -------
        DatedListings

        Examples
        --------
        >>> pages = {"id": ["a", "a", "a"], "day": ["2014-01-01", "2014-01-05", "2014-01-09"], "usd": [10.0, 10.0, 12.0],
        ...          "n": [3, 5, 6], "seller": ["x", "x", "x"]}
        >>> listings = Listings.from_scrapes(pages, listing="id", scrape="day", price="usd", vendor="seller", reviews="n",
        ...                                  currency="USD")
        >>> listings.totals().sum("value")
        32.0
        """
        from darkmarket_estimates.listings.scrapes import from_scrapes

        return from_scrapes(frame, **options)

    @classmethod
    def from_reviews(cls, reviews: Any, listings_frame: Any = None, **options: Any) -> DatedListings:
        """Listings from dated reviews or sightings of reviews, with or without a table of pages.

        Every option is described at `darkmarket_estimates.listings.reviews.from_reviews`.

        Parameters
        ----------
        reviews : any table that `Listings` reads; it is brought into memory
        listings_frame : table, optional
            A row a listing and scrape.
        **options
            ``listing=``, ``vendor=``, ``price=``, ``currency=``; ``date=`` or ``interval=`` or ``scrape=`` with
            ``review=``; ``price_at=``, ``page_cap=``, ``window=``, ``unknown_start=``, ``seen=``, ``scrapes=``,
            ``scope=``, ``count_captures=``, ``market=``, ``vendor_scope=``.

        Returns
        -------
        DatedListings

        Examples
        --------
        >>> reviews = {"id": ["a", "a"], "seller": ["x", "x"], "usd": [10.0, 12.0], "at": ["2014-01-02", "2014-02-03"]}
        >>> listings = Listings.from_reviews(reviews, listing="id", vendor="seller", price="usd", date="at",
        ...                                  currency="USD", window=("2014-01-01", "2014-02-01"))
        >>> listings.totals().sum("value")
        10.0
        """
        from darkmarket_estimates.listings.reviews import from_reviews

        return from_reviews(reviews, listings_frame, **options)
