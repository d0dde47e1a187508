"""Hansa in the Nationale Drug Monitor: a count of orders is not money."""

from __future__ import annotations

from darkmarket_estimates.published.recipe import Recipe
from darkmarket_estimates.published.rounding import Rounded

recipe = Recipe("ndm2024")


@recipe.compare("police_transactions", "transactions in 27 days, at the old pace of 1,000 a day",
                note="more were counted: orders rose when AlphaBay vanished in those days")
def old_pace(hansa_orders: Rounded, police_days: Rounded) -> Rounded:
    """Go on as if nothing had changed."""
    return hansa_orders * police_days


@recipe.compare("police_transactions", "transactions in 27 days, between the old pace and 8,000 a day")
def both_paces(hansa_orders: Rounded, orders_after_alphabay: Rounded, police_days: Rounded) -> Rounded:
    """Take all days at the old pace, or all at the new one."""
    return (hansa_orders * police_days).to(orders_after_alphabay * police_days)


@recipe.compare("police_transactions_trouw", "transactions in 27 days, Trouw beside three others")
def trouw(police_transactions: Rounded) -> Rounded:
    """Put one print beside another."""
    return police_transactions


@recipe.compare("nl_share", "Dutch share in 2015-2020 beside RAND's of January 2016",
                note="another period and other markets: not a contradiction between sources, but not one number either")
def dutch_share(rand_nl_share: Rounded) -> Rounded:
    """Put one print beside another."""
    return rand_nl_share


@recipe.step("orders a day for each advert", unit="orders per advert a day")
def orders_per_advert(hansa_orders: Rounded, hansa_adverts: Rounded) -> Rounded:
    """Divide orders by adverts."""
    return hansa_orders / hansa_adverts


@recipe.step("reviews a day over orders a day, were they of one period",
             unit="(they are not: a mean over 700 days, and 2017)")
def reviews_per_order(hansa_reviews_day: Rounded, hansa_orders: Rounded) -> Rounded:
    """Divide two figures whose quotient must not be taken for a review share."""
    return hansa_reviews_day / hansa_orders
