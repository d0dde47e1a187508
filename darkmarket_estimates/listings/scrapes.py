"""The door of repeated scrapes: rows are pages, counts are what happened between two captures of a listing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from darkmarket_estimates._checks import choice, integer, strings, text
from darkmarket_estimates.audit import Entry
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
from darkmarket_estimates.listings.pages import MOST_REVIEWS, Pages, changes, read_pages
from darkmarket_estimates.totals.header import check_window

COUNTERS = ("cumulative", "window")
PRICES = {"nearest": "priced at the page that shows the count", "previous": "priced at the page before",
          "median": "priced at the median of the listing's pages"}


def from_scrapes(
    frame: Any, *, listing: str, scrape: str, price: str, vendor: str, reviews: str | None = None,
    sold: str | None = None, counter: str = "cumulative", page_cap: int | None = None,
    window: tuple[Any, Any] | None = None, unknown_start: str = "exclude", price_at: str = "nearest",
    seen: str | None = None, scrapes: Iterable[Any] | None = None, scope: str = "ever in the window",
    count_captures: str = "all", market: str | None = None, currency: str, vendor_scope: str = "market",
) -> DatedListings:
    """Listings from repeated scrapes of one market or several: what `Listings.from_scrapes` calls.

    Parameters
    ----------
    frame : any table that `Listings` reads, such as a folder of files; it is brought into memory
        A row a listing and scrape, in any order. A listing that stands twice in a scrape counts once, with its largest
        count. Other columns can be groups; a step belongs to the group that its last page shows.
    listing, scrape, price, vendor : str
        Columns: id of the listing; instant of the scrape (a day, a time, ISO text; UTC where there are zones); price as
        shown; vendor.
    reviews, sold : str
        Column of the counter: reviews, or sales that the market prints.
    counter : {"cumulative", "window"}
        A total since the listing's start, which is differenced (where it falls it starts anew), or the number since the
        scrape before, which is taken as it is.
    page_cap : int, optional
        Most reviews that a page shows: pages with so many are flagged and counted, for there may be more.
    window : (start, end), optional
        First day, and the day after the last; by default from the first to the last scrape.
    unknown_start : {"exclude", "window"}
        A listing's first count happened nobody knows when. It is left out, and its money printed, or taken to have
        happened evenly since the window's start.
    price_at : {"nearest", "previous", "median"}
        Price of a step: on the page that shows the new count, on the page before, or the median over the listing's
        pages.
    seen : str, optional
        Column of the instant at which the page itself was read, where a scrape takes long.
    scrapes : sequence of instants, optional
        All scrapes, where some brought home nothing.
    scope : {"ever in the window", "live now"}
        All listings, or only those that the last complete scrape (or a later one) saw.
    count_captures : {"all", "after the window"}
        What `ValueChao` and `Huggins` count. Every scrape; or only those at or after the window's end, for the listings seen
        in one of them: each then reveals all that is known of the window, which differences between scrapes do not
        otherwise allow. What is bounded is the turnover, in the window, of listings seen before its end; money of listings
        not seen after it is left to the unseen, with an audit line.
    market, currency, vendor_scope
        As for `Listings`.

    Returns
    -------
    DatedListings
        A step that crosses the window's edge is shared in proportion to time: counts can be fractions. Daily exchange
        rates are those of the page that shows the new count.

    Raises
    ------
    NotIdentifiedError
        One scrape of a cumulative counter.
    DataError
        What is wrong, in which column and row.

    Examples
    --------
    >>> pages = {"id": ["a", "a", "a", "b", "b"], "day": ["2014-01-01", "2014-01-05", "2014-01-09"] + ["2014-01-05",
    ...          "2014-01-09"], "usd": [10.0, 10.0, 12.0, 50.0, 50.0], "n": [3, 5, 6, 4, 7], "by": list("xxxyy")}
    >>> listings = from_scrapes(pages, listing="id", scrape="day", price="usd", vendor="by", reviews="n", currency="USD",
    ...                         window=("2014-01-03", "2014-01-09"))
    >>> listings.totals().sum("value")  # a: half of 2 x 10, 1 x 12; b: 3 x 50, and 4 x 50 without a start
    172.0
    >>> listings.dates().set_index("part").loc["across its edge"].to_dict()
    {'counts': 2.0, 'shared_value': 10.0, 'none': 0.0, 'all': 20.0}
    >>> float(listings.dates().set_index("part").loc["no start", "all"])
    200.0
    """
    if (reviews is None) == (sold is None):
        raise DataError("say what is counted, once", expected="reviews= or sold= (a column)",
                        got="both" if sold is not None else "neither")
    choice(counter, "counter", COUNTERS)
    choice(unknown_start, "unknown_start", UNKNOWN_START)
    choice(price_at, "price_at", tuple(PRICES))
    choice(scope, "scope", SCOPES)
    choice(count_captures, "count_captures", COUNT_CAPTURES)
    strings((listing, scrape, price, vendor), "the columns")
    if page_cap is not None:
        integer(page_cap, "page_cap", low=1, high=MOST_REVIEWS)
    counted = "reviews" if sold is None else "sold"
    column = reviews if sold is None else sold
    text(column, counted)
    assert column is not None
    span = check_window(window)
    pages = read_pages(frame, listing=listing, scrape=scrape, price=price, vendor=vendor, count=column, seen=seen,
                       scrapes=scrapes, market=market)
    if unknown_start == "window" and span is None:
        raise AssumptionError("the first count of a listing cannot be put into a window that is not given",
                              fix='window=("2014-01-01", "2014-02-01")')
    if len(pages.scrapes) == 1 and counter == "cumulative" and unknown_start == "exclude":
        raise NotIdentifiedError("one scrape shows a total since the start of each listing, and no flow",
                                 expected="two scrapes or more", got=str(pages.scrapes[0]),
                                 fix='unknown_start="window" with window= takes the whole count as the window\'s; a lifetime '
                                     "mean is Listings(frame, days=...)")
    span = span or hull(pages.time, points=counter == "window")
    limits = as_window(span)
    if counter == "cumulative":
        full, used, kind, resets = _differences(pages, limits, unknown_start)
    else:
        full, resets = pages.count, np.zeros(len(pages.count), dtype=bool)
        kind = np.where(within(pages.time, limits), INSIDE, OUTSIDE)
        used = np.where(kind == INSIDE, full, 0.0)
    worth = _prices(pages, price_at)
    capped = np.zeros(len(full), dtype=bool) if page_cap is None else pages.count >= page_cap
    captures = pages.captures()
    money = full * worth
    notes = (*pages.notes, *_resets(resets, full, money),
             *changes(pages, {listing, scrape, seen or scrape, price, column}, full, money))
    one_capture = _one_capture(pages, limits, counter, unknown_start, capped, count_captures)
    dates = Dates(full=full, used=used, kind=kind, capped=capped & (kind != OUTSIDE), unknown_start=unknown_start,
                  live_now=scope == "live now",
                  priced=PRICES[price_at], notes=notes, one_capture=one_capture)
    at = pages.table.column_names.index(price)
    table = pages.table.set_column(at, price, pa.array(worth))
    return build(table, dates, captures, pages.listing, count_captures, counted=counted, price=price,
                 vendor=vendor, listing=listing, market=market, date=seen or scrape, currency=currency, window=span,
                 vendor_scope=vendor_scope)


def _differences(
    pages: Pages, window: Window, unknown_start: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Counts of the steps, the part of each in the window, what is known of it, and which counters started anew."""
    first = np.diff(pages.listing, prepend=-1) != 0
    step = np.diff(pages.count, prepend=0.0)
    resets = ~first & (step < 0)
    full = np.where(first | resets, pages.count, step)
    after = np.concatenate([pages.time[:1], pages.time[:-1]])
    share = covered(after, pages.time, window)
    kind = np.where(share == 0, OUTSIDE, np.where(share == 1, INSIDE, EDGE))
    # a first count is a sum over an unknown past: seen before the window it cannot lie in it
    since = covered(np.full(len(after), window[0]), pages.time, window)
    kind = np.where(first, np.where(since == 0, OUTSIDE, np.where(pages.time <= window[1], NO_START, NO_START_LATER)), kind)
    share = np.where(first, since if unknown_start == "window" else 0.0, share)
    return full, full * share, kind, resets


