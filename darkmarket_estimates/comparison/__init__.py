"""Shares and growth: one total beside another, with the assumptions that both share cancelled."""

from darkmarket_estimates.comparison.growth import ratio_of_totals
from darkmarket_estimates.comparison.result import Ratio
from darkmarket_estimates.comparison.share import share_of_group

__all__ = ["Ratio", "ratio_of_totals", "share_of_group"]
