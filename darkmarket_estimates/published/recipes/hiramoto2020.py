"""On-chain series: independent of reviews, and not of one scope with them."""

from __future__ import annotations

import csv

from darkmarket_estimates.published.data_folder import data_file
from darkmarket_estimates.published.recipe import Recipe
from darkmarket_estimates.published.rounding import Rounded

recipe = Recipe("hiramoto2020")
FILE = "comparators/onchain_revenue_usd.csv"


def _inflow(market: str, period: str) -> Rounded:
    """Sum of a market's inflow over the periods that begin with `period`, in millions."""
    with data_file(FILE).open(encoding="utf-8", newline="") as lines:
        found = [row["usd"] for row in csv.DictReader(lines) if row["market"] == market
                 and row["period"].startswith(period)]
    total = sum((Rounded.exact(usd) for usd in found), Rounded.exact(0)) / 1_000_000
    return total.named(f"inflow of {market}")


@recipe.compare("abraxas", "Abraxas, beside another on-chain series", data=FILE)
def abraxas_chain() -> Rounded:
    """Sum its whole life."""
    return _inflow("Abraxas Market", "2")


@recipe.compare("nucleus", "Nucleus, beside another on-chain series", data=FILE,
                note="2015 and 2016 in the other series, which has nothing earlier: 1% apart")
def nucleus_chain() -> Rounded:
    """Sum from 2015 on."""
    return _inflow("Nucleus Market", "2")


@recipe.compare("agora", "Agora, 2015 in another on-chain series", data=FILE,
                note="the other series begins in 2015, Agora in 2013")
def agora_chain() -> Rounded:
    """Sum from 2015 on: a part."""
    return Rounded.at_least(_inflow("Agora Market", "2"))


@recipe.compare("all_markets", "all markets in January 2016, beside RAND's lower bound for eight of them",
                note="eight drug markets are a part of all markets, card shops included: a lower limit")
def against_rand(rand_low: Rounded) -> Rounded:
    """Take a part as a lower limit of the whole."""
    return Rounded.at_least(rand_low)


@recipe.compare("all_markets", "all markets in January 2016", data=FILE, note="the month as the data folder has it")
def all_markets_chain() -> Rounded:
    """Read the monthly series."""
    return _inflow("Total revenue", "2016-01")
