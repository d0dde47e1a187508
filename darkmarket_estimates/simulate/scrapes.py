"""What a scraper brings home: pages, reviews, a log; and the truth, restated for what was and was not seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from darkmarket_estimates.simulate import tables
from darkmarket_estimates.simulate.record import Record
from darkmarket_estimates.simulate.scraper import Captures, Scraper, crawl

if TYPE_CHECKING:
    from darkmarket_estimates.simulate.market import MarketSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeTruth:
    """The truth in the window, split by what the scraper saw and by what is left when it stops ("now").

    Parameters
    ----------
    realised_turnover : float
        Of all listings that were there in the window ("ever").
    turnover_seen, turnover_never_seen : float
        Of listings captured at least once, and never. They add up to `realised_turnover`.
    turnover_live, turnover_hidden, turnover_deleted : float
        Of listings that are live, hidden and deleted now. They add up to `realised_turnover`.
    reviewed_turnover, reviewed_turnover_seen, reviewed_turnover_live : float
        The same of reviewed orders: what a coverage estimator can at best recover.
    listings_ever, listings_seen, listings_live : int
        Listings there in the window: all, captured at least once, live now.
    listings_now : int
        Listings live now, those born after the window included ("state").
    """

    realised_turnover: float
    turnover_seen: float
    turnover_never_seen: float
    turnover_live: float
    turnover_hidden: float
    turnover_deleted: float
    reviewed_turnover: float
    reviewed_turnover_seen: float
    reviewed_turnover_live: float
    listings_ever: int
    listings_seen: int
    listings_live: int
    listings_now: int

    def to_dict(self) -> dict[str, float]:
        """Return the numbers by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Scrapes:
    """The pages that a scraper read.

    Parameters
    ----------
    scraper : Scraper
    listings : DataFrame
        A row a listing and scrape: scrape (start of the crawl), seen (when the page was read), listing, vendor, market,
        category, country, price (as shown, holding prices included), n_reviews and / or n_sold, capped (the page shows
        as many reviews as it can: there may be more).
    reviews : DataFrame
        A row a distinct review, at its first sighting: review, listing, vendor, market, after (previous capture of the
        listing, NaT if none), by (this capture), date (exact or rounded, as asked for), price (as shown at this
        capture).
    log : DataFrame
        A row a scrape, also where nothing was read: scrape, live, requested, and what became of the requests: down
        (site down), gone (deleted or hidden since the crawl began), failed, captured.
    truth : ScrapeTruth
    """

    scraper: Scraper
    listings: pd.DataFrame
    reviews: pd.DataFrame
    log: pd.DataFrame
    truth: ScrapeTruth
    _visible: tuple[np.ndarray, np.ndarray, np.ndarray]

    def sightings(self) -> pd.DataFrame:
        """Return a row a review and scrape that showed it: scrape, seen, review, listing."""
        review, first, number = self._visible
        row = np.repeat(np.arange(number.size), number)
        pages = self.listings[["scrape", "seen", "listing"]].iloc[row].reset_index(drop=True)
        return pages.assign(review=review[_ranges(first, number)])

    def histories(self) -> pd.DataFrame:
        """Return the capture histories: bool, a row a listing seen, a column a scrape of the log."""
        listing, row = np.unique(self.listings["listing"], return_inverse=True)
        caught = np.zeros((listing.size, len(self.log)), dtype=bool)
        caught[row, np.searchsorted(self.log["scrape"].to_numpy(), self.listings["scrape"].to_numpy())] = True
        return pd.DataFrame(caught, index=pd.Index(listing, name="listing"), columns=self.log["scrape"].to_numpy())

    def __repr__(self) -> str:
        t = self.truth
        return (f"Scrapes({len(self.log)} scrapes, {len(self.listings):,} pages, {len(self.reviews):,} reviews; "
                f"{t.listings_seen:,} of {t.listings_ever:,} listings of the window)")