def _prices(pages: Pages, price_at: str) -> np.ndarray:
    if price_at == "nearest":
        return pages.price
    if price_at == "previous":
        before = np.concatenate([pages.price[:1], pages.price[:-1]])
        return np.where(np.diff(pages.listing, prepend=-1) != 0, pages.price, before)
    return pages.medians()[pages.listing]


def _resets(resets: np.ndarray, count: np.ndarray, money: np.ndarray) -> list[Entry]:
    if not resets.any():
        return []
    value = float(money[resets].sum())
    return [Entry(rule="counter fell: counted anew from 0", rows=int(resets.sum()), count=float(count[resets].sum()),
                  value=value, value_after=value, currency="")]


def _one_capture(
    pages: Pages, window: Window, counter: str, unknown_start: str, capped: np.ndarray, count_captures: str
) -> str:
    if capped.any():
        return f"the page cap was reached on {int(capped.sum()):,} pages"
    if counter == "window":
        return "a count of the last days shows what happened before that capture only"
    if count_captures == "after the window":
        return "holds"
    if unknown_start == "exclude":
        return "the value of a listing is a difference between its captures: one capture shows none"
    if window[1] > pages.scrapes[0]:
        return "the window ends after the first scrape: a listing seen in that one alone sold on unseen"
    return "holds"
