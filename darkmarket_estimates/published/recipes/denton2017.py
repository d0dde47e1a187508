"""A market that prints sales: each listing's sales over its days, through the table door."""

from __future__ import annotations

import warnings

from darkmarket_estimates.assumptions import HoldingPrice
from darkmarket_estimates.errors import HoldingPriceWarning
from darkmarket_estimates.estimator import turnover
from darkmarket_estimates.listings import Listings
from darkmarket_estimates.published.data_folder import data_file
from darkmarket_estimates.published.recipe import Recipe
from darkmarket_estimates.published.rounding import Rounded

recipe = Recipe("denton2017")
FILE = "alphabay2017/listings.parquet"
#: "Without prices of 9,999 and more": the largest price that stays is below it.
CAP = 9_998.995


def _listings() -> Listings:
    return Listings(data_file(FILE), price="price_usd", sold="n_sold", days="days_listed", vendor="vendor_id",
                    currency="USD")


def _total(listings: Listings) -> Rounded:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HoldingPriceWarning)  # the warning is a row of its own below
        floor = turnover(listings.totals(), interval=None).floor
    return Rounded.computed(floor, floor, "sum of price × sales / days listed")


@recipe.compare("usd_day", "turnover a day", data=FILE,
                note="a mean over the life of the listings that survived, not a current flow")
def day() -> Rounded:
    """Compute the published sum."""
    return _total(_listings())


@recipe.compare("usd_day_without", "turnover a day, without prices of USD 9,999 and more", data=FILE)
def day_without() -> Rounded:
    """Compute the same with a cap."""
    return _total(_listings().clean(HoldingPrice(cap=CAP)))


@recipe.compare("holding_share", "largest listing, share of the published sum", data=FILE,
                note="a holding price of USD 99,999 counted as sales: turnover() warns of it")
def largest() -> Rounded:
    """Take what `HoldingPriceWarning` looks at."""
    totals = _listings().totals()
    share = 100 * float(totals.columns["max_listing_value"].max()) / totals.sum("value")
    return Rounded.computed(share, share, "largest price × sales / days listed over the sum")


@recipe.compare("press_usd_day", "the published sum beside the press estimate for AlphaBay",
                note="holding prices: one listing at USD 99,999 is a fifth of the sum")
def against_press(usd_day: Rounded) -> Rounded:
    """Put one print beside another."""
    return usd_day


@recipe.compare("press_usd_day", "the sum without holding prices beside the press estimate for AlphaBay",
                note="that the market is AlphaBay is an inference")
def capped_against_press(day_without: Rounded) -> Rounded:
    """Take what was computed above."""
    return day_without


@recipe.compare("usd_year", "turnover a year")
def year(usd_day: Rounded) -> Rounded:
    """Take 365 days."""
    return usd_day * 365 / 1_000_000
