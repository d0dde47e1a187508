"""The letter of 2012: adverts and vendors can be counted, money cannot be estimated from them."""

from __future__ import annotations

from darkmarket_estimates.errors import DataError
from darkmarket_estimates.listings import Listings
from darkmarket_estimates.published.recipe import Recipe
from darkmarket_estimates.published.rounding import Rounded

recipe = Recipe("letter2012")


@recipe.explain("turnover")
def refusal() -> str:
    """Ask the library for a turnover without a count of sales or reviews."""
    try:
        Listings({"price": [50.0, 80.0], "vendor": ["a", "b"]}, price="price", vendor="vendor", currency="EUR")
    except DataError as error:
        return (f"asked for it, the library says: {error.what}; expected {error.expected}, got {error.got}. Adverts "
                "bound what is offered (their number, by captures over several scrapes), not what is sold")
    raise AssertionError("listings without a count were accepted")


@recipe.compare("hansa_adverts_share", "orders a day for each advert, Hansa 2017")
def hansa(hansa_orders: Rounded, hansa_adverts: Rounded) -> Rounded:
    """Divide orders by adverts."""
    return hansa_orders / hansa_adverts


@recipe.step("orders a day for each drug advert, eight markets in January 2016", unit="(at most)")
def eight_markets(transactions: Rounded, adverts: Rounded, drug_share: Rounded) -> Rounded:
    """Divide orders by drug adverts: the ratio differs between markets, so adverts alone do not give orders."""
    return transactions / 31 / (adverts * drug_share / 100)
