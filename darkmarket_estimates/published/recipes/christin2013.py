"""Silk Road: two versions of one paper, and one money at two exchange rates."""

from __future__ import annotations

from darkmarket_estimates.assumptions import ExchangeRate
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.listings import Listings
from darkmarket_estimates.published.recipe import Recipe, Unavailable
from darkmarket_estimates.published.rounding import Rounded

recipe = Recipe("christin2013")
MILLION = 1_000_000

# -- two versions -----------------------------------------------------------------------------------------------------


@recipe.compare("v2_usd_month", "turnover, first version beside the second",
                note="same data, same author, four months apart: a version and its rules must travel with a number")
def versions(v1_usd_month: Rounded) -> Rounded:
    """Put one print beside another."""
    return v1_usd_month


@recipe.step("operator's commission, first version", unit="% of turnover")
def commission(v1_commission: Rounded, v1_usd_month: Rounded) -> Rounded:
    """Divide commission by turnover."""
    return v1_commission / (v1_usd_month * MILLION) * 100


@recipe.compare("v2_usd_month", "turnover, second version, from its commission at the first version's commission rate")
def second(v2_commission: Rounded, commission: Rounded) -> Rounded:
    """Take the rate of commission to be the same in both versions."""
    return v2_commission / (commission / 100) / MILLION


@recipe.compare("v2_sellers", "sellers present throughout, first version beside the second")
def sellers(v1_sellers: Rounded) -> Rounded:
    """Put one print beside another."""
    return v1_sellers


@recipe.compare("quoted_usd_year", "a year, as quoted by Aldridge and Décary-Hétu")
def year(v2_usd_month: Rounded) -> Rounded:
    """Take twelve months of the second version."""
    return v2_usd_month * 12


@recipe.step("money for each feedback message, second version, at most", unit="USD")
def per_feedback(v2_usd_month: Rounded, crawl_days: Rounded, feedback: Rounded) -> Rounded:
    """Divide the money of the crawl's months by the messages."""
    return v2_usd_month * MILLION * (crawl_days / "30.44") / feedback


# -- one money, two exchange rates ------------------------------------------------------------------------------------


@recipe.compare("widely_printed", "all bitcoins at the final rate",
                note="this is how the widely printed figure was made; it is not turnover")
def final(btc_total: Rounded, final_rate: Rounded) -> Rounded:
    """Multiply 9,519,664 by 126."""
    return btc_total * final_rate / (1000 * MILLION)


@recipe.compare("widely_printed", "at the rates of the days of sale, as printed in 2017")
def daily(nrc_total: Rounded) -> Rounded:
    """Convert USD 183 million to billions."""
    return nrc_total / 1000


@recipe.compare("nrc_total", "at the rates of the days of sale, by the library")
def by_the_library(btc_total: Rounded, final_rate: Rounded) -> Rounded:
    """Ask the library for one rate over the whole period; it refuses."""
    table = {"price": [1.0], "sold": [btc_total.as_floats()[0]], "vendor": ["all"]}
    market = Listings(table, price="price", sold="sold", vendor="vendor", currency="BTC",
                      window=("2011-02-06", "2013-07-24"))
    try:
        market.to_currency("USD", ExchangeRate(float(final_rate.text)))
    except DataError as refusal:
        raise Unavailable(f"bitcoins sold by day were not printed; the library refuses one rate: {refusal.what} "
                          f"({refusal.fix})") from refusal
    raise AssertionError("one rate was accepted over 2.5 years")


@recipe.compare("rate_span", "mean rate that USD 183 million imply")
def mean_rate(nrc_total: Rounded, btc_total: Rounded) -> Rounded:
    """Divide money by bitcoins."""
    return nrc_total * MILLION / btc_total


@recipe.step("the final rate overstates by a factor of", unit="")
def overstated(final_rate: Rounded, mean_rate: Rounded) -> Rounded:
    """Divide the final by the mean rate."""
    return final_rate / mean_rate


@recipe.step("commission in the complaint", unit="% of sales")
def complaint_commission(btc_commission: Rounded, btc_total: Rounded) -> Rounded:
    """Divide commissions by sales."""
    return btc_commission / btc_total * 100


@recipe.compare("trial_total", "lifetime sales, newspaper beside trial")
def trial(nrc_total: Rounded) -> Rounded:
    """Put one print beside another."""
    return nrc_total


@recipe.compare("nrc_total", "lifetime sales, on-chain inflow of a part of the life", note="a part exceeds the whole")
def onchain(onchain_usd: Rounded) -> Rounded:
    """Put one print beside another."""
    return onchain_usd
