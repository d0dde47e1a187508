"""Silk Road in September 2013."""

from __future__ import annotations

from darkmarket_estimates.published.recipe import Recipe
from darkmarket_estimates.published.rounding import Rounded

recipe = Recipe("aldridge2016")


@recipe.compare("growth", "growth since mid-2012, as a multiple", note="89.7 is more than 600% of 14.4")
def multiple(total_usd_year: Rounded, christin_usd_year: Rounded) -> Rounded:
    """Divide new by old, in percent."""
    return total_usd_year / christin_usd_year * 100


@recipe.compare("growth", "growth since mid-2012, as an increase",
                note="the increase is about 520%: the words 'growth of more than 600%' mean the multiple")
def increase(total_usd_year: Rounded, christin_usd_year: Rounded) -> Rounded:
    """Divide what was added by old, in percent."""
    return (total_usd_year / christin_usd_year - 1) * 100


@recipe.compare("wholesale_2016", "wholesale, working paper of 2014 beside the paper of 2016",
                note="two definitions of wholesale for one data set")
def wholesale(wholesale_2014: Rounded) -> Rounded:
    """Put one print beside another."""
    return wholesale_2014
