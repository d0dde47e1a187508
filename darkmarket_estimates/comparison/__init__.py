"""Shares and growth: one total beside another, with the assumptions that both share cancelled."""

from darkmarket_estimates.comparison.by_group import ratios_by_group
from darkmarket_estimates.comparison.growth import ratio_of_totals
from darkmarket_estimates.comparison.result import Ratio
from darkmarket_estimates.comparison.share import share_of_group, shares_of_groups
from darkmarket_estimates.comparison.unseen import check_comparable

__all__ = ["Ratio", "check_comparable", "ratio_of_totals", "ratios_by_group", "share_of_group",
           "shares_of_groups"]
