"""Sixteen marketplaces: a daily range, and totals of the same data elsewhere."""

from __future__ import annotations

from darkmarket_estimates.published.recipe import Recipe
from darkmarket_estimates.published.rounding import Rounded

recipe = Recipe("soska2015")
MILLION = 1_000_000


@recipe.step("turnover a year", unit="USD million a year")
def year(day_low: Rounded, day_high: Rounded) -> Rounded:
    """Take 365 days."""
    return (day_low * 365 / MILLION).to(day_high * 365 / MILLION)


@recipe.compare("unodc_usd_year", "a year, beside UNODC's European study",
                note="that study covers the early years too, in which turnover was small; not reconciled")
def against_unodc(year: Rounded) -> Rounded:
    """Take what was computed above."""
    return year


@recipe.compare("eu_eur_total", "EU's 46% of 1,182 such days, in euros, beside EMCDDA's EUR 80 million",
                note="the daily range is of 2013-2015, the period begins in 2011; not reconciled")
def against_emcdda(
    day_low: Rounded, day_high: Rounded, period_days: Rounded, eu_share: Rounded, rate_september_2013: Rounded
) -> Rounded:
    """Go on as if the range held throughout."""
    share = eu_share / 100 * rate_september_2013 / MILLION
    return (day_low * period_days * share).to(day_high * period_days * share)
