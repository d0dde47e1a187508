"""Markets whose truth is known, and scrapers that see part of them."""

from darkmarket_estimates.simulate.market import Market, MarketSpec
from darkmarket_estimates.simulate.scraper import Scraper
from darkmarket_estimates.simulate.scrapes import Scrapes, ScrapeTruth
from darkmarket_estimates.simulate.spec import (
    Category,
    Country,
    Deletion,
    FakeReviews,
    Hiding,
    HoldingPrices,
    LogNormalSizes,
    Margins,
    ParetoSizes,
    PriceChanges,
    Quantities,
    Relisting,
    ResampledSizes,
    ReviewShares,
)
from darkmarket_estimates.simulate.truth import Truth

__all__ = [
    "Category",
    "Country",
    "Deletion",
    "FakeReviews",
    "Hiding",
    "HoldingPrices",
    "LogNormalSizes",
    "Margins",
    "Market",
    "MarketSpec",
    "ParetoSizes",
    "PriceChanges",
    "Quantities",
    "Relisting",
    "ResampledSizes",
    "ReviewShares",
    "ScrapeTruth",
    "Scraper",
    "Scrapes",
    "Truth",
]


def __dir__() -> list[str]:
    return sorted(__all__)
