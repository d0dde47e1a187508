"""EMCDDA: revenue by country, of which the period is in doubt."""

from __future__ import annotations

from darkmarket_estimates.published.recipe import Recipe
from darkmarket_estimates.published.rounding import Rounded

recipe = Recipe("emcdda2017")


@recipe.step("worldwide, the whole period", unit="EUR million")
def world(eu_eur_total: Rounded, eu_share: Rounded) -> Rounded:
    """Divide the EU by its share."""
    return eu_eur_total / (eu_share / 100)


@recipe.step("worldwide, a year", unit="EUR million a year")
def world_year(world: Rounded, period_days: Rounded) -> Rounded:
    """Divide by 3.24 years."""
    return world / (period_days / "365.25")


@recipe.compare("unodc_usd_year", "C-7 worldwide a year, in dollars, beside UNODC for the same data",
                note="not reconciled")
def c7(world_year: Rounded, rate_2013_09: Rounded) -> Rounded:
    """Convert at the rate of September 2013."""
    return world_year / rate_2013_09


@recipe.compare("be_alphabay", "C-5 Belgium, about EUR 1 million a year in CRYPTODRUG beside 0.4 on AlphaBay",
                note="not the same table, or not the same period")
def c5_belgium(be_eur_year: Rounded) -> Rounded:
    """Put one print beside another."""
    return be_eur_year


@recipe.compare("nl_alphabay", "C-5 Netherlands, EUR 10.3 million a year in CRYPTODRUG beside more than 10 on AlphaBay",
                note="more than 10 are AlphaBay 2015-2017 together: the words agree only if 10.3 is no yearly figure")
def c5_netherlands(nl_eur_year: Rounded) -> Rounded:
    """Put one print beside another."""
    return nl_eur_year


@recipe.step("C-5 Netherlands, if 10.3 were a year: 2015 to 2017", unit="EUR million")
def c5_three_years(nl_eur_year: Rounded) -> Rounded:
    """Take three calendar years at most."""
    return nl_eur_year * 3
