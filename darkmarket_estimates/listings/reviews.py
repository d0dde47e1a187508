"""The door of reviews: a row a review (or a sighting of one), dated exactly or between two captures of its page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from darkmarket_estimates._checks import choice, strings
from darkmarket_estimates.engines.medians import grouped_median
from darkmarket_estimates.errors import AssumptionError, DataError, NotIdentifiedError
from darkmarket_estimates.listings.dated import DatedListings, build
from darkmarket_estimates.listings.dating import (
    COUNT_CAPTURES,
    EDGE,
    INSIDE,
    NO_START,
    NO_START_LATER,
    OUTSIDE,
    SCOPES,
    UNKNOWN_START,
    Dates,
)
from darkmarket_estimates.listings.instants import Window, as_window, covered, hull, within
from darkmarket_estimates.listings.pages import Pages, identities, numbers, read_pages, whole
from darkmarket_estimates.listings.sightings import DatedReviews, dated
from darkmarket_estimates.totals.header import check_window

PRICES = {"amount": "priced at the review's own amount", "nearest": "priced at the page nearest in time",
          "previous": "priced at the page before", "median": "priced at the median of the listing"}


def from_reviews(
    reviews: Any, listings_frame: Any = None, *, listing: str, vendor: str, price: str, date: str | None = None,
    interval: tuple[str, str] | None = None, scrape: str | None = None, review: str | None = None,
    price_at: str | None = None, page_cap: int | None = None, window: tuple[Any, Any] | None = None,
    unknown_start: str = "exclude", seen: str | None = None, scrapes: Any = None, scope: str = "ever in the window",
    count_captures: str = "all", market: str | None = None, currency: str, vendor_scope: str = "market",
) -> DatedListings:
    """Listings from reviews: what `Listings.from_reviews` calls.

    Parameters
    ----------
    reviews : any table that `Listings` reads; it is brought into memory
        A row a review, or a row a sighting of one (`review` and `scrape` named; the first sighting stands for it).
    listings_frame : table, optional
        A row a listing and scrape, also where a page shows no review: prices, and which listings were seen when.
    listing, vendor, price : str
        Columns of both tables; `price` is read where `price_at` says.
    date : str, optional
        Column of the instant of each review, or
    interval : (str, str), optional
        columns of the last instant at which it was not there yet (missing: unknown), and of its first sighting; or
        neither: sightings are dated by the captures of their listing.
    scrape, review : str, optional
        Columns: instant of the scrape (of both tables), id of the review.
    seen : str, optional
        Column of `listings_frame`: the instant at which the page itself was read, where a scrape takes long.
    price_at : {"amount", "nearest", "previous", "median"}
        The reviews' own column `price`; or the listing's page nearest to the review in time (for an interval: nearest to
        its first sighting), the page before it, or the listing's median. "nearest" with pages, else "amount".
    page_cap : int, optional
        Most reviews that a page shows; needs sightings.
    window, unknown_start, scrapes, scope, count_captures, market, currency, vendor_scope
        As for `from_scrapes`.

    Returns
    -------
    DatedListings
        Daily exchange rates are those of the review's date, or of its first sighting.

    Raises
    ------
    NotIdentifiedError
        Nothing dates the reviews, or nothing prices them.
    DataError
        What is wrong, in which column and row.

    Examples
    --------
    >>> reviews = {"id": ["a", "a", "b"], "by": ["x", "x", "y"], "usd": [10.0, 12.0, 50.0],
    ...            "after": ["2014-01-01", "2014-01-05", None], "until": ["2014-01-05", "2014-01-09", "2014-01-05"]}
    >>> listings = from_reviews(reviews, listing="id", vendor="by", price="usd", interval=("after", "until"),
    ...                         currency="USD", window=("2014-01-03", "2014-01-09"))
    >>> listings.totals().sum("value")  # half of 10, and 12; the 50 have no start
    17.0
    """
    strings((listing, vendor, price), "the columns")
    choice(unknown_start, "unknown_start", UNKNOWN_START)
    choice(scope, "scope", SCOPES)
    choice(count_captures, "count_captures", COUNT_CAPTURES)
    if date is not None and interval is not None:
        raise DataError("reviews are dated twice", expected='date="..." or interval=("after", "by")', got="both")
    price_at = price_at or ("amount" if listings_frame is None else "nearest")
    choice(price_at, "price_at", tuple(PRICES))
    span = check_window(window)
    if unknown_start == "window" and span is None:
        raise AssumptionError("reviews without a start cannot be put into a window that is not given",
                              fix='window=("2014-01-01", "2014-02-01")')
    pages = None
    if listings_frame is not None:
        if scrape is None:
            raise DataError("a table of pages needs its scrapes", expected="scrape= (a column)", got="None")
        pages = _pages(listings_frame, listing, scrape, price, vendor, market, seen, scrapes, price_at)
    elif price_at in ("nearest", "previous"):
        raise NotIdentifiedError(f"the {price_at} price needs the pages of the listing", expected="listings_frame=",
                                 got="None", fix='price_at="amount" uses the reviews\' own price, "median" its median')
    source = whole(reviews)
    own_price = price_at == "amount" or pages is None
    source.require([c for c in (listing, vendor, date, *(interval or ()), review, market) if c is not None])
    key = identities(source, listing, market)
    codes = key.codes if pages is None else _known(key.labels, pages)[key.codes]
    found = dated(source, codes, pages, date, interval, scrape, review, page_cap)
    span = span or hull(np.concatenate([found.by, found.after[~np.isnat(found.after)]]), points=found.exact)
    used, kind = _shares(found, as_window(span), unknown_start)
    table = found.table
    if own_price:
        worth = numbers(replace(source, table=table), price, "the price")
        if price_at == "median":
            everything = np.ones(len(worth), dtype=bool)
            worth = grouped_median(worth, found.listing, everything, int(found.listing.max()) + 1)[0][found.listing]
    else:
        assert pages is not None
        worth = _prices(found, pages, price_at)
    if price in table.column_names:
        table = table.set_column(table.column_names.index(price), price, pa.array(worth))
    else:
        table = table.append_column(price, pa.array(worth))
    captures = None if pages is None else pages.captures()
    notes = (*(() if pages is None else pages.notes), *found.notes)
    dates = Dates(full=np.ones(len(worth)), used=used, kind=kind, capped=found.capped & (kind != OUTSIDE), notes=notes,
                  unknown_start=unknown_start, priced=PRICES[price_at],
                  one_capture=_one_capture(pages, as_window(span), found, count_captures),
                  when=found.by if found.exact else None, live_now=scope == "live now")
    return build(table, dates, captures, found.listing, count_captures, counted="reviews", price=price,
                 vendor=vendor, listing=listing, market=market, date=date or (interval[1] if interval else scrape),
                 currency=currency, window=span, vendor_scope=vendor_scope)


def _pages(
    frame: Any, listing: str, scrape: str, price: str, vendor: str, market: str | None, seen: str | None, scrapes: Any,
    price_at: str,
) -> Pages:
    source = whole(frame)
    if price_at == "amount" and price not in source.table.column_names:  # the reviews bring their own
        source = replace(source, table=source.table.append_column(price, pa.array(np.zeros(len(source)))))
    return read_pages(source, listing=listing, scrape=scrape, price=price, vendor=vendor, count=None, seen=seen,
                      scrapes=scrapes, market=market)


def _known(labels: tuple[str, ...], pages: Pages) -> np.ndarray:
    position = {label: i for i, label in enumerate(pages.labels)}
    absent = [label for label in labels if label not in position]
    if absent:
        raise DataError(f"{len(absent):,} listing(s) with reviews have no page", expected="a page of every listing",
                        got=f"no page of {absent[0]!r}", fix="leave these reviews out, and say so, or pass all pages")
    return np.array([position[label] for label in labels], dtype=np.int64)


def _shares(found: DatedReviews, window: Window, unknown_start: str) -> tuple[np.ndarray, np.ndarray]:
    """The part of each review that is taken to lie in the window, and what is known of it."""
    if found.exact:
        inside = within(found.by, window)
        return inside.astype(float), np.where(inside, INSIDE, OUTSIDE)
    no_start = np.isnat(found.after)
    share = covered(np.where(no_start, window[0], found.after), found.by, window)
    kind = np.where(share == 0, OUTSIDE, np.where(share == 1, INSIDE, EDGE))
    first = np.where(found.by <= window[1], NO_START, NO_START_LATER)
    kind = np.where(no_start & (share > 0), first, kind)
    return np.where(no_start & (unknown_start == "exclude"), 0.0, share), kind


def _prices(found: DatedReviews, pages: Pages, price_at: str) -> np.ndarray:
    """Price of each review from the pages of its listing."""
    if price_at == "median":
        return pages.medians()[found.listing]
    moments = np.unique(pages.time)
    keys = pages.listing * np.int64(len(moments)) + np.searchsorted(moments, pages.time)
    time = found.by if price_at == "nearest" or found.exact else np.where(np.isnat(found.after), found.by, found.after)
    rank = np.searchsorted(moments, time, side="right") - 1
    start = np.searchsorted(pages.listing, found.listing)
    end = np.searchsorted(pages.listing, found.listing, side="right") - 1
    before = np.clip(np.searchsorted(keys, found.listing * np.int64(len(moments)) + rank, side="right") - 1, start, end)
    if price_at == "previous":
        return pages.price[before]
    later = np.minimum(before + 1, end)
    closer = np.abs(pages.time[later] - time) < np.abs(pages.time[before] - time)
    return pages.price[np.where(closer, later, before)]


def _one_capture(pages: Pages | None, window: Window, found: DatedReviews, count_captures: str) -> str:
    if pages is None:
        return "not checked"
    if found.full_pages:
        return f"the page cap was reached on {found.full_pages:,} pages"
    if count_captures == "after the window":
        return "holds"
    if not found.exact:
        return "reviews are dated by the captures around them: one capture dates none"
    if window[1] > pages.scrapes[0]:
        return "the window ends after the first scrape: a listing seen in that one alone sold on unseen"
    return "holds"
