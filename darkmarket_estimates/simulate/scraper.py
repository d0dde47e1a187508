"""A scraper: which pages of a simulated market are opened, when, and what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from darkmarket_estimates import _checks as check
from darkmarket_estimates.errors import AssumptionError
from darkmarket_estimates.simulate.record import Record
from darkmarket_estimates.simulate.spec import kept, kept_integer

COUNTERS = ("reviews", "sales", "both")
DATES = ("interval", "exact", "rounded")
MOST_PAGES, MOST_CRAWLS = 1 << 53, 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraper:
    """How a market is scraped.

    Crawls are counted back from the end: the last one ends when the simulated time ends, the others start `interval`
    days apart before it, none before day `first`. A crawl knows which listings are live when it starts and opens one
    page a listing, spread evenly over `duration` days.

    Parameters
    ----------
    interval, duration, first : float
        Days from one crawl's start to the next, days that a crawl takes (0: an instant), day of the earliest start.
    page_failure : float
        Probability that a page cannot be read, each time anew (0.05 in Cuevas et al. 2022, simulation code).
    share : float
        Share of the live listings that a crawl requests.
    daily_cap : int, optional
        Most requests in any 24 hours; what does not fit into `duration` is not requested.
    order : "uniform" or "popular"
        Which listings come first, and are therefore requested at all under `share` or `daily_cap`: any, or those with
        the most reviews when the crawl starts.
    discovery : float
        With "popular": share of the requests kept for listings at random.
    downtime : sequence of (first day, last day)
        The site is down: requests in these times are lost.
    page_cap : int, optional
        A page shows its newest `page_cap` reviews only.
    counter : "reviews", "sales" or "both"
        The counter on a page: `n_reviews` (reviews shown), `n_sold` (all orders of the listing so far), or both.
    dates : "interval", "exact" or "rounded"
        What is known of the date of a review: only the two captures around it, the date, or its age in full units of
        `rounding` days counted back from the capture.
    rounding : float

    Raises
    ------
    AssumptionError
        If a number is out of range, crawls overlap, or a cap is set on a crawl that takes no time.

    Examples
    --------
    >>> from darkmarket_estimates.simulate import Market
    >>> scrapes = Market.small(rng=1).scrape(Scraper(interval=10, page_failure=0.1), rng=2)
    >>> scrapes.log[["requested", "failed", "captured"]].shape
    (3, 3)
    """

    interval: float = 7.0
    duration: float = 1.0
    first: float = 0.0
    page_failure: float = 0.05
    share: float = 1.0
    daily_cap: int | None = None
    order: str = "uniform"
    discovery: float = 0.0
    downtime: tuple[tuple[float, float], ...] = ()
    page_cap: int | None = None
    counter: str = "reviews"
    dates: str = "interval"
    rounding: float = 30.0

    def __post_init__(self) -> None:
        kept(self, "interval", low=0, open_low=True)
        kept(self, "duration", low=0, high=self.interval, fix="a shorter crawl, or a longer interval")
        kept(self, "first", low=0)
        kept(self, "page_failure", low=0, high=1)
        kept(self, "share", low=0, high=1, open_low=True)
        if self.daily_cap is not None:
            kept_integer(self, "daily_cap", low=1, high=MOST_PAGES)
            if self.duration == 0:
                raise AssumptionError("a crawl that takes no time cannot be capped", expected="duration > 0",
                                      got="duration=0 with daily_cap", fix="give a duration, or use share=")
        check.choice(self.order, "order", ("uniform", "popular"))
        kept(self, "discovery", low=0, high=1)
        object.__setattr__(self, "downtime", _periods(self.downtime))
        if self.page_cap is not None:
            kept_integer(self, "page_cap", low=1, high=MOST_PAGES)
        check.choice(self.counter, "counter", COUNTERS)
        check.choice(self.dates, "dates", DATES)
        kept(self, "rounding", low=1e-6)

    def starts(self, days: float) -> np.ndarray:
        """Return the days on which crawls of a market that is simulated for `days` start."""
        days = check.number(days, "days", low=0)
        last = days - self.duration
        if last < self.first:
            raise AssumptionError("no crawl fits into the simulated time",
                                  expected=f"first + duration <= {days:g} days",
                                  got=f"first={self.first:g}, duration={self.duration:g}")
        number = (last - self.first) / self.interval
        if number > MOST_CRAWLS:
            raise AssumptionError("there are more crawls than can be simulated", expected=f"at most {MOST_CRAWLS:,}",
                                  got=f"{number:,.0f}", fix="a longer interval")
        back = np.arange(np.floor(number) + 1)
        return (last - self.interval * back)[::-1]


def _periods(x: Any) -> tuple[tuple[float, float], ...]:
    try:
        periods = tuple((float(low), float(high)) for low, high in x)
    except (TypeError, ValueError):
        periods = ((np.nan, np.nan),)
    if not all(low < high for low, high in periods):
        raise AssumptionError("downtime cannot be read", got=check.shown(x),
                              expected="pairs (first day, last day), the first before the last")
    return periods


@dataclass(frozen=True, slots=True)
class Captures:
    """A row a page that was read, by scrape and listing: number of the scrape, listing, time. And counts a scrape."""

    starts: np.ndarray
    scrape: np.ndarray
    listing: np.ndarray
    time: np.ndarray
    log: dict[str, np.ndarray]


def crawl(record: Record, scraper: Scraper, rng: np.random.Generator, review_listing: np.ndarray,
          review_time: np.ndarray) -> Captures:
    """Open the pages; reviews decide only which listings are popular."""
    order, failure = rng.spawn(2)
    n_listings = record.listings.product.size
    starts = scraper.starts(record.clock.days)
    parts, log = [], []
    for i, start in enumerate(starts):
        live = np.flatnonzero(record.visible(np.arange(n_listings), np.full(n_listings, start)))
        budget = round(scraper.share * live.size)
        spacing = scraper.duration / max(budget, 1)
        if scraper.daily_cap is not None:
            spacing = max(spacing, (1 + 1e-9) / scraper.daily_cap)  # a rounding error must not fit in one more request
            budget = min(budget, int(np.ceil(scraper.duration / spacing - 1e-6)))
        listing = live[order.permutation(live.size)]
        if scraper.order == "popular":
            known = np.bincount(review_listing[review_time <= start], minlength=n_listings)
            listing = listing[np.argsort(-known[listing], kind="stable")]
            chosen = budget - round(scraper.discovery * budget)
            listing[chosen:] = order.permutation(listing[chosen:])
        listing = listing[:budget]
        by_id = np.argsort(listing)
        time, listing = (start + spacing * np.arange(listing.size))[by_id], listing[by_id]
        down = np.zeros(listing.size, dtype=bool)
        for low, high in scraper.downtime:
            down |= (time >= low) & (time < high)
        gone = ~down & ~record.visible(listing, time)
        failed = ~down & ~gone & (failure.random(listing.size) < scraper.page_failure)
        read = ~(down | gone | failed)
        parts.append((np.full(int(read.sum()), i), listing[read], time[read]))
        log.append((live.size, listing.size, int(down.sum()), int(gone.sum()), int(failed.sum()), int(read.sum())))
    columns = ("live", "requested", "down", "gone", "failed", "captured")
    scrape, listing, time = (np.concatenate(x) for x in zip(*parts))
    return Captures(starts, scrape, listing, time, dict(zip(columns, np.array(log).T)))
