"""Hansa's totals in the simulation code: what a single perfect scrape would miss."""

from __future__ import annotations

from darkmarket_estimates.published.recipe import Recipe
from darkmarket_estimates.published.rounding import Rounded

recipe = Recipe("cuevas2022")


@recipe.compare("events", "events of five kinds",
                note="40 more than the code's own sum: apparently a typing slip there")
def events_sum(items: Rounded, reviews: Rounded, deletions: Rounded, hidings: Rounded, unhidings: Rounded) -> Rounded:
    """Add items, reviews, deletions, hidings and unhidings."""
    return items + reviews + deletions + hidings + unhidings


@recipe.compare("live", "listings live at the end")
def live_count(items: Rounded, deletions: Rounded, hidings: Rounded, unhidings: Rounded) -> Rounded:
    """Take ever listed, less deleted and hidden, plus shown again."""
    return items - deletions - hidings + unhidings


@recipe.compare("seen_share", "one perfect scrape on the last day sees",
                note="deletion and hiding alone hide a third of all listings ever, before any failure of a crawl")
def seen(live_count: Rounded, items: Rounded) -> Rounded:
    """Divide live by ever listed."""
    return live_count / items * 100


@recipe.compare("reviews_per_item", "reviews per listing")
def per_item(reviews: Rounded, items: Rounded) -> Rounded:
    """Divide reviews by listings."""
    return reviews / items


@recipe.compare("reviews_per_day", "reviews a day")
def per_day(reviews: Rounded, days: Rounded) -> Rounded:
    """Divide reviews by days."""
    return reviews / days


@recipe.compare("deleted_share", "deleted share of listings")
def deleted(deletions: Rounded, items: Rounded) -> Rounded:
    """Divide deletions by listings."""
    return deletions / items * 100