def _ranges(first: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Return first[0], first[0] + 1, ... (number[0] of them), first[1], ..."""
    return np.repeat(first - np.cumsum(number) + number, number) + np.arange(number.sum())


def _starts(listing: np.ndarray, record: Record) -> np.ndarray:
    """Return where the rows of each listing start when rows are sorted by listing."""
    number = np.bincount(listing, minlength=record.listings.product.size)
    return np.cumsum(number) - number


def scrape(spec: MarketSpec, record: Record, scraper: Scraper, rng: np.random.Generator) -> Scrapes:
    """Scrape a market."""
    reviews = tables.review_columns(record)
    pages = crawl(record, scraper, rng, reviews["listing"], reviews["time"])
    key = record.clock.key

    # Reviews in order of listing and time: those of a listing up to a time are a range.
    review_key = key(reviews["listing"], reviews["time"])
    order = np.argsort(review_key, kind="stable")
    start = _starts(reviews["listing"], record)[pages.listing]
    stop = np.searchsorted(review_key[order], key(pages.listing, pages.time), side="right")
    shown = stop - start if scraper.page_cap is None else np.minimum(stop - start, scraper.page_cap)
    visible_from = stop - shown

    # The previous capture of the same listing: what it ended with has been seen, or was pushed off the page unseen.
    in_turn = np.argsort(key(pages.listing, pages.time), kind="stable")
    again = np.concatenate([[False], np.diff(pages.listing[in_turn]) == 0])[: in_turn.size]
    before, earlier = start.copy(), np.full(in_turn.size, np.nan)
    before[in_turn[again]] = stop[in_turn[np.flatnonzero(again) - 1]]
    earlier[in_turn[again]] = pages.time[in_turn[np.flatnonzero(again) - 1]]
    new_from = np.maximum(visible_from, before)

    return Scrapes(
        scraper=scraper,
        listings=_listings(spec, record, scraper, pages, shown),
        reviews=_reviews(spec, record, scraper, pages, reviews, order, new_from, stop, earlier),
        log=pd.DataFrame({"scrape": tables.dates(spec, pages.starts), **pages.log}),
        truth=_truth(spec, record, pages),
        _visible=(reviews["review"][order], visible_from, shown),
    )


def _listings(spec: MarketSpec, record: Record, scraper: Scraper, pages: Captures, shown: np.ndarray) -> pd.DataFrame:
    columns: dict[str, np.ndarray] = {}
    if scraper.counter != "sales":
        columns["n_reviews"] = shown
        columns["capped"] = np.zeros(shown.size, bool) if scraper.page_cap is None else shown >= scraper.page_cap
    if scraper.counter != "reviews":
        key = record.clock.key
        sold = np.sort(key(record.orders.listing, record.orders.time))
        first = _starts(record.orders.listing, record)[pages.listing]
        columns["n_sold"] = np.searchsorted(sold, key(pages.listing, pages.time), side="right") - first
    return pd.DataFrame({
        "scrape": tables.dates(spec, pages.starts[pages.scrape]),
        "seen": tables.dates(spec, pages.time),
        **tables.groups(spec, record, pages.listing),
        "price": record.prices.shown_at(record.listings.product[pages.listing], pages.time),
        **columns,
    })


def _reviews(spec: MarketSpec, record: Record, scraper: Scraper, pages: Captures, reviews: dict[str, np.ndarray],
             order: np.ndarray, first: np.ndarray, stop: np.ndarray, earlier: np.ndarray) -> pd.DataFrame:
    page = np.repeat(np.arange(stop.size), stop - first)
    row = order[_ranges(first, stop - first)]
    product = record.listings.product[pages.listing[page]]
    vendor = record.products.vendor[product]
    time, seen = reviews["time"][row], pages.time[page]
    dated: dict[str, np.ndarray] = {}
    if scraper.dates == "exact":
        dated["date"] = tables.dates(spec, time)
    elif scraper.dates == "rounded":
        age = np.floor((seen - time) / scraper.rounding) * scraper.rounding
        dated["date"] = tables.dates(spec, seen - age)
    return pd.DataFrame({
        "review": reviews["review"][row],
        "listing": pages.listing[page],
        "vendor": vendor,
        "market": tables.named(spec.markets, record.vendors.market[vendor]),
        "after": tables.dates(spec, earlier[page]),
        "by": tables.dates(spec, seen),
        **dated,
        "price": record.prices.shown_at(product, seen),
    })


def _truth(spec: MarketSpec, record: Record, pages: Captures) -> ScrapeTruth:
    n = record.listings.product.size
    orders, now = record.orders, np.full(n, spec.days)
    window = tables.in_window(spec, orders.time)
    value = np.where(window, orders.price * orders.quantity, 0.0)
    turnover = np.bincount(orders.listing, value, minlength=n)
    reviewed = np.bincount(orders.listing, value * orders.reviewed, minlength=n)
    ever = np.zeros(n, dtype=bool)
    ever[tables.state(spec, record)[0]] = True
    seen = np.zeros(n, dtype=bool)
    seen[pages.listing] = True
    live = record.visible(np.arange(n), now)
    deleted = record.listings.died <= spec.days
    return ScrapeTruth(
        realised_turnover=float(turnover.sum()),
        turnover_seen=float(turnover[seen].sum()),
        turnover_never_seen=float(turnover[~seen].sum()),
        turnover_live=float(turnover[live].sum()),
        turnover_hidden=float(turnover[~live & ~deleted].sum()),
        turnover_deleted=float(turnover[deleted].sum()),
        reviewed_turnover=float(reviewed.sum()),
        reviewed_turnover_seen=float(reviewed[seen].sum()),
        reviewed_turnover_live=float(reviewed[live].sum()),
        listings_ever=int(ever.sum()),
        listings_seen=int((ever & seen).sum()),
        listings_live=int((ever & live).sum()),
        listings_now=int(live.sum()),
    )
