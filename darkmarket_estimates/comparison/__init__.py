"""Shares and growth: one total beside another, with the assumptions that both share cancelled."""

from darkmarket_estimates.comparison.by_group import ratios_by_group
from darkmarket_estimates.comparison.growth import ratio_of_totals
from darkmarket_estimates.comparison.result import Ratio
from darkmarket_estimates.comparison.share import share_of_group

__all__ = ["Ratio", "ratio_of_totals", "ratios_by_group", "share_of_group"]
