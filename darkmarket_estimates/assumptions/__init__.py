"""What an analyst assumes beyond the table: frozen specifications, checked when they are written down.

A number is known, a `Range` is a scenario, a frozen `scipy.stats` distribution is the uncertainty about ONE common value.
Differences between vendors are `ReviewRate.between_vendor_sd`, never a distribution of the common value.
"""

from darkmarket_estimates.assumptions.coverage import CountTimesMean, Huggins, ValueChao
from darkmarket_estimates.assumptions.rules import ByGroup, ExchangeRate, HoldingPrice
from darkmarket_estimates.assumptions.share import LogitNormal, ReviewRate, as_review_rate
from darkmarket_estimates.assumptions.specs import Distribution, Range, centre_of, check_spec, is_distribution

__all__ = ["ByGroup", "CountTimesMean", "Distribution", "ExchangeRate", "HoldingPrice", "Huggins", "LogitNormal", "Range",
           "ReviewRate", "ValueChao", "as_review_rate", "centre_of", "check_spec", "is_distribution"]
