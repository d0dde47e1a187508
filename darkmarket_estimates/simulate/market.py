"""A market whose truth is known: the specification, the simulation, and its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from darkmarket_estimates import _checks as check
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.simulate import presets, tables
from darkmarket_estimates.simulate.history import draw_history
from darkmarket_estimates.simulate.lifecycle import mean_selling_days
from darkmarket_estimates.simulate.market_checks import check_spec, is_a
from darkmarket_estimates.simulate.record import Record
from darkmarket_estimates.simulate.scraper import Scraper
from darkmarket_estimates.simulate.scrapes import Scrapes, scrape
from darkmarket_estimates.simulate.spec import (
    Category,
    Country,
    Deletion,
    FakeReviews,
    Hiding,
    HoldingPrices,
    LogNormalSizes,
    Margins,
    PriceChanges,
    Quantities,
    Relisting,
    ReviewShares,
    Sizes,
)
from darkmarket_estimates.simulate.truth import Truth

Rng = int | np.random.Generator | np.random.SeedSequence | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSpec:
    r"""How a market comes about. Every mechanism that is left out is off.

    A vendor's orders are Poisson with a rate in proportion to its size; each is for one of its products in proportion
    to the product's popularity, and is lost while that one is not listed yet, deleted, hidden or at a holding price.

    Parameters
    ----------
    n_vendors, n_listings : int
        Vendors, and products ever listed in the simulated time (relisting adds listing ids).
    orders : float
        Expected number of orders in the window, all mechanisms considered. Under `new_vendors` fewer come about, as
        those who arrive late have all their demand on few and late listings; without meaning under `margins`.
    days : float
        Simulated days; scrapers move in them.
    window : (float, float), optional
        First and last day of the window that is to be estimated; default all of them.
    start, currency : str
        First day (ISO date), and unit of the prices.
    sizes : LogNormalSizes, ParetoSizes, ResampledSizes
        Law of vendor sizes.
    random_vendors : bool
        Poisson number of vendors (at least 1) with mean `n_vendors`; listings in proportion.
    listing_elasticity : float
        Vendors get products in proportion to ``size**listing_elasticity``, one each at least.
    popularity_sd : float
        Standard deviation of the log popularity of the products of a vendor.
    markets : mapping of name to share of vendors
    categories : mapping of name to Category
    countries : mapping of name to Country
    focus : float
        Share of products that are in the main category of their vendor, the others are in any.
    new_listings : float
        Share of products that are listed during the simulated time, at any moment alike; the others are there at 0.
    new_vendors : bool
        Vendors arrive with their first product.
    review_shares : ReviewShares, optional
        Default: every order is reviewed.
    quantities, price_changes, holding_prices, deletion, hiding, fake_reviews, relisting, margins : optional
        The mechanisms of the same name.
    fixed_counts : bool
        Numbers of deletions, hidings and returns are fixed at their expectation.
    """

    n_vendors: int = 200
    n_listings: int = 2_000
    orders: float = 5_000
    days: float = 30
    window: tuple[float, float] | None = None
    start: str = "2016-01-01"
    currency: str = "USD"
    sizes: Sizes = field(default_factory=lambda: LogNormalSizes(sd=1.5))
    random_vendors: bool = False
    listing_elasticity: float = 0.5
    popularity_sd: float = 1.0
    markets: Mapping[str, float] = field(default_factory=lambda: {"market 1": 1.0})
    categories: Mapping[str, Category] = field(default_factory=lambda: {"all": Category(share=1, mean_price=50)})
    countries: Mapping[str, Country] = field(default_factory=lambda: {"all": Country(share=1)})
    focus: float = 0.0
    new_listings: float = 0.0
    new_vendors: bool = False
    review_shares: ReviewShares | None = None
    quantities: Quantities | None = None
    price_changes: PriceChanges | None = None
    holding_prices: HoldingPrices | None = None
    deletion: Deletion | None = None
    hiding: Hiding | None = None
    fake_reviews: FakeReviews | None = None
    relisting: Relisting | None = None
    margins: Margins | None = None
    fixed_counts: bool = False

    def __post_init__(self) -> None:
        check_spec(self)

    @property
    def span(self) -> tuple[float, float]:
        """First and last day of the window."""
        return (0.0, float(self.days)) if self.window is None else (float(self.window[0]), float(self.window[1]))

    @property
    def selling_days(self) -> float:
        """Expected days in the window on which a product can be bought."""
        switches = [(s.rate, s.back) for s in (self.hiding, self.holding_prices) if s is not None]
        rate = 0.0 if self.deletion is None else self.deletion.rate
        return mean_selling_days(self.days, self.span, self.new_listings, rate, *switches)

    @property
    def expected_turnover(self) -> float | None:
        r"""Mean realised turnover: orders x mean price x mean units; None under `margins` or `new_vendors`.

        Prices, sizes and lives are independent, price changes have mean 1, so the product of the means is exact (up to
        rounding to cents). Countries weigh by their orders, :math:`share_k size_k`.
        """
        if self.margins is not None or self.new_vendors:
            return None
        mean = sum(c.share * c.mean_price for c in self.categories.values())
        weight = [c.share * c.size for c in self.countries.values()]
        level = sum(w * c.price for w, c in zip(weight, self.countries.values())) / sum(weight)
        return self.orders * mean * level * (1.0 if self.quantities is None else self.quantities.mean)

    def simulate(self, rng: Rng = None) -> Market:
        """Draw a market; the same `rng` gives the same bytes. Every mechanism has its own stream of random numbers."""
        record = draw_history(self, check.generator(rng))
        low, high = self.span
        return Market(
            spec=self,
            listings=tables.listings(self, record),
            vendors=tables.vendors(self, record),
            sales=tables.sales(self, record),
            reviews=tables.reviews(self, record),
            events=tables.events(self, record),
            window=(tables.instant(self, low), tables.instant(self, high)),
            currency=self.currency,
            truth=tables.truth(self, record),
            record=record,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Market:
    """A simulated market: tables that an analyst could have, tables that only the simulation has, and the truth.

    Parameters
    ----------
    spec : MarketSpec
        What it was drawn from.
    listings : DataFrame
        A row a listing that was there in the window: listing, vendor, market, category, country, price (as shown when
        the window ended or the page was last there, holding prices included), reviews (in the window), state (live,
        hidden, deleted at the end of the window).
    vendors : DataFrame
        A row a vendor: vendor, market, country, review_share (the true one), orders, reviews, turnover in the window.
    sales, reviews, events : DataFrame
        A row an order, a review, an event, over the whole simulated time, in order of time.
    window : (str, str)
        First instant of the window, and first instant after it.
    currency : str
    truth : Truth
    record : Record
        The whole history as arrays, for scrapers; its layout may change.
    """

    spec: MarketSpec
    listings: pd.DataFrame
    vendors: pd.DataFrame
    sales: pd.DataFrame
    reviews: pd.DataFrame
    events: pd.DataFrame
    window: tuple[str, str]
    currency: str
    truth: Truth
    record: Record

    @classmethod
    def small(cls, rng: Rng = None, **changes: Any) -> Market:
        """Simulate a small invented market with every everyday nuisance.

        Parameters
        ----------
        rng : int, Generator, SeedSequence or None
            The same gives the same market.
        **changes
            Fields of its `MarketSpec`.

        Examples
        --------
        >>> market = Market.small(rng=7)
        >>> sorted(market.listings.columns)
        ['category', 'country', 'listing', 'market', 'price', 'reviews', 'state', 'vendor']
        >>> bool(market.truth.realised_turnover == (market.sales["price"] * market.sales["quantity"]).sum().round(2))
        True
        """
        return MarketSpec(**{**presets.small(), **changes}).simulate(rng)

    @classmethod
    def hansa_like(cls, rng: Rng = None, **changes: Any) -> Market:
        """Simulate a market with the totals of Hansa: 123,132 listings, 258,184 reviews, 3,625 vendors, 700 days.

        `rng` and `changes` are those of `small`.
        """
        return MarketSpec(**{**presets.hansa_like(), **changes}).simulate(rng)

    @classmethod
    def rand_2016_like(cls, rng: Rng = None, **changes: Any) -> Market:
        """Simulate eight markets with the published margins of January 2016 (RAND RR1607).

        `rng` and `changes` are those of `small`.
        """
        return MarketSpec(**{**presets.rand_2016_like(), **changes}).simulate(rng)

    def truth_by(self, column: str) -> pd.DataFrame:
        """Return the truth in the window by market, category, country, vendor, listing or state.

        Returns
        -------
        DataFrame
            A row a group, largest first: the column, turnover, orders, reviewed_orders. Turnovers add up to
            ``truth.realised_turnover``.
        """
        groups = ("market", "category", "country", "vendor", "listing", "state")
        if not isinstance(column, str) or column not in groups:
            raise DataError("the market has no such group", expected="one of " + ", ".join(groups), got=check.kind(column))
        sold = self.sales[self.sales["in_window"]]
        group = self.listings.set_index("listing", drop=False)[column].reindex(sold["listing"]).to_numpy()
        result = (
            pd.DataFrame({column: group, "turnover": sold["price"].to_numpy() * sold["quantity"].to_numpy(),
                          "orders": 1, "reviewed_orders": sold["reviewed"].to_numpy().astype(int)})
            .groupby(column, sort=True).sum().reset_index()
        )
        return result.sort_values("turnover", ascending=False, kind="stable", ignore_index=True)

    def scrape(self, scraper: Scraper, rng: Rng = None) -> Scrapes:
        """Send a scraper; `rng` as in `small`.

        Examples
        --------
        >>> market = Market.small(rng=7)
        >>> market.scrape(Scraper(interval=7, page_failure=0.05), rng=1)
        Scrapes(5 scrapes, 12,529 pages, 5,649 reviews; 2,967 of 3,000 listings of the window)
        """
        is_a(scraper, "scraper", Scraper)
        return scrape(self.spec, self.record, scraper, check.generator(rng))

    def __repr__(self) -> str:
        t = self.truth
        return (f"Market({t.listings_ever:,} listings, {len(self.vendors):,} vendors, {t.orders:,} orders, "
                f"{self.currency} {t.realised_turnover:,.0f} from {self.window[0]} to {self.window[1]})")
