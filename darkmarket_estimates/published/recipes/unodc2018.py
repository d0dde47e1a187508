"""UNODC's 170-300 million a year is RAND's month, twelve times."""

from __future__ import annotations

from darkmarket_estimates.published.recipe import Recipe
from darkmarket_estimates.published.rounding import Rounded

recipe = Recipe("unodc2018")


@recipe.compare("year_low", "year, low end: RAND's lower bound twelve times")
def low(rand_low: Rounded) -> Rounded:
    """Multiply 14.2 by 12."""
    return rand_low * 12


@recipe.compare("year_high", "year, high end: RAND's upper bound twelve times")
def high(rand_high: Rounded) -> Rounded:
    """Multiply 25 by 12."""
    return rand_high * 12


@recipe.compare("year_high", "year, high end: from the lower bound and the narrow scope's multiplier")
def high_predicted(rand_low: Rounded, rand_narrow_high: Rounded, rand_narrow_low: Rounded) -> Rounded:
    """Predict without the printed 25."""
    return rand_low * (rand_narrow_high / rand_narrow_low) * 12


@recipe.compare("european_study", "C-7 the same data by EMCDDA, worldwide a year, in dollars",
                note="EMCDDA's EUR 80 million are 46% of the total; not reconciled with UNODC's 44 million, nor would "
                     "any exchange rate of the period do it (more than one dollar a euro)")
def c7(eu_eur_total: Rounded, eu_share: Rounded, period_days: Rounded, rate_2013_09: Rounded) -> Rounded:
    """Divide the total by the years of the period, at the rate of September 2013."""
    return eu_eur_total / (eu_share / 100) / (period_days / "365.25") / rate_2013_09
